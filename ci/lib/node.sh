# Sourced: a Node that is new enough, and an npm that runs under it, first in PATH. POSIX sh.
# shellcheck shell=sh disable=SC2154

node_major=24
npm_major=11

# The engines of package.json: ^22.18.0 || ^24.11.0 || >=26.0.0.
is_good_node() {
  node_version=$("$1" --version 2>/dev/null) || return 1
  major=${node_version#v}
  minor=${major#*.}
  major=${major%%.*}
  minor=${minor%%.*}
  case $major.$minor in *[!0-9.]* | .* | *.) return 1 ;; esac
  case $major in
    22) [ "$minor" -ge 18 ] ;;
    24) [ "$minor" -ge 11 ] ;;
    *) [ "$major" -ge 26 ] ;;
  esac
}

# The npm on this machine, under the node that it came with.
old_npm() {
  if [ -n "${outer_npm:-}" ] && [ -x "${outer_node:-}" ]; then
    "$outer_node" "$outer_npm" "$@"
  else
    npm "$@"
  fi
}

# Installs npm packages as a folder of the cache, whole or not at all. $1 folder, then packages.
install_tool() {
  [ -z "$cache_problem" ] || die "$cache_problem"
  folder=$1
  shift
  doomed=$folder.partial
  rm -rf "$doomed" "$folder"
  mkdir -p "$doomed/bin"
  printf '{ "private": true }\n' >"$doomed/package.json"
  if ! (cd "$doomed" && old_npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    --loglevel=error "$@" </dev/null >install.log 2>&1); then
    sed 's/^/  | /' "$doomed/install.log" >&2
    return 1
  fi
  (
    cd "$doomed/bin" || exit
    for script in ../node_modules/node-linux-*/bin/node ../node_modules/npm/bin/np[mx]-cli.js; do
      [ -e "$script" ] || continue
      name=${script##*/}
      chmod +x "$script"
      ln -s "$script" "${name%-cli.js}"
    done
  )
  mv "$doomed" "$folder"
}

setup_node() {
  node_here=$(command -v node 2>/dev/null) || node_here=
  if [ -n "$node_here" ] && is_good_node "$node_here"; then
    # An npm that an earlier set-up had to bring.
    [ ! -x "$DCOKIT_CACHE/npm-$npm_major/bin/npm" ] || PATH=$DCOKIT_CACHE/npm-$npm_major/bin:$PATH
  else
    bring_node
  fi
  PATH=$root/node_modules/.bin:$PATH
  export PATH
}

bring_node() {
  found=${node_version:-none}
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) arch=x64 ;;
    Linux-aarch64 | Linux-arm64) arch=arm64 ;;
    *) die "Node 22.18, 24.11 or 26 is needed, and there is $found; no build of it is known for this machine" ;;
  esac
  tool=$DCOKIT_CACHE/node-$node_major-$arch
  if ! is_good_node "$tool/bin/node"; then
    [ -n "${outer_npm:-}" ] || command -v npm >/dev/null 2>&1 ||
      die "Node 22.18, 24.11 or 26 is needed, and there is $found, and no npm to fetch one with"
    say "Node here: $found; needed: 22.18, 24.11 or 26. Fetching Node $node_major and npm $npm_major with npm" \
      "into $tool (about 60 MB, once)"
    install_tool "$tool" "node-linux-$arch@$node_major" "npm@$npm_major" ||
      die "npm could not fetch node-linux-$arch@$node_major and npm@$npm_major (its messages are above)"
    is_good_node "$tool/bin/node" || die "the Node in $tool does not run on this machine"
    say "Node $node_version is ready"
  fi
  PATH=$tool/bin:$PATH
}

# Before npm installs anything here: one that runs under this Node. Debian's, for example, needs Debian's Node.
setup_npm() {
  found=$(npm --version 2>/dev/null) || found=none
  case ${found%%.*} in
    none | '' | *[!0-9]*) ;;
    *) [ "${found%%.*}" -lt 10 ] || return 0 ;;
  esac
  tool=$DCOKIT_CACHE/npm-$npm_major
  say "npm here: $found; fetching npm $npm_major into $tool (once)"
  install_tool "$tool" "npm@$npm_major" || die "npm could not fetch npm@$npm_major (its messages are above)"
  PATH=$tool/bin:$PATH
  export PATH
}
