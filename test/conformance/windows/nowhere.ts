/** Somewhere that nobody answers. */
export const NOWHERE = "192.0.2.99:1194";
