/* The simulator's sockets, see wire.h. A thread for each, which waits for packets and for the end. */
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <ws2tcpip.h>
#include <string.h>
#include "wire.h"

#define FRAME_HEAD 2

struct WIRE {
  /* Guards the socket, which wire_close closes at once, so that its port is free, while the thread may be at it. Never
   * held in a callback. */
  void *lock;
  int closed;
  SOCKET socket;
  WSAEVENT stop;
  WSAEVENT ready;
  int tcp;
  OVPN_ADDRESS remote;
  WIRE_CALLS calls;
  void *context;
  /* TCP: what has come of the packet at hand, with its length before it. */
  uint32_t have;
  uint8_t frame[FRAME_HEAD + 65536];
};

int wire_address_length(const OVPN_ADDRESS *address) {
  if (address->Addr4.family == OVPN_FAMILY_IPV4) return sizeof(OVPN_ADDRESS4);
  if (address->Addr4.family == OVPN_FAMILY_IPV6) return sizeof(OVPN_ADDRESS6);
  return 0;
}

/* Enters the lock and returns 1, unless the wire is closed. */
static int enter(WIRE *wire) {
  wire_enter(wire->lock);
  if (!wire->closed) return 1;
  wire_leave(wire->lock);
  return 0;
}

static void leave(WIRE *wire) { wire_leave(wire->lock); }

static void take_datagrams(WIRE *wire) {
  while (enter(wire)) {
    OVPN_ADDRESS from = {0};
    int size = sizeof(from);
    int length = recvfrom(wire->socket, (char *)wire->frame, sizeof(wire->frame), 0, (struct sockaddr *)&from, &size);
    int error = length == SOCKET_ERROR ? WSAGetLastError() : 0;
    leave(wire);
    /* What an earlier datagram met with is no concern of the next one. */
    if (error == WSAECONNRESET || error == WSAENETRESET) continue;
    if (error != 0) return;
    wire->calls.packet(wire->context, wire, &from, wire->frame, (uint32_t)length);
  }
}

/* Gives the packet that is whole, if one is; returns how many bytes the next one or its rest still wants. */
static uint32_t take_frame(WIRE *wire) {
  if (wire->have < FRAME_HEAD) return FRAME_HEAD - wire->have;
  uint32_t length = (uint32_t)wire->frame[0] << 8 | wire->frame[1];
  /* The sheet, 4.4: a bad length makes the parser begin anew. */
  if (length != 0 && length <= WIRE_LONGEST) {
    if (wire->have < FRAME_HEAD + length) return FRAME_HEAD + length - wire->have;
    wire->calls.packet(wire->context, wire, &wire->remote, wire->frame + FRAME_HEAD, length);
  }
  wire->have = 0;
  return FRAME_HEAD;
}

/* Returns 0 while the connection lives. */
static uint32_t take_stream(WIRE *wire) {
  for (;;) {
    uint32_t want = take_frame(wire);
    if (!enter(wire)) return 0;
    int got = recv(wire->socket, (char *)wire->frame + wire->have, (int)want, 0);
    int error = got == SOCKET_ERROR ? WSAGetLastError() : 0;
    leave(wire);
    if (got > 0) {
      wire->have += (uint32_t)got;
      continue;
    }
    if (got == 0) return WSAECONNRESET;
    return error == WSAEWOULDBLOCK ? 0 : (uint32_t)error;
  }
}

/* Begins to connect; WSAEWOULDBLOCK if that goes on. */
static uint32_t connect_begin(WIRE *wire) {
  if (!enter(wire)) return WSAEINTR;
  int done = connect(wire->socket, (struct sockaddr *)&wire->remote, wire_address_length(&wire->remote));
  uint32_t error = done == SOCKET_ERROR ? (uint32_t)WSAGetLastError() : 0;
  leave(wire);
  return error;
}

/* What became of connecting, or WSAEWOULDBLOCK. */
static uint32_t connect_result(WIRE *wire) {
  if (!enter(wire)) return WSAEINTR;
  WSANETWORKEVENTS events;
  int done = WSAEnumNetworkEvents(wire->socket, wire->ready, &events);
  uint32_t error = done == SOCKET_ERROR ? (uint32_t)WSAGetLastError() : WSAEWOULDBLOCK;
  leave(wire);
  if (done == SOCKET_ERROR || !(events.lNetworkEvents & FD_CONNECT)) return error;
  return (uint32_t)events.iErrorCode[FD_CONNECT_BIT];
}

/* Waits for something to do; 0 if that is to end. */
static int wait_for_more(WIRE *wire) {
  WSAEVENT both[] = {wire->stop, wire->ready};
  return WSAWaitForMultipleEvents(2, both, FALSE, WSA_INFINITE, FALSE) != WSA_WAIT_EVENT_0;
}

static uint32_t discard(WIRE *wire, uint32_t error) {
  if (wire->socket != INVALID_SOCKET) closesocket(wire->socket);
  if (wire->ready) WSACloseEvent(wire->ready);
  if (wire->stop) WSACloseEvent(wire->stop);
  if (wire->lock) wire_release(wire->lock);
  wire_release(wire);
  return error;
}

static void attend(void *argument) {
  WIRE *wire = argument;
  uint32_t error = 0;
  int goes_on = 1;
  if (wire->tcp) {
    error = connect_begin(wire);
    while (error == WSAEWOULDBLOCK && (goes_on = wait_for_more(wire))) error = connect_result(wire);
    if (goes_on) wire->calls.connected(wire->context, wire, error);
    if (error != 0) goes_on = 0;
  }
  while (goes_on) {
    WSAResetEvent(wire->ready);
    if (wire->tcp) error = take_stream(wire);
    else take_datagrams(wire);
    if (error != 0) {
      wire->calls.lost(wire->context, wire, error);
      break;
    }
    goes_on = wait_for_more(wire);
  }
  WSAWaitForMultipleEvents(1, &wire->stop, FALSE, WSA_INFINITE, FALSE);
  /* Who sets `stop` does it with the lock held. */
  wire_enter(wire->lock);
  wire_leave(wire->lock);
  WIRE_CALLS calls = wire->calls;
  void *context = wire->context;
  discard(wire, 0);
  calls.finished(context);
  wire_end_thread();
}

static uint32_t begin(WIRE **made, int tcp, const OVPN_ADDRESS *local, int dual, OVPN_ADDRESS *bound,
                      const OVPN_ADDRESS *remote, const WIRE_CALLS *calls, void *context) {
  WSADATA data;
  uint32_t error = (uint32_t)WSAStartup(MAKEWORD(2, 2), &data);
  if (error != 0) return error;
  WIRE *wire = wire_allocate(sizeof(*wire));
  if (!wire) return WSAENOBUFS;
  wire->socket = INVALID_SOCKET;
  wire->lock = wire_make_lock();
  if (!wire->lock) return discard(wire, WSAENOBUFS);
  wire->tcp = tcp;
  wire->calls = *calls;
  wire->context = context;
  if (remote) wire->remote = *remote;
  wire->socket = WSASocketW(local->Addr4.family, tcp ? SOCK_STREAM : SOCK_DGRAM, tcp ? IPPROTO_TCP : IPPROTO_UDP, NULL,
                            0, WSA_FLAG_OVERLAPPED);
  if (wire->socket == INVALID_SOCKET) return discard(wire, (uint32_t)WSAGetLastError());
  if (local->Addr4.family == OVPN_FAMILY_IPV6) {
    DWORD only = !dual;
    setsockopt(wire->socket, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&only, sizeof(only));
  }
  if (tcp) {
    DWORD yes = 1;
    setsockopt(wire->socket, IPPROTO_TCP, TCP_NODELAY, (char *)&yes, sizeof(yes));
  }
  int size = sizeof(*bound);
  if (bind(wire->socket, (const struct sockaddr *)local, wire_address_length(local)) == SOCKET_ERROR ||
      getsockname(wire->socket, (struct sockaddr *)bound, &size) == SOCKET_ERROR)
    return discard(wire, (uint32_t)WSAGetLastError());
  wire->ready = WSACreateEvent();
  wire->stop = WSACreateEvent();
  if (!wire->ready || !wire->stop ||
      WSAEventSelect(wire->socket, wire->ready, FD_READ | FD_CONNECT | FD_CLOSE) == SOCKET_ERROR)
    return discard(wire, WSAENOBUFS);
  if (!wire_begin_thread(attend, wire)) return discard(wire, WSAENOBUFS);
  *made = wire;
  return 0;
}

uint32_t wire_udp(WIRE **wire, const OVPN_ADDRESS *local, int dual, OVPN_ADDRESS *bound, const WIRE_CALLS *calls,
                  void *context) {
  return begin(wire, 0, local, dual, bound, NULL, calls, context);
}

uint32_t wire_tcp(WIRE **wire, const OVPN_ADDRESS *local, const OVPN_ADDRESS *remote, OVPN_ADDRESS *bound,
                  const WIRE_CALLS *calls, void *context) {
  return begin(wire, 1, local, 0, bound, remote, calls, context);
}

static uint32_t send_frame(WIRE *wire, const uint8_t *bytes, uint32_t length) {
  uint8_t framed[FRAME_HEAD + WIRE_LONGEST];
  if (length > WIRE_LONGEST) return WSAEMSGSIZE;
  framed[0] = (uint8_t)(length >> 8);
  framed[1] = (uint8_t)length;
  memcpy(framed + FRAME_HEAD, bytes, length);
  uint32_t sent = 0, waits = 0;
  while (sent < FRAME_HEAD + length) {
    int done = send(wire->socket, (char *)framed + sent, (int)(FRAME_HEAD + length - sent), 0);
    if (done > 0) {
      sent += (uint32_t)done;
      continue;
    }
    int error = WSAGetLastError();
    /* A packet must not be cut; who does not read for a second has lost the connection. */
    if (error != WSAEWOULDBLOCK || ++waits > 100) return (uint32_t)error;
    wire_wait_a_moment();
  }
  return 0;
}

uint32_t wire_send(WIRE *wire, const OVPN_ADDRESS *to, const uint8_t *bytes, uint32_t length) {
  if (!enter(wire)) return WSAENOTCONN;
  uint32_t error = 0;
  if (wire->tcp) error = send_frame(wire, bytes, length);
  else if (sendto(wire->socket, (const char *)bytes, (int)length, 0, (const struct sockaddr *)to,
                  wire_address_length(to)) == SOCKET_ERROR)
    error = (uint32_t)WSAGetLastError();
  leave(wire);
  return error;
}

void wire_close(WIRE *wire) {
  wire_enter(wire->lock);
  wire->closed = 1;
  closesocket(wire->socket);
  wire->socket = INVALID_SOCKET;
  WSASetEvent(wire->stop);
  wire_leave(wire->lock);
}
