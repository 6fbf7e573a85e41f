#!/usr/bin/env bash
# The benchmark: what one run measured goes to bench/results.json, bench/RESULTS.md and bench/chart.svg. It makes
# namespaces: run it as root.
#   run.sh           everything but the kernel's datapath
#   run.sh kernel    what containers and users of Docker get on the kernel's datapath, in a guest, to bench/kernel.json
#   run.sh report    the documents again, from the files of results
set -euo pipefail
cd -P "$(dirname "$0")/../.."
. test/need.sh

build() { npx --no-install tsup "test/bench/$1.ts" --no-config --format cjs --platform node --target node20 --out-dir .cache/bench --silent; }
report() {
  build report
  node .cache/bench/report.cjs bench
  npx --no-install prettier --write bench >/dev/null
}

if [ "${1:-}" = report ]; then
  report
  exit
fi
[ "$(id -u)" = 0 ] || die 'the benchmark makes network namespaces: run it as root'
make --silent node_modules
build main
build_bundle
if [ "${1:-}" = kernel ]; then
  engine=${ENGINE:-28.5}
  lane=$(mktemp -d)
  trap 'rm -rf "$lane"' EXIT
  cat >"$lane/task" <<TASK
export ENGINE=$engine ENGINE_ROOTFS=/engine E2E_SLOWNESS=5
node .cache/bench/main.cjs guest /lane/results.json /repository/${bundle#"$PWD/"}
TASK
  in_guest "$lane" "$engine"
  mv "$lane/results.json" bench/kernel.json
else
  need_switch
  need iperf3:iperf3
  need_engines "${ENGINE:-20.10 26.1 28.5}"
  # What the plugin sets on a host whose kernel has no datapath. The hosts here are network namespaces, which have it from
  # the machine and cannot set it.
  buffer=/proc/sys/net/core/rmem_default
  before=$(<$buffer)
  trap 'echo "$before" >$buffer' EXIT
  [ "$before" -ge 4194304 ] || echo 4194304 >$buffer
  # A network of its own: published ports are bound in it. A mount namespace, so that what `ip netns` mounts goes with it.
  unshare --net --mount bash -c 'mount --make-rprivate / && ip link set lo up && exec node .cache/bench/main.cjs machine bench/results.json "$0"' "$bundle"
fi
report
