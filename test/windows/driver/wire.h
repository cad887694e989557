/*
 * The simulator's sockets. Real ones, of Winsock: Wine loads a driver into an ordinary process, where that can be had; on
 * Windows it could not, and the real driver uses WSK. The part that implements this knows nothing of drivers and includes
 * no kernel header, the others no Winsock.
 */
#ifndef DCOKIT_WIRE_H
#define DCOKIT_WIRE_H

#include "protocol.h"

typedef struct WIRE WIRE;

/* Called on the wire's own thread, without any lock. The statuses are Windows' error codes, 0 for none. */
typedef struct {
  void (*packet)(void *context, WIRE *wire, const OVPN_ADDRESS *from, const uint8_t *bytes, uint32_t length);
  void (*connected)(void *context, WIRE *wire, uint32_t error);
  void (*lost)(void *context, WIRE *wire, uint32_t error);
  /* The last call: the thread ends, and nobody uses the wire any more. */
  void (*finished)(void *context);
} WIRE_CALLS;

/* Longest packet that is taken from the wire; see the sheet, 4.4. */
#define WIRE_LONGEST 2048

/*
 * Both bind at once, and return an error code of Windows. wire_connect then connects in the background and calls
 * `connected`. `bound` gets the address. `dual` lets an IPv6 socket take IPv4 as well.
 */
uint32_t wire_udp(WIRE **wire, const OVPN_ADDRESS *local, int dual, OVPN_ADDRESS *bound, const WIRE_CALLS *calls,
                  void *context);
uint32_t wire_tcp(WIRE **wire, const OVPN_ADDRESS *local, const OVPN_ADDRESS *remote, OVPN_ADDRESS *bound,
                  const WIRE_CALLS *calls, void *context);

/* One packet; `to` only for UDP. Over TCP with its two bytes of length before it. */
uint32_t wire_send(WIRE *wire, const OVPN_ADDRESS *to, const uint8_t *bytes, uint32_t length);

/* Closes the socket; the wire frees itself, and `finished` is called, when its thread has noticed. Once, and always. */
void wire_close(WIRE *wire);

int wire_address_length(const OVPN_ADDRESS *address);

/*
 * What the wire takes from the driver's side (system.c). Not from kernel32.dll: what imports that is no driver to Wine.
 */
void *wire_allocate(uint32_t size);
void wire_release(void *memory);
/* Returns 0 if there is no thread to be had. */
int wire_begin_thread(void (*run)(void *), void *argument);
void wire_end_thread(void);
void wire_wait_a_moment(void);
/* A lock, in memory of wire_allocate. */
void *wire_make_lock(void);
void wire_enter(void *lock);
void wire_leave(void *lock);

#endif
