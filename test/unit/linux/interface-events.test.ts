/**
 * What an interface does when the kernel tells something and then refuses what has to be done about it. An error
 * thrown where an event is handled would end the process.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { BackendEvent } from "../../../src/core/backend.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { ovpnCapabilities } from "../../../src/linux/capabilities.ts";
import type { Contexts, EventListener, NamespaceContext, System } from "../../../src/linux/context.ts";
import { LEGACY_CODEC } from "../../../src/linux/legacy/codec.ts";
import { OVPN_CODEC } from "../../../src/linux/ovpn/codec.ts";
import { OvpnInterface } from "../../../src/linux/ovpn-interface.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { type LinkInfo, setLink } from "../../../src/netlink/codec/link.ts";
import { RTM_DELLINK } from "../../../src/netlink/codec/rtnl.ts";

const link: LinkInfo = {
  index: 7,
  name: "ovpn7",
  flags: 0,
  up: false,
  running: false,
  lowerUp: false,
  operstate: "down",
  carrier: true,
  mtu: 1400,
  kind: "ovpn",
  ovpnMode: 1,
  alias: undefined,
  linkNetnsId: undefined,
};

const prefix = { family: 4, bytes: Uint8Array.of(10, 9, 0, 0), text: "10.9.0.0", length: 16 } as const;

function linkMessage(up: boolean): Buffer {
  const builder = new MessageBuilder();
  setLink(builder, 1, 7, { up });
  return builder.bytes();
}

/** RTM_DELLINK of the interface. */
function removalMessage(): Buffer {
  const message = linkMessage(false);
  message.writeUInt16LE(RTM_DELLINK, 4);
  return message;
}

/** An interface whose rtnetlink requests end as told, and which lists one peer of somebody else's. */
async function build(codec = OVPN_CODEC) {
  let refusal: DcoError | undefined;
  let listener: EventListener | undefined;
  const context = {
    rtnl: {
      request: () => {
        if (refusal) throw refusal;
        return [];
      },
    },
    onLinkEvents: (given: EventListener) => {
      listener = given;
      return () => {};
    },
    onPeerEvents: () => () => {},
    dumps: { run: async () => [{ id: 5 }] },
    users: 1,
  } as unknown as NamespaceContext;
  const backend = new OvpnInterface({
    system: { tracer: new WireTracer(() => {}) } as unknown as System,
    contexts: {} as Contexts,
    context,
    codec,
    mode: "multipeer",
    family: 30,
    link,
    created: true,
    capabilities: ovpnCapabilities(true),
    oneProcessor: (body) => body(),
    warmCiphers: new Set(),
  });
  const events: BackendEvent[] = [];
  await backend.start((event) => events.push(event));
  const refuse = (error: DcoError | undefined) => {
    refusal = error;
  };
  return { backend, events, listener: listener as unknown as EventListener, refuse };
}

const routes = { addresses: undefined, mtu: undefined, bypass: undefined, up: undefined };
const no = new DcoError("socket", "no way", { effect: "none" });

test("routes that cannot be added again are told, and so is the link", async () => {
  const { backend, events, listener, refuse } = await build();
  await backend.configure({
    ...routes,
    routes: [{ destination: prefix, via: undefined, metric: undefined }],
  });
  refuse(no);
  listener.onDatagram(linkMessage(true));
  expect(events).toMatchObject([
    { type: "unknown", detail: expect.stringMatching(/route.*no way/) },
    { type: "link" },
  ]);
});

test("a link that cannot be asked about after lost events is told", async () => {
  const { events, listener, refuse } = await build();
  refuse(no);
  listener.onOverflow(3);
  expect(events).toMatchObject([{ type: "unknown", detail: expect.stringMatching(/no way/) }]);
});

test("a link notification that cannot be read is told", async () => {
  const { events, listener } = await build();
  listener.onDatagram(Buffer.alloc(7));
  expect(events).toMatchObject([{ type: "unknown" }]);
});

test("the end of a link is told at once, or after those of its peers, where a module tells them late", async () => {
  const inTree = await build();
  await inTree.backend.peers();
  inTree.listener.onDatagram(removalMessage());
  expect(inTree.events).toEqual([{ type: "interface-removed" }]);
  const late = await build(LEGACY_CODEC);
  await late.backend.peers();
  late.listener.onDatagram(removalMessage());
  await sleep(20);
  expect(late.events).toEqual([]);
  late.backend.peerEnded(5);
  await sleep(20);
  expect(late.events).toEqual([{ type: "interface-removed" }]);
});

test("the end of a link is told although an end of a peer never comes", async () => {
  const { backend, events, listener } = await build(LEGACY_CODEC);
  await backend.peers();
  listener.onDatagram(removalMessage());
  await vi.waitFor(() => expect(events).toEqual([{ type: "interface-removed" }]), 5000);
});
