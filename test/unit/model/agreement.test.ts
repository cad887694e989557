/**
 * The random sequences find a backend that does one thing wrong, shorten what shows it, and find it again.
 */
import { describe, expect, it } from "vitest";
import type { BackendInterface, CreateInterfaceRequest } from "../../../src/core/backend.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import { UserspaceBackend } from "../../../src/userspace/backend.ts";
import { Registry } from "../../../src/userspace/registry.ts";
import { findDisagreement, type ModelSubject } from "../../model/agreement.ts";
import { userspaceSubject } from "../../model/subjects.ts";

/** The userspace backend, but for one thing. */
function wrong(spoil: (dco: BackendInterface) => Partial<BackendInterface>): ModelSubject {
  class Wrong extends UserspaceBackend {
    override async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
      const dco = await super.createInterface(request);
      return Object.assign(dco, spoil(dco));
    }
  }
  return {
    name: "wrong",
    version: "0",
    open: async () => ({ driver: new CoreDriver(new Wrong({ registry: new Registry() })), extras: {} }),
    leftovers: async () => [],
    close: async () => {},
  };
}

describe("the random sequences", () => {
  it("agree on the userspace backend", async () => {
    const { failure, sequences, endings } = await findDisagreement([userspaceSubject()], {
      sequences: 10,
      seed: 1,
    });
    expect(failure).toBeUndefined();
    expect(sequences).toBe(10);
    expect(endings.get("installKey ok")).toBeGreaterThan(0);
  });

  it.each([
    ["an emptied slot that is still full", () => ({ deleteKey: async () => {} }), /keys\(\d+\) says/],
    [
      "a setting that is taken and forgotten",
      (dco: BackendInterface) => {
        const { setPeer } = dco;
        // Nothing of what was asked for.
        return { setPeer: (id: number) => setPeer.call(dco, id, {} as never) };
      },
      /where the contract says/,
    ],
  ] as const)("find %s, shorten it, and find it again", async (_, spoil, said) => {
    const subjects = () => [userspaceSubject(), wrong(spoil)];
    const { failure = "" } = await findDisagreement(subjects(), { sequences: 200, seed: 5 });
    expect(failure).toMatch(said);
    const [, seed, path, replayPath] =
      /again: --seed (\d+) --path (\S+) --replay-path (\S+)$/.exec(failure) ?? [];
    const shortened = /were made:\n(.*)\nagain:/s.exec(failure)?.[1]?.split("\n") ?? [];
    expect(shortened.length).toBeLessThanOrEqual(3);
    const again = await findDisagreement(subjects(), { sequences: 1, seed: Number(seed), path, replayPath });
    expect(again.failure).toContain(shortened.join("\n"));
  });
});
