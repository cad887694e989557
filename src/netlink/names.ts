/**
 * Names of interfaces.
 */

/** Names that the kernel takes (dev_valid_name), and that do not look like a pattern to it. */
const NAME_BYTES = 15;

/** White space in the kernel's own table (lib/ctype.c), which looks at bytes: a letter such as `à` holds it too. */
const NO_BREAK_SPACE = 0xa0;

/** What the kernel keeps for settings of all interfaces (net/ipv4/devinet.c). */
const RESERVED_NAMES = ["all", "default"];

/** What is wrong with a name, or undefined. */
export function nameProblem(name: string): string | undefined {
  if (name === "" || name === "." || name === "..") return "is not a name that Linux takes";
  if (Buffer.byteLength(name) > NAME_BYTES) return `is longer than the ${NAME_BYTES} bytes that Linux takes`;
  if (/[/:\s\0]/.test(name)) return "must not hold a slash, a colon or white space";
  if (Buffer.from(name).includes(NO_BREAK_SPACE))
    return "must not hold the byte 0xA0, which is white space to Linux";
  if (RESERVED_NAMES.includes(name)) return "is not a name that Linux takes";
  return name.includes("%") ? "must not hold a percent sign, which Linux takes for a pattern" : undefined;
}
