#!/usr/bin/env bash
# One test host: namespaces over an engine's root file system, alive for as long as standard input stays open.
#   host-init.sh guard <folder for all hosts> <rootfs> <host name>
# "guard" outlives whoever started it, so that a crashed or interrupted test run is cleaned up after as well.
# Once the host is up it prints "ready <pid>"; every line that then comes in is a command that the host's init starts, but
# for "reboot": every process ends without a warning, and the host comes up again from what its disks hold.
set -euo pipefail

stage=$1 dir=$2 rootfs=$3 name=$4
# How init says that it ends for a reboot.
rebooting=88

# The unified hierarchy exists on every kernel, also where a hybrid layout mounts it elsewhere or not at all.
cgroup_of() { echo "$1/cgroup/dovesnap-e2e-$(basename "$1")"; }

# Takes the cgroups of a host whose processes are gone; they leave theirs a moment after their pid namespace has ended.
empty_cgroup() {
  local cgroup
  cgroup=$(cgroup_of "$1")
  for _ in $(seq 50); do
    [ -d "$cgroup" ] || break
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
  done
}

# Takes the folder of a host whose processes are gone, and its cgroups.
remove() {
  local left=$1
  mountpoint -q "$left/cgroup" || mount -t cgroup2 cgroup2 "$left/cgroup"
  empty_cgroup "$left"
  umount "$left/cgroup"
  rm -rf --one-file-system "$left"
}

# A guard holds a lock on its host's folder; a folder that can be locked has lost its guard, as in a crash.
sweep() {
  local left
  for left in "$1"/host-*/; do
    [ -d "$left/cgroup" ] || continue
    exec 7<"$left"
    if flock --nonblock 7; then remove "${left%/}"; fi
    exec 7<&-
  done
}

# Every mount is made in mount namespaces of the host's own, invisible to the machine.
guard() {
  local all=$dir
  # Not '': what is ignored here would be ignored by every process of the host.
  trap : INT TERM HUP
  mount --make-rprivate /
  mkdir -p "$all"
  exec 8>"$all/lock"
  flock 8
  sweep "$all"
  dir=$(mktemp -d "$all/host-XXXXXX")
  exec 9<"$dir"
  flock 9
  exec 8>&-
  mkdir "$dir/cgroup"
  mount -t cgroup2 cgroup2 "$dir/cgroup"
  local status=$rebooting
  while [ $status = $rebooting ]; do
    empty_cgroup "$dir"
    mkdir "$(cgroup_of "$dir")"
    status=0
    bash "$0" enter "$dir" "$rootfs" "$name" 9<&- || status=$?
  done
  remove "$dir"
}

# Its own cgroup namespace, so that the engine's cgroups lie below ours. A cgroup that has processes cannot delegate
# controllers: they move to a leaf.
enter() {
  echo $$ >"$(cgroup_of "$dir")/cgroup.procs"
  exec unshare --cgroup bash "$0" split "$dir" "$rootfs" "$name"
}

split() {
  local cgroup
  cgroup=$(cgroup_of "$dir")
  mkdir "$cgroup/init"
  echo $$ >"$cgroup/init/cgroup.procs"
  exec unshare --mount --net --uts --ipc --pid --fork --kill-child bash "$0" boot "$dir" "$rootfs" "$name"
}

boot() {
  # /proc is still the machine's here, so this is our pid as the machine sees it.
  local pid rest root=$dir/root
  read -r pid rest </proc/self/stat
  mkdir -p "$root" "$dir/upper" "$dir/work" "$dir/docker"
  mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  # Layers of containers cannot lie on an overlay.
  mkdir -p "$root/var/lib/docker"
  mount --bind "$dir/docker" "$root/var/lib/docker"
  local node
  for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
    # shellcheck disable=SC2086 # name, major, minor
    set -- $node
    mknod -m 666 "$root/dev/$1" c "$2" "$3"
  done
  mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
  mknod -m 666 "$root/dev/net/tun" c 10 200
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  : >"$root/etc/resolv.conf"
  printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" >"$root/etc/hosts"
  hostname "$name"
  ip link set lo up
  mkdir "$root/run/machine"
  cd "$root"
  pivot_root . run/machine
  umount -l /run/machine
  rmdir /run/machine
  cd /
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
  echo "ready $pid"
  exec >/dev/null 2>&1
  # With job control, because without it background commands are started with SIGINT ignored. Bash also reaps what
  # the engine orphans here: its shims detach themselves.
  set -m
  local command
  while read -r command; do
    [ "$command" != reboot ] || exit $rebooting
    bash -c "$command" </dev/null &
  done
}

"$stage"
