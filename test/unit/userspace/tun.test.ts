/**
 * Options of interfaces that are TUN devices: what is refused before anything is made, without any right. What a device
 * does is in the cases (test/conformance/tun).
 */
import { expect, test } from "vitest";
import type { CreateInterfaceOptions } from "../../../src/core/model.ts";
import { openUserspaceDriver, type UserspaceDriver } from "../../../src/userspace/index.ts";

async function refused(options: object) {
  const driver: UserspaceDriver = await openUserspaceDriver();
  try {
    await driver.createInterface({ mode: "p2p", ...options } as CreateInterfaceOptions);
    throw new Error("it was made");
  } catch (error) {
    return error;
  } finally {
    await driver.close();
  }
}

test("an option of the other kind is invalid", async () => {
  expect(await refused({ device: "tap" })).toMatchObject({ code: "invalid", field: "device" });
  expect(await refused({ namespace: "blue" })).toMatchObject({ code: "invalid", field: "namespace" });
  expect(await refused({ device: "stream", namespace: 3 })).toMatchObject({ field: "namespace" });
});

test.runIf(process.platform === "linux")(
  "a device has no stream, and the names that Linux takes",
  async () => {
    expect(await refused({ device: "tun", packetQueue: 9 })).toMatchObject({
      code: "invalid",
      field: "packetQueue",
      effect: "none",
    });
    expect(await refused({ device: "tun", name: "a:b" })).toMatchObject({ code: "invalid", field: "name" });
    expect(await refused({ device: "tun", name: "all" })).toMatchObject({ code: "invalid", field: "name" });
    expect(await refused({ device: "tun", deleteOnClose: false })).toMatchObject({
      code: "unsupported",
      capability: "survivesProcess",
    });
    expect(await refused({ device: "tun", namespace: "dk-nowhere" })).toMatchObject({
      code: "not-found",
      field: "namespace",
    });
  },
);

test("the capability says where there are such devices", async () => {
  const driver = await openUserspaceDriver();
  expect(driver.capabilities).toMatchObject({
    systemInterface: false,
    tunDevice: process.platform === "linux",
  });
  await driver.close();
});

test.runIf(process.platform !== "linux")("elsewhere they are unsupported", async () => {
  expect(await refused({ device: "tun" })).toMatchObject({ code: "unsupported", capability: "tunDevice" });
});
