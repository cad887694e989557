import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONFIG_LIMITS, DcoError, parseConfig } from "../../../src/index.ts";

const words = (text: string) => parseConfig(text).map(({ name, args }) => [name, ...args]);

function refusal(body: () => unknown): DcoError {
  try {
    body();
  } catch (error) {
    if (DcoError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("the lines of a configuration", () => {
  it.each([
    ["dev tun", [["dev", "tun"]]],
    ["--dev tun", [["dev", "tun"]]],
    ["  dev\ttun  \r", [["dev", "tun"]]],
    ["\uFEFFdev tun", [["dev", "tun"]]],
    ["# dev tun\n; dev tap\n\n", []],
    ["dev tun # comment", [["dev", "tun"]]],
    ["dev tun#x", [["dev", "tun#x"]]],
    ['push "route 10.0.0.0 255.0.0.0"', [["push", "route 10.0.0.0 255.0.0.0"]]],
    ["push 'a \"b\" \\ c'", [["push", 'a "b" \\ c']]],
    ['up "C:\\\\Program Files\\\\x" a\\ b', [["up", "C:\\Program Files\\x", "a b"]]],
    ['a "b\\"c"', [["a", 'b"c']]],
    ['a ""', [["a", ""]]],
    [
      "dev tun\r\nproto udp\r\n",
      [
        ["dev", "tun"],
        ["proto", "udp"],
      ],
    ],
    ["\\ a \\ b", [["a", "b"]]],
    ["a \\# b", [["a"]]],
    ["\\; a", []],
    ["a x\\\nb", [["a", "x\n"], ["b"]]],
    ["a b\\ ", [["a", "b "]]],
    ["-- a", [["--", "a"]]],
    ["<>\nx y\n</>\nb", [[""], ["b"]]],
    ["setenv opt <x>\nb", [["<x>"], ["b"]]],
    ["a\n\uFEFFb", [["a"], ["\uFEFFb"]]],
    ["setenv opt block-outside-dns", [["block-outside-dns"]]],
    ["setenv opt", [["setenv", "opt"]]],
    ["setenv FORWARD_COMPATIBLE 1", [["setenv", "FORWARD_COMPATIBLE", "1"]]],
    [`a ${Array(20).fill("x").join(" ")}`, [["a", ...Array(15).fill("x")]]],
  ])("%j", (text, expected) => expect(words(text)).toEqual(expected));

  it("are as long as OpenVPN's, their newline included", () => {
    const fits = `a ${"x".repeat(252)}\n`;
    expect(words(fits)).toEqual([["a", "x".repeat(252)]]);
    expect(words(`a ${"x".repeat(253)}`)).toEqual([["a", "x".repeat(253)]]);
    expect(refusal(() => parseConfig(`\uFEFF${fits}`)).message).toContain("longer than 255 bytes");
  });

  it("have numbers, and the file's name", () => {
    expect(parseConfig("\ndev tun\n\nproto udp", { file: "a.conf" })).toEqual([
      { name: "dev", args: ["tun"], file: "a.conf", line: 2 },
      { name: "proto", args: ["udp"], file: "a.conf", line: 4 },
    ]);
  });

  it.each([
    ['a "b', "a double quote is not closed"],
    ["a 'b", "a single quote is not closed"],
    ["a b\\c", "a backslash stands before what needs none"],
    [`a ${"x".repeat(300)}`, "the line is longer than 255 bytes"],
    [`a ${"x".repeat(253)}\n`, "the line is longer than 255 bytes"],
    ["a \0", "there is a zero byte"],
    ["a b\\", "a backslash stands before what needs none"],
    ["<ca>\nx", "the block <ca> has no end"],
    ["config other.conf", "another file is included, and none can be read"],
  ])("refused: %j", (text, problem) => {
    const error = refusal(() => parseConfig(`dev tun\n${text}`, { file: "a.conf" }));
    expect(error).toMatchObject({ code: "invalid", field: "a.conf:2" });
    expect(error.message).toContain(problem);
  });
});

describe("blocks", () => {
  it("are one option without their content", () => {
    const text = "<key>\nSECRET\n</key>\ndev tun\n  <ca>\nx\n  </ca> more\nport 1";
    expect(parseConfig(text)).toEqual([
      { name: "key", args: [], inline: true, line: 1 },
      { name: "dev", args: ["tun"], line: 4 },
      { name: "ca", args: [], inline: true, line: 5 },
      { name: "port", args: ["1"], line: 8 },
    ]);
    expect(JSON.stringify(parseConfig(text))).not.toContain("SECRET");
  });

  it("of connections are read", () => {
    const [connection] = parseConfig("<connection>\nremote a 1 udp\n# c\nfragment 1200\n</connection>");
    expect(connection?.block).toEqual([
      { name: "remote", args: ["a", "1", "udp"], line: 2 },
      { name: "fragment", args: ["1200"], line: 4 },
    ]);
  });

  it("may hold long lines and open quotes", () => {
    expect(words(`<tls-auth>\n"${"x".repeat(5000)}\n</tls-auth>`)).toEqual([["tls-auth"]]);
  });

  it("that stand in one another do not exhaust the stack", () => {
    const text = "<connection>\n".repeat(20_000) + "</connection>\n".repeat(20_000);
    expect(refusal(() => parseConfig(text)).code).toBe("invalid");
  });
});

describe("hostile input", () => {
  const loop = () => ({ file: "loop.conf", text: "config loop.conf" });

  it("that includes itself ends", () => {
    const error = refusal(() => parseConfig("config loop.conf", { include: loop }));
    expect(error.message).toContain("files include one another more than 10 deep");
  });

  it("that includes many files ends", () => {
    let files = 0;
    const include = (name: string) => {
      files++;
      return { file: name, text: "config x\nconfig y\nconfig z" };
    };
    const many = "config x\n".repeat(CONFIG_LIMITS.files + 5);
    const flat = (name: string) => (name === "x" ? { file: name, text: "dev tun" } : include(name));
    expect(refusal(() => parseConfig(many, { include: flat })).message).toContain("more than 64 files");
    expect(refusal(() => parseConfig("config q", { include })).code).toBe("invalid");
    expect(files).toBeLessThanOrEqual(CONFIG_LIMITS.files);
  });

  it("is bounded in length and number", () => {
    expect(refusal(() => parseConfig("#".repeat(CONFIG_LIMITS.fileLength + 1))).message).toContain("longer");
    expect(refusal(() => parseConfig("a\n".repeat(CONFIG_LIMITS.directives + 1))).message).toContain("20000");
  });

  it("is not repeated in messages", () => {
    const error = refusal(() => parseConfig('auth-user-pass "hunter2', { file: "x\u001b[2J.conf" }));
    expect(error.message).not.toContain("hunter2");
    expect(error.message).not.toContain("\u001b");
  });

  it("of any kind is read or refused, never anything else", () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.constantFrom(
        "\n",
        "<ca>",
        "</ca>",
        "<connection>",
        "</connection>",
        '"',
        "'",
        "\\",
        "config x",
        "#",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        try {
          const include = () => ({ file: "x", text: "dev tun" });
          for (const { name, line } of parseConfig(pieces.join(""), { include })) {
            expect(name).not.toBe(undefined);
            expect(line).toBeGreaterThan(0);
          }
        } catch (error) {
          expect(DcoError.is(error) && error.code === "invalid").toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
