/**
 * `dco interfaces`, `dco interface ...`
 */
import type { InterfaceConfig, InterfaceInfo } from "../../core/model.ts";
import { readMode, readNumber } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT, UsageError } from "../exit-codes.ts";
import { openOwned } from "../interfaces.ts";
import type { Column } from "../output.ts";

const COLUMNS: readonly Column<InterfaceInfo>[] = [
  { title: "name", value: ({ name }) => name },
  { title: "index", value: ({ index }) => index, right: true },
  { title: "mode", value: ({ mode }) => mode },
  { title: "mtu", value: ({ mtu }) => mtu, right: true },
  { title: "state", value: ({ up, linkUp }) => (linkUp ? "up, link up" : up ? "up, no link" : "down") },
  { title: "owner", value: ({ owner }) => owner && `process ${owner.pid}${owner.alive ? "" : " (gone)"}` },
];

export const INTERFACE = { name: "INTERFACE", help: "name of the interface", kind: "interface" } as const;

const SETTINGS = {
  address: {
    type: "string",
    multiple: true,
    value: "ADDRESS/LENGTH",
    help: "exactly these addresses; may be repeated",
  },
  mtu: { type: "string", value: "BYTES", help: "largest packet in the tunnel" },
  route: {
    type: "string",
    multiple: true,
    value: "PREFIX[,via=ADDRESS][,metric=NUMBER]",
    help: "exactly these routes; may be repeated",
  },
  bypass: {
    type: "string",
    multiple: true,
    value: "ADDRESS",
    help: "reached outside the tunnel, such as the server; may be repeated",
  },
  up: { type: "boolean", help: "raise it" },
  down: { type: "boolean", help: "lower it" },
} as const;

function settings({ values }: Context): InterfaceConfig | undefined {
  if (values.flag("up") && values.flag("down")) throw new UsageError("--up and --down cannot both be meant");
  const mtu = values.text("mtu");
  const config: InterfaceConfig = {
    ...(values.list("address").length > 0 ? { addresses: values.list("address") } : {}),
    ...(mtu === undefined ? {} : { mtu: readNumber(mtu, "--mtu", 1, 65_535) }),
    ...(values.list("route").length > 0 ? { routes: values.list("route").map(route) } : {}),
    ...(values.list("bypass").length > 0 ? { bypass: values.list("bypass") } : {}),
    ...(values.flag("up") ? { up: true } : values.flag("down") ? { up: false } : {}),
  };
  return Object.keys(config).length > 0 ? config : undefined;
}

function route(text: string) {
  const [destination = "", ...rest] = text.split(",");
  const words = rest.map((each) => /^(via|metric)=(.+)$/.exec(each) ?? []);
  if (words.some(([, name]) => name === undefined)) {
    throw new UsageError("--route must be PREFIX, PREFIX,via=ADDRESS or PREFIX,metric=NUMBER");
  }
  const find = (wanted: string) => words.find(([, name]) => name === wanted)?.[2];
  const [via, metric] = [find("via"), find("metric")];
  return {
    destination,
    ...(via === undefined ? {} : { via }),
    ...(metric === undefined ? {} : { metric: readNumber(metric, "--route: metric", 0, 0xffff_ffff) }),
  };
}

const list: Command = {
  words: ["interfaces"],
  summary: "list the interfaces",
  positionals: [],
  options: {},
  examples: ["dco interfaces", "dco interfaces --json | jq -r '.[].name'"],
  async run(context) {
    const driver = await context.driver();
    const all = await driver.listInterfaces({ ...context.place, signal: context.signal });
    context.output.table(all, COLUMNS, "no interfaces");
    return EXIT.ok;
  },
};

const create: Command = {
  words: ["interface", "create"],
  summary: "create an interface that stays",
  details: [
    "It stays until `dco interface delete`. Since the process that made it has ended, `dco interface clean` deletes it",
    "too, unless another process has taken it over (`dco transport` does, as long as it runs).",
  ],
  positionals: [{ ...INTERFACE, optional: true, help: "its name; without one it is numbered by itself" }],
  options: {
    mode: {
      type: "string",
      value: "MODE",
      choices: ["p2p", "multipeer"],
      help: "p2p (default) or multipeer",
    },
    ...SETTINGS,
  },
  examples: ["dco interface create tun0 --mode multipeer --address 10.8.0.1/24 --up"],
  async run(context) {
    const { args, values, output, place, signal } = context;
    const config = settings(context);
    const mode = readMode(values.text("mode") ?? "p2p", "--mode");
    const driver = await context.driver();
    const [name] = args;
    const dco = await driver.createInterface({
      mode,
      ...(name === undefined ? {} : { name }),
      ...place,
      deleteOnClose: false,
      signal,
    });
    try {
      if (config !== undefined) await dco.configure(config, { signal });
    } catch (error) {
      // Half of what was wanted is worse than nothing.
      await dco.close();
      await driver.deleteInterface(dco.name, { ...place, signal: AbortSignal.timeout(10_000) });
      throw error;
    }
    output.value({ name: dco.name, index: dco.index, mode: dco.mode });
    output.line(dco.name);
    return EXIT.ok;
  },
};

const set: Command = {
  words: ["interface", "set"],
  summary: "change addresses, MTU, routes, up and down",
  details: [
    "Options that are left out change nothing. Of addresses and routes exactly those given are there afterwards.",
  ],
  positionals: [INTERFACE],
  options: SETTINGS,
  examples: [
    "dco interface set tun0 --mtu 1400 --up",
    "dco interface set tun0 --route 192.168.7.0/24,via=10.8.0.2",
  ],
  async run(context) {
    const config = settings(context);
    if (config === undefined) throw new UsageError("nothing to change: give at least one option");
    const dco = await openOwned(context, context.args[0]);
    await dco.configure(config, { signal: context.signal });
    return EXIT.ok;
  },
};

const remove: Command = {
  words: ["interface", "delete"],
  summary: "delete an interface with all its peers",
  positionals: [INTERFACE],
  options: {},
  examples: ["dco interface delete tun0"],
  async run({ args, place, signal, driver }) {
    await (await driver()).deleteInterface(args[0] ?? "", { ...place, signal });
    return EXIT.ok;
  },
};

const clean: Command = {
  words: ["interface", "clean"],
  summary: "delete what dead processes of dcokit left behind, and only that",
  positionals: [],
  options: {},
  examples: ["dco interface clean"],
  async run({ output, place, signal, driver }) {
    const gone = await (await driver()).cleanUp({ ...place, signal });
    output.table(gone, COLUMNS.slice(0, 3), "nothing was left behind");
    return EXIT.ok;
  },
};

export const INTERFACE_COMMANDS: readonly Command[] = [list, create, set, remove, clean];
