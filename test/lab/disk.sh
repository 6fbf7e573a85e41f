#!/usr/bin/env bash
# Makes a guest's disk of a folder's contents, once for each recipe, and prints its path:
#   disk.sh <name> <recipe> <size> <folder>
set -euo pipefail
cd "$(dirname "$0")/../.."
. rootfs-build/cache.sh
. test/need.sh

if [ "$1" = make ]; then
  need mke2fs:e2fsprogs
  # Sparse, and without the time that a check at boot would take.
  PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$3" "$4/disk" "$2"
else
  echo "$(cached "$1" "$2 $3 $(cat "$0")" bash "$0" make "$3" "$4")/disk"
fi
