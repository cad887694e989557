import { Buffer } from "node:buffer";
import { describe, expect, it } from "vitest";
import { decodeMessage, encodeMessage, OPCODE, sessionKeys } from "../../../examples/demo/control.ts";
import { parseOptions } from "../../../examples/demo/options.ts";
import { readPingCount } from "../../../examples/demo/ping.ts";
import { explain, Report } from "../../../examples/demo/report.ts";
import { DcoError } from "../../../src/index.ts";

describe("the demo's arguments", () => {
  it("have defaults, with more time where the machine is emulated", () => {
    const defaults = { help: false, backend: "kernel", outer: 4, mib: 4, keep: false, json: false };
    expect(parseOptions([], false)).toEqual({ ...defaults, seconds: 120 });
    expect(parseOptions([], true)).toEqual({ ...defaults, seconds: 300 });
  });

  it("are read", () => {
    expect(parseOptions(["--outer=6", "--mib", "9", "--deadline", "60", "--keep"], true)).toEqual({
      help: false,
      backend: "kernel",
      outer: 6,
      mib: 9,
      seconds: 60,
      keep: true,
      json: false,
    });
  });

  it.each([
    [["--outer", "5"], "--outer"],
    [["--backend", "magic"], "--backend"],
    [["--backend", "userspace", "--keep"], "--keep"],
    [["--mib", "0"], "--mib"],
    [["--mib", "1.5"], "--mib"],
    [["--mib", "1025"], "--mib"],
    [["--mib"], "--mib"],
    [["--deadline", ""], "--deadline"],
    [["--keep", "--json"], "--keep"],
    [["--keep=1"], "--keep"],
    [["--frobnicate"], "--frobnicate"],
    [["now"], "now"],
  ])("%j is refused in one line that names what is wrong", (args, culprit) => {
    const oneLine = new RegExp(`^[^\\n]*${culprit}[^\\n]*$`);
    expect(() => parseOptions(args, false)).toThrow(oneLine);
  });
});

describe("the demo's pings", () => {
  it("are counted from what ping prints", () => {
    const output =
      "\n--- 10.8.0.1 ping statistics ---\n7 packets transmitted, 5 received, 28% packet loss, time 9ms\n";
    expect(readPingCount(output)).toEqual({ sent: 7, received: 5 });
  });

  it("have failed where ping counted nothing", () => {
    expect(() => readPingCount("ping: connect: Network is unreachable")).toThrow("Network is unreachable");
  });
});

describe("the demo's control packets", () => {
  const message = { opcode: OPCODE.softReset, keyId: 5, session: "0123456789abcdef", body: { a: 1 } };

  it("begin as OpenVPN's do: opcode and key id, then the session id", () => {
    const bytes = Buffer.from(encodeMessage(message));
    expect(bytes.toString("hex", 0, 9)).toBe("1d0123456789abcdef");
    expect(decodeMessage(bytes)).toEqual(message);
  });

  it("are told from anything else", () => {
    expect(decodeMessage(Buffer.alloc(0))).toBeUndefined();
    expect(decodeMessage(Buffer.from("38", "hex"))).toBeUndefined();
    expect(decodeMessage(Buffer.alloc(40, 0xff))).toBeUndefined();
  });

  it("lead to keys that fit each other, and differ for each key id", () => {
    const session = {
      secret: new Uint8Array(32).fill(7),
      client: "00",
      server: "01",
      cipher: "aes-256-gcm",
    } as const;
    const client = sessionKeys(session, 1, "client");
    const server = sessionKeys(session, 1, "server");
    expect(client.encrypt).toEqual(server.decrypt);
    expect(client.decrypt).toEqual(server.encrypt);
    expect(client.encrypt).not.toEqual(client.decrypt);
    expect(sessionKeys(session, 2, "client").encrypt).not.toEqual(client.encrypt);
  });
});

describe("the demo's steps", () => {
  it("are ok with what was measured, or failed with the reason", async () => {
    const report = new Report(true, new AbortController().signal);
    await report.step("one", async (say) => {
      say("half");
      say("whole");
    });
    const lost = new Error("a ping was lost");
    await expect(report.step("two", () => Promise.reject(lost))).rejects.toBe(lost);
    expect(report.steps).toMatchObject([
      { title: "one", ok: true, result: "whole" },
      { title: "two", ok: false, result: "a ping was lost" },
    ]);
  });

  it("fail with the reason for which the demo is stopped", async () => {
    const stop = new AbortController();
    const report = new Report(true, stop.signal);
    const reason = new Error("stopped by SIGINT");
    const step = report.step("one", async () => {
      stop.abort(reason);
      throw new Error("what it was doing failed then");
    });
    await expect(step).rejects.toBe(reason);
    await expect(report.step("two", () => Promise.resolve())).rejects.toBe(reason);
    expect(report.steps.map(({ ok }) => ok)).toEqual([false, false]);
  });

  it("show all that a DcoError knows", () => {
    const error = new DcoError("exists", "peer 1 is there", {
      operation: "addPeer",
      target: "peer 1",
      native: { kind: "errno", number: 17, name: "EEXIST" },
      kernelMessage: { text: "cannot add new peer", attribute: "peer.id" },
    });
    for (const part of [
      "exists",
      "peer 1 is there",
      "addPeer",
      "EEXIST",
      "17",
      "cannot add new peer",
      "peer.id",
    ]) {
      expect(explain(error)).toContain(part);
    }
  });
});
