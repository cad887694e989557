# Sourced: the Debian packages that the virtual machine, the demo and the behaviour tests need, and those for Wine.
# POSIX sh.
# shellcheck shell=sh disable=SC2154

# Names of those that are missing, in one line. A list such as ci/debian-packages ($1) has a package and a command or
# file of it per line; $2 is a script that prints more.
missing_packages() (
  PATH=$PATH:/usr/sbin:/sbin
  {
    while read -r package command; do
      case $package in '' | '#'*) continue ;; esac
      command -v "$command" >/dev/null 2>&1 || [ -e "$command" ] || printf '%s\n' "$package"
    done <"$1"
    [ ! -f "$2" ] || bash "$2" || true
  } | sort -u | paste -s -d ' ' -
)

# Sets DCOKIT_MISSING to what is still missing at the end, and DCOKIT_MISSING_WHY; DCOKIT_APT_FAILED to 1 where
# we had the right to install it.
setup_packages() {
  bring_packages "$root/ci/debian-packages" "$root/ci/vm/deps"
  DCOKIT_MISSING=$missing DCOKIT_MISSING_WHY=$missing_why DCOKIT_APT_FAILED=$apt_failed
  export DCOKIT_MISSING DCOKIT_MISSING_WHY DCOKIT_APT_FAILED
  # Nothing depends on these: who lacks them skips the tests that need them.
  bring_packages "$root/ci/optional-packages" ''
}

# The same for Wine, with names of its own: a machine may have the one and not the other.
setup_wine() {
  bring_packages "$root/ci/wine/debian-packages" ''
  DCOKIT_WINE_MISSING=$missing DCOKIT_WINE_MISSING_WHY=$missing_why
  export DCOKIT_WINE_MISSING DCOKIT_WINE_MISSING_WHY
  # ci/wine fetches Windows programs with it, once.
  [ -n "$missing$missing_why" ] || [ -d "$DCOKIT_CACHE/wine" ] || setup_npm
}

# Sets missing, missing_why and apt_failed.
bring_packages() {
  missing='' missing_why='' apt_failed=''
  if [ "$(uname -s)" != Linux ]; then
    missing_why="this machine runs $(uname -s), not Linux"
    return 0
  fi
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    missing_why="no apt-get on this machine to install them with"
  elif [ "${DCOKIT_APT:-1}" = 0 ]; then
    missing_why="not installed, because DCOKIT_APT=0"
  elif [ "$(id -u)" -eq 0 ]; then
    as_root=''
    install_packages "$@"
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
    install_packages "$@"
  else
    missing_why="not root, and no sudo without a password"
  fi
  [ -z "$missing" ] || say "Debian packages missing: $missing ($missing_why)." \
    "To install them: apt-get install --no-install-recommends $missing"
}

install_packages() {
  say "installing Debian packages: $missing"
  apt_log=$DCOKIT_CACHE/apt.log
  doomed=$apt_log
  # shellcheck disable=SC2086 # a list of words
  if ! apt_get install $missing; then
    say "refreshing apt's lists of packages"
    # shellcheck disable=SC2086
    if ! apt_get update || ! apt_get install $missing; then
      tail -n 15 "$apt_log" | sed 's/^/  | /' >&2
    fi
  fi
  missing=$(missing_packages "$@")
  if [ -n "$missing" ]; then
    missing_why="apt-get could not install them"
    apt_failed=1
  else
    say "Debian packages are ready"
  fi
}

# Runs apt-get without questions, waiting up to ten minutes for another apt or dpkg, and shows progress in few
# lines.
apt_get() {
  deadline=$(($(date +%s) + 600))
  while :; do
    {
      # shellcheck disable=SC2086 # nothing, or two words
      if $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=60 -o Dpkg::Use-Pty=0 -o APT::Color=0 "$@" </dev/null 2>&1; then
        echo dcokit-apt-done
      fi
    } | tee "$apt_log" | apt_progress >&2
    [ "$(tail -n 1 "$apt_log")" != dcokit-apt-done ] || return 0
    # The lock of the lists is not covered by DPkg::Lock::Timeout.
    grep -q 'Could not get lock' "$apt_log" && [ "$(date +%s)" -lt $deadline ] || return 1
    say "another apt is at work: waiting for it"
    sleep 5
  done
}

apt_progress() {
  awk '
    /newly installed/ { total = $3 + $1; next }
    /^Need to get / { sub(/ of archives.*/, ""); print "setup:   " $0; fflush(); next }
    /^Unpacking / { unpacked++; if (unpacked % 10 == 0) { print "setup:   unpacked " unpacked " of " total; fflush() } }
    /^Setting up / { set++; if (set % 10 == 0 || set == total) { print "setup:   set up " set " of " total; fflush() } }
  '
}
