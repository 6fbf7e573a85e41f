#!/usr/bin/env bash
# Builds the root file system of one Docker Engine release from Debian's packages, once, and prints its folder:
#   engine-rootfs.sh <20.10|26.1|28.5> <cache folder>
# DEBIAN_MIRROR names the archive; else the one that a Debian machine uses itself, else mmdebstrap's own default.
set -euo pipefail

release=$1
cache=$2

case $release in
  20.10) suite=bookworm packages=docker.io ;;
  26.1) suite=trixie packages=docker.io,docker-cli ;;
  28.5) suite=sid packages=docker.io,docker-cli ;;
  *) echo "no such engine: $release (20.10, 26.1 or 28.5)" >&2; exit 2 ;;
esac
packages+=,mount,iptables,nftables,iproute2,ethtool,procps,busybox-static,docker-registry,docker-compose,openvswitch-switch

say() { echo "engine $release: $*" >&2; }

. "$(dirname "$0")/mirror.sh"

mkdir -p "$cache"
exec 9>"$cache/$release.lock"
flock 9

rootfs=$cache/$release
# The recipe is its own version: a rootfs from an older recipe is built anew.
recipe=$(sha256sum "$0" | cut -c 1-16)
if [ "$(cat "$rootfs/etc/dovesnap-engine" 2>/dev/null)" = "$recipe" ]; then
  echo "$rootfs"
  exit 0
fi

mirror=${DEBIAN_MIRROR:-$(own_mirror)}
say "building its root file system from Debian $suite, about half a minute, once"
build=$(mktemp -d "$cache/.$release.XXXXXX")
chmod 755 "$build"
# Whatever mmdebstrap mounts for its chroot lives in a mount namespace of its own and goes with it.
trap 'rm -rf --one-file-system "$build"' EXIT
# Sid snapshots and long-lived caches are past their Valid-Until date.
unshare --mount mmdebstrap --mode=root --variant=apt --format=directory \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$packages" "$suite" "$build/rootfs" ${mirror:+"$mirror"} 2> >(sed "s/^I: /engine $release: /" >&2) >&2
echo "$recipe" >"$build/rootfs/etc/dovesnap-engine"
rm -rf --one-file-system "$rootfs"
mv "$build/rootfs" "$rootfs"
say "ready, $(du -sh "$rootfs" | cut -f 1)"
echo "$rootfs"
