/* The sockets of adapters: what comes from their threads is put in order by the adapter's lock. */
#include "simulator.h"

static void came(void *context, WIRE *wire, const OVPN_ADDRESS *from, const uint8_t *bytes, uint32_t length) {
  ADAPTER *adapter = context;
  LIST_ENTRY done;
  InitializeListHead(&done);
  ExAcquireFastMutex(&adapter->lock);
  /* A wire that was closed meanwhile has nothing to say. */
  if (adapter->wire == wire) packet_came(adapter, from, bytes, length, &done);
  ExReleaseFastMutex(&adapter->lock);
  complete_all(&done);
}

static void connected(void *context, WIRE *wire, uint32_t error) {
  ADAPTER *adapter = context;
  LIST_ENTRY done;
  InitializeListHead(&done);
  ExAcquireFastMutex(&adapter->lock);
  if (adapter->wire == wire) connect_ended(adapter, error, &done);
  ExReleaseFastMutex(&adapter->lock);
  complete_all(&done);
}

/* [4.4], [measured]: one pended read ends with 1236; where none is pended it is lost. */
static void lost(void *context, WIRE *wire, uint32_t error) {
  UNREFERENCED_PARAMETER(error);
  ADAPTER *adapter = context;
  LIST_ENTRY done;
  InitializeListHead(&done);
  ExAcquireFastMutex(&adapter->lock);
  IRP *irp = adapter->wire == wire ? take_pending(&adapter->reads) : NULL;
  if (irp) finish(&done, irp, STATUS_CONNECTION_ABORTED, 0);
  ExReleaseFastMutex(&adapter->lock);
  complete_all(&done);
}

static void finished(void *context) { InterlockedDecrement(&((ADAPTER *)context)->threads); }

static const WIRE_CALLS calls = {came, connected, lost, finished};

static NTSTATUS opened(ADAPTER *adapter, ULONG error) {
  if (error != 0) {
    InterlockedDecrement(&adapter->threads);
    adapter->wire = NULL;
  }
  return status_of(error);
}

NTSTATUS open_udp(ADAPTER *adapter, const OVPN_ADDRESS *local, BOOLEAN dual) {
  InterlockedIncrement(&adapter->threads);
  return opened(adapter, wire_udp(&adapter->wire, local, dual, &adapter->local, &calls, adapter));
}

NTSTATUS open_tcp(ADAPTER *adapter, const OVPN_ADDRESS *local, const OVPN_ADDRESS *remote) {
  InterlockedIncrement(&adapter->threads);
  return opened(adapter, wire_tcp(&adapter->wire, local, remote, &adapter->local, &calls, adapter));
}

/* Winsock's errors as the statuses of WSK that section 2.4 has. */
NTSTATUS status_of(ULONG error) {
  static const struct {
    ULONG error;
    NTSTATUS status;
  } table[] = {
      {0, STATUS_SUCCESS},
      {10013, STATUS_ACCESS_DENIED},
      {10048, STATUS_ADDRESS_ALREADY_EXISTS},
      {10049, STATUS_INVALID_ADDRESS_COMPONENT},
      {10051, STATUS_NETWORK_UNREACHABLE},
      {10053, STATUS_CONNECTION_ABORTED},
      {10054, STATUS_CONNECTION_RESET},
      {10060, STATUS_IO_TIMEOUT},
      {10061, STATUS_CONNECTION_REFUSED},
      {10065, STATUS_HOST_UNREACHABLE},
  };
  for (ULONG row = 0; row < ARRAYSIZE(table); row++)
    if (table[row].error == error) return table[row].status;
  return STATUS_UNSUCCESSFUL;
}
