#!/usr/bin/env bash
# Pushes the plugin to a registry: <name>:<version>-<arch> and <name>:latest-<arch>, and, for amd64, also without the
# architecture. A plugin has no multi-architecture manifest: who installs it elsewhere names the tag.
# REGISTRY=host:port/ goes in front of the name; PLUGIN, DOCKER, BUNDLE: as for install.sh.
. "$(dirname "$0")/common.sh"

need_docker
bundle=$(make_bundle)
copy=$(mktemp -d "${TMPDIR:-/var/tmp}/dovesnap-push.XXXXXX")
trap 'rm -rf "$copy"' EXIT

# with_tag <tag>: the bundle with its tag in it. An engine with the containerd image store refuses a second plugin whose
# root file system is the same to the byte.
with_tag() {
  rm -rf "${copy:?}/bundle"
  cp -a "$bundle" "$copy/bundle"
  printf '%s\n' "$1" >"$copy/bundle/rootfs/usr/share/doc/dovesnap/tag"
  printf '%s\n' "$copy/bundle"
}

name=${REGISTRY:-}$PLUGIN
tags=("$VERSION-$ARCH" "latest-$ARCH")
[[ $ARCH != amd64 ]] || tags+=("$VERSION" latest)

for tag in "${tags[@]}"; do
  if installed=$(description "$name:$tag"); then
    [[ $installed == "$(bundle_description "$bundle")" ]] ||
      fail "$name:$tag is installed here from another bundle ($installed): make install first, or uninstall it"
    "${DOCKER[@]}" plugin push "$name:$tag"
  else
    "${DOCKER[@]}" plugin create "$name:$tag" "$(with_tag "$tag")" >/dev/null
    # Only made to be pushed.
    status=0
    "${DOCKER[@]}" plugin push "$name:$tag" || status=$?
    "${DOCKER[@]}" plugin rm "$name:$tag" >/dev/null
    ((status == 0)) || fail "$name:$tag could not be pushed"
  fi
  echo "pushed $name:$tag"
done
