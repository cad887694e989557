# Sourced: Debian packages that are unpacked without being installed, through an apt state of `index`. Bash.

# What apt would install on a machine that has nothing, as lines package=version. $1 the state, $2 a log, then packages.
packages_for() {
  local state=$1 log=$2 found
  shift 2
  found=$(apt-get -c "$state/apt.conf" -q --no-install-recommends -s install "$@" 2>"$log" |
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' | sort) && [ -n "$found" ] && printf '%s\n' "$found"
}

# Downloads packages, each checked by apt against the signed index, and unpacks them together.
# $1 the state, $2 a log, $3 a folder for the archives, $4 the root that they are unpacked in, then package=version.
unpack_packages() {
  local state=$1 log=$2 debs=$3 into=$4 deb folder
  shift 4
  mkdir -p "$debs"
  # Merged, as every Debian since 12 is installed, whatever its packages hold.
  for folder in bin sbin lib lib64; do
    mkdir -p "$into/usr/$folder"
    [ -e "$into/$folder" ] || ln -s "usr/$folder" "$into/$folder"
  done
  (cd "$debs" && apt-get -c "$state/apt.conf" -q download "$@") >"$log" 2>&1 || return 1
  for deb in "$debs"/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --keep-directory-symlink --no-same-owner || return 1
  done
}
