/**
 * The virtual machine that the demo runs in, where ci/vm/run says so.
 */

/** Set by ci/vm/run: the kernel's version, and the accelerator with the reason why it was chosen. */
const { DCOKIT_VM: kernel, DCOKIT_VM_ACCEL_INFO: accelerator } = process.env;

/** Without hardware virtualisation everything takes several times as long. */
export const isEmulated = accelerator?.startsWith("tcg") ?? kernel !== undefined;

export const machineText =
  kernel === undefined
    ? "this one"
    : `virtual, QEMU with ${accelerator ?? "an accelerator that it does not tell"}`;
