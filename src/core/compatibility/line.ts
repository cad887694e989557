/**
 * One line of an OpenVPN configuration, cut into words as OpenVPN does it.
 */

/** More words than this are not read by OpenVPN either. */
const MAX_WORDS = 16;

/** Bytes of one word; one more is an error to OpenVPN. */
const MAX_WORD = 256;

/** The words of a line, or what is wrong with it. */
export type Words = { readonly words: string[] } | { readonly problem: string };

const isSpace = (character: string) => /^[ \t\n\v\f\r]$/.test(character);

/**
 * Cuts a line into words. A word may be in double quotes, in which a backslash takes the next character as it is, or in
 * single quotes, in which nothing is special. `#` and `;` begin a comment where a word could begin.
 *
 * @param line with its newline, if it has one: a backslash makes that a part of the word
 */
export function splitLine(line: string): Words {
  const words: string[] = [];
  let at = 0;
  while (words.length < MAX_WORDS) {
    at = nextWord(line, at);
    const first = line[at];
    if (first === undefined || first === "#" || first === ";") break;
    const word = readWord(line, at);
    if ("problem" in word) return word;
    if (Buffer.byteLength(word.text) > MAX_WORD)
      return { problem: `a word is longer than ${MAX_WORD} bytes` };
    words.push(word.text);
    at = word.end;
  }
  return { words };
}

/** Between words a backslash counts for nothing before a space, nor does it before what begins a comment. */
function nextWord(line: string, start: number): number {
  for (let at = start; ; at++) {
    const character = line[at] ?? "";
    const next = line[at + 1] ?? "";
    if (character === "\\" && (next === "#" || next === ";")) return at + 1;
    if (!isSpace(character) && !(character === "\\" && isSpace(next))) return at;
  }
}

type Word = { readonly text: string; readonly end: number } | { readonly problem: string };

function readWord(line: string, start: number): Word {
  if (line[start] === "'") {
    const end = line.indexOf("'", start + 1);
    return end < 0
      ? { problem: "a single quote is not closed" }
      : { text: line.slice(start + 1, end), end: end + 1 };
  }
  const quoted = line[start] === '"';
  let text = "";
  for (let at = quoted ? start + 1 : start; at < line.length; at++) {
    let character = line[at] as string;
    if (character === "\\") {
      character = line[++at] ?? "";
      if (!(character === "\\" || character === '"' || isSpace(character))) {
        return { problem: "a backslash stands before what needs none; a backslash itself is written \\\\" };
      }
    } else if (quoted ? character === '"' : isSpace(character)) {
      return { text, end: at + 1 };
    }
    text += character;
  }
  return quoted ? { problem: "a double quote is not closed" } : { text, end: line.length };
}
