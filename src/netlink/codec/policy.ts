/**
 * What a generic netlink family accepts, gathered from a GETPOLICY dump.
 */

import { decodeAttributes } from "./attributes.ts";
import { CTRL, CTRL_CMD_GETPOLICY, genlAttributes } from "./genl.ts";
import type { NetlinkMessage } from "./message.ts";
import type { AttributePolicy } from "./policy-table.ts";

/** The policies of a family: add every message of the dump, then ask. */
export class PolicySet {
  readonly #policies = new Map<number, Map<number, AttributePolicy>>();
  readonly #operations = new Map<number, { readonly do?: number; readonly dump?: number }>();

  /**
   * Takes in one message of the dump; the kernel sends each attribute's policy in a message of its own.
   *
   * @throws DcoError `protocol`
   */
  add(message: NetlinkMessage): void {
    const from = genlAttributes(message, CTRL_CMD_GETPOLICY);
    const { policy, operationPolicy } = decodeAttributes(CTRL, message, from, "policy");
    for (const [command, indexes] of operationPolicy ?? []) this.#operations.set(command, indexes);
    for (const [index, attributes] of policy ?? []) {
      const known = this.#policies.get(index) ?? new Map<number, AttributePolicy>();
      for (const [number, rule] of attributes) known.set(number, rule);
      this.#policies.set(index, known);
    }
  }

  /** Whether the family has this request command at all. */
  hasCommand(command: number): boolean {
    return this.#operations.has(command);
  }

  /**
   * What a command's request accepts at a path of attribute numbers: `[2, 24]` is attribute 24 inside of
   * nest 2. Undefined when it refuses the attribute, or the command is unknown.
   */
  find(command: number, path: readonly number[], form: "do" | "dump" = "do"): AttributePolicy | undefined {
    let index = this.#operations.get(command)?.[form];
    let rule: AttributePolicy | undefined;
    for (const number of path) {
      rule = index === undefined ? undefined : this.#policies.get(index)?.get(number);
      // Type 0 is NL_ATTR_TYPE_INVALID: known to the kernel, and refused.
      if (rule === undefined || rule.type === 0) return undefined;
      index = rule.policyIndex;
    }
    return rule;
  }
}
