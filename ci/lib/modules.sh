# Sourced: the npm dependencies, and the build. POSIX sh.
# shellcheck shell=sh disable=SC2154,SC2034

# What an installation depends on. By content, not by time: a fresh checkout has any times.
modules_wanted() { cat "$root/package.json" "$root/package-lock.json" | cksum | sed "s/\$/ $(uname -sm)/"; }

setup_modules() {
  stamp=$root/node_modules/.dcokit-stamp
  wanted=$(modules_wanted)
  [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ] || return 0
  need_writable "npm dependencies must be installed"
  setup_npm
  say "installing the npm dependencies (about 290 MB, 10 to 60 seconds)"
  # Beside the old ones first, so that node_modules is whole at any moment.
  doomed=$root/build/install
  rm -rf "$doomed"
  mkdir -p "$doomed"
  cp "$root/package.json" "$root/package-lock.json" "$root/.npmrc" "$doomed/"
  install_modules || {
    say "npm failed; trying once more"
    sleep 2
    install_modules
  } || die "npm could not install the dependencies (its messages are above)"
  printf '%s\n' "$wanted" >"$doomed/node_modules/.dcokit-stamp"
  rm -rf "$root/node_modules"
  mv "$doomed/node_modules" "$root/node_modules"
  rm -rf "$doomed"
  say "npm dependencies are ready"
}

need_writable() {
  [ -w "$root" ] || die "$1, and $(id -un) may not write to $root"
}

# Not `npm ci`: it refuses a lock file that lacks packages for other platforms which this machine's package
# source does not carry (npm issue 9846). This takes the versions and checksums of the lock file all the same,
# and does not write to it. No dependency needs its install script.
install_modules() {
  (cd "$doomed" && npm install --no-save --include=dev --include=optional --ignore-scripts --no-audit --no-fund \
    --loglevel=error </dev/null >&2)
}

setup_build() {
  stamp=$root/build/dist.stamp
  if [ -f "$stamp" ] && [ -f "$root/dist/esm/index.js" ] && [ -f "$root/dist/cjs/index.js" ]; then
    changed=$(find "$root/src" "$root/test/conformance" "$root/package.json" "$root/tsconfig.json" "$root/ci/build.ts" "$root/ci/build-conformance.ts" \
      "$root/ci/tsconfig.types.json" "$root/ci/import-meta-url.ts" -newer "$stamp" 2>/dev/null | head -n 1)
    [ -n "$changed" ] || return 0
  fi
  need_writable "dist must be built"
  say "building dist"
  node "$root/ci/build.ts" >&2 || die "the build failed"
}
