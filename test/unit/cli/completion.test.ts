import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { inRoot } from "../../../ci/paths.ts";
import { runDco } from "../support/dco-command.ts";

/** What bash offers for the last word. */
async function offers(...words: string[]): Promise<string[]> {
  const { out } = await runDco(["completion", "bash"]);
  const script = `${out}
dco() { printf '[{"name":"tun7","index":1},{"name":"tun8"}]\\n'; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dco; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const done = spawnSync("bash", ["-c", script, "bash", "dco", ...words], { encoding: "utf8", cwd: "/" });
  expect(done.stderr).toBe("");
  return done.stdout.split("\n").filter((line) => line !== "");
}

describe("completion of bash", () => {
  it("offers commands and their second words", async () => {
    expect(await offers("pe")).toEqual(["peer", "peers"].sort((a, b) => b.length - a.length));
    expect(await offers("peer", "")).toEqual(["set", "remove"]);
    expect(await offers("interface", "cl")).toEqual(["clean"]);
  });

  it("offers interfaces, files and choices where they stand", async () => {
    expect(await offers("peers", "")).toEqual(["tun7", "tun8"]);
    expect(await offers("key", "delete", "tun7", "7", "")).toEqual(["primary", "secondary"]);
    expect(await offers("check", "et")).toContain("etc");
    expect(await offers("key", "install", "--key-file", "et")).toContain("etc");
    expect(await offers("completion", "z")).toEqual(["zsh"]);
  });

  it("offers options and their values", async () => {
    expect(await offers("top", "tun7", "--in")).toEqual(["--interval"]);
    expect(await offers("check", "--platform", "")).toEqual(["linux", "linux-dco-v2", "freebsd", "windows"]);
    expect(await offers("check", "--platform", "linux", "--h")).toEqual(["--here", "--help"]);
    expect(await offers("top", "--count", "")).toEqual([]);
    expect(await offers("peers", "--namespace", "x", "t")).toEqual(["tun7", "tun8"]);
  });
});

/** Whether a real zsh can be asked. */
const hasZsh = spawnSync("zsh", ["-fc", "zmodload zsh/zpty"]).status === 0;

describe.skipIf(!hasZsh)("completion of zsh, by zsh itself", () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  /** What Tab offers behind this line, in an interactive shell with its completion system. */
  async function offersOf(line: string): Promise<string[]> {
    const folder = mkdtempSync(join(tmpdir(), "dcokit-zsh-"));
    folders.push(folder);
    writeFileSync(join(folder, "_dco"), (await runDco(["completion", "zsh"])).out);
    const script = inRoot("test", "unit", "support", "zsh-offers.zsh");
    const options = { encoding: "utf8", cwd: "/", timeout: 60_000 } as const;
    const { stdout, stderr } = await promisify(execFile)("zsh", ["-f", script, folder, line], options);
    expect(stderr).toBe("");
    return stdout.split("\n").filter((each) => each !== "");
  }

  it.each([
    ["dco compl", ["completion"]],
    ["dco pe", ["peers", "peer"]],
    ["dco peer ", ["set", "remove"]],
    ["dco interface cl", ["clean"]],
    ["dco peers ", ["tun7", "tun8"]],
    ["dco key delete tun7 7 ", ["primary", "secondary"]],
    ["dco check /et", ["etc"]],
    ["dco key install --key-file /et", ["etc"]],
    ["dco completion z", ["zsh"]],
    ["dco top tun7 --in", ["--interval"]],
    ["dco check --platform ", ["linux", "linux-dco-v2", "freebsd", "windows"]],
    ["dco check --platform linux --h", ["--here", "--help"]],
    ["dco top --count ", []],
    ["dco peers --namespace x t", ["tun7", "tun8"]],
  ])("offers for %j: %j", async (line, expected) => {
    expect(await offersOf(line)).toEqual(expected);
  });

  it("can be loaded without a folder of $fpath as well", async () => {
    const { out } = await runDco(["completion", "zsh"]);
    const script = `autoload -Uz compinit; compinit -D -u; ${out}\nprint -r -- $_comps[dco]`;
    expect(spawnSync("zsh", ["-fc", script], { encoding: "utf8" }).stdout).toBe("_dco\n");
  });
});

describe("completion of zsh", () => {
  it("is made of the same commands as that of bash", async () => {
    const { status, out } = await runDco(["completion", "zsh"]);
    expect(status).toBe(0);
    expect(out.startsWith("#compdef dco\n")).toBe(true);
    // Where there is no zsh, what both shells have in common is tested with bash.
    const common = (text: string) => /local current=.*\n([\s\S]*esac)\n/.exec(text)?.[1] ?? "nothing";
    expect(common(out)).toContain("--key-file");
    expect(common(out)).toEqual(common((await runDco(["completion", "bash"])).out));
  });
});
