/**
 * One sequence on one driver: makes the calls that operations stand for, and says what came of them in words that are
 * the same for all drivers.
 */
import { hash } from "node:crypto";
import type { Capabilities } from "../../src/core/capabilities.ts";
import type { DcoDriver, DcoInterface, Transport } from "../../src/core/contract.ts";
import { DcoError } from "../../src/core/errors.ts";
import {
  type AddPeerOptions,
  type BulkResult,
  CIPHER_KEY_BYTES,
  type CipherName,
  type DcoEvent,
  type KeyOptions,
  type PeerInfo,
  type PeerRef,
  type SetPeerOptions,
} from "../../src/core/model.ts";
import { inTime } from "../conformance/expect.ts";
import { Recorder } from "../conformance/recorder.ts";
import {
  keepaliveOf,
  type Model,
  type ModelEnd,
  type ModelInterface,
  prefix,
  remoteInput,
  vpnAddress,
  vpnOf,
} from "./model.ts";
import {
  BAD_ADDRESS,
  type KeySpec,
  type Operation,
  type PeerFieldsSpec,
  type PeerSpec,
  RARE,
  ZEROES,
} from "./operations.ts";

/** What came of a call: `ok` with what it gave, or the code with what else the error says. */
export type Outcome = { readonly ending: string; readonly detail?: string; readonly value?: unknown };

/** A driver with what is about its platform. */
export interface SessionParts {
  readonly name: string;
  readonly driver: DcoDriver;
  /** What makes its calls be about the place of the test. */
  readonly extras: object;
}

interface SessionInterface {
  readonly dco: DcoInterface;
  readonly events: Recorder;
  /** Which of its peers a generation is. */
  readonly lives: Map<number, number>;
}

interface SessionTransport {
  readonly transport: Transport;
  readonly family: 4 | 6;
}

/** How often, and how long each time, a link is waited for. */
const LINK_WAITS = 100;
const LINK_WAIT_MS = 50;
/** Names of interfaces; the last is refused everywhere. */
const nameOf = (name: number) => (name === BAD_ADDRESS ? "no/name" : `model${name}`);

/** See the module's comment. The model is only asked what numbers stand for. */
export class Session {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #driver: DcoDriver;
  readonly #extras: object;
  readonly #model: Model;
  readonly #interfaces: SessionInterface[] = [];
  readonly #transports: SessionTransport[] = [];

  constructor({ name, driver, extras }: SessionParts, model: Model) {
    this.name = name;
    this.capabilities = driver.capabilities;
    this.#driver = driver;
    this.#extras = extras;
    this.#model = model;
  }

  /**
   * A call that waits to be made: what its numbers stand for is read now, before the model moves on.
   *
   * @returns undefined where it does not concern this driver
   */
  prepare(operation: Operation): (() => Promise<Outcome>) | undefined {
    if (operation.do === "rare" && this.capabilities[RARE[operation.what]]) return undefined;
    const call = this.#call(operation, undefined);
    return call && (() => inTime(outcomeOf(call), `${operation.do} at ${this.name}`, 60_000));
  }

  /** What there is of an interface now. */
  async state(on: number): Promise<unknown> {
    const at = this.#interfaces[on];
    if (at === undefined) return undefined;
    const { dco } = at;
    if (dco.closed) return { closed: true };
    const peers = (await dco.peers()).map((peer) => this.#peer(at, peer)).sort((a, b) => a.id - b.id);
    // What the kernel says, and not what this process remembers.
    for (const { id, keys } of peers) {
      const asked = JSON.stringify(await dco.keys(id));
      if (asked !== JSON.stringify(keys))
        throw new Error(`keys(${id}) says ${asked}, peers() ${JSON.stringify(keys)}`);
    }
    return { closed: false, peers };
  }

  /** Which transports are closed, in the order in which they were opened. */
  transportsClosed(): boolean[] {
    return this.#transports.map(({ transport }) => transport.closed);
  }

  /** Waits for the end of an interface that somebody else has deleted: an event tells it. */
  async #settle(on: number): Promise<void> {
    const at = this.#interfaces[on];
    if (at) await inTime(at.events.done, `the end of an interface at ${this.name}`);
    if (at) await at.dco.close();
  }

  /** How the peers of an interface ended, sorted by life. The interface is closed. */
  ends(on: number): { readonly ends: ModelEnd[]; readonly removed: boolean } {
    const { events, lives } = this.#interfaces[on] as SessionInterface;
    const strange = events.all.filter(({ type }) => !EXPECTED_EVENTS.has(type));
    if (strange.length > 0) throw new Error(`events of ${this.name}: ${JSON.stringify(strange, bigints)}`);
    if (events.all.at(-1)?.type !== "closed") throw new Error(`the last event of ${this.name} is not closed`);
    const ends = events.of("peer-deleted").map(({ peer: id, generation, reason }) => {
      const life = lives.get(generation);
      if (life === undefined) throw new Error(`an end of generation ${generation}, which nobody was told of`);
      return { life, id, reason };
    });
    ends.sort((a, b) => a.life - b.life);
    return { ends, removed: events.of("interface-removed").length > 0 };
  }

  async close(): Promise<void> {
    await inTime(this.#driver.close(), `closing ${this.name}`);
    for (const { events } of this.#interfaces) await inTime(events.done, `the end of events at ${this.name}`);
  }

  /** A call that waits to be made; everything that it needs of the model is read now. */
  #call(operation: Operation, signal: AbortSignal | undefined): (() => Promise<unknown>) | undefined {
    const model = this.#model;
    const driver = this.#driver;
    const extras = this.#extras;
    switch (operation.do) {
      case "createInterface": {
        const { mode, onExisting } = operation;
        const options = { mode, name: nameOf(operation.name), ...(onExisting && { onExisting }), ...extras };
        const gone = this.#standing(operation.name);
        return async () => {
          const dco = await driver.createInterface(options as never);
          if (gone !== undefined) await this.#settle(gone);
          this.#interfaces.push({ dco, events: new Recorder(dco), lives: new Map() });
        };
      }
      case "deleteInterface": {
        const gone = this.#standing(operation.name);
        return async () => {
          await driver.deleteInterface(nameOf(operation.name), extras);
          if (gone !== undefined) await this.#settle(gone);
        };
      }
      case "listInterfaces": {
        const expected = JSON.stringify(model.list());
        return () => this.#list(expected);
      }
      case "closeDriver":
        return () => driver.close();
      case "closeTransport": {
        const at = model.transport(operation.transport);
        const transport = at && this.#transports[model.transports.indexOf(at)];
        return async () => transport?.transport.close();
      }
      case "send": {
        const at = model.transport(operation.transport);
        const found = at && this.#transports[model.transports.indexOf(at)];
        if (at === undefined || found === undefined) return undefined;
        const packet = Buffer.alloc(operation.size, operation.opcode << 3);
        const options = {
          ...(operation.peer !== undefined && { peer: operation.peer as number }),
          ...(operation.to && { to: remoteInput(operation.to, at.family) }),
        };
        return () => found.transport.send(packet, options);
      }
      case "together": {
        const calls = operation.operations.map((each) => this.#call(each, undefined) ?? (async () => {}));
        return async () => (await Promise.all(calls.map(outcomeOf))).map(({ ending }) => ending);
      }
      case "aborted":
        return this.#call(operation.operation, AbortSignal.abort());
      default:
        return this.#onInterface(operation, signal);
    }
  }

  /** Links follow their peers by themselves, so that is waited for. */
  async #list(expected: string): Promise<unknown[]> {
    for (let asked = 0; ; asked++) {
      const found = (await this.#driver.listInterfaces(this.#extras))
        .filter(({ name }) => name.startsWith("model"))
        .map(({ name, mode, mtu, up, linkUp }) => ({ name: Number(name.at(-1)), mode, mtu, up, linkUp }))
        .sort((a, b) => a.name - b.name);
      if (asked === LINK_WAITS || JSON.stringify(found) === expected) return found;
      await new Promise((resolve) => setTimeout(resolve, LINK_WAIT_MS));
    }
  }

  #onInterface(
    operation: Extract<Operation, { readonly on: number }>,
    signal: AbortSignal | undefined,
  ): (() => Promise<unknown>) | undefined {
    const model = this.#model;
    const where = model.at(operation.on);
    const at = where && this.#interfaces[model.interfaces.indexOf(where)];
    if (where === undefined || at === undefined) return undefined;
    const { dco } = at;
    const options = signal && { signal };
    switch (operation.do) {
      case "closeInterface":
        return () => dco.close();
      case "configure": {
        const { mtu, up } = operation;
        const config = { ...(mtu !== undefined && { mtu }), ...(up !== undefined && { up }) };
        return () => dco.configure(config as never, options);
      }
      case "openTransport":
        return this.#open(dco, operation);
      case "addPeer": {
        const peer = this.#addOptions(where, operation.peer);
        return async () => this.#born(at, await dco.addPeer(peer, options));
      }
      case "addPeers": {
        const peers = operation.peers.map((peer) => this.#addOptions(where, peer));
        return async () => bulk(await dco.addPeers(peers), (ref) => this.#born(at, ref));
      }
      case "setPeer": {
        const peer = where.peers.get(operation.id as number);
        const fields = setOptions(where, operation.fields, peer?.transport.family ?? 4);
        return () => dco.setPeer(operation.id as number, fields, options);
      }
      case "removePeer":
        return () => dco.removePeer(operation.id as number, options);
      case "removePeers":
        return async () => bulk(await dco.removePeers(operation.ids as number[]));
      case "installKey":
        return withKeys([operation.key], ([key]) =>
          dco.installKey(operation.id as number, key as KeyOptions, options),
        );
      case "installKeys": {
        const specs = operation.keys.map(({ key }) => key);
        return withKeys(specs, async (keys) => {
          const items = operation.keys.map(({ peer }, n) => ({ peer, key: keys[n] }));
          return bulk(await dco.installKeys(items as never));
        });
      }
      case "swapKeys":
        return () => dco.swapKeys(operation.id as number, options);
      case "swapKeysOf":
        return async () => bulk(await dco.swapKeysOf(operation.ids as number[]));
      case "deleteKey":
        return () => dco.deleteKey(operation.id as number, operation.slot as "primary", options);
      case "keys":
        return () => dco.keys(operation.id as number);
      case "peer":
        return async () => this.#peer(at, await dco.peer(operation.id as number));
      case "peers":
        return async () =>
          (await dco.peers(options)).map((peer) => this.#peer(at, peer)).sort((a, b) => a.id - b.id);
      case "stats":
        return async () =>
          (await dco.stats())
            .map(({ id, generation }) => ({ id, life: at.lives.get(generation) }))
            .sort((a, b) => a.id - b.id);
      case "expire":
        return async () => {
          await dco.setPeer(operation.id, { keepalive: { interval: 1, timeout: 1 } });
          const isIt = (event: DcoEvent) => event.type === "peer-deleted" && event.peer === operation.id;
          const seen = at.events.all.filter(isIt).length;
          while (at.events.all.filter(isIt).length === seen)
            await new Promise((resolve) => setTimeout(resolve, 20));
        };
      case "rare":
        return this.#rare(dco, where, operation.what);
    }
  }

  #open(
    dco: DcoInterface,
    { local, remote, clash }: Operation & { do: "openTransport" },
  ): () => Promise<unknown> {
    const model = this.#model;
    const { family } = model.localOf(local, clash);
    const other = model.clashing(local, clash);
    const taken = other && this.#transports[model.transports.indexOf(other)]?.transport.local;
    const addresses: Record<string, object> = {
      loopback4: { local: "127.0.0.1:0" },
      loopback6: { local: "[::1]:0" },
      any4: { local: "0.0.0.0:0" },
      any6: { local: "[::]:0" },
      only6: { local: "[::]:0", dualStack: false },
      // IPv4 on an IPv6 socket is told as IPv4.
      clash: taken
        ? { local: taken, ...(other?.dualStack === false && { dualStack: false }) }
        : { local: "127.0.0.1:0" },
      strange: { local: "203.0.113.9:0" },
      bad: { local: "127.0.0.1:99999" },
      none: {},
    };
    const options = {
      protocol: "udp",
      ...addresses[local],
      ...(remote && { remote: remoteInput(remote, family) }),
    };
    return async () => {
      const transport = await dco.openTransport(options as never);
      this.#transports.push({ transport, family });
    };
  }

  /** Verbs and options that this driver does not have. */
  #rare(dco: DcoInterface, where: ModelInterface, what: keyof typeof RARE): () => Promise<unknown> {
    const driver = this.#driver;
    const extras = this.#extras;
    switch (what) {
      case "addresses":
        return () => dco.configure({ addresses: ["10.8.0.1/24"] });
      case "routes":
        return () => dco.configure({ routes: ["10.99.0.0/16"] });
      case "bypass":
        return () => dco.configure({ bypass: ["192.0.2.77"] });
      case "adoptInterface":
        return () => driver.adoptInterface(nameOf(0), extras);
      case "observe":
        return () => driver.adoptInterface(nameOf(0), { role: "observer", ...extras });
      case "adoptSocket":
        return () => dco.openTransport({ protocol: "udp", adopt: { fd: 0 } });
      case "survive":
        return () => driver.createInterface({ mode: "p2p", deleteOnClose: false, ...extras });
      case "peerLocal": {
        const [transport] = where.transports;
        const mine = transport && this.#transports[this.#model.transports.indexOf(transport)]?.transport;
        const vpn = where.mode === "multipeer" && { vpn: { ipv4: "10.8.0.99" } };
        const peer = { id: 9, transport: mine ?? {}, remote: "127.0.0.9:1194", local: "10.0.0.1", ...vpn };
        return () => dco.addPeer(peer as never);
      }
    }
  }

  #addOptions(where: ModelInterface, spec: PeerSpec): AddPeerOptions {
    const transport = this.#model.transportOf(where, spec);
    const mine = transport && this.#transports[this.#model.transports.indexOf(transport)];
    const { id, replace } = spec;
    const { vpn: _, ...fields } = spec;
    const vpn = vpnOf(where, spec);
    return {
      id: id as number,
      // Something else altogether where there is none.
      transport: mine ? mine.transport : ((spec.strange ? {} : undefined) as never),
      ...setOptions(where, { ...fields, ...(vpn && { vpn }) }, transport?.family ?? 4),
      ...(replace !== undefined && { replace }),
    };
  }

  #born({ lives }: SessionInterface, { generation }: PeerRef): void {
    lives.set(generation, lives.size + 1);
  }

  #peer({ lives }: SessionInterface, { id, generation, remote, vpn, keepalive, txId, keys }: PeerInfo) {
    const text = remote && (remote.address.includes(":") ? `[${remote.address}]` : remote.address);
    return {
      id,
      life: lives.get(generation),
      remote: remote && `${text}:${remote.port}`,
      vpn: { ...(vpn.ipv4 && { ipv4: vpn.ipv4 }), ...(vpn.ipv6 && { ipv6: vpn.ipv6 }) },
      keepalive,
      txId,
      keys: keys.map(({ slot, id, cipher }) => ({ slot, id, cipher })),
    };
  }

  /** The open interface of this name. */
  #standing(name: number): number | undefined {
    const found = this.#model.interfaces.findIndex((each) => each.name === name && !each.closed);
    return found < 0 ? undefined : found;
  }
}

const EXPECTED_EVENTS: ReadonlySet<string> = new Set(["peer-deleted", "link", "interface-removed", "closed"]);

function setOptions(where: ModelInterface, fields: PeerFieldsSpec, family: 4 | 6): SetPeerOptions {
  const { remote, vpn, routes, keepalive, txId } = fields;
  return {
    ...(remote && { remote: remoteInput(remote, family) }),
    ...(vpn && {
      vpn: {
        ...(vpn.ipv4 !== undefined && { ipv4: vpnAddress(4, vpn.ipv4) }),
        ...(vpn.ipv6 !== undefined && { ipv6: vpnAddress(6, vpn.ipv6) }),
      },
    }),
    ...(routes && { routes: routes.map((number) => prefix(where, number)) }),
    ...(keepalive !== undefined && { keepalive: keepaliveOf(keepalive) as "off" }),
    ...(txId !== undefined && { txId: txId as number }),
  };
}

/** Makes keys for a call, and looks afterwards whether they were wiped as was asked. */
function withKeys(
  specs: readonly KeySpec[],
  call: (keys: KeyOptions[]) => Promise<unknown>,
): () => Promise<unknown> {
  return async () => {
    const keys = specs.map(keyOf);
    try {
      return await call(keys);
    } finally {
      for (const [n, { encrypt, decrypt }] of keys.entries()) {
        const { wipe, encrypt: sent, decrypt: received } = specs[n] as KeySpec;
        const isWiped = [encrypt, decrypt].every(({ key, nonceTail }) =>
          [...key, ...nonceTail].every((byte) => byte === 0),
        );
        if (isWiped !== (wipe === true) && sent !== ZEROES && received !== ZEROES)
          // biome-ignore lint/correctness/noUnsafeFinally: it is the worse failure of the two
          throw new Error(`a key was ${isWiped ? "" : "not "}wiped`);
      }
    }
  };
}

function keyOf({ slot, id, cipher, encrypt, decrypt, short, wipe }: KeySpec): KeyOptions {
  const bytes = CIPHER_KEY_BYTES[cipher as CipherName] ?? 32;
  const direction = (number: number) => {
    const made =
      number === ZEROES ? Buffer.alloc(64) : Buffer.from(hash("sha512", `key ${number}`, "buffer"));
    const key = Uint8Array.from(made.subarray(0, short ? bytes - 1 : bytes));
    return { key, nonceTail: Uint8Array.from(made.subarray(48, 56)) };
  };
  return {
    slot: slot as "primary",
    id: id as number,
    cipher: cipher as CipherName,
    encrypt: direction(encrypt),
    decrypt: direction(decrypt),
    ...(wipe !== undefined && { wipe }),
  };
}

async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    const value = await call();
    return { ending: "ok", ...(value !== undefined && { value }) };
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): Outcome {
  if (!DcoError.is(error)) throw error;
  const { code, capability, field, effect } = error;
  // A refusal without a word about its effect has none, as far as anybody knows.
  const detail = [
    capability,
    field,
    effect === "done" || effect === "unknown" ? `effect ${effect}` : undefined,
  ];
  const text = detail.filter((each) => each !== undefined).join(", ");
  return { ending: code, ...(text !== "" && { detail: text }) };
}

/** Codes of the items, in their order. */
function bulk<T>(results: readonly BulkResult<T>[], then: (value: T) => unknown = () => {}): string[] {
  return results.map((result) => {
    if (!result.ok) return failureOf(result.error).ending;
    then(result.value);
    return "ok";
  });
}

function bigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
