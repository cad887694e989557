/* What is asked and changes nothing. */
#include "simulator.h"

NTSTATUS get_version(ADAPTER *adapter, REQUEST *request) {
  *(OVPN_VERSION *)request->buffer = adapter->version;
  request->answer = sizeof(OVPN_VERSION);
  return STATUS_SUCCESS;
}

/* [2.3, GET_STATS] [measured]: 1 without a peer in 2.0.1; newer ones than 2.4 need none. */
NTSTATUS get_stats(ADAPTER *adapter, REQUEST *request) {
  if (!only_peer(adapter) && !at_least(adapter, 2, 5, 0)) return STATUS_INVALID_DEVICE_REQUEST;
  *(OVPN_STATS *)request->buffer = adapter->stats;
  request->answer = sizeof(OVPN_STATS);
  return STATUS_SUCCESS;
}

static OVPN_PEER_STATS stats_of(const PEER *peer) {
  OVPN_PEER_STATS stats = peer->stats;
  stats.PeerId = peer->id;
  return stats;
}

static NTSTATUS stats_of_all(ADAPTER *adapter, REQUEST *request) {
  if (request->out < sizeof(ULONG)) return STATUS_BUFFER_TOO_SMALL;
  ULONG needed = (ULONG)count_list(&adapter->peers) * sizeof(OVPN_PEER_STATS);
  if (request->out < needed) {
    *(ULONG *)request->buffer = needed;
    request->answer = sizeof(ULONG);
    return STATUS_BUFFER_OVERFLOW;
  }
  OVPN_PEER_STATS *to = request->buffer;
  for (LIST_ENTRY *at = adapter->peers.Flink; at != &adapter->peers; at = at->Flink)
    *to++ = stats_of(CONTAINING_RECORD(at, PEER, link));
  request->answer = needed;
  return STATUS_SUCCESS;
}

/* [2.3, GET_PEER_STATS] */
NTSTATUS get_peer_stats(ADAPTER *adapter, REQUEST *request) {
  INT32 id = ((OVPN_GET_PEER_STATS *)request->buffer)->PeerId;
  if (id == -1) return stats_of_all(adapter, request);
  PEER *peer = find_peer(adapter, id);
  if (!peer) return STATUS_OBJECTID_NOT_FOUND;
  if (request->out < sizeof(OVPN_PEER_STATS)) return STATUS_BUFFER_TOO_SMALL;
  *(OVPN_PEER_STATS *)request->buffer = stats_of(peer);
  request->answer = sizeof(OVPN_PEER_STATS);
  return STATUS_SUCCESS;
}
