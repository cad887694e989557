// What the bench compares with: the same requests, one by one, on a raw netlink socket.
//
//   ovpn-requests phases PEERS REMOVALS SINGLES   the phases on an interface of its own; one JSON object on stdout
//   ovpn-requests events IFINDEX COUNT GAP_MS     removes peers 0 to COUNT-1 of somebody's interface, and tells when
//                                                 its own event socket had each notification (CLOCK_MONOTONIC, ns)
//
// Every request is built, sent, and its acknowledgement received, before the next. Of a dump every attribute is
// looked at, and the values are kept. REMOVALS of the peers are removed one by one and timed; the rest by many
// processes at once, untimed, because each removal takes the kernel some 14 ms.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// include/uapi/linux/ovpn.h of Linux 7.2; not every machine that compiles this has it.
enum { PEER_NEW = 1, PEER_SET, PEER_GET, PEER_DEL, PEER_DEL_NTF, KEY_NEW, KEY_GET, KEY_SWAP, KEY_DEL = 10 };
enum { A_IFINDEX = 1, A_PEER, A_KEYCONF };
enum { P_ID = 1, P_REMOTE_IPV4 = 2, P_REMOTE_PORT = 5, P_SOCKET = 6, P_VPN_IPV4 = 8, P_MAX = 24 };
enum { K_PEER_ID = 1, K_SLOT, K_KEY_ID, K_CIPHER, K_ENCRYPT, K_DECRYPT };
enum { D_KEY = 1, D_NONCE_TAIL };
enum { PRIMARY, SECONDARY };
#define AES_GCM 1
#define MODE_MULTIPEER 1
#define CLEANERS 16

static uint32_t family, group, ifindex, sequence;
static char request[1024], answer[65536];
static struct nlmsghdr *const head = (struct nlmsghdr *)request;

static void die(const char *what) {
  fprintf(stderr, "ovpn-requests: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int open_netlink(int protocol) {
  struct sockaddr_nl self = {.nl_family = AF_NETLINK};
  int one = 1, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof self)) die("netlink socket");
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
  return fd;
}

static void begin(int type, int flags) {
  head->nlmsg_len = NLMSG_HDRLEN;
  head->nlmsg_type = type;
  head->nlmsg_flags = NLM_F_REQUEST | flags;
  head->nlmsg_seq = ++sequence;
  head->nlmsg_pid = 0;
}

static void *append(const void *bytes, int size) {
  void *at = memcpy(request + head->nlmsg_len, bytes, size);
  head->nlmsg_len += NLMSG_ALIGN(size);
  return at;
}

static struct nlattr *put(int type, const void *bytes, int size) {
  struct nlattr attribute = {.nla_len = NLA_HDRLEN + size, .nla_type = type};
  struct nlattr *at = append(&attribute, sizeof attribute);
  if (size) append(bytes, size);
  return at;
}

static void put32(int type, uint32_t value) { put(type, &value, 4); }
static void put16(int type, uint16_t value) { put(type, &value, 2); }
static struct nlattr *nest(int type) { return put(type | NLA_F_NESTED, 0, 0); }
static void end(struct nlattr *nested) { nested->nla_len = request + head->nlmsg_len - (char *)nested; }

static void begin_ovpn(int command, int flags) {
  struct genlmsghdr generic = {.cmd = command, .version = 1};
  begin(family, flags);
  append(&generic, sizeof generic);
  put32(A_IFINDEX, ifindex);
}

typedef void take(struct nlmsghdr *message);

// Sends the request and reads until its acknowledgement. Returns its errno.
static int transact(int fd, take *take) {
  if (send(fd, request, head->nlmsg_len, 0) < 0) die("send");
  for (;;) {
    int size = recv(fd, answer, sizeof answer, 0);
    if (size < 0) die("recv");
    for (struct nlmsghdr *m = (void *)answer; NLMSG_OK(m, size); m = NLMSG_NEXT(m, size)) {
      if (m->nlmsg_seq != sequence) continue;
      if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) return -*(int *)NLMSG_DATA(m);
      if (take) take(m);
    }
  }
}

static void must(int fd, const char *what, take *take) {
  errno = transact(fd, take);
  if (errno) die(what);
}

#define EACH(a, from, left) \
  for (struct nlattr *a = (void *)(from); (left) >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= (left); \
       (left) -= NLA_ALIGN(a->nla_len), a = (void *)((char *)a + NLA_ALIGN(a->nla_len)))
#define TYPE(a) ((a)->nla_type & NLA_TYPE_MASK)
#define DATA(a) ((void *)((char *)(a) + NLA_HDRLEN))

static void take_family(struct nlmsghdr *m) {
  int left = m->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
  EACH(a, (char *)NLMSG_DATA(m) + GENL_HDRLEN, left) {
    if (TYPE(a) == CTRL_ATTR_FAMILY_ID) family = *(uint16_t *)DATA(a);
    if (TYPE(a) != CTRL_ATTR_MCAST_GROUPS) continue;
    int groups = a->nla_len - NLA_HDRLEN;
    EACH(g, DATA(a), groups) {
      int fields = g->nla_len - NLA_HDRLEN;
      EACH(f, DATA(g), fields) if (TYPE(f) == CTRL_ATTR_MCAST_GRP_ID) group = *(uint32_t *)DATA(f);
    }
  }
}

static void find_family(int fd) {
  struct genlmsghdr generic = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
  begin(GENL_ID_CTRL, NLM_F_ACK);
  append(&generic, sizeof generic);
  put(CTRL_ATTR_FAMILY_NAME, "ovpn", 5);
  must(fd, "family ovpn", take_family);
}

static void create_link(const char *name) {
  int fd = open_netlink(NETLINK_ROUTE);
  struct ifinfomsg info = {0};
  uint8_t mode = MODE_MULTIPEER;
  begin(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  append(&info, sizeof info);
  put(IFLA_IFNAME, name, strlen(name) + 1);
  struct nlattr *link = nest(IFLA_LINKINFO);
  put(IFLA_INFO_KIND, "ovpn", 4);
  struct nlattr *data = nest(IFLA_INFO_DATA);
  put(1, &mode, 1); // IFLA_OVPN_MODE
  end(data);
  end(link);
  must(fd, "create the interface", 0);
  ifindex = if_nametoindex(name);
  close(fd);
}

static void delete_link(void) {
  int fd = open_netlink(NETLINK_ROUTE);
  struct ifinfomsg info = {.ifi_index = ifindex};
  begin(RTM_DELLINK, NLM_F_ACK);
  append(&info, sizeof info);
  must(fd, "delete the interface", 0);
  close(fd);
}

static void add_peer(int fd, uint32_t id, int udp) {
  begin_ovpn(PEER_NEW, NLM_F_ACK);
  struct nlattr *peer = nest(A_PEER);
  put32(P_ID, id);
  put32(P_SOCKET, udp);
  put32(P_REMOTE_IPV4, htonl(0x0a000001 + id));
  put16(P_REMOTE_PORT, htons(1194));
  put32(P_VPN_IPV4, htonl(0x0a800001 + id));
  end(peer);
  must(fd, "peer-new", 0);
}

static void about_peer(int fd, int command, uint32_t id, const char *what, take *take) {
  begin_ovpn(command, NLM_F_ACK);
  struct nlattr *peer = nest(A_PEER);
  put32(P_ID, id);
  end(peer);
  must(fd, what, take);
}

static void set_peer(int fd, uint32_t id) {
  begin_ovpn(PEER_SET, NLM_F_ACK);
  struct nlattr *peer = nest(A_PEER);
  put32(P_ID, id);
  put32(P_REMOTE_IPV4, htonl(0x0a000001 + id));
  put16(P_REMOTE_PORT, htons(1195));
  end(peer);
  must(fd, "peer-set", 0);
}

static void put_direction(int type, const uint8_t *secret) {
  struct nlattr *direction = nest(type);
  put(D_KEY, secret, 32);
  put(D_NONCE_TAIL, secret + 32, 8);
  end(direction);
}

// `secret` has 80 bytes: key and nonce tail of each direction.
static void install_key(int fd, uint32_t id, uint32_t slot, uint32_t key_id, const uint8_t *secret) {
  begin_ovpn(KEY_NEW, NLM_F_ACK);
  struct nlattr *key = nest(A_KEYCONF);
  put32(K_PEER_ID, id);
  put32(K_SLOT, slot);
  put32(K_KEY_ID, key_id);
  put32(K_CIPHER, AES_GCM);
  put_direction(K_ENCRYPT, secret);
  put_direction(K_DECRYPT, secret + 40);
  end(key);
  must(fd, "key-new", 0);
}

static void about_key(int fd, int command, uint32_t id, int slot, const char *what, take *take) {
  begin_ovpn(command, NLM_F_ACK);
  struct nlattr *key = nest(A_KEYCONF);
  put32(K_PEER_ID, id);
  if (slot >= 0) put32(K_SLOT, slot);
  end(key);
  must(fd, what, take);
}

// A peer as a dump tells it: numbers, and addresses as they are.
struct peer {
  uint64_t number[P_MAX + 1];
  uint8_t bytes[P_MAX + 1][16];
};
static struct peer *table;
static uint32_t listed;

static void take_peer(struct nlmsghdr *m) {
  struct peer *peer = &table[listed++];
  int left = m->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
  EACH(a, (char *)NLMSG_DATA(m) + GENL_HDRLEN, left) {
    if (TYPE(a) != A_PEER) continue;
    int fields = a->nla_len - NLA_HDRLEN;
    EACH(f, DATA(a), fields) {
      int type = TYPE(f), size = f->nla_len - NLA_HDRLEN;
      if (type > P_MAX) continue;
      if (size == 4) peer->number[type] = *(uint32_t *)DATA(f);
      if (size == 8) memcpy(&peer->number[type], DATA(f), 8);
      if (size <= 16) memcpy(peer->bytes[type], DATA(f), size);
    }
  }
}

static void take_key(struct nlmsghdr *m) { (void)m; }

static void dump(int fd, uint32_t expected) {
  listed = 0;
  begin_ovpn(PEER_GET, NLM_F_DUMP);
  must(fd, "dump", take_peer);
  if (listed == expected) return;
  fprintf(stderr, "ovpn-requests: %u peers listed, not %u\n", listed, expected);
  exit(1);
}

static uint8_t *random_bytes(size_t size) {
  uint8_t *bytes = malloc(size);
  for (size_t at = 0; at < size;) {
    ssize_t got = getrandom(bytes + at, size - at, 0);
    if (got < 0) die("getrandom");
    at += got;
  }
  return bytes;
}

static int64_t started;
static const char *separator = "{";
static void start(void) { started = now(); }
static void stop(const char *phase, uint32_t count) {
  int64_t took = now() - started;
  printf("%s\"%s\":{\"count\":%u,\"seconds\":%.9f}", separator, phase, count, took / 1e9);
  separator = ",";
}

// Removes what is left, many at a time, as the kernel waits inside each removal.
static void clean(uint32_t from, uint32_t to) {
  for (uint32_t cleaner = 0; cleaner < CLEANERS; cleaner++) {
    if (fork()) continue;
    int fd = open_netlink(NETLINK_GENERIC);
    for (uint32_t id = from + cleaner; id < to; id += CLEANERS) about_peer(fd, PEER_DEL, id, "peer-del", 0);
    _exit(0);
  }
  for (int status; wait(&status) > 0;) {
    if (status) exit(1);
  }
}

static void phases(uint32_t peers, uint32_t removals, uint32_t singles) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = open_netlink(NETLINK_GENERIC), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (udp < 0 || bind(udp, (struct sockaddr *)&any, sizeof any)) die("udp socket");
  uint8_t *secrets = random_bytes(80 * (2 * (size_t)peers + singles + 1)), *spare = secrets + 160 * (size_t)peers;
  table = calloc(peers + 1, sizeof *table);
  find_family(fd);
  create_link("dcokit-bench-c");

  // The first key makes the kernel load its crypto modules.
  add_peer(fd, peers, udp);
  install_key(fd, peers, PRIMARY, 0, spare + 80 * (size_t)singles);
  about_peer(fd, PEER_DEL, peers, "peer-del", 0);

  start();
  for (uint32_t id = 0; id < peers; id++) add_peer(fd, id, udp);
  stop("add", peers);
  start();
  for (uint32_t id = 0; id < peers; id++) install_key(fd, id, PRIMARY, 0, secrets + 160 * (size_t)id);
  for (uint32_t id = 0; id < peers; id++) install_key(fd, id, SECONDARY, 1, secrets + 160 * (size_t)id + 80);
  stop("keys", 2 * peers);
  start();
  for (uint32_t id = 0; id < peers; id++) about_key(fd, KEY_SWAP, id, -1, "key-swap", 0);
  stop("swap", peers);
  start();
  dump(fd, peers);
  stop("list", peers);
  start();
  dump(fd, peers);
  stop("statistics", peers);

  start();
  for (uint32_t i = 0; i < singles; i++) listed = 0, about_peer(fd, PEER_GET, i, "peer-get", take_peer);
  stop("single peer", singles);
  start();
  for (uint32_t i = 0; i < singles; i++) set_peer(fd, i);
  stop("single setPeer", singles);
  start();
  for (uint32_t i = 0; i < singles; i++) about_key(fd, KEY_SWAP, i, -1, "key-swap", 0);
  stop("single swapKeys", singles);
  start();
  for (uint32_t i = 0; i < singles; i++) {
    about_key(fd, KEY_GET, i, PRIMARY, "key-get", take_key);
    about_key(fd, KEY_GET, i, SECONDARY, "key-get", take_key);
  }
  stop("single keys", singles);
  start();
  for (uint32_t i = 0; i < singles; i++) about_key(fd, KEY_DEL, i, SECONDARY, "key-del", 0);
  stop("single deleteKey", singles);
  start();
  for (uint32_t i = 0; i < singles; i++) install_key(fd, i, SECONDARY, 2, spare + 80 * (size_t)i);
  stop("single installKey", singles);

  start();
  for (uint32_t id = 0; id < removals; id++) about_peer(fd, PEER_DEL, id, "peer-del", 0);
  stop("remove", removals);
  clean(removals, peers);
  start();
  for (uint32_t i = 0; i < singles; i++) add_peer(fd, i, udp);
  stop("single addPeer", singles);
  clean(0, singles);
  puts("}");
  delete_link();
}

// A process of its own waits for the notifications, as an application would.
static void events(uint32_t count, int gap) {
  int fd = open_netlink(NETLINK_GENERIC), listener = open_netlink(NETLINK_GENERIC), size = 8 << 20;
  find_family(fd);
  setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (setsockopt(listener, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group)) die("join the group");
  pid_t remover = fork();
  if (remover == 0) {
    for (uint32_t id = 0; id < count; id++) {
      usleep(gap * 1000);
      about_peer(fd, PEER_DEL, id, "peer-del", 0);
    }
    _exit(0);
  }
  putchar('[');
  for (uint32_t got = 0; got < count;) {
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    if (poll(&wait, 1, 10000) <= 0) die("no notification");
    int bytes = recv(listener, answer, sizeof answer, 0);
    int64_t at = now();
    struct nlmsghdr *m = (void *)answer;
    if (bytes < 0 || !NLMSG_OK(m, bytes)) die("recv");
    if (((struct genlmsghdr *)NLMSG_DATA(m))->cmd != PEER_DEL_NTF) continue;
    printf("%s%lld", got++ ? "," : "", (long long)at);
  }
  puts("]");
  waitpid(remover, 0, 0);
}

int main(int count, char **argument) {
  if (count == 5 && !strcmp(argument[1], "phases")) {
    phases(atoi(argument[2]), atoi(argument[3]), atoi(argument[4]));
  } else if (count == 5 && !strcmp(argument[1], "events")) {
    ifindex = atoi(argument[2]);
    events(atoi(argument[3]), atoi(argument[4]));
  } else {
    fputs("usage: ovpn-requests phases PEERS REMOVALS SINGLES | events IFINDEX COUNT GAP_MS\n", stderr);
    return 2;
  }
  return 0;
}
