/* The requests of the multi-peer mode: one socket that listens, and many peers. */
#include "simulator.h"

/* [2.3, SET_MODE] */
NTSTATUS set_mode(ADAPTER *adapter, REQUEST *request) {
  INT32 mode = ((OVPN_SET_MODE *)request->buffer)->Mode;
  if (mode != OVPN_MODE_P2P && mode != OVPN_MODE_MP) return STATUS_INVALID_PARAMETER;
  if (adapter->mode == OVPN_MODE_MP) return STATUS_ALREADY_INITIALIZED;
  adapter->mode = mode;
  return STATUS_SUCCESS;
}

/* [2.3, MP_START_VPN] */
NTSTATUS mp_start_vpn(ADAPTER *adapter, REQUEST *request) {
  OVPN_MP_START_VPN *given = request->buffer;
  BOOLEAN dual = at_least(adapter, 2, 5, 0) && given->IPv6Only == 0;
  ULONG answer = at_least(adapter, 2, 5, 0) ? sizeof(*given) : sizeof(given->ListenAddress);
  if (adapter->wire) return STATUS_ALREADY_INITIALIZED;
  if (!valid_family(&given->ListenAddress)) return STATUS_INVALID_DEVICE_REQUEST;
  NTSTATUS status = open_udp(adapter, &given->ListenAddress, dual);
  if (!NT_SUCCESS(status)) return status;
  /* Told only now, with the socket open. */
  if (request->out < answer) return STATUS_BUFFER_TOO_SMALL;
  adapter->connected = TRUE;
  given->ListenAddress = adapter->local;
  request->answer = answer;
  return STATUS_SUCCESS;
}

static BOOLEAN same_address(const OVPN_ADDRESS *one, const OVPN_ADDRESS *other) {
  if (one->Addr4.family != other->Addr4.family || one->Addr4.port != other->Addr4.port) return FALSE;
  if (one->Addr4.family == OVPN_FAMILY_IPV4)
    return RtlEqualMemory(one->Addr4.address, other->Addr4.address, sizeof(one->Addr4.address));
  return RtlEqualMemory(one->Addr6.address, other->Addr6.address, sizeof(one->Addr6.address));
}

static BOOLEAN is_zero(const UCHAR *bytes, ULONG length) {
  for (ULONG i = 0; i < length; i++)
    if (bytes[i]) return FALSE;
  return TRUE;
}

static BOOLEAN clashes(const PEER *peer, const OVPN_MP_NEW_PEER *given) {
  if (same_address(&peer->remote, &given->Remote)) return TRUE;
  if (!is_zero(given->VpnAddr4, 4) && RtlEqualMemory(peer->vpn4, given->VpnAddr4, 4)) return TRUE;
  return !is_zero(given->VpnAddr6, 16) && RtlEqualMemory(peer->vpn6, given->VpnAddr6, 16);
}

/* [2.3, MP_NEW_PEER]; of what the versions before the fix of CVE-2026-82325 leave behind, nothing is simulated. */
NTSTATUS mp_new_peer(ADAPTER *adapter, REQUEST *request) {
  const OVPN_MP_NEW_PEER *given = request->buffer;
  if (find_peer(adapter, given->PeerId)) return STATUS_OBJECTID_EXISTS;
  if (!valid_family(&given->Local) || !valid_family(&given->Remote)) return STATUS_INVALID_DEVICE_REQUEST;
  for (LIST_ENTRY *at = adapter->peers.Flink; at != &adapter->peers; at = at->Flink)
    if (clashes(CONTAINING_RECORD(at, PEER, link), given)) return STATUS_NO_MEMORY;
  PEER *peer = make_peer(&given->Remote);
  if (!peer) return STATUS_INSUFFICIENT_RESOURCES;
  peer->id = given->PeerId;
  RtlCopyMemory(peer->vpn4, given->VpnAddr4, sizeof(peer->vpn4));
  RtlCopyMemory(peer->vpn6, given->VpnAddr6, sizeof(peer->vpn6));
  InsertTailList(&adapter->peers, &peer->link);
  return STATUS_SUCCESS;
}

/* [2.3, MP_SET_PEER]: 1 for an unknown peer, and not "not found" */
NTSTATUS mp_set_peer(ADAPTER *adapter, REQUEST *request) {
  const OVPN_MP_SET_PEER *given = request->buffer;
  PEER *peer = find_peer(adapter, given->PeerId);
  if (!peer) return STATUS_INVALID_DEVICE_REQUEST;
  if (given->KeepaliveInterval != -1) {
    peer->interval = given->KeepaliveInterval;
    peer->sent_at = now_ms();
  }
  if (given->KeepaliveTimeout != -1) {
    peer->timeout = given->KeepaliveTimeout;
    peer->received_at = now_ms();
  }
  if (given->MSS != -1) peer->mss = (UINT16)given->MSS;
  return STATUS_SUCCESS;
}

/* [2.3, MP_DEL_PEER] */
NTSTATUS mp_del_peer(ADAPTER *adapter, REQUEST *request) {
  INT32 id = ((OVPN_MP_DEL_PEER *)request->buffer)->PeerId;
  PEER *peer = find_peer(adapter, id);
  if (!peer) return STATUS_NOT_FOUND;
  drop_routes(adapter, &id);
  drop_peer(peer);
  emit_deletion(adapter, id, OVPN_DEL_PEER_REASON_USERSPACE, request->done);
  return STATUS_SUCCESS;
}

static BOOLEAN same_prefix(const OVPN_MP_IROUTE *one, const OVPN_MP_IROUTE *other) {
  return !one->IPv6 == !other->IPv6 && one->Netbits == other->Netbits &&
         RtlEqualMemory(one->Addr.Addr6, other->Addr.Addr6, one->IPv6 ? 16 : 4);
}

static ROUTE *find_route(ADAPTER *adapter, const OVPN_MP_IROUTE *given) {
  for (LIST_ENTRY *at = adapter->routes.Flink; at != &adapter->routes; at = at->Flink) {
    ROUTE *route = CONTAINING_RECORD(at, ROUTE, link);
    if (same_prefix(&route->route, given)) return route;
  }
  return NULL;
}

static BOOLEAN valid_prefix(const OVPN_MP_IROUTE *given) {
  return given->Netbits >= 0 && given->Netbits <= (given->IPv6 ? 128 : 32);
}

/* [2.3, MP_ADD_IROUTE]; what an unknown peer is answered with is not known: 2 is the sheet's guess. */
NTSTATUS mp_add_iroute(ADAPTER *adapter, REQUEST *request) {
  const OVPN_MP_IROUTE *given = request->buffer;
  if (!valid_prefix(given)) return STATUS_INVALID_PARAMETER;
  if (!find_peer(adapter, given->PeerId)) return STATUS_OBJECTID_NOT_FOUND;
  ROUTE *route = find_route(adapter, given);
  if (!route) {
    route = allocate(sizeof(*route));
    if (!route) return STATUS_INSUFFICIENT_RESOURCES;
    InsertTailList(&adapter->routes, &route->link);
  }
  route->route = *given;
  return STATUS_SUCCESS;
}

/* [2.3, MP_DEL_IROUTE]: whose it is does not matter, and one that is not there is no error. */
NTSTATUS mp_del_iroute(ADAPTER *adapter, REQUEST *request) {
  const OVPN_MP_IROUTE *given = request->buffer;
  if (!valid_prefix(given)) return STATUS_INVALID_PARAMETER;
  ROUTE *route = find_route(adapter, given);
  if (!route) return STATUS_SUCCESS;
  RemoveEntryList(&route->link);
  release(route);
  return STATUS_SUCCESS;
}
