# What the scripts of this folder share; sourced, not run.
# shellcheck shell=bash

set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

ARCH=${ARCH:-$(dpkg --print-architecture 2>/dev/null || uname -m)}
case $ARCH in
  amd64 | x86_64) ARCH=amd64 ;;
  arm64 | aarch64) ARCH=arm64 ;;
  *) fail "ARCH=$ARCH is not supported: amd64 or arm64" ;;
esac

PLUGIN=${PLUGIN:-dovesnap/ovs}
TAG=${TAG:-latest}
VERSION=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
# Words of their own, so that DOCKER='docker -H unix:///run/other.sock' works.
read -ra DOCKER <<<"${DOCKER:-docker}"

# make_bundle: builds, and prints the bundle's folder. BUNDLE names one that is built already.
make_bundle() {
  if [[ -n ${BUNDLE:-} ]]; then
    printf '%s\n' "$BUNDLE"
    return
  fi
  local last
  last=$(ARCH=$ARCH bash rootfs-build/bundle.sh | tail -n 1)
  [[ $last == 'bundle: '* ]] || return 1
  printf '%s\n' "${last#bundle: }"
}

need_docker() {
  "${DOCKER[@]}" version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    fail "no Docker Engine answers to '${DOCKER[*]}': start it, or name another with DOCKER='docker -H …'"
}

# description <plugin>: what the installed plugin says it is, with the id of its bundle; fails if there is none.
description() { "${DOCKER[@]}" plugin inspect --format '{{.Config.Description}}' "$1" 2>/dev/null; }

# bundle_description <folder>: the same, of a bundle.
bundle_description() { sed -n 's/^  "description": "\(.*\)",$/\1/p' "$1/config.json"; }

# networks <plugin>: the names of its networks.
networks() { "${DOCKER[@]}" network ls --filter "driver=$1" --format '{{.Name}}'; }

is_enabled() { [[ $("${DOCKER[@]}" plugin inspect --format '{{.Enabled}}' "$1") == true ]]; }

enable() {
  "${DOCKER[@]}" plugin enable "$1" >/dev/null ||
    fail "plugin $1 does not start: the reason is in the engine's log (journalctl -u docker | grep plugin=)"
}
