import { expect, test } from "vitest";
import { missingRight } from "../../../src/linux/rights.ts";

const ROOT = "Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n";
const USER = "Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n";
const ALL_BUT = "CapEff:\t000001ffffffefff\n";
const ONLY = "CapEff:\t0000000000001000\n";
const INITIAL = "         0          0 4294967295\n";
const CONTAINER = "         0     100000      65536\n";

test.each([
  [ROOT, INITIAL, undefined],
  [ONLY, INITIAL, undefined],
  [ALL_BUT, INITIAL, /lacks CAP_NET_ADMIN/],
  [USER, INITIAL, /lacks CAP_NET_ADMIN/],
  [ROOT, CONTAINER, /initial user namespace/],
  ["Name:\tnode\n", INITIAL, undefined],
])("the right to use the module: %#", (status, uidMap, missing) => {
  const found = missingRight(status, uidMap);
  if (missing === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(missing);
});
