# What lanes and the benchmark need of the machine; sourced, in the repository's folder.

say() { printf '\n== %s\n' "$*"; }
die() { echo "$*" >&2; exit 1; }

# need <command>:<package>... installs the packages whose commands are missing, without starting what they bring.
need() {
  local pair missing=()
  for pair in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "please install: ${missing[*]} (Debian's names)"
  [ "$(id -u)" = 0 ] || die "please install as root: ${missing[*]}"
  say "installing ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d own_policy=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    own_policy=yes
  fi
  local status=0
  {
    apt-get -q -o DPkg::Lock::Timeout=300 update &&
      DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
  } || status=$?
  [ -z "$own_policy" ] || rm $policy
  [ $status = 0 ] || die "could not install: ${missing[*]}"
}

# A real Open vSwitch, namespaces and netfilter.
need_switch() {
  need ovs-vswitchd:openvswitch-switch ip:iproute2 ethtool:ethtool nft:nftables iptables:iptables conntrack:conntrack busybox:busybox-static
}

# need_engines <releases>: their root file systems, in the cache, and what a test host is made with.
need_engines() {
  local engine
  need unshare:util-linux mount:mount ip:iproute2
  for engine in ${1//,/ }; do bash test/lab/engine.sh "$engine" >/dev/null; done
}

# build_bundle: the driver and what it comes in; gives the folder in `bundle`.
build_bundle() {
  say 'bundle'
  npx --no-install tsup --silent
  bundle=$(bash rootfs-build/bundle.sh | tee >(cat >&2) | sed -n '$s/^bundle: //p')
  bundle=$(realpath "$bundle")
}

# in_guest <folder> <engine>: runs the folder's file `task` in a guest, with the disk of the engine at /engine.
in_guest() {
  local kernel disks processors
  kernel=$(bash test/lab/kernel.sh)
  disks=$(bash test/lab/guest-disks.sh "$2")
  processors=$(two_processors)
  # shellcheck disable=SC2086 # two paths of the cache's
  bash test/lab/guest.sh "${processors%%,*}" "$1" "$kernel" $disks
}

# two_processors: the first two that this process may run on, or the one; PROCESSORS names others.
two_processors() {
  [ -z "${PROCESSORS:-}" ] || { echo "$PROCESSORS"; return; }
  taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (n = $1; n <= ($2 == "" ? $1 : $2); n++) print n }' |
    head -n 2 | paste -s -d ,
}
