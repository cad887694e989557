/** Reads the lines of a file while another process writes it. */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

const POLL_MS = 200;

/** `stop` gives what is there still, and then nothing more. */
export function follow(path: string, onLine: (line: string) => void): { stop(): void } {
  const file = openSync(path, "r");
  const decoder = new StringDecoder("utf8");
  const bytes = Buffer.alloc(1 << 16);
  let rest = "";
  const read = () => {
    for (let length = readSync(file, bytes); length > 0; length = readSync(file, bytes)) {
      const lines = (rest + decoder.write(bytes.subarray(0, length))).split(/\r?\n/);
      rest = lines.pop() as string;
      for (const line of lines) onLine(line);
    }
  };
  const timer = setInterval(read, POLL_MS);
  return {
    stop() {
      clearInterval(timer);
      read();
      if (rest !== "") onLine(rest);
      closeSync(file);
    },
  };
}
