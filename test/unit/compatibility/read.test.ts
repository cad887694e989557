import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../../src/index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dcokit-read-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe("configuration files", () => {
  it("include others beside them", () => {
    const path = put("a.conf", "dev tun\nconfig b.conf\nport 1");
    put("b.conf", "proto udp\n");
    expect(readConfig(path)).toEqual([
      { name: "dev", args: ["tun"], file: path, line: 1 },
      { name: "config", args: ["b.conf"], file: path, line: 2 },
      { name: "proto", args: ["udp"], file: join(folder, "b.conf"), line: 1 },
      { name: "port", args: ["1"], file: path, line: 3 },
    ]);
  });

  it("include others where `cd`, or the caller, says", () => {
    mkdirSync(join(folder, "sub"));
    put("sub/b.conf", "proto udp");
    expect(readConfig(put("a.conf", "cd sub\nconfig b.conf"))).toHaveLength(3);
    expect(readConfig(put("c.conf", "config b.conf"), { directory: join(folder, "sub") })).toHaveLength(2);
  });

  it("may change the folder several times", () => {
    mkdirSync(join(folder, "sub", "deep"), { recursive: true });
    put("sub/deep/b.conf", "proto udp");
    expect(readConfig(put("a.conf", "cd sub\ncd deep\nconfig b.conf"))).toHaveLength(4);
    const elsewhere = `cd sub\ncd ${join(folder, "sub")}\nconfig deep/b.conf`;
    expect(readConfig(put("c.conf", elsewhere))).toHaveLength(4);
  });

  it("may be in Latin-1", () => {
    const path = join(folder, "a.conf");
    writeFileSync(path, Buffer.from(`# ${"\u00e4".repeat(120)}\ndev t\u00fcn`, "latin1"));
    expect(readConfig(path)).toEqual([{ name: "dev", args: ["t\u00fcn"], file: path, line: 2 }]);
  });

  it("that are not there are told with the place that names them", () => {
    const path = put("a.conf", "dev tun\nconfig b.conf");
    expect(() => readConfig(path)).toThrow(`${path}:2: there is no file ${join(folder, "b.conf")}`);
    expect(() => readConfig(join(folder, "none"))).toThrow("there is no file");
  });

  it("must be regular files: nothing waits, nothing is endless", () => {
    const fifo = join(folder, "fifo");
    spawnSync("mkfifo", [fifo]);
    for (const bad of [fifo, "/dev/zero", folder]) {
      expect(() => readConfig(bad), bad).toThrow("is not a regular file");
      expect(() => readConfig(put("a.conf", `config ${bad}`)), bad).toThrow("is not a regular file");
    }
  });

  it("that are too large are not read", () => {
    expect(() => readConfig(put("a.conf", "#".repeat((1 << 20) + 1)))).toThrow("longer than 1048576 bytes");
  });
});
