/**
 * Which module is taken, and what is said where none fits.
 */
import { describe, expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { resolveModule, type WantedModule } from "../../../src/linux/family.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { parseDatagram } from "../../../src/netlink/codec/message.ts";
import type { Lanes } from "../../../src/netlink/lanes.ts";
import { bytes, type CapturedExchange, LEGACY_CAPTURED, OVPN_CAPTURED } from "./support.ts";

/** What real kernels answered about a family. */
const ANSWERS: Readonly<Record<string, readonly CapturedExchange[]>> = {
  ovpn: OVPN_CAPTURED.exchanges,
  "ovpn-dco-v2": LEGACY_CAPTURED.exchanges,
};

/** A kernel with families of these names. */
function kernel(...families: string[]): Lanes {
  return {
    async request(
      _format: unknown,
      build: (b: MessageBuilder, seq: number) => void,
      decode: (m: unknown) => unknown,
    ) {
      const builder = new MessageBuilder();
      build(builder, 1);
      const request = Buffer.from(builder.bytes());
      const name = /[a-z][a-z0-9-]+(?=\0)/.exec(request.toString("latin1"))?.[0];
      if (name === undefined) return policyOf();
      if (!families.includes(name)) throw new DcoError("not-found", "the kernel refused: ENOENT");
      const answers = ANSWERS[name]?.find((each) => each.name.startsWith("getfamily"))?.answers;
      if (answers === undefined) return [{ id: 99, name, groups: { peers: 5 } }];
      const [message] = answers.flatMap((answer) => parseDatagram(bytes(answer)));
      return [decode(message)];
    },
  } as unknown as Lanes;
}

/** A kernel that tells nothing of its policies. */
function policyOf(): unknown[] {
  return [];
}

const failure = (lanes: Lanes, wanted: WantedModule): Promise<DcoError> =>
  resolveModule(lanes, wanted).then(
    () => expect.fail("it was found"),
    (error: DcoError) => error,
  );

test("the in-tree module is preferred", async () => {
  const { info, codec } = await resolveModule(kernel("ovpn-dco", "ovpn-dco-v2", "ovpn"), "auto");
  expect([info.backend, info.module, codec.linkKind]).toEqual(["linux", "ovpn", "ovpn"]);
});

test("where there is none, the out-of-tree one is taken, and it is said why", async () => {
  const { info, codec, group, capabilities } = await resolveModule(kernel("ovpn-dco-v2"), "auto");
  expect([info.backend, info.module, codec.linkKind, group]).toEqual([
    "linux-legacy",
    "ovpn-dco-v2",
    "ovpn-dco",
    LEGACY_CAPTURED.group,
  ]);
  expect(info.reason).toMatch(/the kernel has no family ovpn$/);
  expect([
    capabilities("p2p").listPeers,
    capabilities("multipeer").listPeers,
    capabilities().listPeers,
  ]).toEqual([false, true, true]);
});

test("by name each is to be had beside the other", async () => {
  const both = kernel("ovpn", "ovpn-dco-v2");
  for (const name of ["linux", "linux-legacy"] as const) {
    expect((await resolveModule(both, name)).info).toMatchObject({
      backend: name,
      reason: expect.stringContaining("asked for by name"),
    });
  }
});

describe("where none fits it is unavailable, and what is there is named", () => {
  test.each([
    ["auto", [], [/no DCO module/, /6\.16/, /ovpn-backports/, /openvpn-dco-dkms/], [/it has the family/]],
    ["auto", ["ovpn-dco"], [/family ovpn-dco \(the first generation/, /v0\.1\.20230206/, /ovpn-dco-v2/], []],
    ["linux", ["ovpn-dco-v2"], [/no module ovpn;/, /family ovpn-dco-v2 \(the backend linux-legacy/], []],
    ["linux-legacy", ["ovpn"], [/no module ovpn-dco-v2;/, /family ovpn \(the backend linux drives/], []],
    ["linux-legacy", [], [/openvpn-dco-dkms/], [/it has the family/]],
  ] as const)("%s, with %j", async (wanted, families, said, unsaid) => {
    const { code, message } = await failure(kernel(...families), wanted);
    expect(code).toBe("unavailable");
    for (const each of said) expect(message).toMatch(each);
    for (const each of unsaid) expect(message).not.toMatch(each);
  });
});
