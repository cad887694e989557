import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
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

describe("completion of zsh", () => {
  it("is made of the same commands", async () => {
    const { status, out } = await runDco(["completion", "zsh"]);
    expect(status).toBe(0);
    expect(out.startsWith("#compdef dco\n")).toBe(true);
    // What both shells have in common is tested with bash.
    const common = (text: string) => /local current=.*\n([\s\S]*esac)\n/.exec(text)?.[1] ?? "nothing";
    expect(common(out)).toContain("--key-file");
    expect(common(out)).toEqual(common((await runDco(["completion", "bash"])).out));
  });
});
