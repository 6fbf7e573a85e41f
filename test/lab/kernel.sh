#!/usr/bin/env bash
# Builds the kernel of the lab's guests, once, and prints its path: a user-mode Linux of Debian's kernel source with
# every feature that kernel.config names.
set -euo pipefail
cd "$(dirname "$0")/../.."
. rootfs-build/cache.sh
. rootfs-build/debian.sh
. test/need.sh

# Backports keep only the newest few versions. Before 6.16 a guest has no seccomp mode and is half as fast.
release=trixie-backports
least=6.16
config=test/lab/kernel.config

# build <folder>
build() {
  local to=$1 work=$1/work apt source jobs lost
  need gcc:gcc make:make flex:flex bison:bison bc:bc xz:xz-utils strip:binutils
  # By their files, for they bring no command.
  [ -e /usr/include/libelf.h ] || need /no-libelf:libelf-dev
  [ -e /usr/include/stdlib.h ] || need /no-libc:libc6-dev
  mkdir "$work"
  apt=$(apt_for "$work/apt" amd64 $release)
  source=$(APT_CONFIG=$apt apt-cache depends linux-source | sed -n 's/^ *Depends: //p' | sort -V | tail -n 1)
  dpkg --compare-versions "${source#linux-source-}" ge $least || die "$release has $source: at least $least is needed"
  say "kernel guest: building $source, some ten minutes on two processors, once"
  (cd "$work" && APT_CONFIG=$apt apt-get download -q -q "$source")
  dpkg-deb -x "$work/$source"_*.deb "$work/package"
  mkdir "$work/source"
  tar -xf "$work/package/usr/src/$source.tar.xz" -C "$work/source" --strip-components 1
  cp $config "$work/source/wanted.config"
  cd "$work/source"
  make -s ARCH=um defconfig >/dev/null
  scripts/kconfig/merge_config.sh -m .config wanted.config >/dev/null
  make -s ARCH=um olddefconfig >/dev/null
  lost=$(grep -E '^CONFIG_[A-Z0-9_]+=' wanted.config | grep -vxFf .config || true)
  [ -z "$lost" ] || die "$source does not take what $config asks for: $lost"
  jobs=$(nproc)
  make ARCH=um -j"$jobs" linux 2>&1 | progress
  strip -o "$to/linux" linux
  cd /
  rm -rf "$work"
}

# Every hundredth file that is compiled, and whatever is no such line.
progress() { awk '/^ +CC / { if (++n % 100 == 0) print "kernel guest: " n " files compiled"; next } !/^ +[A-Z]+ / { print } { fflush() }'; }

if [ "${1:-}" = build ]; then
  build "$2"
else
  # In two steps: echo would hide that it failed.
  entry=$(cached kernel "$(cat "$0" $config)" bash "$0" build)
  echo "$entry/linux"
fi
