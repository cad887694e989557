import { expect, test } from "vitest";
import { peer, setUp } from "./support.ts";

test("calls one after the other, each answered at once, leave the event loop its turns", async () => {
  const { dco, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  let turns = 0;
  let running = true;
  const watch = () => {
    turns++;
    if (running) setImmediate(watch);
  };
  setImmediate(watch);
  const end = performance.now() + 200;
  while (performance.now() < end) await dco.peer(1);
  running = false;
  expect(turns).toBeGreaterThan(1);
});
