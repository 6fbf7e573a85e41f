#!/usr/bin/env bash
# A host to type in, with an engine (ENGINE, 28.5 by default) and the plugin; with KERNEL=1 in a guest, whose kernel has
# every feature, Open vSwitch's datapath among them.
set -euo pipefail
cd -P "$(dirname "$0")/../.."
. test/need.sh
[ "$(id -u)" = 0 ] || die 'the lab makes network namespaces: run it as root'
engine=${ENGINE:-28.5}
make --silent node_modules
build_bundle
npx --no-install tsup test/lab/lab.ts --no-config --format cjs --platform node --target node20 --out-dir .cache/lab --silent
if [ -z "${KERNEL:-}" ]; then
  need_engines "$engine"
  ENGINE=$engine exec node .cache/lab/lab.cjs "$bundle"
fi
lane=$(mktemp -d)
trap 'rm -rf "$lane"; [ ! -t 0 ] || stty sane' EXIT
cat >"$lane/task" <<TASK
export ENGINE=$engine ENGINE_ROOTFS=/engine LAB_TERMINAL=own E2E_SLOWNESS=5 TERM=${TERM:-dumb}
node .cache/lab/lab.cjs /repository/${bundle#"$PWD/"}
TASK
export GUEST_CONSOLE=1 GUEST_SECONDS=864000
in_guest "$lane" "$engine"
