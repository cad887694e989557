import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { decodePacket, encodePacket, type Packet } from "../../../examples/demo/packets.ts";

const DEMO = fileURLToPath(new URL("../../../examples/demo.ts", import.meta.url));

/** Its own limit is 10 seconds; a busy machine gets more. */
const PATIENCE_MS = 60_000;

describe("the demo without a kernel", () => {
  it.each(["4", "6"])("verifies each step, over IPv%s", { timeout: PATIENCE_MS }, async (outer) => {
    const args = [DEMO, "--backend", "userspace", "--mib", "1", "--outer", outer, "--json"];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({ ok: true, driver: { backend: "userspace", module: "none" } });
    const titles = told.steps.map(({ title }: { title: string }) => title.replace(/[:,(].*/, "").trim());
    expect(titles).toEqual([
      "Open two userspace drivers",
      "Server",
      "Clients",
      "Handshake",
      "Ping",
      "Bulk transfer",
      "Rotate keys under traffic",
      "Drops",
      "Silence",
      "Take everything down",
    ]);
    const ends = told.events.filter(
      ({ event }: { event: { reason?: string } }) => event.reason === "expired",
    );
    expect(ends.map(({ on }: { on: string }) => on).sort()).toEqual(["client2", "server"]);
  });
});

describe("the demo's packets", () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5);
  const echo = { kind: "echo-request", id: 1, sequence: 7, data } as const;

  it.each([
    { source: "10.8.0.2", destination: "10.8.0.1", content: echo },
    { source: "10.8.0.2", destination: "10.8.0.1", content: { ...echo, kind: "echo-reply" } },
    { source: "fd00:8::2", destination: "fd00:8::1", content: echo },
    { source: "fd00:8::2", destination: "fd00:8::1", content: { kind: "datagram", data } },
  ] satisfies Packet[])("are read as they were written: %j", (packet) => {
    const { content, ...addresses } = decodePacket(encodePacket(packet)) as Packet;
    expect(addresses).toEqual({ source: packet.source, destination: packet.destination });
    expect({ ...content, data: Uint8Array.from(content.data) }).toEqual(packet.content);
  });

  it("have the header of RFC 791", () => {
    const packet = { source: "10.8.0.2", destination: "10.8.0.1", content: echo } as const;
    const bytes = encodePacket(packet);
    // 33 bytes, TTL 64, ICMP; the checksum from another program.
    expect(bytes.toString("hex", 0, 20)).toBe("45000021000000004001" + "66ca" + "0a080002" + "0a080001");
  });

  it("are refused when a bit has changed that a checksum covers", () => {
    for (const [source, destination] of [
      ["10.8.0.2", "10.8.0.1"],
      ["fd00:8::2", "fd00:8::1"],
    ] as const) {
      const bytes = encodePacket({ source, destination, content: echo });
      for (let at = source.includes(":") ? 8 : 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ 1;
        expect(decodePacket(changed), `byte ${at}`).toBeUndefined();
      }
    }
  });
});
