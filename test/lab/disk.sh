#!/usr/bin/env bash
# Makes a guest's disk of what a folder of the cache has in it, once, and prints its path:
#   disk.sh <name> <size> <folder of the cache>
set -euo pipefail
cd "$(dirname "$0")/../.."
. rootfs-build/cache.sh
. test/need.sh

if [ "$1" = make ]; then
  need mke2fs:e2fsprogs
  # Sparse, and without the time that a check at boot would take.
  PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$3" "$4/disk" "$2"
else
  # In two steps: echo would hide that it failed.
  entry=$(cached "$1" "$2 $3 $(cat "$3.contents" "$0")" bash "$0" make "$2" "$3")
  echo "$entry/disk"
fi
