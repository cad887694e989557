import { expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { Dumps } from "../../../src/linux/dumps.ts";
import { moduleFormat } from "../../../src/linux/formats.ts";
import { OVPN_CODEC } from "../../../src/linux/ovpn/codec.ts";
import type { NetlinkSocket } from "../../../src/netlink/netlink-socket.ts";

/** Sockets whose dumps a test answers. */
function fakes() {
  const log: string[] = [];
  const waiting: { resolve(items: number[]): void; reject(error: Error): void }[] = [];
  let opened = 0;
  const dumps = new Dumps(() => {
    const name = `socket ${++opened}`;
    log.push(`${name} opened`);
    const socket = {
      dump: () =>
        new Promise((resolve, reject) => {
          log.push(`${name} asked`);
          waiting.push({ resolve, reject });
        }),
      close: () => log.push(`${name} closed`),
    };
    return socket as unknown as NetlinkSocket;
  });
  const run = () =>
    dumps.run(
      moduleFormat(OVPN_CODEC, 20),
      () => {},
      () => 1,
    );
  return { dumps, run, log, waiting };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("one at a time, on one socket; after a failure on another", async () => {
  const { run, log, waiting } = fakes();
  const [first, second, third] = [run(), run(), run()];
  const refused = expect(second).rejects.toThrow("gone");
  await turn();
  expect(log).toEqual(["socket 1 opened", "socket 1 asked"]);
  waiting[0]?.resolve([1, 2]);
  expect(await first).toEqual([1, 2]);
  await turn();
  waiting[1]?.reject(new DcoError("protocol", "gone"));
  await refused;
  await turn();
  waiting[2]?.resolve([]);
  expect(await third).toEqual([]);
  expect(log.slice(2)).toEqual(["socket 1 asked", "socket 1 closed", "socket 2 opened", "socket 2 asked"]);
});

test("closing fails what waits", async () => {
  const { dumps, run, log, waiting } = fakes();
  const first = run();
  const refused = expect(run()).rejects.toMatchObject({ code: "closed" });
  await turn();
  dumps.close();
  waiting[0]?.resolve([]);
  await first;
  await refused;
  expect(log).toEqual(["socket 1 opened", "socket 1 asked", "socket 1 closed"]);
});
