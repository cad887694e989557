# Sourced: the QEMU command line that `run` and `accel` share. Bash.

# Sets the array `machine`. $1 kvm or tcg, $2 MiB, $3 CPUs, $4 kernel image, $5 initramfs, $6 console log,
# the rest: more words for the kernel's command line.
machine_arguments() {
  local accel=$1 memory=$2 cpus=$3 image=$4 initramfs=$5 console=$6
  shift 6
  # The newest model that QEMU can emulate: Node starts twice as fast on it as on qemu64.
  local cpu=max
  local accelerator=tcg,thread=multi
  [ "$accel" = kvm ] && accelerator=kvm && cpu=host
  # Level 5 shows warnings, so that the log holds every splat. Emulation on a busy host stalls for long without
  # any fault of the guest's: the watchdogs get two minutes.
  local append="console=ttyS0 loglevel=5 panic=-1 oops=panic random.trust_cpu=1 no_timer_check audit=0"
  append+=" watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 8250.nr_uarts=1 $*"
  machine=(
    qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot
    -M q35 -accel "$accelerator" -cpu "$cpu" -smp "$cpus" -m "$memory"
    -kernel "$image" -initrd "$initramfs" -append "$append"
    -chardev "file,id=console,path=${console//,/,,}" -serial chardev:console
    -device virtio-rng-pci
  )
}
