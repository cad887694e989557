/* Peers and routes as data; which request changes them is in p2p.c and multipeer.c. */
#include "simulator.h"

BOOLEAN valid_family(const OVPN_ADDRESS *address) { return wire_address_length(address) != 0; }

PEER *find_peer(ADAPTER *adapter, INT32 id) {
  for (LIST_ENTRY *at = adapter->peers.Flink; at != &adapter->peers; at = at->Flink) {
    PEER *peer = CONTAINING_RECORD(at, PEER, link);
    if (peer->id == id) return peer;
  }
  return NULL;
}

/* The peer of the P2P mode. */
PEER *only_peer(ADAPTER *adapter) {
  return IsListEmpty(&adapter->peers) ? NULL : CONTAINING_RECORD(adapter->peers.Flink, PEER, link);
}

PEER *make_peer(const OVPN_ADDRESS *remote) {
  PEER *peer = allocate(sizeof(*peer));
  if (!peer) return NULL;
  peer->remote = *remote;
  return peer;
}

void drop_peer(PEER *peer) {
  RemoveEntryList(&peer->link);
  RtlSecureZeroMemory(peer->keys, sizeof(peer->keys));
  release(peer);
}

void drop_peers(ADAPTER *adapter) {
  while (!IsListEmpty(&adapter->peers)) drop_peer(only_peer(adapter));
}

/* `of`: only those that lead to this peer. */
void drop_routes(ADAPTER *adapter, const INT32 *of) {
  LIST_ENTRY *at = adapter->routes.Flink;
  while (at != &adapter->routes) {
    ROUTE *route = CONTAINING_RECORD(at, ROUTE, link);
    at = at->Flink;
    if (of && route->route.PeerId != *of) continue;
    RemoveEntryList(&route->link);
    release(route);
  }
}

void drop_wire(ADAPTER *adapter) {
  if (adapter->wire) wire_close(adapter->wire);
  adapter->wire = NULL;
  RtlZeroMemory(&adapter->local, sizeof(adapter->local));
}
