import { describe, expect, it } from "vitest";
import {
  validateAdoptInterface,
  validateArray,
  validateBulkOptions,
  validateCallOptions,
  validateCreateInterface,
  validateEventOptions,
  validateExtras,
  validateInterfaceName,
  validateSignal,
} from "../../../src/core/validate.ts";
import { capabilities, expectInvalid, expectUnsupported, rules } from "./fixtures.ts";

const can = capabilities();
const create = (options: unknown) => validateCreateInterface(options, rules, can);
const adopt = (name: unknown, options?: unknown, kernel = can) =>
  validateAdoptInterface(name, options, rules, kernel);

describe("createInterface options", () => {
  it("have defaults", () => {
    expect(create({ mode: "p2p" })).toEqual({
      mode: "p2p",
      name: undefined,
      onExisting: "fail",
      deleteOnClose: undefined,
      extras: {},
    });
  });

  it("are passed on, with the platform's own", () => {
    const signal = new AbortController().signal;
    const options = { mode: "multipeer", name: "vpn0", onExisting: "replace", deleteOnClose: false, signal };
    expect(create({ ...options, namespace: "blue" })).toEqual({
      mode: "multipeer",
      name: "vpn0",
      onExisting: "replace",
      deleteOnClose: false,
      extras: { namespace: "blue" },
    });
  });

  it.each<[string, unknown, string, RegExp]>([
    ["no options", undefined, "options", /is missing/],
    ["an array", [], "options", /not an array/],
    ["bytes", new Uint8Array(3), "options", /not bytes/],
    ["no mode", {}, "mode", /is missing/],
    ["another mode", { mode: "tap" }, "mode", /"p2p" or "multipeer"/],
    ["a mode of another type", { mode: 1 }, "mode", /not a number/],
    ["an unknown option", { mode: "p2p", foo: 1 }, "foo", /unknown option "foo"/],
    ["an unknown option that is undefined", { mode: "p2p", foo: undefined }, "foo", /unknown option "foo"/],
    ["an unknown option without a name", { mode: "p2p", "": 1 }, '[""]', /unknown option ""/],
    ["an own __proto__", JSON.parse('{"mode":"p2p","__proto__":{}}'), "__proto__", /unknown option/],
    ["a name that the platform refuses", { mode: "p2p", name: "a/b" }, "name", /no name of an interface/],
    ["an empty name", { mode: "p2p", name: "" }, "name", /is empty/],
    ["a name of another type", { mode: "p2p", name: 7 }, "name", /must be a string, not a number/],
    ["another onExisting", { mode: "p2p", name: "a", onExisting: "keep" }, "onExisting", /"fail" or/],
    ["adopting without a name", { mode: "p2p", onExisting: "adopt" }, "onExisting", /needs the name/],
    ["deleteOnClose as text", { mode: "p2p", deleteOnClose: "no" }, "deleteOnClose", /true or false/],
    ["a signal that is none", { mode: "p2p", signal: {} }, "signal", /AbortSignal/],
    ["a bad platform option", { mode: "p2p", namespace: 3 }, "namespace", /must be a string/],
  ])("refuse %s", (_what, options, field, problem) => {
    expectInvalid(() => create(options), field, problem);
  });

  it("refuse a mode that the kernel lacks", () => {
    const kernel = capabilities({ modes: ["multipeer"] });
    expectUnsupported(() => validateCreateInterface({ mode: "p2p" }, rules, kernel), "modes");
  });

  it("read each field once, and survive a getter that throws", () => {
    let reads = 0;
    const once = {
      get mode() {
        return ++reads === 1 ? "p2p" : "tap";
      },
    };
    expect(create(once).mode).toBe("p2p");
    const broken = {
      get mode(): string {
        throw new Error("no");
      },
    };
    expectInvalid(() => create(broken), "options", /cannot be read/);
  });
});

describe("adoptInterface arguments", () => {
  it("have defaults", () => {
    expect(adopt("vpn0")).toEqual({
      name: "vpn0",
      role: "owner",
      peers: "keep",
      deleteOnClose: false,
      extras: {},
    });
  });

  it.each<[string, unknown, unknown, string, RegExp]>([
    ["no name", undefined, {}, "name", /is missing/],
    ["a name that the platform refuses", "a b", {}, "name", /no name/],
    ["an unknown option", "vpn0", { address: "10.0.0.1" }, "address", /unknown option "address"/],
    ["another mode", "vpn0", { mode: "tap" }, "mode", /"p2p" or "multipeer"/],
    ["null", "vpn0", null, "options", /not null/],
    ["a signal that is none", "vpn0", { signal: 1 }, "signal", /AbortSignal/],
    ["another role", "vpn0", { role: "guest" }, "role", /"owner" or "observer"/],
    ["peers of another kind", "vpn0", { peers: true }, "peers", /"keep" or "flush"/],
    ["an observer who flushes", "vpn0", { role: "observer", peers: "flush" }, "peers", /observer/],
    [
      "an observer who deletes",
      "vpn0",
      { role: "observer", deleteOnClose: true },
      "deleteOnClose",
      /observer/,
    ],
  ])("refuse %s", (_what, name, options, field, problem) => {
    expectInvalid(() => adopt(name, options), field, problem);
  });

  it("refuse what the kernel lacks", () => {
    expectUnsupported(() => adopt("vpn0", {}, capabilities({ adoptInterface: false })), "adoptInterface");
    expectUnsupported(() => adopt("vpn0", { role: "observer" }, capabilities({ observe: false })), "observe");
  });
});

describe("shared options", () => {
  it("an interface name is one that the platform takes", () => {
    expect(validateInterfaceName("ovpn0", rules)).toBe("ovpn0");
    expectInvalid(() => validateInterfaceName("way-too-long-a-name", rules), "name", /no name/);
  });

  it("platform options are picked from among the known ones", () => {
    const own = { a: (value: unknown) => (value === 1 ? undefined : "must be 1") };
    expect(validateExtras({ a: 1, signal: undefined }, own, ["signal"])).toEqual({ a: 1 });
    expect(validateExtras(undefined, own, ["signal"])).toEqual({});
    expect(validateExtras({}, undefined, ["signal"])).toEqual({});
    expectInvalid(() => validateExtras({ a: 2 }, own, ["signal"]), "a", /must be 1/);
    expectInvalid(() => validateExtras({ b: 2 }, own, ["signal"]), "b", /unknown option "b"/);
    expectInvalid(() => validateExtras({ toString: 1 }, own, []), "toString", /unknown option/);
  });

  it("call options hold a signal and nothing else", () => {
    const { signal } = new AbortController();
    expect(validateCallOptions(undefined)).toBeUndefined();
    expect(validateCallOptions({})).toBeUndefined();
    expect(validateCallOptions({ signal })).toBe(signal);
    expectInvalid(() => validateCallOptions({ singal: signal }), "singal", /unknown option "singal"/);
    expectInvalid(() => validateCallOptions({ signal: new AbortController() }), "signal", /AbortSignal/);
    expectInvalid(() => validateCallOptions({ signal: null }), "signal", /not null/);
  });

  it("the signal among other options", () => {
    const { signal } = new AbortController();
    expect(validateSignal({ mode: "p2p", signal })).toBe(signal);
    expect(validateSignal(undefined)).toBeUndefined();
    expectInvalid(() => validateSignal({ signal: 3 }), "signal", /AbortSignal/);
  });

  it("event options have a queue limit", () => {
    expect(validateEventOptions(undefined)).toEqual({ signal: undefined, queueLimit: 4096 });
    expect(validateEventOptions({ queueLimit: 1 })).toEqual({ signal: undefined, queueLimit: 1 });
    expectInvalid(() => validateEventOptions({ queueLimit: 0 }), "queueLimit", /from 1 to/);
    expectInvalid(() => validateEventOptions({ limit: 5 }), "limit", /unknown option/);
  });

  it("bulk options have a progress function", () => {
    const onProgress = () => {};
    expect(validateBulkOptions({ onProgress })).toEqual({ signal: undefined, onProgress });
    expect(validateBulkOptions(undefined)).toEqual({ signal: undefined, onProgress: undefined });
    expectInvalid(() => validateBulkOptions({ onProgress: 1 }), "onProgress", /must be a function/);
  });

  it("bulk items are an array", () => {
    expect(validateArray([1, 2], "ids")).toEqual([1, 2]);
    expectInvalid(() => validateArray({ length: 0 } as unknown, "ids"), "ids", /must be an array/);
    expectInvalid(() => validateArray(undefined as unknown, "ids"), "ids", /is missing/);
  });
});
