/**
 * The peer verbs for many items, in one turn of the event loop: see at-once.ts.
 */
import type { VerbAtOnce } from "./at-once.ts";
import type { AddPeerRequest, BackendInterface, BackendTransport, KeyRequest } from "./backend.ts";
import type { Capabilities } from "./capabilities.ts";
import { hadNoEffect } from "./errors.ts";
import type { KeyedLock } from "./lifetime.ts";
import type { Keepalive, PeerRef } from "./model.ts";
import type { Installation, PeerKeys } from "./peer-keys.ts";
import type { PeerRoutes } from "./peer-routes.ts";
import type { PeerRecord, PeerTable } from "./peer-table.ts";
import type { CoreTransport } from "./transport.ts";
import { at, readShape, type Shape, validateKey, validatePeerId } from "./validate.ts";

/** What the verbs work on. */
export interface PeersAtOnceParts {
  readonly backend: BackendInterface;
  readonly capabilities: Capabilities;
  readonly table: PeerTable;
  readonly keys: PeerKeys;
  readonly routes: PeerRoutes;
  readonly lock: KeyedLock<number>;
  /** Errors: `not-found`. */
  readonly find: (id: number) => PeerRecord;
  readonly checkAdd: (options: unknown, path: string | undefined) => CheckedAdd;
}

/** Checked `addPeer` options. */
export interface CheckedAdd {
  readonly id: number;
  readonly request: AddPeerRequest;
  readonly socket: CoreTransport;
  readonly transport: BackendTransport;
  readonly keepalive: Keepalive | "off";
  /** Made when it is sent. */
  record: PeerRecord | undefined;
}

/** An item of `installKeys`. */
export interface KeyItem {
  readonly id: number;
  readonly key: KeyRequest;
  installation: Installation | undefined;
}

/** An item of `swapKeysOf`. */
export interface SwapItem {
  readonly id: number;
  record: PeerRecord | undefined;
}

const KEY_ITEM: Shape<"peer" | "key"> = {
  names: ["peer", "key"],
  read: ({ peer, key }) => ({ peer, key }),
};

/** `addPeers`, where the backend can. */
export function additions(parts: PeersAtOnceParts): VerbAtOnce<CheckedAdd, PeerRef> | undefined {
  const { backend, table, lock } = parts;
  // In p2p mode there is one peer, and it may be in the way.
  if (!backend.addPeersNow || backend.mode === "p2p") return undefined;
  return {
    check: (given, path) => parts.checkAdd(given, path),
    prepare(item) {
      const { id, request } = item;
      if (request.replace || table.get(id) !== undefined || lock.isBusy(id)) return false;
      // Routes are claimed, and clash.
      if (request.routes !== undefined && request.routes.length > 0) return false;
      item.record = table.fromRequest(request, item.socket, item.keepalive);
      parts.routes.checkVpn(item.record, item.record.vpn);
      return true;
    },
    send: (items) => backend.addPeersNow?.(items) ?? [],
    done({ record }) {
      const { id, generation } = record as PeerRecord;
      table.begin(record as PeerRecord);
      return { id, generation };
    },
    failed({ id }, error) {
      // It may be there although the request failed.
      if (!hadNoEffect(error)) void lock.run(id, () => backend.removePeer(id).catch(() => {}));
    },
  };
}

/** `installKeys`, where the backend can. */
export function installations(parts: PeersAtOnceParts): VerbAtOnce<KeyItem, void> | undefined {
  const { backend, capabilities, keys, lock } = parts;
  if (!backend.installKeysNow || backend.mode === "p2p") return undefined;
  return {
    check(given, path) {
      const { peer, key } = readShape(given, KEY_ITEM, path);
      const request = validateKey(key, capabilities, at(path, "key"));
      return { id: validatePeerId(peer, at(path, "peer")), key: request, installation: undefined };
    },
    prepare(item, path) {
      if (lock.isBusy(item.id)) return false;
      const record = parts.find(item.id);
      // The first key arms it.
      if (!record.keepaliveArmed && record.keepalive !== "off") return false;
      item.installation = keys.begin(record, item.key, () => at(path(), "key"));
      return true;
    },
    send: (items) => backend.installKeysNow?.(items) ?? [],
    done: ({ installation }) => keys.done(installation as Installation),
    failed: ({ installation }, error) => keys.failed(installation as Installation, error),
  };
}

/** `swapKeysOf`, where the backend can. */
export function swaps(parts: PeersAtOnceParts): VerbAtOnce<SwapItem, void> | undefined {
  const { backend, keys, lock } = parts;
  if (!backend.swapKeysNow || backend.mode === "p2p") return undefined;
  return {
    check: (given, path) => ({ id: validatePeerId(given, path), record: undefined }),
    prepare(item) {
      if (lock.isBusy(item.id)) return false;
      const record = parts.find(item.id);
      keys.checkSwap(record);
      item.record = record;
      return true;
    },
    send: (items) => backend.swapKeysNow?.(items) ?? [],
    done: ({ record }) => record?.slots.swap(),
    failed: ({ record }, error) => keys.swapFailed(record as PeerRecord, error),
  };
}
