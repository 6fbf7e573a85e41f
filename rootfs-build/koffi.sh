#!/usr/bin/env bash
# Adds koffi to the root file system, the one npm package that does not fit into the compiled driver: it loads a library.
#   koffi.sh <amd64|arm64> <root>
set -euo pipefail
cd "$(dirname "$0")/.."

case $1 in amd64) cpu=x64 ;; arm64) cpu=arm64 ;; *) echo "koffi.sh: no such architecture: $1" >&2; exit 1 ;; esac
root=$2
version=$(node -p 'require("./node_modules/koffi/package.json").version')
native=node_modules/@koromix/koffi-linux-$cpu
if [ ! -e "$native" ]; then
  # npm installs the library of the machine's own architecture only.
  fetched=$(mktemp -d)
  trap 'rm -rf "$fetched"' EXIT
  (cd "$fetched" && npm pack --silent "@koromix/koffi-linux-$cpu@$version" >/dev/null && tar -xzf ./*.tgz)
  native=$fetched/package
fi
modules=$root/usr/lib/dovesnap/node_modules
put() { install -D -m 644 "$1" "$modules/$2"; }
while read -r file; do put "node_modules/koffi/$file" "koffi/$file"; done < <(
  cd node_modules/koffi && find package.json index.cjs src -name package.json -o -name '*.cjs'
)
for file in package.json index.js "linux_$cpu/koffi.node"; do put "$native/$file" "@koromix/koffi-linux-$cpu/$file"; done
doc=/usr/share/doc/npm/koffi-$version/LICENSE.txt
install -D -m 644 node_modules/koffi/LICENSE.txt "$root$doc"
printf 'koffi\t%s\tnpm, MIT\t%s\n' "$version" "$doc" >>"$root/usr/share/doc/licenses.tsv"
