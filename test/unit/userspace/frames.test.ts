import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader } from "../../../src/userspace/frames.ts";

function frame(packet: Uint8Array): Buffer {
  const framed = Buffer.alloc(2 + packet.length);
  framed.writeUInt16BE(packet.length);
  framed.set(packet, 2);
  return framed;
}

/** Reads a stream in pieces that end at these places. */
function readAll(
  stream: Buffer,
  cuts: readonly number[],
): { packets: Buffer[]; reader: FrameReader; good: boolean } {
  const reader = new FrameReader();
  const packets: Buffer[] = [];
  const places = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
  let [from, good] = [0, true];
  for (const to of places) {
    if (to === from) continue;
    good &&= reader.read(stream.subarray(from, to), (packet) => {
      packets.push(Buffer.from(packet));
      return true;
    });
    from = to;
  }
  return { packets, reader, good };
}

const packet = fc.uint8Array({ minLength: 1, maxLength: 3000 });
const cuts = fc.array(fc.nat(), { maxLength: 20 });

test("packets come out whole and in order, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 8 }), cuts, (sent, places) => {
      const { packets, reader, good } = readAll(Buffer.concat(sent.map(frame)), places);
      expect(packets).toEqual(sent.map((each) => Buffer.from(each)));
      expect([reader.isWithin, good]).toEqual([false, true]);
    }),
  );
});

test("a stream that ends within a frame is known to be", () => {
  fc.assert(
    fc.property(packet, fc.nat(), cuts, (sent, where, places) => {
      const stream = frame(sent);
      const { packets, reader } = readAll(stream.subarray(0, 1 + (where % (stream.length - 1))), places);
      expect([packets, reader.isWithin]).toEqual([[], true]);
    }),
  );
});

test("a length of 0 spoils the stream, after the packets before it", () => {
  const { packets, good } = readAll(Buffer.concat([frame(Buffer.from("a")), Buffer.of(0, 0, 1)]), []);
  expect([packets, good]).toEqual([[Buffer.from("a")], false]);
});

test("any bytes throw nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), cuts, (bytes, places) => {
      readAll(Buffer.from(bytes), places);
    }),
  );
});

test("nothing is read on when that is wanted", () => {
  const reader = new FrameReader();
  const seen: number[] = [];
  reader.read(Buffer.concat([1, 2, 3].map((byte) => frame(Buffer.of(byte)))), (each) => {
    seen.push(each[0] as number);
    return seen.length < 2;
  });
  expect(seen).toEqual([1, 2]);
});
