#!/usr/bin/env bash
# Builds the plugin bundle, config.json and rootfs/, from Debian packages, Node, and the compiled driver (dist/main.cjs).
# The last line of stdout names its folder. ARCH=amd64|arm64; REFRESH=1 looks for newer packages; DEBIAN_MIRROR=URL.
#
# What comes from others is kept outside the clone until the list of it changes, so that a change to the driver costs
# seconds. From the same packages, twice the same bytes: the time of every file is that of the commit.
. "$(dirname "$0")/common.sh"
. rootfs-build/cache.sh

DIST=${DIST:-dist}
CACHE=$PWD/.cache/bundle/$ARCH

MAX_UNPACKED_MB=180
MAX_PACKED_MB=65

# in_order <folder>: a tar that depends on nothing but names, modes and contents, and the commit's time.
in_order() {
  tar --sort=name --mtime="@$EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu -C "$1" -c .
}
megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1e6 }'; }

[[ -e $DIST/main.cjs && -e $DIST/main.cjs.map ]] || fail "$DIST/main.cjs is missing: make build"
EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}
mkdir -p "$CACHE"
# Two builds at once would pull the folders away from under each other.
exec 9>"$CACHE/lock"
flock -n 9 || {
  say 'another build is running: waiting for it'
  flock 9
}

say "[1/2] packages and Node for $ARCH (once; REFRESH=1 looks for newer ones)"
base=$(cached "bundle-$ARCH" "$(cat rootfs-build/packages.txt rootfs-build/base.sh)" env ARCH="$ARCH" bash rootfs-build/base.sh)

say '[2/2] driver, services, config.json'
next=$CACHE/next
rm -rf "$next"
mkdir -p "$next"
cp -a "$base" "$next/rootfs"
own=$CACHE/own
rm -rf "$own"
mkdir -p "$own"/{run,usr/bin,usr/lib/dovesnap,usr/share/doc/dovesnap}
cp -a plugin/service "$own/run/service"
chmod -R u=rwX,go=rX "$own/run/service"
install -m 755 plugin/bin/* "$own/usr/bin"
install -m 644 "$DIST/main.cjs" "$own/usr/lib/dovesnap/main.cjs"
install -m 644 LICENSE "$own/usr/share/doc/dovesnap/LICENSE"
cp "$base/usr/share/doc/licenses.tsv" "$own/usr/share/doc/licenses.tsv"
node rootfs-build/npm-licenses.mjs "$DIST/main.cjs.map" "$own"
bash rootfs-build/koffi.sh "$ARCH" "$own"
cp -a "$own/." "$next/rootfs"
chown -R 0:0 "$next"

# The description tells two bundles of one version apart: make install compares it with what is installed.
id=$({ EPOCH=0 in_order "$next"; cat config.json; } | sha256sum | cut -c 1-12)
sed "s|^  \"description\": \"\(.*\)\",\$|  \"description\": \"\1 $VERSION, $ARCH, bundle $id\",|" config.json >"$next/config.json"

plugin=$CACHE/plugin
if [[ $(bundle_description "$plugin" 2>/dev/null) != "$(bundle_description "$next")" ]]; then
  rm -rf "$plugin"
  mv "$next" "$plugin"
else
  # Left in place: someone may be reading it.
  rm -rf "$next"
fi
find "$plugin" -exec touch --no-dereference --date="@$EPOCH" {} +

unpacked=$(du --bytes --summarize --apparent-size "$plugin" | cut -f 1)
packed=$(in_order "$plugin" | zstd -q -T0 | wc -c)
say "unpacked: $(megabytes "$unpacked") MB of $MAX_UNPACKED_MB; packed (tar | zstd): $(megabytes "$packed") MB of $MAX_PACKED_MB"
say "tar: sha256 $(in_order "$plugin" | sha256sum | cut -d ' ' -f 1)"
((unpacked <= MAX_UNPACKED_MB * 1000000 && packed <= MAX_PACKED_MB * 1000000)) || fail 'the bundle is larger than allowed'
echo "bundle: $plugin"
