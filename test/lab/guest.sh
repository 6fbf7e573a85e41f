#!/usr/bin/env bash
# Runs a guest of the lab: a kernel of its own with every feature of kernel.config, as a process of this machine:
#   guest.sh <processor> <folder> <kernel> <system's disk> [<disk seen at /engine>]
# The guest runs the folder's file `task`, which sees the folder at /lane and this repository at /repository, read only.
# Its disks forget what it did. Its console is standard output, and with GUEST_CONSOLE=1 standard input as well. Exits
# with the task's status, or with 125 and a reason where the guest ended without one. GUEST_SECONDS bounds its life.
set -euo pipefail
cd -P "$(dirname "$0")/../.."

processor=$1 lane=$(realpath "$2") kernel=$3 disk=$4 engine=${5:-}
seconds=${GUEST_SECONDS:-3600}

case "$PWD$lane$disk$engine" in
  *[[:space:],:]*) echo "a guest takes no path with a blank, a comma or a colon: $PWD, $lane, $disk" >&2; exit 125 ;;
esac

# Each holds a lock on its folder; one that can be locked has lost its guest, as where this script was killed.
all=/var/tmp/dovesnap-guests
mkdir -p "$all"
exec 8>"$all/lock"
flock 8
for left in "$all"/guest-*; do
  [ -d "$left" ] || continue
  exec 7<"$left"
  if flock --nonblock 7; then rm -rf --one-file-system "$left"; fi
  exec 7<&-
done
work=$(mktemp -d "$all/guest-XXXXXX")
exec 9<"$work"
flock 9
exec 8>&-
guest=
end() {
  [ -z "$guest" ] || kill -KILL "$guest" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
rm -f "$lane/status"
mkdir "$work/memory"
# A guest floats between processors at each system call unless it is bound to one, and is half as fast.
arguments=(
  mem=4096M ncpus=1 seccomp=on "ubd0=$work/system,$disk" ${engine:+"ubd1=$work/engine,$engine"}
  root=/dev/ubda rw "init=/sbin/lab" quiet con=null "con0=$([ -n "${GUEST_CONSOLE:-}" ] && echo fd:0 || echo null),fd:1"
  "lane=$lane" "repository=$PWD"
)
# The guest's helper processes live in its pid namespace and end with it; each process here ends with the one that started
# it. The guest's memory is a file. A kernel that panics ends its process group, hence a session of its own, and aborts,
# which a namespace's first process cannot.
end_with_parent='setpriv --pdeathsig KILL'
# shellcheck disable=SC2016,SC2086 # for the inner shell; two words
$end_with_parent timeout --foreground --signal KILL "$seconds" \
  $end_with_parent unshare --mount --net --pid --ipc --fork --kill-child bash -c '
    mount --make-rprivate /; mount -t proc proc /proc
    mount -t tmpfs -o size=9g,mode=1777 tmpfs "$0"
    ip link set lo up
    export TMPDIR=$0
    setsid taskset -c "$1" "$2" "${@:3}"
    exit' "$work/memory" "$processor" "$kernel" "${arguments[@]}" <&0 9<&- &
guest=$!
status=0
wait "$guest" || status=$?
guest=
if [ -s "$lane/status" ]; then exit "$(<"$lane/status")"; fi
if [ $status = 137 ]; then
  echo "the guest did not end within $seconds s, or was killed" >&2
else
  echo "the guest ended by itself before its task did (exit $status): see the end of its console" >&2
fi
exit 125
