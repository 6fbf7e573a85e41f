#!/usr/bin/env bash
# The disks of the lab's guests, made once: prints the path of the system's, and for each engine that is named a line
# with the path of its:
#   guest-disks.sh [<engine>...]
set -euo pipefail
cd "$(dirname "$0")/../.."
. rootfs-build/cache.sh
. test/lab/rootfs.sh

packages=nodejs,util-linux,mount,iproute2,ethtool,procps,busybox-static,conntrack,nftables,iptables,iperf3,socat,tcpdump,openvswitch-switch,mmdebstrap

# build <folder>: the first process takes all else from the repository, so that the disk is made once.
build() {
  bash test/lab/rootfs.sh guest trixie $packages "$1"
  cat >"$1/sbin/lab" <<'LAB'
#!/bin/bash
mount -t proc proc /proc
mkdir -p /repository
mount -t hostfs -o "ro,hostfs=$(sed -n 's/.*\brepository=\([^ ]*\).*/\1/p' /proc/cmdline)" none /repository
exec /bin/bash /repository/test/lab/guest-init.sh
LAB
  chmod 755 "$1/sbin/lab"
}

if [ "${1:-}" = build ]; then
  build "$2"
  exit
fi
system=$(cached guest-system "$(cat "$0") $ROOTFS_RECIPE" bash "$0" build)
bash test/lab/disk.sh guest-disk 10G "$system"
for engine in "$@"; do
  rootfs=$(bash test/lab/engine.sh "$engine")
  bash test/lab/disk.sh "engine-disk-$engine" 2G "$rootfs"
done
