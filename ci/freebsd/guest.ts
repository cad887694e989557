/**
 * A FreeBSD guest in QEMU, spoken to over its serial console.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readSync } from "node:fs";

/** What it boots, and with what. */
export interface GuestOptions {
  /** A kernel that QEMU starts directly (PVH), with a root file system; or a whole image. */
  readonly boot:
    | { readonly kernel: string; readonly root: string }
    | { readonly image: string; readonly format: "raw" | "qcow2" };
  /** The disk with the suite. */
  readonly disk: string;
  /** Where the guest writes the result. */
  readonly result: string;
  readonly memory: number;
  /** Whether it has a network, to fetch packages by. */
  readonly network: boolean;
  /** Seconds for everything. */
  readonly timeout: number;
  /** Takes the output of the suite, line by line. */
  readonly onLine: (line: string) => void;
}

/** What the console says when a shell can be had, and what has to be typed for it. */
const PROMPTS: readonly (readonly [said: RegExp, typed: string])[] = [
  [/login: $/, "root\n"],
  [/Password:\s*$/, "\n"],
  // Single user.
  [/RETURN for \/bin\/sh: ?$/, "\n"],
  [/# $/, "mount -u -o rw / 2>/dev/null; mount -t cd9660 /dev/vtbd1 /mnt && exec sh /mnt/guest.sh\n"],
];

/** What a boot loader would tell the kernel: its root, a shell instead of services, and where its console is. */
const KERNEL_ENVIRONMENT = [
  "boot_single=YES",
  "boot_serial=YES",
  "console=comconsole",
  "hint.uart.0.at=isa",
  "hint.uart.0.port=0x3F8",
  "hint.uart.0.irq=4",
  "hint.uart.0.flags=0x10",
];

/** A prompt may have drowned in what the kernel says: after this long without a word it is asked for again. */
const SILENCE_MS = 20_000;

const END = /^@dcokit end (\d+)/;
const FAULT = /^(?:mountroot>|panic: |Fatal trap |KDB: enter: |db> )/;

/** What the kernel itself writes between the lines of the suite is left in: it may be the reason of a failure. */
export function runGuest(options: GuestOptions): Promise<number> {
  const child = spawn("qemu-system-x86_64", machine(options), { stdio: ["pipe", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let pending = "";
    let begun = false;
    let status: number | undefined;
    let fault: string | undefined;
    const ask = setInterval(() => {
      if (begun) clearInterval(ask);
      else if (performance.now() - lastWord > SILENCE_MS) child.stdin.write("\n");
    }, SILENCE_MS);
    let lastWord = performance.now();
    const end = (error?: Error) => {
      clearTimeout(timer);
      clearInterval(ask);
      child.kill("SIGKILL");
      if (error) reject(error);
    };
    const timer = setTimeout(
      () => end(new Error(`the guest did not end within ${options.timeout} s; it last said: ${pending}`)),
      options.timeout * 1000,
    );
    const take = (line: string) => {
      options.onLine(line);
      if (FAULT.test(line)) {
        fault ??= line;
        // A kernel that panics leaves its reasons on the console.
        setTimeout(() => end(new Error(`the kernel failed: ${fault}`)), 3000);
      }
      const ended = END.exec(line);
      if (ended) status = Number(ended[1]);
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      lastWord = performance.now();
      const lines = (pending + text.replaceAll("\r", "")).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) take(line);
      if (begun) return;
      for (const [said, typed] of PROMPTS) {
        if (!said.test(pending)) continue;
        child.stdin.write(typed);
        options.onLine(pending);
        pending = "";
        begun = typed.includes("guest.sh");
        return;
      }
    });
    child.once("error", end);
    child.once("exit", (code) => {
      clearTimeout(timer);
      clearInterval(ask);
      if (status !== undefined) resolve(status);
      else
        reject(new Error(`the guest ended (QEMU: ${code}) before the suite had; it last said: ${pending}`));
    });
    process.once("exit", () => stop(child));
  });
}

function stop(child: ChildProcess): void {
  if (child.exitCode === null) child.kill("SIGKILL");
}

/** ISO 9660 has its mark in the second half of its 17th sector of 2 KiB; anything else is taken for UFS. */
function rootOf(path: string): string {
  const mark = Buffer.alloc(5);
  const file = openSync(path, "r");
  readSync(file, mark, 0, mark.length, 32769);
  closeSync(file);
  return `vfs.root.mountfrom=${mark.toString("latin1") === "CD001" ? "cd9660" : "ufs"}:/dev/vtbd0`;
}

function machine({ boot, disk, result, memory, network }: GuestOptions): string[] {
  const accelerator = existsSync("/dev/kvm") && process.env["DCOKIT_VM_ACCEL"] === "kvm" ? "kvm" : "tcg";
  const drive = (path: string, format: string, more: string) => [
    "-drive",
    `file=${path.replaceAll(",", ",,")},format=${format},if=virtio,${more}`,
  ];
  return [
    ...["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-M", "q35"],
    ...["-accel", accelerator === "kvm" ? "kvm" : "tcg,thread=multi", "-cpu", "max"],
    ...["-smp", "1", "-m", String(memory), "-device", "virtio-rng-pci"],
    ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
    ...("kernel" in boot
      ? [
          ...["-kernel", boot.kernel, "-append", [rootOf(boot.root), ...KERNEL_ENVIRONMENT].join(" ")],
          ...drive(boot.root, "raw", "snapshot=on"),
        ]
      : // A boot loader may write to a screen as well, which has to be there.
        ["-device", "VGA", ...drive(boot.image, boot.format, "snapshot=on")]),
    ...(network ? ["-nic", "user,model=virtio-net-pci"] : []),
    ...drive(disk, "raw", "readonly=on"),
    ...drive(result, "raw", "cache=writethrough"),
  ];
}
