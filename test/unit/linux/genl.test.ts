import { describe, expect, test } from "vitest";
import { isAcknowledgement } from "../../../src/netlink/codec/acknowledgement.ts";
import { encodeAttributes } from "../../../src/netlink/codec/attributes.ts";
import type { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { CTRL, decodeFamily, getFamily, getPolicy } from "../../../src/netlink/codec/genl.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { PolicySet } from "../../../src/netlink/codec/policy.ts";
import type { Attributes } from "../../../src/netlink/codec/table.ts";
import { answersOf, built, message } from "./support.ts";

function policies(messages: readonly NetlinkMessage[]): PolicySet {
  const set = new PolicySet();
  for (const each of messages) if (!isAcknowledgement(each)) set.add(each);
  return set;
}

function hexOf(build: (builder: MessageBuilder) => void): string {
  return built(build).toString("hex");
}

/** A message of the controller, as the kernel would send it. */
function fromController(command: number, attributes: Attributes<typeof CTRL>): NetlinkMessage {
  const sent = hexOf((builder) => {
    builder.beginMessage(0x10, 2, 1);
    builder.genlHeader(command);
    encodeAttributes(CTRL, attributes as never, builder);
    builder.endMessage();
  });
  return message(sent);
}

describe("the controller", () => {
  test("is asked for a family by name", () => {
    expect(hexOf((builder) => getFamily(builder, 5, "ovpn"))).toBe(
      `20000000${"10000500"}${"05000000"}${"00000000"}${"03010000"}${"090002006f76706e00000000"}`,
    );
  });

  test("is asked for the policies of a family, or of one command", () => {
    expect(hexOf((builder) => getPolicy(builder, 5, 0x25))).toBe(
      `1c000000${"10000103"}${"05000000"}${"00000000"}${"0a010000"}${"0600010025000000"}`,
    );
    expect(hexOf((builder) => getPolicy(builder, 5, 0x25, 1)).slice(56)).toBe("08000a0001000000");
  });

  test("describes itself, on a real kernel", () => {
    const [reply] = answersOf("getfamily nlctrl");
    expect(decodeFamily(reply as NetlinkMessage)).toEqual({
      id: 16,
      name: "nlctrl",
      version: 2,
      maxAttribute: 0,
      operations: [
        { id: 3, flags: 14 },
        { id: 10, flags: 12 },
      ],
      groups: { notify: 16 },
    });
  });

  test("describes a family with groups and many operations, on a real kernel", () => {
    const [reply] = answersOf("getfamily netdev");
    const family = decodeFamily(reply as NetlinkMessage);
    expect(family).toMatchObject({ name: "netdev", version: 1 });
    expect(Object.keys(family.groups)).toEqual(["mgmt", "page-pool"]);
    expect(family.operations.length).toBeGreaterThan(5);
  });

  test("refuses a description without id or name, and other commands", () => {
    const [reply] = answersOf("getpolicy nlctrl");
    for (const bad of [
      fromController(1, { familyId: 30 }),
      fromController(1, { familyName: "ovpn" }),
      reply as NetlinkMessage,
      message("10000000100000000000000000000000"),
    ]) {
      expect(() => decodeFamily(bad)).toThrow(expect.objectContaining({ code: "protocol" }));
    }
  });

  test("a group named like a property of every object is only a name", () => {
    const family = decodeFamily(
      fromController(1, { familyId: 30, familyName: "x", groups: [{ name: "__proto__", id: 3 }, { id: 4 }] }),
    );
    expect(Object.entries(family.groups)).toEqual([["__proto__", 3]]);
  });
});

describe("PolicySet", () => {
  test("tells what a command takes, on a real kernel", () => {
    const set = policies(answersOf("getpolicy netdev"));
    expect(set.hasCommand(1)).toBe(true);
    expect(set.hasCommand(99)).toBe(false);
    expect(set.find(1, [1])).toEqual({ type: 4, minValue: 1n, maxValue: 0xffffffffn });
    expect(set.find(1, [2])).toBeUndefined();
    expect(set.find(99, [1])).toBeUndefined();
  });

  test("follows nests to their policies, on a real kernel", () => {
    const set = policies(answersOf("getpolicy netdev"));
    // Command 13 (bind-rx): attribute 2 holds queues, each with an id (1) and a type (3).
    expect(set.find(13, [2])).toMatchObject({ type: 13, policyIndex: 9 });
    expect(set.find(13, [2, 1])).toMatchObject({ type: 4 });
    expect(set.find(13, [2, 3])).toMatchObject({ type: 4, maxValue: 1n });
    expect(set.find(13, [2, 2])).toBeUndefined();
    expect(set.find(13, [1, 1])).toBeUndefined();
  });

  test("keeps the do and the dump form of a command apart", () => {
    const set = policies(answersOf("getpolicy netdev"));
    expect([set.find(10, [1], "do"), set.find(10, [1], "dump")].map((rule) => rule !== undefined)).toEqual([
      true,
      false,
    ]);
  });

  test("gives an answer about one command only when only that was dumped", () => {
    const set = policies(answersOf("getpolicy nlctrl getfamily"));
    expect([set.hasCommand(3), set.hasCommand(10)]).toEqual([true, false]);
    expect(set.find(3, [2])).toMatchObject({ type: 12, maxLength: 15 });
  });

  test("an attribute of type invalid is one that the kernel refuses", () => {
    const set = policies([
      fromController(10, { operationPolicy: new Map([[1, { do: 0 }]]) }),
      fromController(10, { policy: new Map([[0, new Map([[2, { type: 13, policyIndex: 1 }]])]]) }),
      fromController(10, { policy: new Map([[1, new Map([[23, { type: 0 }]])]]) }),
      fromController(10, { policy: new Map([[1, new Map([[24, { type: 4 }]])]]) }),
    ]);
    expect([set.find(1, [2, 23]), set.find(1, [2, 24])]).toEqual([undefined, { type: 4 }]);
  });
});
