/**
 * Our routes beside those of others, on a routing table in memory; what the kernel really does is in the cases.
 */
import { describe, expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import type { NamespaceContext } from "../../../src/linux/context.ts";
import { MessageBuilder } from "../../../src/netlink/codec/builder.ts";
import { NLM_F_REPLACE } from "../../../src/netlink/codec/constants.ts";
import { type NetlinkMessage, parseDatagram } from "../../../src/netlink/codec/message.ts";
import { decodeRoute, newRoute, type RouteInfo } from "../../../src/netlink/codec/route.ts";
import { RTM_DELROUTE, RTM_GETROUTE } from "../../../src/netlink/codec/rtnl.ts";
import { type OwnRoute, OwnRoutes } from "../../../src/netlink/routes.ts";
import { v4 } from "./support.ts";

const OURS = 7;
const THEIRS = 8;

/** Routing as the kernel does it: one route for a destination and metric; a removal takes what is left out for any. */
class Table {
  routes: RouteInfo[] = [];
  dumps = 0;
  /** Asked before each change. */
  refuse: (route: RouteInfo) => DcoError | undefined = () => undefined;

  readonly context = {
    rtnl: {
      request: (
        _format: unknown,
        build: (to: MessageBuilder, seq: number) => void,
        decode?: (message: NetlinkMessage) => unknown,
      ) => {
        const builder = new MessageBuilder();
        build(builder, 1);
        const [message] = [...parseDatagram(builder.bytes())] as [NetlinkMessage];
        if (message.type === RTM_GETROUTE) return this.#dump(decode as (message: NetlinkMessage) => unknown);
        const route = copyOf(decodeRoute(message) as RouteInfo);
        const refusal = this.refuse(route);
        if (refusal) throw refusal;
        if (message.type === RTM_DELROUTE) this.#delete(route);
        else this.#add(route, (message.flags & NLM_F_REPLACE) !== 0);
        return [];
      },
    },
  } as unknown as NamespaceContext;

  /** As `destination metric gateway's last number interface`. */
  get text(): string[] {
    return this.routes.map(
      (route) =>
        `${route.destination?.[1]} ${route.metric ?? 0} ${route.gateway?.[3] ?? "-"} ${route.interface}`,
    );
  }

  #dump(decode: (message: NetlinkMessage) => unknown): unknown[] {
    this.dumps++;
    return this.routes.flatMap((route) => {
      const builder = new MessageBuilder();
      const { destination = v4(0, 0, 0, 0), type, ...rest } = route;
      newRoute(builder, 1, { ...rest, destination, type: type as "unicast" });
      const found = [...parseDatagram(builder.bytes())].map(decode);
      return found.filter((each) => each !== undefined);
    });
  }

  #add(route: RouteInfo, replace: boolean): void {
    const at = this.routes.findIndex((each) => isSamePlace(each, route));
    if (at >= 0 && !replace) throw refusal("exists", 17);
    if (at >= 0) this.routes[at] = route;
    else this.routes.push(route);
  }

  #delete(route: RouteInfo): void {
    const at = this.routes.findIndex(
      (each) =>
        each.destination?.join() === route.destination?.join() &&
        (route.metric === undefined || each.metric === route.metric) &&
        (route.gateway === undefined || each.gateway?.join() === route.gateway.join()) &&
        each.interface === route.interface &&
        each.protocol === route.protocol,
    );
    if (at < 0) throw refusal("not-found", 3);
    this.routes.splice(at, 1);
  }
}

function isSamePlace(one: RouteInfo, other: RouteInfo): boolean {
  return one.destination?.join() === other.destination?.join() && one.metric === other.metric;
}

function copyOf(route: RouteInfo): RouteInfo {
  const { destination, gateway } = route;
  return {
    ...route,
    destination: destination && Uint8Array.from(destination),
    gateway: gateway && Uint8Array.from(gateway),
  };
}

function refusal(code: "exists" | "not-found" | "permission", number: number): DcoError {
  return new DcoError(code, "the kernel refused", {
    native: { kind: "errno", number, name: `E${number}` },
    effect: "none",
  });
}

function route(second: number, options: Partial<OwnRoute> & { via?: number } = {}): OwnRoute {
  const { via, ...rest } = options;
  return {
    field: `routes[${second}]`,
    destination: v4(10, second, 0, 0),
    prefixLength: 16,
    gateway: via === undefined ? undefined : v4(10, 8, 0, via),
    onlink: false,
    interface: OURS,
    metric: undefined,
    ...rest,
  };
}

function setUp() {
  const table = new Table();
  return { table, own: new OwnRoutes(table.context) };
}

describe("our routes", () => {
  test("a list takes the place of another, without a gap where only the gateway differs", () => {
    const { table, own } = setUp();
    const first = [route(1), route(2, { via: 1, metric: 5 })];
    own.change([], first);
    const seen: string[][] = [];
    table.refuse = () => {
      seen.push(table.text);
      return undefined;
    };
    own.change(first, [route(2, { via: 9, metric: 5 }), route(3)]);
    expect(table.text).toEqual(["2 5 9 7", "3 0 - 7"]);
    expect(seen.every((routes) => routes.some((each) => each.startsWith("2 ")))).toBe(true);
  });

  test("a failure in the middle takes back what was done before it", () => {
    const { table, own } = setUp();
    const first = [route(1), route(2, { via: 1, metric: 5 })];
    own.change([], first);
    const before = table.text;
    table.refuse = ({ destination }) => (destination?.[1] === 4 ? refusal("permission", 1) : undefined);
    const wanted = [route(3), route(2, { via: 9, metric: 5 }), route(4)];
    expect(() => own.change(first, wanted)).toThrow(/refused/);
    expect(table.text).toEqual(before);
  });

  test("somebody else's route in the place of ours stays, and is named", () => {
    const { table, own } = setUp();
    new OwnRoutes(table.context).change([], [route(1, { interface: THEIRS, via: 3 })]);
    const before = table.text;
    expect(() => own.change([], [route(2), route(1)])).toThrow(
      expect.objectContaining({
        code: "exists",
        field: "routes[1]",
        message: "routes[1]: somebody else has a route to 10.1.0.0/16, via 10.8.0.3 through interface 8",
      }),
    );
    expect(table.text).toEqual(before);
  });

  test("what two lists have stays until neither has it", () => {
    const { table, own } = setUp();
    const [one, other] = [[route(1)], [route(1)]];
    own.change([], one);
    own.change([], other);
    own.change(one, []);
    expect(table.text).toEqual(["1 0 - 7"]);
    own.change(other, []);
    expect(table.text).toEqual([]);
  });

  test("what is not there any more is not mistaken for another that is", () => {
    const { table, own } = setUp();
    const first = [route(1)];
    own.change([], first);
    table.routes = [];
    new OwnRoutes(table.context).change([], [route(1, { metric: 50 })]);
    own.change(first, []);
    expect(table.text).toEqual(["1 50 - 7"]);
  });

  test("routes of peers, which have metric and gateway, are removed without reading the table", () => {
    const { table, own } = setUp();
    const list = [route(1, { via: 2, metric: 100 })];
    own.change([], list);
    own.change(list, []);
    expect([table.text, table.dumps]).toEqual([[], 0]);
  });

  test("those that are gone are restored in one go, whatever becomes of one", () => {
    const { table, own } = setUp();
    const list = [route(1), route(2), route(3)];
    own.change([], list);
    table.routes = table.routes.slice(2);
    new OwnRoutes(table.context).change([], [route(1, { interface: THEIRS })]);
    table.dumps = 0;
    expect(() => own.restore(list)).toThrow(expect.objectContaining({ code: "exists", field: "routes[1]" }));
    expect(table.text.sort()).toEqual(["1 0 - 8", "2 0 - 7", "3 0 - 7"]);
    expect(table.dumps).toBe(2);
  });
});
