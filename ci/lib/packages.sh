# Sourced: the Debian packages that the virtual machine, the demo and the behaviour tests need. POSIX sh.
# shellcheck shell=sh disable=SC2154

# Names of those that are missing, in one line. ci/debian-packages has a package and a command of it per line.
missing_packages() (
  PATH=$PATH:/usr/sbin:/sbin
  {
    while read -r package command; do
      case $package in '' | '#'*) continue ;; esac
      command -v "$command" >/dev/null 2>&1 || printf '%s\n' "$package"
    done <"$root/ci/debian-packages"
    [ ! -f "$root/ci/vm/deps" ] || bash "$root/ci/vm/deps" || true
  } | sort -u | paste -s -d ' ' -
)

# Sets DCOKIT_MISSING to what is still missing at the end, and DCOKIT_MISSING_WHY; DCOKIT_APT_FAILED to 1 where
# we had the right to install it.
setup_packages() {
  DCOKIT_MISSING='' DCOKIT_MISSING_WHY='' DCOKIT_APT_FAILED=''
  export DCOKIT_MISSING DCOKIT_MISSING_WHY DCOKIT_APT_FAILED
  if [ "$(uname -s)" != Linux ]; then
    DCOKIT_MISSING_WHY="this machine runs $(uname -s), not Linux"
    return 0
  fi
  DCOKIT_MISSING=$(missing_packages)
  [ -n "$DCOKIT_MISSING" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    DCOKIT_MISSING_WHY="no apt-get on this machine to install them with"
  elif [ "${DCOKIT_APT:-1}" = 0 ]; then
    DCOKIT_MISSING_WHY="not installed, because DCOKIT_APT=0"
  elif [ "$(id -u)" -eq 0 ]; then
    as_root=''
    install_packages
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
    install_packages
  else
    DCOKIT_MISSING_WHY="not root, and no sudo without a password"
  fi
  [ -z "$DCOKIT_MISSING" ] || say "Debian packages missing: $DCOKIT_MISSING ($DCOKIT_MISSING_WHY)." \
    "To install them: apt-get install --no-install-recommends $DCOKIT_MISSING"
}

install_packages() {
  say "installing Debian packages: $DCOKIT_MISSING"
  apt_log=$DCOKIT_CACHE/apt.log
  doomed=$apt_log
  # shellcheck disable=SC2086 # a list of words
  if ! apt_get install $DCOKIT_MISSING; then
    say "refreshing apt's lists of packages"
    # shellcheck disable=SC2086
    if ! apt_get update || ! apt_get install $DCOKIT_MISSING; then
      tail -n 15 "$apt_log" | sed 's/^/  | /' >&2
    fi
  fi
  DCOKIT_MISSING=$(missing_packages)
  if [ -n "$DCOKIT_MISSING" ]; then
    DCOKIT_MISSING_WHY="apt-get could not install them"
    DCOKIT_APT_FAILED=1
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
