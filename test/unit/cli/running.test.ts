import { describe, expect, it } from "vitest";
import { CoreDriver } from "../../../src/core/driver.ts";
import { openDriver } from "../../../src/open.ts";
import { runDco } from "../support/dco-command.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";

/** A driver in memory, and a signal like Ctrl-C's. */
function memory(created = false) {
  const backend = new MemoryInterface("multipeer", created);
  const stop = new AbortController();
  const open = async () => new CoreDriver(memoryDriver(backend));
  return { backend, stop, options: { open, signal: stop.signal } };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const PEERS = ["--peer", "id=7,remote=192.0.2.7:1194,vpn=10.8.0.7", "--peer", "id=8,vpn=10.8.0.8"];
const TRANSPORT = ["transport", "mem0", "--local", "0.0.0.0:1194", "--remote", "192.0.2.9:1194"];

describe("dco transport", () => {
  it("adds its peers, says so, and takes them along when it is stopped", async () => {
    const { backend, stop, options } = memory();
    const running = runDco([...TRANSPORT, ...PEERS, "--json"], options);
    await until(() => backend.kernel.size === 2);
    stop.abort();
    const { status, out } = await running;
    expect(status).toBe(0);
    expect(JSON.parse(out.split("\n")[0] ?? "")).toEqual({
      type: "ready",
      interface: "mem0",
      peers: [7, 8],
      local: ["192.0.2.1:1194"],
    });
    expect(backend.kernel.size).toBe(0);
    expect(backend.transports[0]?.closed).toBe(1);
    // It was there before, and stays.
    expect(backend.closed).toBe(false);
  });

  it("deletes the interface that it made", async () => {
    const { backend, stop, options } = memory(true);
    const running = runDco([...TRANSPORT, ...PEERS, "--create", "multipeer"], options);
    await until(() => backend.kernel.size === 2);
    stop.abort();
    expect((await running).status).toBe(0);
    expect(backend.closed).toBe(true);
  });

  it("ends when its last peer has ended", async () => {
    const { backend, options } = memory();
    const running = runDco([...TRANSPORT, ...PEERS], options);
    await until(() => backend.kernel.size === 2);
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const id of [7, 8]) {
      backend.kernel.delete(id);
      backend.tell({ type: "peer-deleted", peer: id, reason: "expired" });
    }
    const { status, out } = await running;
    expect(status).toBe(0);
    expect(out).toContain("peer 7 has ended: expired\npeer 8 has ended: expired\n");
  });

  it("that waits for connections was not done when it is stopped", async () => {
    const stop = new AbortController();
    const where = ["--backend", "userspace", "--protocol", "tcp", "--listen", "--local", "127.0.0.1:0"];
    const words = ["transport", "us0", "--create", "multipeer", ...where, "--peer", "id=1,vpn=10.8.0.2"];
    const running = runDco(words, { open: openDriver, signal: stop.signal });
    await new Promise((resolve) => setTimeout(resolve, 200));
    stop.abort();
    const { status, out, err } = await running;
    expect([status, err]).toEqual([130, ""]);
    expect(out).toMatch(/^listening on 127\.0\.0\.1:\d+\n$/);
  });

  it("leaves nothing when a peer is refused", async () => {
    const { backend, options } = memory();
    const { status, err } = await runDco([...TRANSPORT, ...PEERS, "--peer", "id=9"], options);
    expect([status, err]).toEqual([2, expect.stringContaining("vpn")]);
    expect(backend.kernel.size).toBe(0);
    expect(backend.transports[0]?.closed).toBe(1);
  });
});

describe("what waits for a key to be typed", () => {
  it("ends when it is stopped", async () => {
    const { stop, options } = memory();
    const running = runDco(["key", "install", "mem0", "7", "--key-file", "-"], { ...options, input: null });
    await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort();
    expect(await running).toEqual({ status: 130, out: "", err: "" });
  });
});

describe("dco events", () => {
  it("tells what comes until it is stopped", async () => {
    const { backend, stop, options } = memory();
    const running = runDco(["events", "mem0", "--follow"], options);
    await new Promise((resolve) => setTimeout(resolve, 20));
    backend.tell({ type: "link", up: true });
    backend.tell({ type: "link", up: false });
    await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort();
    const { status, out } = await running;
    expect(status).toBe(0);
    expect(out).toMatch(/mem0 {2}the link is up\n.*mem0 {2}the link is down\n$/);
  });

  it("ends with the first, or after a time", async () => {
    const { backend, options } = memory();
    const running = runDco(["events", "mem0", "--json"], options);
    await new Promise((resolve) => setTimeout(resolve, 20));
    backend.tell({ type: "interface-removed" });
    const { out } = await running;
    expect(JSON.parse(out)).toMatchObject({ interface: "mem0", event: { type: "interface-removed" } });
    expect(await runDco(["events", "mem0", "--timeout", "0.05"], memory().options)).toMatchObject({
      status: 0,
      out: "",
    });
  });
});

describe("dco top", () => {
  it("draws a table again and again, and ends when it is stopped", async () => {
    const { backend, stop, options } = memory();
    const peer = { id: 7, remote: undefined, local: undefined, vpn4: "10.8.0.7", vpn6: undefined } as const;
    backend.kernel.set(7, { ...peer, keepalive: "off", txId: 7 });
    const counted = await runDco(["top", "mem0", "--interval", "0.01", "--count", "3", "--json"], options);
    expect(counted.out.trim().split("\n")).toHaveLength(3);
    const running = runDco(["top", "mem0", "--interval", "10"], options);
    setTimeout(() => stop.abort(), 30);
    const { status, out } = await running;
    expect(status).toBe(0);
    expect(out).toMatch(/mem0: 1 peers .*\nPEER +REMOTE +VPN/);
  });
});
