#!/usr/bin/env bash
# Pushes the plugin to a registry: <name>:<version>-<arch> and <name>:latest-<arch>, and, for amd64, also without the
# architecture. A plugin has no multi-architecture manifest: who installs it elsewhere names the tag.
# REGISTRY=host:port/ goes in front of the name; PLUGIN, DOCKER, BUNDLE: as for install.sh.
. "$(dirname "$0")/common.sh"

need_docker
bundle=$(make_bundle)
name=${REGISTRY:-}$PLUGIN
tags=("$VERSION-$ARCH" "latest-$ARCH")
[[ $ARCH != amd64 ]] || tags+=("$VERSION" latest)

for tag in "${tags[@]}"; do
  if installed=$(description "$name:$tag"); then
    [[ $installed == "$(bundle_description "$bundle")" ]] ||
      fail "$name:$tag is installed here from another bundle ($installed): make install first, or uninstall it"
    "${DOCKER[@]}" plugin push "$name:$tag"
  else
    "${DOCKER[@]}" plugin create "$name:$tag" "$bundle" >/dev/null
    # Only made to be pushed.
    trap '"${DOCKER[@]}" plugin rm --force "$name:$tag" >/dev/null' EXIT
    "${DOCKER[@]}" plugin push "$name:$tag"
    trap - EXIT
    "${DOCKER[@]}" plugin rm "$name:$tag" >/dev/null
  fi
  echo "pushed $name:$tag"
done
