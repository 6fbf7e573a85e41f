#!/usr/bin/env bash
# Builds the disk of the kernel lane's guest from Debian's packages, once, and prints its folder, which holds vmlinuz,
# initrd and disk:
#   guest.sh <cache folder>
# DEBIAN_MIRROR names the archive; else the one that a Debian machine uses itself, else mmdebstrap's own default.
set -euo pipefail

cache=$1
packages=linux-image-amd64,initramfs-tools,kmod,nodejs,util-linux,mount,iproute2,ethtool,procps,busybox-static,conntrack,nftables,iptables,iperf3

say() { echo "kernel guest: $*" >&2; }

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
recipe=$(cat "$0" "$(dirname "$0")/init.sh" | sha256sum | cut -c 1-16)
if [ "$(cat "$cache/recipe" 2>/dev/null)" = "$recipe" ]; then
  echo "$cache"
  exit 0
fi

. "$(dirname "$0")/../e2e/host/mirror.sh"
mirror=${DEBIAN_MIRROR:-$(own_mirror)}
say 'building its disk from Debian trixie, about two minutes, once'
rm -f "$cache/recipe"
build=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf --one-file-system "$build"' EXIT
unshare --mount mmdebstrap --mode=root --variant=apt --format=directory \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$packages" trixie "$build/rootfs" ${mirror:+"$mirror"} 2> >(sed 's/^I: /kernel guest: /' >&2) >&2
install -m 755 "$(dirname "$0")/init.sh" "$build/rootfs/sbin/kernel-lane"
mkdir "$build/rootfs/lane"
cp "$build"/rootfs/boot/vmlinuz-* "$cache/vmlinuz"
cp "$build"/rootfs/boot/initrd.img-* "$cache/initrd"
rm -f "$cache/disk"
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -d "$build/rootfs" "$cache/disk" 6G >&2
echo "$recipe" >"$cache/recipe"
say "ready, $(du -sh "$cache/disk" | cut -f 1)"
echo "$cache"
