/**
 * Numbers of the netlink wire that every family shares, from linux/netlink.h.
 */

/** Protocols: the third argument of socket(AF_NETLINK, ...). */
export const NETLINK_ROUTE = 0;
export const NETLINK_GENERIC = 16;

/** Size of nlmsghdr: length u32, type u16, flags u16, sequence u32, port id u32. */
export const NLMSG_HEADER = 16;
/** Size of nlattr: length u16, type u16. */
export const NLA_HEADER = 4;
/** Largest attribute, header included: its length is a u16. */
export const NLA_MAX = 0xffff;
/** The payload holds attributes. */
export const NLA_F_NESTED = 0x8000;
/** The payload is in network byte order. */
export const NLA_F_NET_BYTEORDER = 0x4000;
/** What is left of an attribute's type without its two flags. */
export const NLA_TYPE_MASK = 0x3fff;

/** Message types below NLMSG_MIN_TYPE are control messages of netlink itself. */
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
export const NLMSG_MIN_TYPE = 0x10;

/** Flags of every message. */
export const NLM_F_REQUEST = 0x01;
export const NLM_F_MULTI = 0x02;
export const NLM_F_ACK = 0x04;
export const NLM_F_ECHO = 0x08;
/** A dump that changed while it was read: it must be read again. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP_FILTERED = 0x20;

/** Flags of a get request: NLM_F_ROOT | NLM_F_MATCH. */
export const NLM_F_DUMP = 0x300;

/** Flags of a new request. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

/** Flags of NLMSG_ERROR and NLMSG_DONE. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

/** Attributes of an extended acknowledgement. */
export const NLMSGERR_ATTR_MSG = 1;
export const NLMSGERR_ATTR_OFFS = 2;
export const NLMSGERR_ATTR_COOKIE = 3;
export const NLMSGERR_ATTR_POLICY = 4;
export const NLMSGERR_ATTR_MISS_TYPE = 5;
export const NLMSGERR_ATTR_MISS_NEST = 6;

/** Rounds a length up to the four bytes that netlink aligns messages and attributes to. */
export function align4(length: number): number {
  return (length + 3) & ~3;
}
