/**
 * Requests to the module about one interface, with its refusals in the contract's words.
 */
import { DcoError } from "../core/errors.ts";
import type { OneProcessor } from "../ffi/one-processor.ts";
import type { FamilyFormat } from "../netlink/formats.ts";
import type { Build, Decode, NetlinkSocket } from "../netlink/netlink-socket.ts";
import type { ModuleCodec } from "./codec.ts";
import type { NamespaceContext } from "./context.ts";
import { moduleFormat } from "./formats.ts";
import type { OvpnTarget } from "./ovpn/requests.ts";

/** See the module's comment. */
export class OvpnRequests {
  /** What each message is about. */
  readonly target: OvpnTarget;
  /** How the module's messages are written and read. */
  readonly codec: ModuleCodec;
  readonly #context: NamespaceContext;
  readonly #name: string;
  readonly #format: FamilyFormat;
  readonly #onPermissionLost: (message: string) => void;
  readonly #oneProcessor: OneProcessor | undefined;
  /** Whether the kernel has taken a request: one that lacks the right then has lost it. */
  #right: "unknown" | "had" | "lost" = "unknown";

  /**
   * @param name the interface's, for messages
   * @param onPermissionLost told once
   * @param oneProcessor for what changes the module's peers; undefined if it may be asked from any
   */
  constructor(
    context: NamespaceContext,
    codec: ModuleCodec,
    target: OvpnTarget,
    name: string,
    onPermissionLost: (message: string) => void,
    oneProcessor?: OneProcessor,
  ) {
    this.#context = context;
    this.codec = codec;
    this.target = target;
    this.#name = name;
    this.#format = moduleFormat(codec, target.family);
    this.#onPermissionLost = onPermissionLost;
    this.#oneProcessor = oneProcessor;
  }

  /** Makes requests that add or remove peers: a module may want all of them from one processor, see docs/linux.md. */
  changePeers<T>(body: () => T): T {
    return this.#oneProcessor ? this.#oneProcessor(body) : body();
  }

  /** One request that the kernel answers at once. */
  do(build: Build): void {
    try {
      this.#context.genl.command(this.#format, build);
      if (this.#right === "unknown") this.#right = "had";
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** The same, with what `decode` makes of the answer, which is one message: see `NetlinkSocket.get`. */
  ask<T>(build: Build, decode: Decode<T>, isNone?: Parameters<NetlinkSocket["get"]>[3]): T | undefined {
    try {
      const answer = this.#context.genl.get(this.#format, build, decode, isNone);
      if (this.#right === "unknown") this.#right = "had";
      return answer;
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** Many requests in one send; an error, or undefined, for each. */
  doMany(
    count: number,
    build: Parameters<NetlinkSocket["requestMany"]>[2],
  ): readonly (DcoError | undefined)[] {
    const outcomes = this.#context.genl.requestMany(this.#format, count, build);
    return outcomes.map((error) => error && (this.#refused(error) as DcoError));
  }

  /** A request in which the kernel waits: off the event loop. */
  async doSlowly(build: Build): Promise<void> {
    try {
      await this.#context.genlLanes.request(this.#format, build);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** A long answer, read in slices: see dumps.ts. */
  async dump<T>(build: Build, decode: Decode<T>): Promise<T[]> {
    try {
      return await this.#context.dumps.run(this.#format, build, decode);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** The first refusal for want of a right that was there is an event as well, whoever was refused. */
  noteRefusal(error: unknown): void {
    if (this.#right !== "had" || !DcoError.is(error) || error.code !== "permission") return;
    this.#right = "lost";
    this.#onPermissionLost(error.message);
  }

  #refused(error: unknown): unknown {
    this.noteRefusal(error);
    return this.codec.describeRefusal(error, this.#name);
  }
}
