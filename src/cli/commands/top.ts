/**
 * `dco top`: the peers of an interface with their rates, again and again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { PeerInfo, PeerStats } from "../../core/model.ts";
import { readNumber, readSeconds } from "../arguments.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { openWatched } from "../interfaces.ts";
import { type Column, formatTable } from "../output.ts";
import { INTERFACE } from "./interfaces.ts";
import { endpoint } from "./peers.ts";

/** A peer between two looks. Rates are undefined in the first, and for a peer that is new. */
export interface Rate {
  readonly peer: number;
  readonly remote: string | undefined;
  readonly vpn: string | undefined;
  /** Bits per second inside the tunnel. */
  readonly rxRate: number | undefined;
  readonly txRate: number | undefined;
  readonly rxBytes: bigint | undefined;
  readonly txBytes: bigint | undefined;
}

/** What came between two looks `seconds` apart. A peer of another generation is another peer. */
export function rates(
  before: readonly PeerStats[],
  now: readonly PeerStats[],
  peers: readonly PeerInfo[],
  seconds: number,
): Rate[] {
  const earlier = new Map(before.map((each) => [each.id, each]));
  const infos = new Map(peers.map((each) => [each.id, each]));
  const rows = now.map((each): Rate => {
    const old = earlier.get(each.id);
    const same = old !== undefined && old.generation === each.generation && seconds > 0;
    const rate = (field: "rxBytes" | "txBytes") => {
      const [a, b] = [old?.tunnel?.[field], each.tunnel?.[field]];
      return same && a !== undefined && b !== undefined ? (Number(b - a) * 8) / seconds : undefined;
    };
    const info = infos.get(each.id);
    return {
      peer: each.id,
      remote: endpoint(info?.remote),
      vpn: info?.vpn.ipv4 ?? info?.vpn.ipv6,
      rxRate: rate("rxBytes"),
      txRate: rate("txBytes"),
      rxBytes: each.tunnel?.rxBytes,
      txBytes: each.tunnel?.txBytes,
    };
  });
  const total = (row: Rate) => (row.rxRate ?? 0) + (row.txRate ?? 0);
  return rows.sort((a, b) => total(b) - total(a) || a.peer - b.peer);
}

/** `12.3M` for 12,300,000. */
export function short(value: number | bigint | undefined): string | undefined {
  if (value === undefined) return undefined;
  let rest = Number(value);
  for (const unit of ["", "k", "M", "G", "T"]) {
    if (rest < 1000) return `${unit === "" ? Math.round(rest) : rest.toFixed(1)}${unit}`;
    rest /= 1000;
  }
  return `${rest.toFixed(1)}P`;
}

const COLUMNS: readonly Column<Rate>[] = [
  { title: "peer", value: ({ peer }) => peer, right: true },
  { title: "remote", value: ({ remote }) => remote },
  { title: "vpn", value: ({ vpn }) => vpn },
  { title: "rx bit/s", value: ({ rxRate }) => short(rxRate), right: true },
  { title: "tx bit/s", value: ({ txRate }) => short(txRate), right: true },
  { title: "rx bytes", value: ({ rxBytes }) => short(rxBytes), right: true },
  { title: "tx bytes", value: ({ txBytes }) => short(txBytes), right: true },
];

const HOME_AND_CLEAR = "\u001b[H\u001b[J";

const top: Command = {
  words: ["top"],
  summary: "a live table of peers with their rates, the busiest first",
  details: ["Rates and bytes are those inside the tunnel. The first table has no rates yet."],
  positionals: [INTERFACE],
  options: {
    interval: { type: "string", value: "SECONDS", help: "between two looks (default 2)" },
    count: { type: "string", value: "NUMBER", help: "end after so many tables (default: with Ctrl-C)" },
  },
  examples: ["dco top tun0", "dco top tun0 --interval 10 --count 2 --json | tail -n 1"],
  async run(context) {
    const { args, values, output, signal } = context;
    const interval = readSeconds(values.text("interval") ?? "2", "--interval");
    const count = values.text("count");
    const limit = count === undefined ? Number.POSITIVE_INFINITY : readNumber(count, "--count", 1, 1_000_000);
    const dco = await openWatched(context, args[0]);
    let before: readonly PeerStats[] = [];
    let last = 0;
    for (let round = 0; round < limit; round++) {
      if (round > 0 && !(await paused(interval, signal))) break;
      const [now, peers] = [await dco.stats({ signal }), await dco.peers({ signal })];
      const time = performance.now();
      const rows = rates(before, now, peers, round === 0 ? 0 : (time - last) / 1000);
      const lines = [
        `${dco.name}: ${rows.length} peers  ${new Date().toISOString()}`,
        ...formatTable(rows, COLUMNS),
      ];
      output.value({ time: new Date().toISOString(), interface: dco.name, peers: rows });
      if (!output.json) output.raw(`${output.terminal ? HOME_AND_CLEAR : ""}${lines.join("\n")}\n`);
      before = now;
      last = time;
    }
    return EXIT.ok;
  },
};

async function paused(seconds: number, signal: AbortSignal): Promise<boolean> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

export const TOP_COMMANDS: readonly Command[] = [top];
