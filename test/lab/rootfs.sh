#!/usr/bin/env bash
# Builds a root file system from Debian's packages; sourced, it tells its recipe:
#   rootfs.sh <what for> <suite> <packages> <folder>
set -euo pipefail

# shellcheck disable=SC2034 # for those who source this
ROOTFS_RECIPE=$(cat "${BASH_SOURCE[0]}")
[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

title=$1 suite=$2 packages=$3 folder=$4
. rootfs-build/debian.sh
. test/need.sh
need mmdebstrap:mmdebstrap unshare:util-linux mount:mount
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || need /no-keyring:debian-archive-keyring
mirror=$(debian_mirror)
say "$title: building its root file system from Debian $suite, about half a minute, once"
chmod 755 "$folder"
# Whatever mmdebstrap mounts for its chroot lives in a mount namespace of its own and goes with it. Long-lived caches are
# past their Valid-Until date.
unshare --mount mmdebstrap --mode=root --variant=apt --format=directory \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$packages" "$suite" "$folder" ${mirror:+"$mirror"} 2>&1 | sed "s/^I: /$title: /"
