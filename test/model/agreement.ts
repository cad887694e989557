/**
 * Random sequences of operations on several subjects at once: all must give what the contract says, and the same.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { type Ending, type Expected, Model } from "./model.ts";
import { type Operation, operation, type PeerSpec } from "./operations.ts";
import { type Outcome, Session, type SessionParts } from "./session.ts";

/** Something whose drivers are compared. */
export interface ModelSubject {
  readonly name: string;
  /** Module and version, as the driver says. */
  readonly version: string;
  /** A driver for one sequence. */
  open(): Promise<Omit<SessionParts, "name">>;
  /** What a sequence has left behind; takes it away. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

export interface AgreementOptions {
  readonly sequences: number;
  readonly seed: number;
  /** Of a run that failed: only its sequence is made again. */
  readonly path?: string | undefined;
  readonly replayPath?: string | undefined;
  /** Called after each sequence; those by which a failure is shortened are not counted. */
  readonly onProgress?: (done: number) => void;
}

/** What was compared. */
export interface Agreement {
  readonly sequences: number;
  readonly operations: number;
  /** How often each verb ended in each way, such as `addPeer exists`. */
  readonly endings: ReadonlyMap<string, number>;
  /** What did not agree, with the shortened sequence and how to see it again; undefined if all did. */
  readonly failure: string | undefined;
}

/** Operations of a sequence at most. */
const LONGEST = 60;
/** A failure is shortened for so long; then what was reached has to do. */
const SHORTEN_MS = 240_000;

interface Real {
  readonly sessions: readonly Session[];
  readonly count: (operation: Operation, endings: readonly string[]) => void;
}

/** An operation as fast-check has it. */
class Step implements fc.AsyncCommand<Model, Real> {
  readonly #operation: Operation;

  constructor(step: Operation) {
    this.#operation = step;
  }

  check(model: Readonly<Model>): boolean {
    return model.can(this.#operation);
  }

  async run(model: Model, { sessions, count }: Real): Promise<void> {
    const step = this.#operation;
    const calls = sessions.map((session) => session.prepare(step));
    const expected = model.apply(step);
    const outcomes = await Promise.all(calls.map((call) => call?.()));
    for (const [n, outcome] of outcomes.entries()) {
      if (outcome) compare(step, (sessions[n] as Session).name, outcome, expected);
    }
    const made = outcomes.filter((each) => each !== undefined);
    const [first, ...others] = made;
    if (first === undefined) return;
    const differs = others.some((other) => !isDeepStrictEqual(other, first));
    if (differs) {
      const said = outcomes.flatMap((each, n) =>
        each ? [`${sessions[n]?.name}: ${JSON.stringify(each)}`] : [],
      );
      throw new Error(`${JSON.stringify(step)}: they differ: ${said.join("; ")}`);
    }
    count(step, Array.isArray(first.value) && isBulk(step) ? (first.value as string[]) : [first.ending]);
    for (const session of sessions) await checkState(step, session, model);
  }

  toString(): string {
    return JSON.stringify(this.#operation);
  }
}

/** Compares the subjects with each other and with the model. */
export async function findDisagreement(
  subjects: readonly ModelSubject[],
  { sequences, seed, path, replayPath, onProgress }: AgreementOptions,
): Promise<Agreement> {
  const endings = new Map<string, number>();
  let operations = 0;
  let done = 0;
  let failedAt: number | undefined;
  const count: Real["count"] = (step, each) => {
    operations++;
    for (const word of each) {
      const what = `${step.do === "rare" ? step.what : step.do} ${word}`;
      endings.set(what, (endings.get(what) ?? 0) + 1);
    }
  };
  const hasTxId = await canAll(subjects, "asymmetricPeerId");
  const step = operation.map((each) => new Step(hasTxId ? each : withoutTxId(each)));
  const steps = fc.commands([step], {
    maxCommands: LONGEST,
    size: "max",
    ...(replayPath !== undefined && { replayPath }),
  });
  const mode = fc.constantFrom<string>("multipeer", "multipeer", "p2p");
  const property = fc.asyncProperty(mode, steps, async (first, commands) => {
    if (failedAt !== undefined && performance.now() - failedAt > SHORTEN_MS) return;
    try {
      await runSequence(subjects, first, commands, count);
      if (failedAt !== undefined) return;
      done++;
      onProgress?.(done);
    } catch (error) {
      failedAt ??= performance.now();
      throw error;
    }
  });
  const result = await fc.check(property, {
    numRuns: sequences,
    seed,
    ...(path !== undefined && { path }),
  });
  const failure = result.failed ? describe(result) : undefined;
  return { sequences: done, operations, endings, failure };
}

async function canAll(subjects: readonly ModelSubject[], capability: "asymmetricPeerId"): Promise<boolean> {
  let all = true;
  for (const subject of subjects) {
    const { driver } = await subject.open();
    all &&= driver.capabilities[capability];
    await driver.close();
  }
  return all;
}

/** Where one of them refuses it the peers would not be the same afterwards. */
function withoutTxId(step: Operation): Operation {
  return JSON.parse(JSON.stringify(step, (name, value) => (name === "txId" ? undefined : value)));
}

async function runSequence(
  subjects: readonly ModelSubject[],
  first: string,
  commands: Iterable<fc.AsyncCommand<Model, Real>>,
  count: Real["count"],
): Promise<void> {
  const model = new Model();
  const sessions: Session[] = [];
  try {
    for (const subject of subjects)
      sessions.push(new Session({ name: subject.name, ...(await subject.open()) }, model));
    const real = { sessions, count };
    for (const step of beginning(first)) await new Step(step).run(model, real);
    await fc.asyncModelRun(() => ({ model, real }), commands);
    await new Step({ do: "closeDriver" }).run(model, real);
    for (const session of sessions) await session.close();
    for (const [n, { name, ends, removed }] of model.interfaces.entries()) {
      ends.sort((a, b) => a.life - b.life);
      for (const session of sessions)
        same(`the events of ${session.name} about interface ${name}`, session.ends(n), { ends, removed });
    }
  } finally {
    for (const session of sessions) await session.close().catch(() => {});
  }
  for (const subject of subjects) {
    const left = await subject.leftovers();
    if (left.length > 0) throw new Error(`left behind by ${subject.name}: ${left.join(", ")}`);
  }
}

/** Without an interface, a transport and peers nothing much happens. */
function beginning(mode: string): Operation[] {
  const peer = (id: number): PeerSpec => {
    const remote = { family: "fit", number: id } as const;
    return { id, transport: 0, remote, vpn: { ipv4: id, ipv6: id }, keepalive: "on" };
  };
  return [
    { do: "createInterface", name: 0, mode },
    { do: "configure", on: 0, up: true },
    { do: "openTransport", on: 0, local: "any6", clash: 0 },
    { do: "addPeers", on: 0, peers: mode === "p2p" ? [peer(1)] : [peer(1), peer(2)] },
    {
      do: "installKey",
      on: 0,
      id: 1,
      key: { slot: "primary", id: 7, cipher: "aes-256-gcm", encrypt: 10, decrypt: 11 },
    },
  ];
}

const isBulk = (step: Operation) =>
  ["addPeers", "installKeys", "removePeers", "swapKeysOf", "together"].includes(step.do);

function compare(step: Operation, name: string, outcome: Outcome, { allowed, value }: Expected): void {
  const what = `${JSON.stringify(step)} at ${name}`;
  if (!allowed.includes(outcome.ending as Ending))
    throw new Error(`${what}: ${JSON.stringify(outcome)}, where the contract says ${allowed.join(" or ")}`);
  if (value === undefined || outcome.ending !== "ok") return;
  if (!isBulk(step)) {
    same(what, outcome.value, value);
    return;
  }
  const [got, items] = [outcome.value as string[], value as Ending[][]];
  const fits = got.length === items.length && items.every((codes, n) => codes.includes(got[n] as Ending));
  if (!fits)
    throw new Error(`${what}: ${JSON.stringify(got)}, where the contract says ${JSON.stringify(items)}`);
}

async function checkState(step: Operation, session: Session, model: Model): Promise<void> {
  const what = `${session.name} after ${JSON.stringify(step)}`;
  for (const [n, dco] of model.interfaces.entries()) {
    const expected = dco.closed ? { closed: true } : { closed: false, peers: model.peersOf(dco) };
    same(`interface ${n} of ${what}`, await session.state(n), expected);
  }
  const transports = model.transports.map(({ closed }) => closed);
  same(`closed transports of ${what}`, session.transportsClosed(), transports);
}

function same(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, where the contract says ${b}`);
}

function describe(result: fc.RunDetails<[string, Iterable<fc.AsyncCommand<Model, Real>>]>): string {
  const { seed, counterexamplePath, counterexample, numShrinks, errorInstance } = result;
  const [mode, commands] = counterexample ?? [];
  const text = String(commands);
  const replay = /replayPath="([^"]*)"/.exec(text)?.[1];
  const error =
    errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
  const list = text.replace(/\s*\/\*replayPath.*$/, "").replaceAll('},{"do"', '}\n{"do"');
  return [
    error,
    `the sequence, shortened ${numShrinks} times, after a ${mode} interface, a transport and its peers were made:`,
    list,
    `again: --seed ${seed} --path ${counterexamplePath}${replay === undefined ? "" : ` --replay-path ${replay}`}`,
  ].join("\n");
}
