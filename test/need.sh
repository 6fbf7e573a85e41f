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

# need_engines <releases>: their root file systems, in the cache.
need_engines() {
  local engine
  need mmdebstrap:mmdebstrap unshare:util-linux mount:mount ip:iproute2
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || need /no-keyring:debian-archive-keyring
  for engine in ${1//,/ }; do
    bash test/e2e/host/engine-rootfs.sh "$engine" .cache/engines >/dev/null
  done
}

need_guest() {
  need mmdebstrap:mmdebstrap qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs unshare:util-linux
}
