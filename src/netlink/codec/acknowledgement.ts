/**
 * What ends a request: NLMSG_ERROR (an acknowledgement when its code is 0) and NLMSG_DONE, with the extended
 * acknowledgement that tells what was wrong and where.
 */

import { decodeAttributes } from "./attributes.ts";
import {
  align4,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER,
  NLMSGERR_ATTR_COOKIE,
  NLMSGERR_ATTR_MISS_NEST,
  NLMSGERR_ATTR_MISS_TYPE,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  NLMSGERR_ATTR_POLICY,
} from "./constants.ts";
import type { NetlinkMessage } from "./message.ts";
import { POLICY_ATTRIBUTES } from "./policy-table.ts";
import { malformed } from "./region.ts";
import type { Attributes, AttributeTable } from "./table.ts";

/** The attributes of an extended acknowledgement (enum nlmsgerr_attrs). */
export const EXTACK = {
  text: { number: NLMSGERR_ATTR_MSG, type: "string" },
  offset: { number: NLMSGERR_ATTR_OFFS, type: "u32" },
  cookie: { number: NLMSGERR_ATTR_COOKIE, type: "bytes", min: 0, max: 0xffff },
  policy: { number: NLMSGERR_ATTR_POLICY, type: "nest", table: POLICY_ATTRIBUTES },
  missingType: { number: NLMSGERR_ATTR_MISS_TYPE, type: "u32" },
  missingNest: { number: NLMSGERR_ATTR_MISS_NEST, type: "u32" },
} as const satisfies AttributeTable;

/**
 * What the kernel adds to a refusal: `text` its sentence; `offset` where in the request (from its nlmsghdr)
 * the offending attribute starts; `policy` what the attribute's value must be; `missingType` the number of an
 * attribute that is missing, in the nest that starts at `missingNest` or at the top level.
 */
export type ExtendedAck = Attributes<typeof EXTACK>;

/** The end of a request. */
export interface Acknowledgement {
  /** 0 for success, else the positive errno. */
  readonly errno: number;
  /** The request's sequence number. */
  readonly sequence: number;
  /** The type of the request that failed or succeeded; undefined at the end of a dump. */
  readonly requestType: number | undefined;
  /** Empty when the kernel gave none. */
  readonly extack: ExtendedAck;
}

/** True for the two messages that end a request: NLMSG_ERROR, NLMSG_DONE. */
export function isAcknowledgement(message: NetlinkMessage): boolean {
  return message.type === NLMSG_ERROR || message.type === NLMSG_DONE;
}

/**
 * Reads an NLMSG_ERROR or NLMSG_DONE.
 *
 * @throws DcoError `protocol` when it is cut off, its echo of the request lies about its length, or its code
 *   is positive
 */
export function decodeAcknowledgement(message: NetlinkMessage): Acknowledgement {
  if (message.type === NLMSG_DONE) return decodeDone(message);
  if (message.type !== NLMSG_ERROR) throw malformed("acknowledgement", `message of type ${message.type}`);
  const { view, start, end, flags, sequence } = message;
  const echo = start + 4;
  if (end - echo < NLMSG_HEADER) throw malformed("acknowledgement", `${end - start} bytes of payload`);
  const errno = errnoOf(view.getInt32(start, true));
  const requestType = view.getUint16(echo + 4, true);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, sequence, requestType, extack: {} };
  // Without CAPPED the whole request stands between the header and the attributes.
  const length = (flags & NLM_F_CAPPED) === 0 ? view.getUint32(echo, true) : NLMSG_HEADER;
  if (length < NLMSG_HEADER || length > end - echo) {
    throw malformed("acknowledgement", `echo of ${length} bytes in ${end - echo}`);
  }
  const extack = decodeAttributes(EXTACK, message, Math.min(echo + align4(length), end), "extack");
  return { errno, sequence, requestType, extack };
}

function decodeDone(message: NetlinkMessage): Acknowledgement {
  const { view, start, end, flags, sequence } = message;
  // Some families send the bare header.
  if (start === end) return { errno: 0, sequence, requestType: undefined, extack: {} };
  if (end - start < 4) throw malformed("end of dump", `${end - start} bytes of payload`);
  const errno = errnoOf(view.getInt32(start, true));
  const extack = (flags & NLM_F_ACK_TLVS) === 0 ? {} : decodeAttributes(EXTACK, message, start + 4, "extack");
  return { errno, sequence, requestType: undefined, extack };
}

function errnoOf(code: number): number {
  if (code > 0) throw malformed("acknowledgement", `code ${code} is positive`);
  return code === 0 ? 0 : -code;
}
