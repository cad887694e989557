/**
 * A short run of the random sequences, among the behaviour cases. Long ones: `npm run test:model`.
 */
import { openDriver } from "../../src/index.ts";
import { type Case, group } from "../conformance/case.ts";
import { REFUSES_FOREIGN_ADDRESSES } from "../conformance/needs.ts";
import type { ModelSubject } from "./agreement.ts";

/** @param kernel compare with the kernel too, at the world's server */
export function modelCases(kernel: boolean, sequences: number): Case[] {
  const others = kernel ? ", on the kernel" : "";
  return group("model", [
    {
      // Such a refusal is among what the model expects.
      needs: (capabilities, sites) =>
        kernel && !capabilities.setVpn
          ? "the module of this kernel is not the one that the model is compared with"
          : REFUSES_FOREIGN_ADDRESSES.needs(capabilities, sites),
      name: `${sequences} random sequences of calls give the same on userspace${others} and in the model of the contract`,
      timeoutMs: 300_000,
      async run(world) {
        // Loaded only when it is its turn: fast-check is large.
        const { findDisagreement } = await import("./agreement.ts");
        const { userspaceSubject } = await import("./subjects.ts");
        const linux: ModelSubject = {
          name: "linux",
          version: world.driver.info.version,
          open: async () => ({ driver: await openDriver({ backend: "linux" }), extras: world.server.extras }),
          leftovers: async () => [],
          close: async () => {},
        };
        const subjects = [userspaceSubject(), ...(kernel ? [linux] : [])];
        const seed = Date.now() % 2 ** 31;
        const { failure } = await findDisagreement(subjects, { sequences, seed });
        if (failure !== undefined) throw new Error(failure);
      },
    },
  ]);
}
