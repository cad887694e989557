/**
 * KeySchedule against OpenVPN's rules, written down a second time: the key states of the TLS layer, each
 * with the slot that it believes to be in, and the number of keys installed (dco.c).
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeySchedule } from "../../../src/core/key-schedule.ts";
import type { KeySlot } from "../../../src/core/model.ts";
import { type Failure, FakeKeyTarget, failureOf, slotsOf, someKey } from "./fake-key-target.ts";

/** The rules. In OpenVPN a key state keeps its status when its slot is emptied or overwritten; here not. */
class OpenVpn {
  readonly commands: string[] = [];
  readonly keys: { id: number; status: KeySlot | "not installed" }[] = [];
  installed = 0;

  install(id: number): void {
    const slot = this.installed === 0 ? "primary" : "secondary";
    this.commands.push(`new ${slot} ${id}`);
    this.installed = Math.min(2, this.installed + 1);
    this.#empty(slot);
    this.keys.unshift({ id, status: slot });
  }

  /** False where the session has to start again. */
  update(encrypt: number | undefined, valid: readonly number[]): boolean {
    if (this.installed === 0) return true; // rule 1
    if (encrypt === undefined) {
      for (const slot of ["primary", "secondary"] as const) {
        this.commands.push(`delete ${slot}`);
        this.#empty(slot);
      }
      this.installed = 0;
      return true; // rule 2
    }
    const primary = this.#key(encrypt);
    if (primary === undefined || primary.status === "not installed") return false; // rule 3
    const secondId = valid.filter((id) => id !== encrypt)[0];
    const second = secondId === undefined ? undefined : this.#key(secondId);
    if (primary.status === "secondary") {
      if (secondId !== undefined && second?.status !== "primary") return false; // rule 4
      this.commands.push("swap");
      this.#empty("primary");
      primary.status = "primary";
      if (second) second.status = "secondary";
    }
    if (secondId === undefined && this.installed === 2) {
      this.commands.push("delete secondary");
      this.#empty("secondary");
      this.installed = 1; // rule 5
    }
    for (const key of this.keys) if (key !== primary && key !== second) key.status = "not installed"; // rule 6
    return true;
  }

  idIn(slot: KeySlot): number | undefined {
    return this.keys.find((key) => key.status === slot)?.id;
  }

  /** The newest key state with this id: ids come round again. */
  #key(id: number) {
    return this.keys.find((key) => key.id === id);
  }

  #empty(slot: KeySlot): void {
    for (const key of this.keys) if (key.status === slot) key.status = "not installed";
  }
}

/** `install`, or `update` with keys picked from those that there have been; the newest is 0. */
type Step =
  | { readonly do: "install" }
  | { readonly do: "update"; readonly encrypt: number | undefined; readonly valid: readonly number[] };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ do: "install" }),
  fc.record({
    do: fc.constant("update" as const),
    encrypt: fc.option(fc.nat(2), { nil: undefined, freq: 9 }),
    valid: fc.uniqueArray(fc.nat(2), { maxLength: 3 }),
  }),
);

describe("KeySchedule and OpenVPN's rules", () => {
  it.each([true, false])(
    "ask the kernel for the same in the same order (delete-key: %s)",
    async (deleteKey) => {
      const met = { sessions: 0, swaps: 0, failures: 0, wipes: 0 };
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
          let model = new OpenVpn();
          let target = new FakeKeyTarget();
          let schedule = new KeySchedule(target, 7, { capabilities: { deleteKey } });
          for (const next of steps) {
            if (next.do === "install") {
              const { id } = await schedule.install(someKey());
              model.install(id);
            } else {
              const idOf = (index: number) => model.keys[index]?.id ?? index;
              const encrypt = next.encrypt === undefined ? undefined : idOf(next.encrypt);
              const valid = next.valid.map(idOf);
              const wipes = encrypt === undefined && model.installed > 0;
              const work = schedule.update({ encrypt, valid });
              if (wipes && !deleteKey) {
                expect(await failureOf(work)).toMatchObject({ code: "unsupported", capability: "deleteKey" });
                met.wipes++;
                continue;
              }
              if (model.update(encrypt, valid)) {
                await work;
                met.wipes += wipes ? 1 : 0;
              } else {
                const before = slotsOf(target);
                expect(await failureOf(work)).toMatchObject({ code: "protocol", effect: "none" });
                expect(slotsOf(target)).toEqual(before);
                met.failures++;
                // The session starts again, with a new peer.
                model = new OpenVpn();
                target = new FakeKeyTarget();
                schedule = new KeySchedule(target, 7, { capabilities: { deleteKey } });
                met.sessions++;
                continue;
              }
            }
            const expected = model.commands.filter((command) => deleteKey || !command.startsWith("delete"));
            expect(target.commands).toEqual(expected);
            expect(schedule.state).toMatchObject({
              primary: model.idIn("primary"),
              secondary: model.idIn("secondary"),
              inStep: true,
            });
            met.swaps += target.commands.at(-1) === "swap" ? 1 : 0;
          }
        }),
        { numRuns: 200 },
      );
      // The runs went everywhere.
      for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(0);
    },
  );

  it("hold on to what the kernel holds, whatever fails, and get out of every state", async () => {
    const failing = fc.option(fc.constantFrom<Failure>("none", "unknown", "unknown, but done"), { freq: 2 });
    const act = fc.tuple(
      fc.constantFrom("install", "activate newest", "retire oldest", "update", "forget", "delete all"),
      failing,
    );
    const met = { outOfStep: 0, failed: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
        const target = new FakeKeyTarget();
        const schedule = new KeySchedule(target, 7, { capabilities: { deleteKey: true } });
        const perform = (what: string): Promise<unknown> => {
          const { primary, secondary } = schedule.state;
          const newest = secondary ?? primary ?? 0;
          const oldest = primary ?? 0;
          if (what === "install") return schedule.install(someKey());
          if (what === "activate newest") return schedule.activate(newest);
          if (what === "retire oldest") return schedule.retire(secondary ?? oldest);
          if (what === "update") return schedule.update({ encrypt: newest, valid: [newest, oldest] });
          if (what === "forget") return schedule.update({ encrypt: oldest, valid: [oldest] });
          return schedule.deleteAll();
        };
        for (const [what, failure] of acts) {
          target.failNext = failure ?? undefined;
          await perform(what).catch((error: unknown) => {
            expect(["system", "protocol", "invalid"]).toContain((error as { code?: unknown }).code);
            met.failed++;
          });
          target.failNext = undefined;
          const { primary, secondary, inStep } = schedule.state;
          const held = slotsOf(target);
          expect(held.primary === undefined || held.primary !== held.secondary).toBe(true);
          if (!inStep) met.outOfStep++;
          else {
            if (primary !== undefined) expect(held.primary).toBe(primary);
            if (secondary !== undefined) expect(held.secondary).toBe(secondary);
          }
        }
        await schedule.deleteAll();
        expect(slotsOf(target)).toEqual({ primary: undefined, secondary: undefined });
        const { id, slot } = await schedule.install(someKey());
        expect(slot).toBe("primary");
        expect(slotsOf(target)).toEqual({ primary: id, secondary: undefined });
        expect(schedule.state).toMatchObject({ primary: id, secondary: undefined, inStep: true });
      }),
      { numRuns: 200 },
    );
    for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(0);
  });
});
