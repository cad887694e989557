/**
 * What `dco.extras` is on Windows.
 */
import { DcoError, invalid } from "../core/errors.ts";
import { INT_MAX, parseAddress, readFields, readInteger, validateArray } from "../core/validate.ts";
import type { Adapter, LinkedAdapter } from "./adapters.ts";
import type { DnsOptions, WindowsExtras } from "./driver.ts";
import type { DriverVersion } from "./messages.ts";
import type { IpHelper } from "./win32/iphelper.ts";

/** A domain name, in letters that DNS has. */
const SUFFIX = /^(?=.{1,253}$)[A-Za-z0-9_](?:[\w-]{0,62})(?:\.[A-Za-z0-9_][\w-]{0,62})*$/;

export function createExtras(
  adapter: Adapter,
  link: LinkedAdapter,
  ip: IpHelper,
  version: DriverVersion,
): WindowsExtras {
  const { instance, guid, luid } = adapter;
  return {
    version,
    instance,
    guid,
    luid,
    async setDns(options: DnsOptions) {
      const { servers, suffix } = checkDns(options);
      const card = guid && guidBytes(guid);
      if (!card)
        throw new DcoError("system", `adapter ${adapter.name} has no network card`, { effect: "none" });
      for (const family of [4, 6] as const) {
        const own = servers.filter((server) => server.family === family).map(({ text }) => text);
        ip.setDns(card, family, own, family === 4 ? suffix : undefined);
      }
    },
    async setMetric(metric) {
      if (metric !== "automatic") readInteger(metric, "metric", 1, INT_MAX);
      link.configuration.setMetric(metric);
    },
  };
}

function checkDns(options: unknown) {
  const fields = readFields(options, ["servers", "suffix"]);
  const servers = validateArray(fields.servers, "servers").map((server, n) =>
    parseAddress(server, `servers[${n}]`),
  );
  const { suffix } = fields;
  if (suffix === undefined) return { servers, suffix };
  if (typeof suffix === "string" && SUFFIX.test(suffix)) return { servers, suffix };
  throw invalid("suffix", "is not a domain name");
}

/** A GUID as Windows writes it, in memory's order; undefined for what is none. */
export function guidBytes(text: string): Buffer | undefined {
  const found = /^\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}$/i.exec(text);
  if (found === null) return undefined;
  const [, one, two, three, four, five] = found as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const little = (hex: string) => Buffer.from(hex, "hex").reverse();
  return Buffer.concat([little(one), little(two), little(three), Buffer.from(four + five, "hex")]);
}
