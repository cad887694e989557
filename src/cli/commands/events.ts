/**
 * `dco events`
 */
import type { DcoEvent } from "../../core/model.ts";
import { readSeconds } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { interfaceNames, openWatched } from "../interfaces.ts";
import { INTERFACE } from "./interfaces.ts";
import { endpoint } from "./peers.ts";

/** An event in words. */
export function describeEvent(event: DcoEvent): string {
  switch (event.type) {
    case "peer-deleted":
      return `peer ${event.peer} has ended: ${event.reason}`;
    case "peer-floated":
      return `peer ${event.peer} is now at ${endpoint(event.remote)}`;
    case "key-exhausted":
      return `key ${event.keyId} of peer ${event.peer} is used up`;
    case "rekey-advised":
      return `peer ${event.peer} should have a new key soon`;
    case "link":
      return event.up ? "the link is up" : "the link is down";
    case "interface-removed":
      return "the interface is gone";
    case "permission-lost":
      return event.message;
    case "overflow":
      return `events were lost${event.lost === undefined ? "" : `: ${event.lost}`}`;
    case "snapshot":
      return `peers now: ${event.peers.map(({ id }) => id).join(", ") || "none"}`;
    case "unknown":
      return `a notification that this version does not know (${event.native})`;
    case "closed":
      return "no more events";
  }
}

const events: Command = {
  words: ["events"],
  summary: "what the kernel tells: peers that end or move, keys that are used up, the link",
  details: [
    "Without --follow it ends after the first event. Without INTERFACE it hears all that are there when it starts.",
    "On Linux it hears of peers whose sockets are in the network namespace of the interface.",
  ],
  positionals: [{ ...INTERFACE, optional: true }],
  options: {
    follow: { type: "boolean", short: "f", help: "go on until Ctrl-C, or until the interface is gone" },
    timeout: { type: "string", value: "SECONDS", help: "end after this long" },
  },
  examples: [
    "dco events --follow",
    "dco events tun0 --follow --json | jq -r 'select(.event.type == \"peer-deleted\").event.peer'",
  ],
  async run(context) {
    const { args, values, signal } = context;
    const timeout = values.text("timeout");
    const stop = new AbortController();
    const limits = [signal, stop.signal];
    if (timeout !== undefined) limits.push(AbortSignal.timeout(readSeconds(timeout, "--timeout") * 1000));
    const until = AbortSignal.any(limits);
    const names = await interfaceNames(context, args[0]);
    const readers = await Promise.all(
      names.map(async (name) => ({
        name,
        events: (await openWatched(context, name)).events({ signal: until }),
      })),
    );
    const follow = values.flag("follow");
    context.output.note(`listening: ${names.join(", ") || "there are no interfaces"}`);
    await Promise.all(readers.map((reader) => tell(context, reader, follow ? undefined : stop)));
    return EXIT.ok;
  },
};

/** @param once aborted with the first event */
async function tell(
  { output }: Context,
  { name, events }: { readonly name: string; readonly events: AsyncIterable<DcoEvent> },
  once: AbortController | undefined,
): Promise<void> {
  for await (const event of events) {
    if (event.type === "closed") return;
    // Another interface had its first event just before.
    if (once?.signal.aborted) return;
    const time = new Date().toISOString();
    output.value({ time, interface: name, event });
    output.line(`${time}  ${name}  ${describeEvent(event)}`);
    once?.abort();
    if (once !== undefined || event.type === "interface-removed") return;
  }
}

export const EVENT_COMMANDS: readonly Command[] = [events];
