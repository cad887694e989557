/** All scenes, in the order of the guide. */
import type { Scene } from "../stage.ts";
import { cliScenes } from "./cli.ts";
import { clientScenes } from "./client.ts";
import { eventScenes } from "./events.ts";
import { keyScenes } from "./keys.ts";
import { linuxScenes } from "./linux.ts";
import { otherScenes } from "./other.ts";
import { routingScenes } from "./routing.ts";
import { serverScenes } from "./server.ts";
import { userspaceScenes } from "./userspace.ts";

export const scenes: readonly Scene[] = [
  ...clientScenes,
  ...serverScenes,
  ...keyScenes,
  ...routingScenes,
  ...linuxScenes,
  ...eventScenes,
  ...userspaceScenes,
  ...otherScenes,
  ...cliScenes,
];
