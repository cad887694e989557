/**
 * Interfaces that are there, opened for one command. Closing them leaves them, and their peers, as they are.
 */
import type { DcoInterface } from "../core/contract.ts";
import type { Context } from "./command.ts";

/** For commands that change something. */
export async function openOwned(context: Context, name: string | undefined): Promise<DcoInterface> {
  const driver = await context.driver();
  return driver.adoptInterface(name ?? "", { ...context.place, signal: context.signal });
}

/** For commands that only look: an observer does no harm, where there can be one. */
export async function openWatched(context: Context, name: string | undefined): Promise<DcoInterface> {
  const driver = await context.driver();
  const role = driver.capabilities.observe ? "observer" : "owner";
  return driver.adoptInterface(name ?? "", { ...context.place, role, signal: context.signal });
}

/** The interfaces named, or all. */
export async function interfaceNames(context: Context, name: string | undefined): Promise<string[]> {
  if (name !== undefined) return [name];
  const driver = await context.driver();
  const all = await driver.listInterfaces({ ...context.place, signal: context.signal });
  return all.map((each) => each.name);
}
