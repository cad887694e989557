import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { COMMANDS } from "../../../src/cli/commands/index.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { runDco } from "../support/dco-command.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dcokit-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An interface in memory with a peer, and what opens its driver. */
function memory() {
  const backend = new MemoryInterface("multipeer", false);
  const peer = { id: 7, remote: { address: "192.0.2.7", port: 1194 }, local: undefined } as const;
  backend.kernel.set(7, { ...peer, vpn4: undefined, vpn6: undefined, keepalive: "off", txId: 7 });
  const open = async () => new CoreDriver(memoryDriver(backend));
  return { backend, open };
}

const KEY = Buffer.alloc(32, 0x5a).toString("base64");
const TAIL = Buffer.alloc(8, 0x5b).toString("hex");
const KEY_FILE = JSON.stringify({
  encrypt: { key: KEY, nonceTail: TAIL },
  decrypt: { key: Buffer.alloc(32, 0x5c).toString("base64"), nonceTail: TAIL },
});

describe("the command line", () => {
  it("explains itself", async () => {
    const help = await runDco(["--help"]);
    expect(help.status).toBe(0);
    for (const { words } of COMMANDS) expect(help.out).toContain(`  ${words.join(" ")}`);
    expect((await runDco([])).status).toBe(2);
    expect(await runDco(["--version"])).toEqual({ status: 0, out: "1.2.3\n", err: "" });
  });

  it.each(COMMANDS.map((command) => [command.words.join(" "), command] as const))(
    "explains %s",
    async (_, command) => {
      for (const argv of [
        [...command.words, "--help"],
        ["help", ...command.words],
      ]) {
        const { status, out } = await runDco(argv);
        expect(status).toBe(0);
        expect(out).toContain(command.summary);
        for (const name of Object.keys(command.options)) expect(out).toContain(`--${name}`);
        for (const example of command.examples) expect(out).toContain(example);
      }
      expect(command.examples.length).toBeGreaterThan(0);
    },
  );

  it("explains commands that belong together", async () => {
    for (const argv of [
      ["key", "--help"],
      ["help", "key"],
    ]) {
      const { status, out } = await runDco(argv);
      expect(status).toBe(0);
      for (const second of ["install", "swap", "delete", "generate"]) expect(out).toContain(`key ${second}`);
    }
  });

  it.each([
    [["nonsense"], "there is no command nonsense"],
    [["key"], "dco key needs one of: install, swap, delete, generate"],
    [["peers"], "INTERFACE is missing"],
    [["peers", "tun0", "7", "8"], "there is a word too many"],
    [["key", "install", "tun0", "7", KEY, TAIL], "there are 2 words too many"],
    [["peers", "tun0", "x"], "PEER must be a whole number from 0 to 16777214"],
    [["peers", "tun0", "16777215"], "PEER must be a whole number from 0 to 16777214"],
    [["peers", "tun0", "--what"], "Unknown option '--what'"],
    [["interface", "create", "--mode", "both"], "--mode must be p2p or multipeer"],
    [["interface", "set", "tun0"], "nothing to change"],
    [["interface", "set", "tun0", "--up", "--down"], "--up and --down cannot both be meant"],
    [["interface", "set", "tun0", "--route", "10.0.0.0/8,by=x"], "--route must be"],
    [["peer", "set", "tun0", "7", "--keepalive", "x"], "--keepalive must be INTERVAL:TIMEOUT"],
    [["peer", "set", "tun0", "7", "--vpn", "10.0.0.1", "--vpn", "10.0.0.2"], "--vpn: a peer has one"],
    [["transport", "tun0"], "--peer is missing"],
    [["transport", "tun0", "--peer", "7"], "--peer must be id=NUMBER"],
    [["transport", "tun0", "--peer", "vpn=10.0.0.1"], "--peer: id must be a whole number"],
    [["transport", "tun0", "--peer", "id=7,id=8"], "--peer: id is given twice"],
    [["key", "install", "tun0", "7"], "--key-file is missing"],
    [["key", "delete", "tun0", "7", "third"], "SLOT must be primary or secondary"],
    [["top", "tun0", "--interval", "0"], "--interval must be a number of seconds above 0"],
    [["trace"], "which command is to be traced?"],
    [["completion", "fish"], "SHELL must be bash or zsh"],
  ])("refuses %j before a driver is opened", async (argv, message) => {
    const { status, out, err } = await runDco(argv);
    expect([status, out]).toEqual([2, ""]);
    expect(err).toContain(message);
    const json = await runDco([...argv, "--json"]);
    if (argv[0] !== "trace") expect(JSON.parse(json.err).error.code).toBe("usage");
  });

  it.each([
    ["not-found", 3],
    ["exists", 4],
    ["busy", 4],
    ["permission", 5],
    ["unavailable", 6],
    ["unsupported", 7],
    ["invalid", 2],
    ["socket", 8],
    ["system", 8],
  ] as const)("ends with a status for %s", async (code, expected) => {
    const open = () => Promise.reject(new DcoError(code, "so it is\u001b[2J", { operation: "openDriver" }));
    const { status, err } = await runDco(["interfaces"], { open });
    expect([status, err]).toEqual([expected, "dco: so it is?[2J\n"]);
    expect(JSON.parse((await runDco(["interfaces", "--json"], { open })).err)).toMatchObject({
      error: { code, operation: "openDriver" },
    });
  });

  it("that is interrupted says so by its status alone", async () => {
    const open = () => Promise.reject(new DcoError("aborted", "the call was aborted"));
    const ran = await runDco(["interfaces"], { open, signal: AbortSignal.abort() });
    expect(ran).toEqual({ status: 130, out: "", err: "" });
  });
});

describe("commands on an interface", () => {
  it("tell people and programs", async () => {
    const { open } = memory();
    const table = await runDco(["peers", "mem0"], { open });
    expect(table.out).toMatch(/^ *PEER +TX ID +REMOTE/);
    expect(table.out).toMatch(/7 +7 +192\.0\.2\.7:1194/);
    const json = await runDco(["peers", "mem0", "--json"], { open });
    expect(JSON.parse(json.out)).toMatchObject([{ id: 7, remote: { address: "192.0.2.7", port: 1194 } }]);
  });

  it("leave the peers as they are", async () => {
    const { open, backend } = memory();
    expect((await runDco(["peer", "set", "mem0", "7", "--keepalive", "10:60"], { open })).status).toBe(0);
    expect(backend.log).toEqual(['setPeer 7 {"interval":10,"timeout":60}', "close"]);
    expect(backend.closed).toBe(false);
    expect(backend.kernel.has(7)).toBe(true);
  });

  it("trace is about another command", async () => {
    const { open } = memory();
    const { status, out } = await runDco(["trace", "peers", "mem0", "7", "--json"], { open });
    expect([status, JSON.parse(out).length]).toEqual([0, 1]);
    expect((await runDco(["trace", "peers", "mem0", "8"], { open })).status).toBe(3);
    expect((await runDco(["trace", "--", process.execPath, "-e", "process.exit(5)"])).status).toBe(5);
  });
});

describe("keys", () => {
  const install = (...more: string[]) => ["key", "install", "mem0", "7", "--key-file", ...more];

  const put = (text: string, mode = 0o600) => {
    const path = join(folder, "a.key");
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };

  it("come from a file, or from standard input", async () => {
    const { open, backend } = memory();
    expect(await runDco(install(put(KEY_FILE)), { open })).toEqual({ status: 0, out: "", err: "" });
    const other = memory();
    expect((await runDco(install("-"), { open: other.open, input: KEY_FILE })).status).toBe(0);
    for (const { keys_ } of [backend, other.backend]) {
      expect(keys_).toEqual([{ peer: 7, key: new Uint8Array(32).fill(0x5a) }]);
    }
  });

  it("are derived from what both ends have", async () => {
    const ekm = Buffer.from(Array.from({ length: 256 }, (_, at) => at)).toString("hex");
    const keys = await Promise.all(
      ["client", "server"].map(async (role) => {
        const { open, backend } = memory();
        const ran = await runDco(install("-"), { open, input: JSON.stringify({ ekm, role }) });
        expect(ran.status, ran.err).toBe(0);
        return backend.keys_.length;
      }),
    );
    expect(keys).toEqual([1, 1]);
  });

  it.each([0o640, 0o604, 0o666, 0o620])("are not read from a file of mode %o", async (mode) => {
    const { status, err } = await runDco(install(put(KEY_FILE, mode)), memory());
    expect(status).toBe(5);
    expect(err).toContain(`(mode ${mode.toString(8)}): chmod 600 it`);
    expect(err).not.toContain(KEY);
  });

  it.each([
    ["nothing", ""],
    ["half of it", KEY_FILE.slice(0, 60)],
    ["no object", JSON.stringify(KEY)],
    ["another field", JSON.stringify({ key: KEY })],
    ["no text", JSON.stringify({ encrypt: { key: [1], nonceTail: TAIL } })],
    ["neither base64 nor hex", JSON.stringify({ encrypt: { key: `${KEY}!`, nonceTail: TAIL } })],
    ["too short", KEY_FILE.replaceAll(KEY, KEY.slice(0, 20))],
    ["keying material that is too short", JSON.stringify({ ekm: KEY, role: "client" })],
    ["a role that is none", JSON.stringify({ ekm: KEY, role: "both" })],
    ["too much", "x".repeat(70_000)],
  ])("are refused: %s", async (_, text) => {
    for (const ran of [
      await runDco(install("-"), { ...memory(), input: text }),
      await runDco(install(put(text)), memory()),
      await runDco([...install("-"), "--json"], { ...memory(), input: text }),
    ]) {
      expect(ran.status, ran.err).toBe(2);
      expect(ran.err).not.toContain(KEY.slice(0, 20));
    }
  });

  it("are not read from folders, devices, or files that are not there", async () => {
    expect((await runDco(install(folder), memory())).status).toBe(2);
    expect((await runDco(install("/dev/zero"), memory())).status).toBe(2);
    expect((await runDco(install(join(folder, "none")), memory())).status).toBe(3);
  });

  it("are made in pairs, in files of their own", async () => {
    const [one, other] = [join(folder, "one"), join(folder, "other")];
    expect(await runDco(["key", "generate", one, other])).toEqual({ status: 0, out: "", err: "" });
    const [a, b] = [one, other].map((path) => JSON.parse(readFileSync(path, "utf8")));
    expect(a).toEqual({ encrypt: b.decrypt, decrypt: b.encrypt });
    expect(statSync(one).mode & 0o777).toBe(0o600);
    const again = await runDco(["key", "generate", one, join(folder, "third")]);
    expect([again.status, again.err]).toEqual([4, `dco: ${one} is there already\n`]);
    expect((await runDco(install(one), memory())).status).toBe(0);
  });

  it("are made in pairs, or not at all", async () => {
    const [one, other] = [join(folder, "one"), join(folder, "other")];
    writeFileSync(other, "mine");
    expect((await runDco(["key", "generate", one, other])).status).toBe(4);
    expect((await runDco(["key", "generate", one, one])).status).toBe(4);
    const nowhere = await runDco(["key", "generate", one, join(folder, "none", "x"), "--json"]);
    expect([nowhere.status, JSON.parse(nowhere.err).error.code]).toEqual([3, "not-found"]);
    expect([readdirSync(folder), readFileSync(other, "utf8")]).toEqual([["other"], "mine"]);
  });
});

describe("numbers", () => {
  it.each([
    ["top", "--interval"],
    ["events", "--timeout"],
  ])("of seconds that no timer can wait for are refused: %s", async (command, option) => {
    for (const bad of ["0", "-1", "1e3", "2147484", "9999999", "x"]) {
      const { status, err } = await runDco([command, "mem0", `${option}=${bad}`], memory());
      expect([status, err]).toEqual([2, expect.stringContaining(option)]);
    }
  });
});

describe("trace", () => {
  it("ends as the program did, or as a shell says of one that a signal ended", async () => {
    const sh = (script: string) => runDco(["trace", "--", "sh", "-c", script]);
    expect((await sh("exit 7")).status).toBe(7);
    expect((await sh("kill -SEGV $$")).status).toBe(139);
    expect((await runDco(["trace", "--", join(folder, "none")])).status).toBe(2);
  });

  it("tells failures of the command in the form that it was asked for", async () => {
    const { status, err } = await runDco(["trace", "--json", "peers", "mem0", "99"], memory());
    expect([status, JSON.parse(err).error.code]).toEqual([3, "not-found"]);
  });

  it("refuses options that would mean nothing where they stand", async () => {
    const { status, err } = await runDco(["trace", "--namespace", "blue", "peers", "mem0"], memory());
    expect([status, err]).toEqual([2, "dco: --namespace must stand behind the command\n"]);
  });
});

describe("the output", () => {
  it("that cannot be written is a failure, and no answer", () => {
    const script = `'${process.execPath}' '${join(import.meta.dirname, "../../../src/cli/main.ts")}' --help`;
    const ran = (to: string) => spawnSync("sh", ["-c", `${script} ${to}`], { encoding: "utf8" });
    const full = ran(">/dev/full");
    expect([full.status, full.stderr]).toEqual([8, "dco: the output cannot be written: ENOSPC\n"]);
    expect(ran(">/dev/full 2>&1").status).toBe(8);
    // Nobody reads on: that is no failure.
    expect(ran("| true").stderr).toBe("");
  });
});

describe("check", () => {
  const put = (text: string) => {
    const path = join(folder, "a.conf");
    writeFileSync(path, text);
    return path;
  };

  it("answers by its status, for people and for programs", async () => {
    const good = put("client\ndev tun\nremote vpn.example.org\n");
    const yes = await runDco(["check", good]);
    expect([yes.status, yes.out.split("\n")[0]]).toEqual([
      0,
      "linux: this client can use data channel offload",
    ]);
    const bad = put("client\ndev tun\nremote vpn.example.org\nfragment 1200\n");
    const no = await runDco(["check", bad, "-p", "linux"]);
    expect(no.status).toBe(1);
    expect(no.out).toContain("stands in the way: fragment (a.conf:4)");
    const json = await runDco(["check", bad, "--platform", "linux,windows", "--json"]);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject([
      { platform: "linux", compatible: false, findings: [{ rule: "fragment", line: 4 }] },
      { platform: "windows", compatible: false },
    ]);
  });

  it("refuses what cannot be read", async () => {
    expect((await runDco(["check", join(folder, "none")])).status).toBe(3);
    expect((await runDco(["check", put('dev "tun')])).err).toContain(
      "a.conf:1: a double quote is not closed",
    );
    expect((await runDco(["check", put(""), "--platform", "macos"])).status).toBe(2);
    const binary = await runDco(["check", put(`\u007fELF${"\0".repeat(300)}\n`), "--json"]);
    expect([binary.status, JSON.parse(binary.err).error.field]).toEqual([2, join(folder, "a.conf:1")]);
    expect(binary.out).toBe("");
  });
});
