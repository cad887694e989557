/**
 * Calls that must be refused before any kernel sees them.
 */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { inspect } from "node:util";
import type { DcoInterface } from "../../src/core/contract.ts";
import { DcoError, type DcoErrorCode } from "../../src/core/errors.ts";
import type { BulkResult } from "../../src/core/model.ts";
import type { WireEntry } from "../../src/core/trace.ts";
import type { Site, World } from "./world.ts";

/** A call that is wrong in one field. */
export interface Refusal {
  /** What is wrong, for the failure's text. */
  readonly what: string;
  /** The path that the error must name. */
  readonly field: string;
  /** Default `invalid`. */
  readonly code?: DcoErrorCode;
  readonly call: () => Promise<unknown>;
}

/** What the kernel has: everything that a refused call could have changed. */
export interface State {
  readonly listed: unknown;
  readonly system: unknown;
  readonly peers: unknown;
  readonly keys: unknown;
}

/** Asks for everything. Another interface of the site is in `listed` too. */
export async function stateOf(world: World, site: Site, dco: DcoInterface): Promise<State> {
  const peers = await dco.peers();
  return {
    listed: await world.driver.listInterfaces(site.extras),
    system: await world.inspect(site, dco.name),
    peers,
    keys: await Promise.all(peers.map(({ id }) => dco.keys(id))),
  };
}

/** By a kernel's driver that has to look for floats. */
const ASKED_NOW_AND_THEN: ReadonlySet<string> = new Set(["ovpn peer-get", "ovpn-dco-v2 get-peer"]);

/** Each call must be rejected with its code and its field, and without a request to the kernel. */
export async function assertRefused(refusals: readonly Refusal[]): Promise<void> {
  assert.ok(refusals.length > 0);
  const problems: string[] = [];
  const requests: string[] = [];
  const onWire = (message: unknown) => {
    const { direction, message: traced } = message as WireEntry;
    const { message: name } = traced as { message: string };
    if (direction === "request" && !ASKED_NOW_AND_THEN.has(name)) requests.push(name);
  };
  subscribe("dcokit:wire", onWire);
  try {
    for (const { what, field, code = "invalid", call } of refusals) {
      requests.length = 0;
      const problem = problemOf(await outcomeOf(call), code, field);
      if (problem !== undefined) problems.push(`${what}: ${problem}`);
      if (requests.length > 0) problems.push(`${what}: asked the kernel: ${requests.join()}`);
    }
  } finally {
    unsubscribe("dcokit:wire", onWire);
  }
  assert.deepEqual(problems, []);
}

/** As `assertRefused`, and what the kernel has must be the same before and after. */
export async function assertNoEffect(
  world: World,
  site: Site,
  dco: DcoInterface,
  refusals: readonly Refusal[],
): Promise<void> {
  const before = await stateOf(world, site, dco);
  await assertRefused(refusals);
  assert.deepEqual(await stateOf(world, site, dco), before);
}

/** The error of the first item, of a bulk call that did not fail as a whole. */
export async function firstItem(results: Promise<readonly BulkResult<unknown>[]>): Promise<unknown> {
  const [first] = await results;
  if (first === undefined) throw new Error("the bulk call gave no result");
  if (!first.ok) throw first.error;
  return first.value;
}

type Outcome = { readonly error: unknown } | { readonly value: unknown } | { readonly thrown: unknown };

async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (thrown) {
    return { thrown };
  }
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

function problemOf(outcome: Outcome, code: DcoErrorCode, field: string): string | undefined {
  if ("thrown" in outcome) return `threw instead of rejecting: ${inspect(outcome.thrown)}`;
  if ("value" in outcome) return `was taken, and gave ${inspect(outcome.value, { depth: 0 })}`;
  const { error } = outcome;
  if (!DcoError.is(error)) return `is no DcoError: ${inspect(error)}`;
  if (error.code !== code) return `is ${error.code}, not ${code}: ${error.message}`;
  if (error.field !== field) return `names ${error.field}, not ${field}: ${error.message}`;
  if (!error.message.includes(field)) return `the message does not name ${field}: ${error.message}`;
  if (error.operation === undefined) return `does not tell the verb: ${error.message}`;
  return undefined;
}
