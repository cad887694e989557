/**
 * What the tests of the contract's shape share. Their kernels are recordings of calls with just enough memory to
 * answer: they prove that core and a backend's mapping fit together, and nothing about a kernel.
 */
import type { BackendDriver, BackendInterface } from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { AdoptInterfaceOptions, DcoEvent, DriverInfo } from "../../../src/core/model.ts";

/** A driver of core that hands out one interface. */
export function driverOf(
  dco: BackendInterface,
  backend: DriverInfo["backend"],
  capabilities: Capabilities,
): CoreDriver {
  const driver: BackendDriver = {
    info: { backend, module: "none", version: "0", kernel: "test", reason: "a test of the shape" },
    capabilities,
    rules: { interfaceNameProblem: () => undefined, extras: {} },
    createInterface: async () => dco,
    adoptInterface: async () => dco,
    listInterfaces: async () => [],
    deleteInterface: async () => {},
    close: async () => {},
  };
  return new CoreDriver(driver);
}

export interface Opened {
  readonly dco: DcoInterface;
  /** All events since the start. */
  readonly events: DcoEvent[];
}

/** The interface as core opens it: created, or adopted if it was there. */
export async function open(
  backend: BackendInterface,
  name: DriverInfo["backend"],
  capabilities: Capabilities,
  adopt: AdoptInterfaceOptions = {},
): Promise<Opened> {
  const driver = driverOf(backend, name, capabilities);
  const { mode } = backend;
  const dco = await (backend.created
    ? driver.createInterface({ mode })
    : driver.adoptInterface(backend.name, { mode, ...adopt }));
  const events: DcoEvent[] = [];
  const reader = dco.events();
  void (async () => {
    for await (const event of reader) events.push(event);
  })();
  return { dco, events };
}

/** The events of one type. */
export function ofType<T extends DcoEvent["type"]>(events: readonly DcoEvent[], type: T) {
  return events.filter((event): event is Extract<DcoEvent, { type: T }> => event.type === type);
}

/** A kernel's refusal. */
export function refusal(
  code: DcoError["code"],
  number: number,
  name: string,
  kind: "errno" | "win32" = "errno",
): DcoError {
  return new DcoError(code, `the kernel said ${name}`, { native: { kind, number, name }, effect: "none" });
}
