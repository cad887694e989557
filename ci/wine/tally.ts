/** Makes one report of the reports of several programs: one numbering, one closing line. */

/** What became of a case. */
export interface Told {
  readonly suite: string;
  readonly name: string;
  readonly result: "pass" | "fail" | "skip";
  readonly reason?: string;
}

const CASE = /^(not )?ok \d+ - (.*?)(?: # (SKIP|time)\b[ =]?(.*))?$/;
const CLOSING = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/** Reads lines as programs print them, and prints them in turn. */
export class Tally {
  readonly cases: Told[] = [];
  #suite = "";
  #closing: string | undefined;
  #before = 0;

  constructor() {
    console.log("TAP version 14");
  }

  /** The next program. */
  begin(suite: string): void {
    this.#suite = suite;
    this.#closing = undefined;
    this.#before = this.cases.length;
  }

  /** A case of our own; it fails where the body throws. */
  check(name: string, body: () => unknown): void {
    this.begin("host");
    try {
      body();
      this.#add(name, "pass", undefined, "");
    } catch (error) {
      this.#fail(name, String(error));
    }
  }

  read(line: string): void {
    if (/^TAP version|^1\.\.\d+$/.test(line)) return;
    if (CLOSING.test(line)) {
      this.#closing = line;
      return;
    }
    const found = CASE.exec(line);
    if (!found) {
      console.log(line);
      return;
    }
    const [, not, name, word, rest] = found;
    const result = not !== undefined ? "fail" : word === "SKIP" ? "skip" : "pass";
    this.#add(
      name as string,
      result,
      word === "SKIP" ? rest : undefined,
      word === "time" ? ` # time=${rest}` : "",
    );
  }

  /**
   * The program has ended.
   * @param problem how, if not well; a program that tells of failed cases ends so
   * @param mayBeEmpty it was told to leave out cases, and may have left out all
   */
  end(problem: string | undefined, mayBeEmpty: boolean): void {
    const told = this.cases.slice(this.#before);
    const count = (result: Told["result"]) => told.filter((each) => each.result === result).length;
    const counts = `${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped`;
    if (mayBeEmpty && told.length === 0 && this.#closing !== undefined) return;
    let wrong: string | undefined;
    if (this.#closing === undefined) wrong = `it printed no counts: ${problem ?? "status 0"}`;
    else if (this.#closing !== counts) wrong = `it printed "${this.#closing}", and told of ${counts}`;
    else if (problem !== undefined && count("fail") === 0) wrong = `no case failed, but ${problem}`;
    if (wrong !== undefined) this.#fail("the program ends well", wrong);
  }

  /** Prints the end; returns the exit status. */
  conclude(): number {
    const count = (result: Told["result"]) => this.cases.filter((each) => each.result === result).length;
    console.log(`1..${this.cases.length}`);
    console.log(`${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped`);
    return count("fail") > 0 || count("pass") === 0 ? 1 : 0;
  }

  #fail(name: string, reason: string): void {
    this.#add(name, "fail", reason, "");
    console.log(`  ---\n${reason.replace(/^/gm, "  ")}\n  ...`);
  }

  #add(name: string, result: Told["result"], reason: string | undefined, comment: string): void {
    this.cases.push({ suite: this.#suite, name, result, ...(reason !== undefined && { reason }) });
    const skip = result === "skip" ? ` # SKIP ${reason ?? ""}` : comment;
    console.log(
      `${result === "fail" ? "not ok" : "ok"} ${this.cases.length} - ${this.#suite}, ${name}${skip}`,
    );
  }
}
