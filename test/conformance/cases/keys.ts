/**
 * Keys: ciphers, slots, rotation.
 */
import { CIPHERS } from "../../../src/core/model.ts";
import { type Case, group } from "../case.ts";
import { assertReaches, type Family, openTunnel } from "../tunnel.ts";

function cipherCases(): Omit<Case, "group">[] {
  return CIPHERS.flatMap((cipher) =>
    ([4, 6] as Family[]).map((family) => ({
      name: `${cipher} carries IPv4 and IPv6 over UDP and IPv${family}`,
      needs: (capabilities) =>
        capabilities.ciphers.includes(cipher) ? undefined : `the kernel has no ${cipher}`,
      async run(world) {
        const { server, client } = await openTunnel(world, { cipher, family });
        await assertReaches(world, client, server.vpn.ipv4);
        await assertReaches(world, server, client.vpn.ipv6);
      },
    })),
  );
}

export const keyCases = group("keys", [...cipherCases()]);
