/**
 * What becomes of one interface's link, and of the links that its bypass routes are on.
 */
import type { BackendEventSink } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { decodeLink, type LinkInfo } from "./codec/link.ts";
import { parseDatagram } from "./codec/message.ts";
import { RTM_DELLINK, RTM_NEWLINK } from "./codec/rtnl.ts";
import type { Configuration } from "./configure.ts";
import type { NetworkContext } from "./context.ts";
import { findLink, isLinkUp } from "./links.ts";

/** Tells of changes, and puts back what the kernel has dropped when a link comes up again. */
export class LinkWatch {
  readonly #context: NetworkContext;
  readonly #name: string;
  readonly #index: number;
  readonly #configuration: Configuration;
  #wasUp: boolean;
  #sink: BackendEventSink | undefined;
  #stop: (() => void) | undefined;

  constructor(context: NetworkContext, { name, index, up }: LinkInfo, configuration: Configuration) {
    this.#context = context;
    this.#name = name;
    this.#index = index;
    this.#configuration = configuration;
    this.#wasUp = up;
  }

  start(sink: BackendEventSink): void {
    this.#sink = sink;
    this.#stop = this.#context.onLinkEvents({
      onDatagram: (datagram) =>
        this.attempt("a link notification cannot be read", () => this.#onDatagram(datagram)),
      onOverflow: () =>
        this.attempt("link notifications were lost, and asking failed", () => {
          // It may have been down meanwhile.
          this.#wasUp = false;
          this.#onLink(findLink(this.#context, { index: this.#index }));
        }),
    });
  }

  stop(): void {
    this.#stop?.();
  }

  isUp(): boolean {
    const link = findLink(this.#context, { index: this.#index });
    if (link !== undefined) return isLinkUp(link);
    throw new DcoError("not-found", `interface ${this.#name} is gone`, { effect: "none" });
  }

  /** What an event asks for. Nobody waits for it, and where events are read nothing may be thrown. */
  attempt(problem: string, body: () => void): void {
    try {
      body();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#sink?.({ type: "unknown", native: 0, detail: `${problem}: ${reason}` });
    }
  }

  #onDatagram(datagram: Uint8Array): void {
    for (const message of parseDatagram(datagram)) {
      if (message.type !== RTM_NEWLINK && message.type !== RTM_DELLINK) continue;
      const link = decodeLink(message);
      if (link.index === this.#index) this.#onLink(message.type === RTM_NEWLINK ? link : undefined);
      else if (link.up && message.type === RTM_NEWLINK) {
        this.attempt("bypass routes cannot be added again", () =>
          this.#configuration.restoreBypass(link.index),
        );
      }
    }
  }

  #onLink(link: LinkInfo | undefined): void {
    if (link === undefined) {
      this.#sink?.({ type: "interface-removed" });
      return;
    }
    if (link.up && !this.#wasUp) {
      this.attempt("addresses or routes cannot be added again", () => this.#configuration.restore());
    }
    this.#wasUp = link.up;
    this.#sink?.({ type: "link", up: isLinkUp(link) });
  }
}
