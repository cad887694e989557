# Sourced by `run`: what became of the guest, in one sentence and one exit status. Bash.
# Reads: console, provider, here, work, control, memory, seconds, code (of QEMU), complete (streams that came whole).

# $1 the sentence; $2, if given, what the part of the console that matters begins with.
problem() {
  say "$1"
  [ -s "$console" ] || return 0
  if [ -n "${2:-}" ]; then
    say "the guest's console from there:"
    tr -d '\r' <"$console" | grep -aE -m 1 -A 60 "$2" | sed 's/^/  | /' >&2
  else
    say "the last lines of the guest's console:"
    tr -d '\r' <"$console" | tail -n 40 | sed 's/^/  | /' >&2
  fi
}

# What a kernel prints when something is wrong with it, whether or not it goes on: oopses and warnings (both show
# RIP), sanitizers, and lockdep.
splat='Kernel panic - not syncing|Oops: |BUG: |RIP: [0-9]|general protection fault|kernel BUG at'
splat+='|WARNING: CPU|WARNING: .* at |WARNING: (possible|suspicious|inconsistent|bad)|INFO: possible|UBSAN: |KASAN: '

# Warnings of kernels that are known, which nobody can prevent, and of which nothing comes: see docs/linux.md. Each
# has a line for where it comes from and a line for what must be in its trace.
known_warnings='
WARNING: [^\n]* at include/net/ip_tunnels[.]h
ovpn_udp_send_skb.*[[]ovpn_dco_v2[]]
WARNING: [^\n]*inet_sock_destruct
Modules linked in:[^\n]* ovpn[ \r\n]
WARNING: [^\n]*ovpn_tcp_poll
epoll_wait
'

# Prints the console without them.
without_known() {
  KNOWN=$known_warnings awk '
    BEGIN {
      lines = split(ENVIRON["KNOWN"], line, "\n")
      for (i = 2; i < lines; i += 2) { where[++known] = line[i]; trace[known] = line[i + 1] }
    }
    function is_known(text, i) {
      if (text ~ /BUG: |Oops: |panic/) return 0
      for (i = 1; i <= known; i++) if (text ~ where[i] && text ~ trace[i]) return 1
      return 0
    }
    # Not every console has the line that cuts. A warning without an end is as it is.
    /\[ cut here \]/ || /WARNING: / {
      if (block ~ /WARNING: /) { print block; block = "" }
      if (block == "") { block = $0; next }
    }
    block != "" {
      block = block "\n" $0
      if (!/end trace/) next
      if (!is_known(block)) print block
      block = ""
      next
    }
    { print }
    END { if (block != "") print block }' "$1"
}

# Ends the script.
judge() {
  if [ -s "$console" ]; then
    without_known "$console" >"$console.judged"
    if ! cmp -s "$console" "$console.judged"; then
      say "the kernel gave a warning that is known (docs/linux.md); it was not counted:"
      diff "$console" "$console.judged" | grep -a 'WARNING: ' | tr -d '\r' | sed 's/^/  | /' >&2
    fi
    mv "$console.judged" "$console"
  fi
  if grep -aq 'invoked oom-killer' "$console" 2>/dev/null; then
    problem "the guest ran out of memory: --memory gives it more than $memory MiB" 'invoked oom-killer'
    exit 125
  fi
  if grep -aqE "$splat" "$console" 2>/dev/null; then
    problem "the kernel reported a fault: $(grep -aE -m 1 "$splat" "$console" | tr -d '\r')" "$splat"
    exit 125
  fi
  local complaint
  complaint=$(sed -n 's/^dcokit-vm: //p' "$console" 2>/dev/null | tr -d '\r' | head -n 1)
  if [ -n "$complaint" ]; then
    problem "the guest could not be set up: $complaint"
    exit 125
  fi
  if grep -aq 'KVM internal error' "$work/qemu.log"; then
    head -n 3 "$work/qemu.log" >&2
    problem "KVM gave up the guest's CPU; DCOKIT_VM_ACCEL=tcg emulates instead"
    exit 125
  fi
  # timeout(1) says 124, or 137 when QEMU had to be killed.
  if [ $code -eq 124 ] || [ $code -eq 137 ]; then
    if [ -e "$control/started" ]; then
      problem "the command did not end within $seconds s: the guest was stopped"
    else
      problem "the guest did not come up within $seconds s"
    fi
    exit 124
  fi
  if [ $code -ne 0 ]; then
    cat "$work/qemu.log" >&2
    problem "qemu failed (status $code; its messages are above)"
    exit 125
  fi
  if ! [ -s "$control/status" ]; then
    problem "the guest ended without giving the status of the command"
    exit 125
  fi
  if [ $complete -lt 2 ]; then
    problem "the guest ended before all of the output had come"
    exit 125
  fi
  exit "$(cat "$control/status")"
}
