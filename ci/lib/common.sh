# Sourced by the scripts of ci/: messages, the cache folder, what npm leaves in the environment. POSIX sh.
# The caller has set $root to the root of the checkout.
# shellcheck shell=sh disable=SC2154

say() { printf 'setup: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# Why there is no cache folder, if there is none.
cache_problem=''

# Downloads that outlive a checkout: Node, npm, kernels.
use_cache() {
  if [ -z "${DCOKIT_CACHE:-}" ]; then
    if [ -n "${XDG_CACHE_HOME:-}" ]; then
      DCOKIT_CACHE=$XDG_CACHE_HOME/dcokit
    elif [ -n "${HOME:-}" ] && mkdir -p "$HOME/.cache/dcokit" 2>/dev/null && [ -w "$HOME/.cache/dcokit" ]; then
      DCOKIT_CACHE=$HOME/.cache/dcokit
    else
      DCOKIT_CACHE=$root/build/cache
    fi
  fi
  if ! mkdir -p "$DCOKIT_CACHE" 2>/dev/null || ! [ -w "$DCOKIT_CACHE" ]; then
    cache_problem="cannot write to the cache folder $DCOKIT_CACHE (the variable DCOKIT_CACHE chooses another)"
    # Where somebody else has set up Node and modules, none is needed.
    case ${steps:-packages} in *packages* | *build*) die "$cache_problem" ;; esac
    return 0
  fi
  DCOKIT_CACHE=$(CDPATH='' cd -- "$DCOKIT_CACHE" && pwd -P)
  export DCOKIT_CACHE
  # npm needs a folder of its own that it can write to.
  if [ -z "${npm_config_cache:-}" ] && ! [ -w "${HOME:-/nonexistent}" ]; then
    npm_config_cache=$DCOKIT_CACHE/npm-cache
    export npm_config_cache
  fi
}

# npm hands its whole configuration to scripts, an old one in words that a new one does not know. Keep only
# what says where packages come from, and how the npm that started us was started.
forget_npm_environment() {
  case ${npm_execpath:-} in
    */npm-cli.js) outer_npm=$npm_execpath outer_node=${npm_node_execpath:-} ;;
    *) outer_npm='' outer_node='' ;;
  esac
  for name in $(env | sed -n 's/^\(npm_[A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
      npm_config_registry | npm_config_userconfig | npm_config_globalconfig | npm_config_cache) ;;
      npm_config_ca | npm_config_cafile | npm_config_strict_ssl) ;;
      npm_config_proxy | npm_config_https_proxy | npm_config_noproxy) ;;
      npm_config_offline | npm_config_prefer_offline) ;;
      *) unset "$name" ;;
    esac
  done
}

# One set-up at a time; fd 9 holds the lock until unlock_setup.
lock_setup() {
  [ -z "$cache_problem" ] || return 0
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>>"$DCOKIT_CACHE/setup.lock"
  flock -n 9 && return 0
  say "another set-up is under way: waiting for it"
  flock 9
}

unlock_setup() { exec 9>&-; }

# What is removed however this script ends: a folder that is being filled.
doomed=''
trap 'rm -rf "$doomed"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
