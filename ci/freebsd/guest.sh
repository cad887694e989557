#!/bin/sh
# Runs inside FreeBSD, from the disk that ci/freebsd/disk.ts makes: the suite, under Node, or under Bun where there is
# no Node. Its result is written to the last disk as it is, and the end is said on the console.
here=${0%/*}
cd "$here" || exit 1
PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin
HOME=/tmp
TMPDIR=/tmp
BUN_RUNTIME_TRANSPILER_CACHE_PATH=0
export PATH HOME TMPDIR BUN_RUNTIME_TRANSPILER_CACHE_PATH

mount -t tmpfs tmpfs /tmp
mount -t fdescfs fdescfs /dev/fd
for module in if_epair if_bridge; do kldload -n $module 2>/dev/null; done
ifconfig lo0 inet 127.0.0.1/8 up

if [ -s "$here/packages" ]; then
  for _ in 1 2 3; do
    # shellcheck disable=SC2046
    ASSUME_ALWAYS_YES=yes pkg install -y $(cat "$here/packages") && break
    sleep 10
  done
fi
if command -v node >/dev/null 2>&1; then
  runtime=node
else
  # With the one cipher that Bun lacks, for the userspace backend as the other end of tunnels.
  runtime="$here/bun/bin/bun --preload $here/suite/preload.mjs"
fi
set --
while IFS= read -r argument; do set -- "$@" "$argument"; done <"$here/arguments"
# Through a pipe: Bun opens a terminal once more to write to it, and the suite would take that for a leak.
{
  $runtime "suite/$(cat "$here/program").mjs" --json /tmp/result.json "$@" </dev/null
  echo $? >/tmp/status
} 2>&1 | cat
status=$(cat /tmp/status)
if [ -s /tmp/result.json ]; then
  dd if=/tmp/result.json of=/dev/vtbd2 bs=65536 conv=sync 2>/dev/null
fi
echo "@dcokit end $status"
halt -p
