#!/usr/bin/env bash
# Builds the root file system of one Docker Engine release from Debian's packages, once, and prints its folder:
#   engine.sh <20.10|26.1|28.5>
set -euo pipefail
cd "$(dirname "$0")/../.."
. rootfs-build/cache.sh
. test/lab/rootfs.sh

engine=$1
case $engine in
  20.10) suite=bookworm packages=docker.io ;;
  26.1) suite=trixie packages=docker.io,docker-cli ;;
  # With what hosts of other kinds have: firewalls that others manage, systemd's network manager.
  28.5) suite=sid packages=docker.io,docker-cli,firewalld,ufw,dbus,systemd ;;
  *) echo "no such engine: $engine (20.10, 26.1 or 28.5)" >&2; exit 2 ;;
esac
packages+=,mount,iptables,nftables,iproute2,ethtool,procps,busybox-static,docker-registry,docker-compose,openvswitch-switch

cached "engine-$engine" "$suite $packages $ROOTFS_RECIPE" bash test/lab/rootfs.sh "engine $engine" $suite $packages
