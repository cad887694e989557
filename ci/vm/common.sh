# Sourced by the scripts beside it: messages, the cache, and quoting. Bash.
set -euo pipefail
export LC_ALL=C
umask 022

say() { printf 'vm: %s\n' "$*" >&2; }

# 125 is the status for "the runner failed, the command says nothing", as in env(1) and docker.
fail() {
  say "$@"
  exit 125
}

vm_cache() {
  local home=${HOME:-} cache
  [ -n "$home" ] || home=$(cd ~ && pwd)
  cache=${DCOKIT_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/dcokit}/vm
  [[ $cache == /* ]] || cache=$PWD/$cache
  printf '%s\n' "$cache"
}

# One word that any sh reads back unchanged.
quote() {
  local q="'\\''"
  printf "'%s'" "${1//\'/$q}"
}

require_amd64() {
  local arch
  arch=$(dpkg --print-architecture 2>/dev/null) ||
    fail "this is not a Debian machine (no dpkg): the VM runner boots Debian's kernel packages only"
  [ "$arch" = amd64 ] || fail "only amd64 machines are supported so far; this one is $arch"
}
