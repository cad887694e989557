/* Control packets: ReadFile and WriteFile. */
#include "simulator.h"

/* [4.4] */
#define LONGEST_WRITE 1500
#define SHORTEST_PACKET 4
/* P_DATA_V2 [3.5]. */
#define OPCODE_DATA 9

static NTSTATUS deliver(const ADAPTER *adapter, IRP *irp, const OVPN_ADDRESS *from, const UCHAR *bytes, ULONG length,
                        ULONG_PTR *given) {
  ULONG room = IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length;
  ULONG prefix = adapter->mode == OVPN_MODE_MP ? (ULONG)wire_address_length(from) : 0;
  /* The packet is lost. */
  if (room < prefix + length) return STATUS_BUFFER_TOO_SMALL;
  UCHAR *buffer = irp->AssociatedIrp.SystemBuffer;
  RtlCopyMemory(buffer, from, prefix);
  RtlCopyMemory(buffer + prefix, bytes, length);
  *given = prefix + length;
  return STATUS_SUCCESS;
}

static void queue_packet(ADAPTER *adapter, const OVPN_ADDRESS *from, const UCHAR *bytes, ULONG length) {
  PACKET *packet = allocate(sizeof(*packet) + length);
  if (!packet) return;
  packet->from = *from;
  packet->length = length;
  RtlCopyMemory(packet->bytes, bytes, length);
  InsertTailList(&adapter->packets, &packet->link);
}

static PACKET *take_packet(ADAPTER *adapter) {
  return IsListEmpty(&adapter->packets) ? NULL : CONTAINING_RECORD(RemoveHeadList(&adapter->packets), PACKET, link);
}

NTSTATUS serve_read(ADAPTER *adapter, IRP *irp, ULONG_PTR *given, LIST_ENTRY *done) {
  PACKET *packet = take_packet(adapter);
  if (!packet) {
    pend(&adapter->reads, irp, done);
    return STATUS_PENDING;
  }
  NTSTATUS status = deliver(adapter, irp, &packet->from, packet->bytes, packet->length, given);
  release(packet);
  return status;
}

/* Gives the oldest packet to the oldest read. Where both wait already, the one that comes now is queued first. */
void packet_came(ADAPTER *adapter, const OVPN_ADDRESS *from, const UCHAR *bytes, ULONG length, LIST_ENTRY *done) {
  if (length < SHORTEST_PACKET || length > WIRE_LONGEST) return;
  /* [3.5]: what is data is never handed up. The simulator has no cipher, so to it every such packet is a bad one. */
  if (bytes[0] >> 3 == OPCODE_DATA) {
    adapter->stats.LostInDataPackets++;
    return;
  }
  adapter->stats.ReceivedControlPackets++;
  BOOLEAN wakes = !(adapter->flags & SIMULATOR_LOSE_WAKE_UPS) || !IsListEmpty(&adapter->packets);
  queue_packet(adapter, from, bytes, length);
  if (!wakes || IsListEmpty(&adapter->packets)) return;
  IRP *irp = take_pending(&adapter->reads);
  if (!irp) return;
  PACKET *packet = take_packet(adapter);
  ULONG_PTR given = 0;
  NTSTATUS status = deliver(adapter, irp, &packet->from, packet->bytes, packet->length, &given);
  release(packet);
  finish(done, irp, status, given);
}

void drop_packets(ADAPTER *adapter) {
  PACKET *packet;
  while ((packet = take_packet(adapter)) != NULL) release(packet);
}

/* [4.4]; the destination is the peer's in P2P mode, and before the packet in the other. */
NTSTATUS serve_write(ADAPTER *adapter, IRP *irp, ULONG_PTR *sent) {
  const UCHAR *bytes = irp->AssociatedIrp.SystemBuffer;
  ULONG length = IoGetCurrentIrpStackLocation(irp)->Parameters.Write.Length;
  OVPN_ADDRESS to = {0};
  ULONG prefix = 0;
  /* [measured]: 22 without a peer */
  if (!adapter->wire) return STATUS_INVALID_DEVICE_STATE;
  if (adapter->mode == OVPN_MODE_MP) {
    if (length < sizeof(to.Addr4.family)) return STATUS_INVALID_MESSAGE;
    RtlCopyMemory(&to, bytes, sizeof(to.Addr4.family));
    prefix = (ULONG)wire_address_length(&to);
    if (prefix == 0) return STATUS_INVALID_ADDRESS;
    if (length < prefix) return STATUS_INVALID_MESSAGE;
    RtlCopyMemory(&to, bytes, prefix);
  } else {
    to = only_peer(adapter)->remote;
  }
  /* From about 2.8; what older ones do with too long a packet must not be tried on a real one. */
  if (length - prefix > LONGEST_WRITE) return STATUS_INVALID_BUFFER_SIZE;
  ULONG error = wire_send(adapter->wire, &to, bytes + prefix, length - prefix);
  if (error != 0) return status_of(error);
  *sent = length;
  return STATUS_SUCCESS;
}
