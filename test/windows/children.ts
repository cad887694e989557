/** Programs that cases start, to be killed: this bundle again, with --child. */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { adapterPath, Device } from "./device.ts";
import { code, pack, sizeOf } from "./layout.ts";
import { mpNewPeer, newKey, newPeer } from "./scene.ts";

/** Names of the programs. */
export const CHILDREN = ["p2p", "server", "restless"] as const;

/** Reads and notifications that it leaves pending. */
const PENDING = 20;

function leavePending(device: Device): void {
  for (let i = 0; i < PENDING; i++) void device.read();
  void device.startIoctl(code("NOTIFY_EVENT"), undefined, sizeOf("NOTIFY_EVENT"));
}

async function startServer(device: Device): Promise<void> {
  await device.ioctl(code("SET_MODE"), pack("SET_MODE", { Mode: 1 }));
  const listen = pack("MP_START_VPN", { ListenAddress: Uint8Array.of(2) });
  await device.ioctl(code("MP_START_VPN"), listen, sizeOf("MP_START_VPN"));
}

async function p2p(device: Device): Promise<void> {
  await device.ioctl(code("NEW_PEER"), newPeer(9));
  await device.ioctl(code("NEW_KEY"), newKey());
  leavePending(device);
}

async function server(device: Device): Promise<void> {
  await startServer(device);
  for (let id = 1; id <= 10; id++) await device.ioctl(code("MP_NEW_PEER"), mpNewPeer(id));
  leavePending(device);
}

/** Never rests, so that the moment of its end is any. */
async function restless(device: Device): Promise<void> {
  await startServer(device);
  leavePending(device);
  void churn(device);
}

async function churn(device: Device): Promise<never> {
  for (let id = 1; ; id = (id % 1000) + 1) {
    await device.ioctl(code("MP_NEW_PEER"), mpNewPeer(id));
    await device.ioctl(code("NEW_KEY"), newKey({ PeerId: id }));
    await device.ioctl(code("MP_DEL_PEER"), pack("MP_DEL_PEER", { PeerId: id }));
    await device.write(Buffer.alloc(40, 2));
  }
}

/** @param ready a file that it makes once all is pending */
export async function runChild(name: string, ready: string): Promise<void> {
  const device = Device.open(adapterPath(0));
  const programs: Record<string, (device: Device) => Promise<void>> = { p2p, server, restless };
  const program = programs[name];
  if (!program) throw new Error(`there is no child ${name}`);
  await program(device);
  writeFileSync(ready, "");
  await sleep(60_000);
}
