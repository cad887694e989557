/* What the wire takes from the system, see wire.h. */
#include "simulator.h"

#define MOMENT_MS 10

void *wire_allocate(uint32_t size) { return allocate(size); }

void wire_release(void *memory) { release(memory); }

int wire_begin_thread(void (*run)(void *), void *argument) {
  HANDLE thread;
  NTSTATUS status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, argument);
  if (NT_SUCCESS(status)) ZwClose(thread);
  return NT_SUCCESS(status);
}

void wire_end_thread(void) { PsTerminateSystemThread(STATUS_SUCCESS); }

void wire_wait_a_moment(void) {
  LARGE_INTEGER wait = {.QuadPart = -10000LL * MOMENT_MS};
  KeDelayExecutionThread(KernelMode, FALSE, &wait);
}

void *wire_make_lock(void) {
  FAST_MUTEX *lock = allocate(sizeof(*lock));
  if (lock) ExInitializeFastMutex(lock);
  return lock;
}

void wire_enter(void *lock) { ExAcquireFastMutex(lock); }

void wire_leave(void *lock) { ExReleaseFastMutex(lock); }
