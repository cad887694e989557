/** Which driver there is, and configurations of OpenVPN. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at } from "../here.ts";
import { example, type Scene } from "../stage.ts";

export const otherScenes: readonly Scene[] = [
  {
    page: "doctor.md",
    name: "the driver that there is, or the reason why there is none, or the one that is always there",
    async run({ world, kernel, signal, said }) {
      const { openKernel, openAny } = example("doctor/choose.ts");
      await using here = await at(world, world.server, () => openKernel(signal));
      assert.equal(here?.info.backend, world.driver.info.backend);
      await using real = await openKernel(signal);
      if (real === undefined) assert.match(said.at(-1) ?? "", /^no data channel offload: ./);
      if (kernel) assert.equal(real?.info.backend, world.driver.info.backend);
      await using any = await openAny(signal);
      assert.equal(said.at(-1), `${any.info.backend}: ${any.info.reason}`);
      if (real === undefined) assert.equal(any.info.backend, "userspace");
    },
  },
  {
    page: "compatibility.md",
    name: "a configuration that can use DCO, one that cannot, and none",
    async run({ said }) {
      const { check } = example("compatibility/check.ts");
      const folder = mkdtempSync(join(tmpdir(), "dcokit-example-"));
      try {
        const file = join(folder, "server.conf");
        const config = "port 1194\ndev tun\nserver 10.8.0.0 255.255.255.0\ntopology subnet\n";
        writeFileSync(file, config);
        assert.equal(check(file), true);
        writeFileSync(file, `${config}fragment 1300\n`);
        assert.equal(check(file), false);
        assert.ok(
          said.some((line) => line.startsWith(`  blocks: fragment (${file}:5)`)),
          said.join("\n"),
        );
        assert.equal(check(join(folder, "absent.conf")), false);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  },
];
