#!/usr/bin/env bash
# Creates the plugin from a bundle and enables it. Again: upgrades it, keeping the settings that the user changed.
# PLUGIN, TAG: its name; DOCKER: client and engine; BUNDLE: a bundle that is built already.
. "$(dirname "$0")/common.sh"

name=$PLUGIN:$TAG

# changed_settings: those that differ from the installed bundle's own, as docker plugin set takes them.
changed_settings() {
  local given=$1 standard=$2
  comm -23 <("${DOCKER[@]}" plugin inspect --format "$given" "$name" | sort) \
    <("${DOCKER[@]}" plugin inspect --format "$standard" "$name" | sort)
}

need_docker
bundle=$(make_bundle)
settings=()
if installed=$(description "$name"); then
  if [[ $installed == "$(bundle_description "$bundle")" ]]; then
    is_enabled "$name" || enable "$name"
    echo "$name is installed already: $installed"
    exit
  fi
  in_use=$(networks "$name" | paste -s -d ' ')
  # docker plugin upgrade takes a registry's plugins only, and docker plugin rm takes the embedded switch's database along.
  [[ -z $in_use ]] ||
    fail "$name has networks ($in_use), which a new bundle would cut off: docker network rm $in_use, then again"
  mapfile -t settings < <(
    changed_settings '{{range .Settings.Env}}{{println .}}{{end}}' \
      '{{range .Config.Env}}{{if .Value}}{{println (printf "%s=" .Name) .Value}}{{end}}{{end}}' | sed 's/= /=/'
    changed_settings '{{range .Settings.Mounts}}{{.Name}}.source={{println .Source}}{{end}}' \
      '{{range .Config.Mounts}}{{.Name}}.source={{println .Source}}{{end}}'
    changed_settings '{{range .Settings.Devices}}{{.Name}}.path={{println .Path}}{{end}}' \
      '{{range .Config.Linux.Devices}}{{.Name}}.path={{println .Path}}{{end}}'
  )
  say "replacing $installed"
  ! is_enabled "$name" || "${DOCKER[@]}" plugin disable --force "$name" >/dev/null
  "${DOCKER[@]}" plugin rm "$name" >/dev/null
fi

"${DOCKER[@]}" plugin create "$name" "$bundle" >/dev/null
((${#settings[@]} == 0)) || "${DOCKER[@]}" plugin set "$name" "${settings[@]}"
enable "$name"
echo "$name is installed: $(description "$name")"
