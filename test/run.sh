#!/usr/bin/env bash
# Runs lanes of tests and says at the end what passed and failed: run.sh <check|unit|integration|protocol|chaos|e2e|kernel|datapath>...
# ENGINE (20.10, 26.1, 28.5) chooses engines, F a part of the test files' names and T one of the tests', for e2e and kernel.
set -euo pipefail
cd -P "$(dirname "$0")/.."
# Nothing here asks anybody anything.
exec </dev/null

passed=0
failed=0
summary=()
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
# Once the lane under way has cleaned up: npx hides from bash that a signal ended it.
trap 'exit 130' INT
trap 'exit 143' TERM

. test/need.sh

# count <lane> <passed> <failed> <seconds>
count() {
  passed=$((passed + $2))
  failed=$((failed + $3))
  echo "$1: $2 passed, $3 failed ($4 s)"
  summary+=("$(printf '%-16s %4d passed %4d failed %6d s' "$1" "$2" "$3" "$4")")
}

need_root() { [ "$(id -u)" = 0 ] || die "lane $1 makes network namespaces: run it as root"; }

# run_jest <title> <project> [jest's arguments...]
run_jest() {
  local title=$1 project=$2 start=$SECONDS file=$results/$1.json
  shift 2
  npx --no-install jest --selectProjects "$project" --json --outputFile="$file" "$@" >/dev/null || true
  # shellcheck disable=SC2046 # two numbers
  count "$title" $(counts_of "$file") $((SECONDS - start))
}

# counts_of <jest's results>...: passed and failed. A test file that did not run at all counts as one failure, and so does
# a lane that found nothing to run.
counts_of() {
  node -e '
    const { readFileSync, existsSync } = require("node:fs")
    let passed = 0, failed = 0
    for (const file of process.argv.slice(1)) {
      if (!existsSync(file)) { failed += 1; continue }
      const r = JSON.parse(readFileSync(file, "utf8"))
      passed += r.numPassedTests
      failed += r.numFailedTests + r.numRuntimeErrorTestSuites
    }
    console.log(passed, passed + failed === 0 ? 1 : failed)' "$@"
}

lane_check() {
  local start=$SECONDS
  if npm run --silent check; then count check 1 0 $((SECONDS - start)); else count check 0 1 $((SECONDS - start)); fi
}

lane_unit() { run_jest unit unit; }

lane_integration() {
  need_root integration
  need_switch
  run_jest integration integration --maxWorkers=2
}

lane_protocol() {
  need_root protocol
  need_switch
  # Each worker starts a switch and drivers of its own, and one case waits a minute and a half.
  run_jest protocol protocol --maxWorkers=2
}

lane_chaos() {
  need_root chaos
  need_switch
  run_jest chaos chaos
}

lane_e2e() {
  need_root e2e
  local engine engines=${ENGINE:-20.10 26.1 28.5} bundle files
  need_engines "$engines"
  build_bundle
  for engine in ${engines//,/ }; do
    say "e2e, engine $engine"
    # The older releases have what depends on the release; on the newest everything runs.
    files=${F:-}
    [ "$engine" = 28.5 ] || files=$(release_files "${F:-}")
    [ "$engine" = 28.5 ] || [ -n "$files" ] || continue
    ENGINE=$engine BUNDLE=$bundle run_jest "e2e $engine" e2e --maxWorkers=3 \
      --reporters=default --reporters=./test/e2e/progress-reporter.mjs ${files:+--testPathPatterns "$files"} ${T:+--testNamePattern "$T"}
  done
}

# release_files <part of a file's name>
release_files() {
  node -e 'import("./test/lab/plan.mjs").then(({ releaseFiles }) => console.log(releaseFiles(process.argv[1]).join("|")))' "$1"
}

# The whole e2e lane, and of the integration lane what the kernel's features are for, on the kernel's datapath.
lane_kernel() { run_guests kernel; }

# Of it what the datapath can change.
lane_datapath() { run_guests datapath; }

# run_guests <kernel|datapath>
run_guests() {
  need_root "$1"
  if [ "$(uname -m)" != x86_64 ]; then
    echo "$1: not run, for there is no user-mode Linux for $(uname -m)"
    return
  fi
  need taskset:util-linux setpriv:util-linux
  local chosen engines start=$SECONDS bundle disks kernel n
  # CI has no time for more than one.
  chosen=${ENGINE:-$([ "$1" = datapath ] && echo 28.5 || echo 20.10 26.1 28.5)}
  read -ra engines <<<"${chosen//,/ }"
  kernel=$(bash test/lab/kernel.sh)
  disks=$(bash test/lab/guest-disks.sh "${engines[@]}")
  mapfile -t disks <<<"$disks"
  for n in "${!engines[@]}"; do disks[n + 1]=${engines[n]}=${disks[n + 1]}; done
  GUEST="$kernel ${disks[0]}" run_jest lab lab
  build_bundle
  node test/lab/share-out.mjs "$results" "$1" "$(two_processors)" "${bundle#"$PWD/"}" "$kernel" "${disks[@]}"
  # shellcheck disable=SC2046 # two numbers
  count "$1" $(counts_of "$results/$1"-*.json) $((SECONDS - start))
}

[ $# -gt 0 ] || die "usage: $0 <check|unit|integration|protocol|chaos|e2e|kernel|datapath>..."
for lane in "$@"; do
  case $lane in check | unit | integration | protocol | chaos | e2e | kernel | datapath) ;; *) die "no such lane: $lane" ;; esac
done
command -v node >/dev/null || die 'please install Node.js 20 or later'
make --silent node_modules
for lane in "$@"; do
  say "$lane"
  start=$SECONDS
  "lane_$lane"
  summary+=("$(printf '  %-37s %6d s' "$lane with what it installs and builds" $((SECONDS - start)))")
done

complete=yes
for lane in unit integration protocol e2e; do
  [[ " $* " = *" $lane "* && -z ${ENGINE:-}${F:-}${T:-} ]] || complete=no
done
if [ $complete = yes ]; then
  say 'what users of such drivers met elsewhere, and the tests that stand against it'
  node test/known-faults.mjs "$results" | tee "$results/known-faults" | sed '$d'
  read -r rows_held rows_lost < <(tail -n 1 "$results/known-faults")
  count 'known faults' "$rows_held" "$rows_lost" 0
fi

say 'where the time went'
printf '%s\n' "${summary[@]}"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
