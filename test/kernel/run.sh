#!/usr/bin/env bash
# Runs a command on the kernel's datapath, in a guest of QEMU's (software emulation will do):
#   run.sh <file of results> <bundle folder> <engine> <command that leaves its results in /tmp/results.json>
# The command finds the repository around it, the engine in its cache, the bundle in /lane/bundle. The guest gets the repository on a disk of its own, and its disks forget what it did.
set -euo pipefail
cd "$(dirname "$0")/../.."

results=$1 bundle=$2 engine=$3 command=$4
guest=$(bash test/kernel/guest.sh .cache/kernel)
work=$(mktemp -d .cache/kernel/run.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT

lane=$work/lane
mkdir -p "$lane/repository/.cache/engines"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --target-directory "$lane/repository"
cp -a node_modules "$lane/repository/node_modules"
[ ! -e .cache/bench ] || cp -a .cache/bench "$lane/repository/.cache/bench"
cp -a ".cache/engines/$engine" "$lane/repository/.cache/engines/$engine"
cp -a "$bundle" "$lane/bundle"
cat >"$lane/task" <<TASK
cd /lane/repository
export ENGINE=$engine BUNDLE=/lane/bundle E2E_SLOWNESS=5
$command 2>&1
# Over the console, for the disks forget.
echo "RESULTS \$(base64 -w 0 /tmp/results.json)"
TASK
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -d "$lane" "$work/disk" 3G >&2
rm -rf --one-file-system "$lane"

console=$work/console
timeout --foreground 3600 setpriv --pdeathsig KILL qemu-system-x86_64 -nographic -m 4096 -smp 2 -accel tcg,thread=multi -no-reboot \
  -kernel "$guest/vmlinuz" -initrd "$guest/initrd" \
  -drive "file=$guest/disk,if=virtio,format=raw,snapshot=on" -drive "file=$work/disk,if=virtio,format=raw,snapshot=on" \
  -append 'console=ttyS0 root=/dev/vda rw init=/sbin/kernel-lane quiet panic=-1' </dev/null |
  stdbuf -oL tr -d '\r' | tee "$console" | grep --line-buffered -v '^RESULTS ' >&2
sed -n 's/^RESULTS //p' "$console" | base64 -d >"$work/results"
[ -s "$work/results" ]
mv "$work/results" "$results"
