/**
 * What adds and removes peers of a module that must be asked from one processor, is asked from there.
 */
import { expect, test } from "vitest";
import type { AddPeerRequest, BackendTransport } from "../../../src/core/backend.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { ovpnCapabilities } from "../../../src/linux/capabilities.ts";
import type { ModuleCodec } from "../../../src/linux/codec.ts";
import type { Contexts, NamespaceContext, System } from "../../../src/linux/context.ts";
import { LEGACY_CODEC } from "../../../src/linux/legacy/codec.ts";
import { OVPN_CODEC } from "../../../src/linux/ovpn/codec.ts";
import { OvpnInterface } from "../../../src/linux/ovpn-interface.ts";
import type { LinkInfo } from "../../../src/netlink/codec/link.ts";

/** An interface; `asked` tells each request, and whether it was made on the one processor. */
function build(codec: ModuleCodec) {
  const asked: string[] = [];
  let isOne = false;
  const tell = (what: string) => asked.push(`${what}${isOne ? " from one" : ""}`);
  const context = {
    genl: {
      command: () => tell("command"),
      requestMany: (_format: unknown, count: number) => {
        tell(`${count} commands`);
        return new Array(count).fill(undefined);
      },
    },
    genlLanes: { request: async () => tell("command") },
  } as unknown as NamespaceContext;
  const oneProcessor = <T>(body: () => T): T => {
    isOne = true;
    try {
      return body();
    } finally {
      isOne = false;
    }
  };
  const dco = new OvpnInterface({
    system: { tracer: new WireTracer(() => {}) } as unknown as System,
    contexts: {} as Contexts,
    context,
    codec,
    mode: "multipeer",
    family: 30,
    link: { index: 7, name: "ovpn7" } as LinkInfo,
    created: true,
    capabilities: ovpnCapabilities(true),
    oneProcessor,
    warmCiphers: new Set(),
  });
  return { dco, asked };
}

const transport = { fd: 5 } as unknown as BackendTransport;
const request = (id: number) => ({ id }) as AddPeerRequest;

test.each([
  ["ovpn-dco-v2", LEGACY_CODEC, " from one"],
  ["ovpn", OVPN_CODEC, ""],
])("peers are added and removed, one by one and many at once: %s", async (_module, codec, where) => {
  const { dco, asked } = build(codec);
  await dco.addPeer(request(1), transport);
  dco.addPeersNow([2, 3].map((id) => ({ request: request(id), transport })));
  await dco.removePeer(1);
  expect(asked).toEqual([`command${where}`, `2 commands${where}`, `command${where}`]);
  // Keys are not in the list that must not be changed from two.
  dco.swapKeys(2);
  expect(asked.at(-1)).toBe("command");
});
