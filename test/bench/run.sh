#!/usr/bin/env bash
# The benchmark: ratios measured in one run, written to bench/results.json. It makes namespaces: run it as root.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ "$(id -u)" = 0 ] || { echo 'the benchmark makes network namespaces: run it as root' >&2; exit 1; }
make --silent build
bundle=$(bash rootfs-build/bundle.sh | tee /dev/stderr | sed -n '$s/^bundle: //p')
npx --no-install tsup test/bench/main.ts --no-config --format cjs --platform node --target node20 --out-dir .cache/bench --silent
# A network of its own: published ports are bound in it. A mount namespace, so that what `ip netns` mounts goes with it.
exec unshare --net --mount bash -c 'mount --make-rprivate / && ip link set lo up && exec node .cache/bench/main.cjs bench "$0"' "$(realpath "$bundle")"
