/**
 * Many requests in one turn of the event loop, where the kernel answers at once.
 *
 * An item is checked, sent together with others, and noted, with nothing in between: no lock, no promise. What cannot
 * be done so is left to the verb for one item. The outcome is the same.
 */
import type { Outcome } from "./backend.ts";
import { DcoError, describeError } from "./errors.ts";
import type { BulkResult } from "./model.ts";

/** One verb for many items. */
export interface VerbAtOnce<Item extends { readonly id: number }, T> {
  /**
   * Checks what the caller gave; throws what is wrong with it.
   *
   * @param path where it stands. Undefined saves the work of naming fields; on failure it is called again with it
   */
  check(given: unknown, path: string | undefined): Item;
  /**
   * Prepares the item; false leaves it to the verb for one. Throws why it is refused.
   *
   * @param path where it stands
   */
  prepare(item: Item, path: () => string): boolean;
  /** Sends what was prepared; an outcome for each. */
  send(items: readonly Item[]): readonly Outcome[];
  /** The kernel has done it. */
  done(item: Item): T;
  /** It has not, or nobody knows. Takes back what `prepare` did. */
  failed(item: Item, error: unknown): void;
}

/** A part of the items of a bulk call. */
export interface Part<T> {
  readonly items: readonly unknown[];
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Where the results go. */
  readonly results: BulkResult<T>[];
  /** Takes the items that have to be done one by one. */
  readonly left: number[];
}

/** Does a part, and returns the first item that it did not look at. */
export type AtOnce<T> = (part: Part<T>) => number;

/** @param pathOf where an item stands */
export function atOnce<Item extends { readonly id: number }, T>(
  verb: VerbAtOnce<Item, T>,
  operation: string,
  pathOf: (at: number) => string,
): AtOnce<T> {
  return ({ items, from, to, results, left }) => {
    const fail = (at: number, error: unknown) => {
      results[at] = { ok: false, error: describeError(error, operation, pathOf(at)) };
    };
    const prepared: Item[] = [];
    const places: number[] = [];
    const ids = new Set<number>();
    let at = from;
    const path = () => pathOf(at);
    for (; at < to; at++) {
      try {
        const item = check(verb, items[at], path);
        // What comes for the same peer again has to see what this leaves behind.
        if (ids.has(item.id)) break;
        ids.add(item.id);
        if (verb.prepare(item, path)) {
          prepared.push(item);
          places.push(at);
        } else left.push(at);
      } catch (error) {
        fail(at, error);
      }
    }
    const outcomes = sent(verb, prepared);
    for (const [n, item] of prepared.entries()) {
      const place = places[n] as number;
      const outcome = outcomes[n];
      if (outcome === undefined) {
        results[place] = { ok: true, value: verb.done(item) };
        continue;
      }
      verb.failed(item, outcome === "later" ? NOTHING_TRIED : outcome);
      if (outcome === "later") left.push(place);
      else fail(place, outcome);
    }
    return at;
  };
}

/** A failure as a whole is that of each. */
function sent<Item extends { readonly id: number }, T>(
  verb: VerbAtOnce<Item, T>,
  items: readonly Item[],
): readonly Outcome[] {
  if (items.length === 0) return [];
  try {
    return verb.send(items);
  } catch (error) {
    return items.map(() => (DcoError.is(error) ? error : new DcoError("system", String(error))));
  }
}

const NOTHING_TRIED = new DcoError("busy", "nothing was tried yet", { effect: "none" });

/** The names of fields are made only where one of them is wrong. */
function check<Item extends { readonly id: number }, T>(
  verb: VerbAtOnce<Item, T>,
  given: unknown,
  path: () => string,
): Item {
  try {
    return verb.check(given, undefined);
  } catch (error) {
    verb.check(given, path());
    throw error;
  }
}
