/* The adapters there are, and what each forgets when its last handle is closed. */
#include "simulator.h"

static ADAPTER *adapters[MAX_ADAPTERS];
static FAST_MUTEX list_lock;
static BOOLEAN list_ready;

ADAPTER *adapter_at(LONG number) { return number >= 0 && number < MAX_ADAPTERS ? adapters[number] : NULL; }

LONG adapter_count(void) {
  LONG count = 0;
  for (LONG i = 0; i < MAX_ADAPTERS; i++) count += adapters[i] != NULL;
  return count;
}

/* Called from AddDevice, of which there is one at a time. */
void adapter_init(ADAPTER *adapter) {
  if (!list_ready) {
    ExInitializeFastMutex(&list_lock);
    list_ready = TRUE;
  }
  ExInitializeFastMutex(&adapter->lock);
  LIST_ENTRY *lists[] = {&adapter->peers,  &adapter->routes, &adapter->packets,      &adapter->events,
                         &adapter->reads, &adapter->connects, &adapter->notifications, &adapter->answers,
                         &adapter->kept};
  for (ULONG i = 0; i < ARRAYSIZE(lists); i++) InitializeListHead(lists[i]);
}

void adapter_add(ADAPTER *adapter) {
  ExAcquireFastMutex(&list_lock);
  for (LONG i = 0; i < MAX_ADAPTERS; i++) {
    if (adapters[i]) continue;
    adapters[i] = adapter;
    break;
  }
  ExReleaseFastMutex(&list_lock);
}

void adapter_remove(ADAPTER *adapter) {
  ExAcquireFastMutex(&list_lock);
  for (LONG i = 0; i < MAX_ADAPTERS; i++)
    if (adapters[i] == adapter) adapters[i] = NULL;
  ExReleaseFastMutex(&list_lock);
}

void adapter_reset(ADAPTER *adapter, LIST_ENTRY *done) {
  drop_peers(adapter);
  drop_routes(adapter, NULL);
  drop_wire(adapter);
  drop_packets(adapter);
  drop_events(adapter);
  finish_pending(&adapter->reads, done, STATUS_CANCELLED);
  finish_pending(&adapter->notifications, done, STATUS_CANCELLED);
  finish_pending(&adapter->connects, done, STATUS_CANCELLED);
  adapter->mode = OVPN_MODE_P2P;
  adapter->connected = FALSE;
}

/* [1.3]: one handle. Wine neither refuses a second one nor lets a driver do so: requests.c answers on it with 5. */
void adapter_open(ADAPTER *adapter, FILE_OBJECT *file) {
  ExAcquireFastMutex(&adapter->lock);
  adapter->handles++;
  if (!adapter->owner) adapter->owner = file;
  ExReleaseFastMutex(&adapter->lock);
}

/* [1.3]: everything ends with the last close. */
void adapter_close(ADAPTER *adapter, FILE_OBJECT *file) {
  LARGE_INTEGER hold = {.QuadPart = -10000LL * InterlockedExchange(&adapter->hold_close, 0)};
  if (hold.QuadPart != 0) KeDelayExecutionThread(KernelMode, FALSE, &hold);
  LIST_ENTRY done;
  InitializeListHead(&done);
  ExAcquireFastMutex(&adapter->lock);
  adapter->handles--;
  if (adapter->owner == file) {
    adapter->owner = NULL;
    adapter_reset(adapter, &done);
  }
  ExReleaseFastMutex(&adapter->lock);
  complete_all(&done);
}

BOOLEAN at_least(const ADAPTER *adapter, INT32 major, INT32 minor, INT32 patch) {
  const OVPN_VERSION *version = &adapter->version;
  if (version->Major != major) return version->Major > major;
  if (version->Minor != minor) return version->Minor > minor;
  return version->Patch >= patch;
}

ULONGLONG now_ms(void) {
  LARGE_INTEGER time;
  KeQuerySystemTime(&time);
  return (ULONGLONG)time.QuadPart / 10000;
}

void *allocate(SIZE_T size) {
  void *memory = ExAllocatePoolWithTag(NonPagedPool, size, TAG);
  if (memory) RtlZeroMemory(memory, size);
  return memory;
}

void release(void *memory) { ExFreePoolWithTag(memory, TAG); }
