/* The requests of the P2P mode: one peer, made together with its socket. */
#include "simulator.h"

/* [2.3, NEW_PEER] */
NTSTATUS new_peer(ADAPTER *adapter, REQUEST *request) {
  OVPN_NEW_PEER given = *(OVPN_NEW_PEER *)request->buffer;
  PEER *old = only_peer(adapter);
  /* [measured]: a second one is refused with 5010 by 2.0.1; taken for all before 2.4, whose sources replace it. */
  if (old && !at_least(adapter, 2, 4, 0)) return STATUS_OBJECTID_EXISTS;
  if (!valid_family(&given.Local) || !valid_family(&given.Remote)) return STATUS_INVALID_DEVICE_REQUEST;
  if (given.Proto != OVPN_PROTO_UDP && given.Proto != OVPN_PROTO_TCP) return STATUS_INVALID_DEVICE_REQUEST;
  if (old) drop_peer(old);
  drop_wire(adapter);
  PEER *peer = make_peer(&given.Remote);
  if (!peer) return STATUS_INSUFFICIENT_RESOURCES;
  BOOLEAN tcp = given.Proto == OVPN_PROTO_TCP;
  NTSTATUS status = tcp ? open_tcp(adapter, &given.Local, &given.Remote) : open_udp(adapter, &given.Local, FALSE);
  if (!NT_SUCCESS(status)) {
    release(peer);
    return status;
  }
  InsertTailList(&adapter->peers, &peer->link);
  RtlZeroMemory(&adapter->stats, sizeof(adapter->stats));
  if (!tcp) return STATUS_SUCCESS;
  pend(&adapter->connects, request->irp, request->done);
  return STATUS_PENDING;
}

/* Connecting goes on where its request was cancelled or its peer deleted [2.2]: then nobody waits for the answer. */
void connect_ended(ADAPTER *adapter, ULONG error, LIST_ENTRY *done) {
  IRP *irp = take_pending(&adapter->connects);
  if (irp) finish(done, irp, status_of(error), 0);
}

/* [2.3, START_VPN] [measured]: 1 without a peer */
NTSTATUS start_vpn(ADAPTER *adapter, REQUEST *request) {
  UNREFERENCED_PARAMETER(request);
  if (!only_peer(adapter)) return STATUS_INVALID_DEVICE_REQUEST;
  adapter->connected = TRUE;
  return STATUS_SUCCESS;
}

/* [2.3, SET_PEER] [measured]: 1 without a peer */
NTSTATUS set_peer(ADAPTER *adapter, REQUEST *request) {
  const OVPN_SET_PEER *given = request->buffer;
  PEER *peer = only_peer(adapter);
  if (!peer) return STATUS_INVALID_DEVICE_REQUEST;
  if (given->KeepaliveInterval != -1) {
    peer->interval = given->KeepaliveInterval;
    peer->sent_at = now_ms();
  }
  /* The bug of 2.0 to 2.4: what is looked at is the stored value, so that a -1 stays for ever. Taken for 1.x as well. */
  if ((at_least(adapter, 2, 5, 0) ? given->KeepaliveTimeout : peer->timeout) != -1) {
    peer->timeout = given->KeepaliveTimeout;
    peer->received_at = now_ms();
  }
  if (given->MSS != -1) peer->mss = (UINT16)given->MSS;
  return STATUS_SUCCESS;
}

/* [2.3, DEL_PEER] [measured]: 0 without a peer, 995 on pended reads */
NTSTATUS del_peer(ADAPTER *adapter, REQUEST *request) {
  drop_peers(adapter);
  drop_wire(adapter);
  drop_packets(adapter);
  finish_pending(&adapter->reads, request->done, STATUS_CANCELLED);
  finish_pending(&adapter->notifications, request->done, STATUS_CANCELLED);
  adapter->mode = OVPN_MODE_P2P;
  return STATUS_SUCCESS;
}

static void swap(PEER *peer) {
  SIMULATOR_KEY primary = peer->keys[0];
  peer->keys[0] = peer->keys[1];
  peer->keys[1] = primary;
  RtlSecureZeroMemory(&primary, sizeof(primary));
}

/* [2.3, SWAP_KEYS] [measured]: 1 without a peer */
NTSTATUS swap_keys(ADAPTER *adapter, REQUEST *request) {
  UNREFERENCED_PARAMETER(request);
  PEER *peer = only_peer(adapter);
  if (!peer) return STATUS_INVALID_DEVICE_REQUEST;
  swap(peer);
  return STATUS_SUCCESS;
}

NTSTATUS mp_swap_keys(ADAPTER *adapter, REQUEST *request) {
  PEER *peer = find_peer(adapter, ((OVPN_MP_SWAP_KEYS *)request->buffer)->PeerId);
  if (!peer) return STATUS_INVALID_DEVICE_REQUEST;
  swap(peer);
  return STATUS_SUCCESS;
}
