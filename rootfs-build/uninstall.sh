#!/usr/bin/env bash
# Removes the plugin, its networks, and what the kernel still holds of it. PLUGIN, TAG, DOCKER: as for install.sh.
# Networks that containers are attached to are left, and then the plugin too, unless FORCE=1.
. "$(dirname "$0")/common.sh"

name=$PLUGIN:$TAG

remove_networks() {
  local network containers
  while read -r network; do
    [[ -n $network ]] || continue
    if "${DOCKER[@]}" network rm "$network" >/dev/null 2>&1; then
      say "network $network removed"
      continue
    fi
    containers=$("${DOCKER[@]}" network inspect --format '{{range .Containers}}{{.Name}} {{end}}' "$network")
    [[ -n ${FORCE:-} ]] ||
      fail "network $network is in use by ${containers:-somebody}: remove that first, or make uninstall FORCE=1"
  done < <(networks "$name")
}

# plugin_pid: the plugin's PID 1 as this host sees it. Its mounts carry the plugin's id.
plugin_pid() {
  local id comm pid
  id=$("${DOCKER[@]}" plugin inspect --format '{{.Id}}' "$name")
  for comm in /proc/[0-9]*/comm; do
    pid=${comm%/comm}
    [[ $(cat "$comm" 2>/dev/null) == dovesnap-ovs ]] || continue
    ! grep -q "$id" "$pid/mountinfo" 2>/dev/null || basename "$pid"
  done
}

# inside <command>...: runs it in the plugin's root file system, with the host's network. --root, because the root of the
# plugin's mount namespace is another where the engine itself runs in a chroot.
inside() { nsenter --target "$pid" --root --mount --pid "$@"; }

# stop_embedded_switch: ends ovs-vswitchd so that it takes its datapath, the kernel's too, and its taps along. Only the
# switch itself knows which they are; hence a disabled plugin is enabled once more.
stop_embedded_switch() {
  local pid
  is_enabled "$name" || "${DOCKER[@]}" plugin enable "$name" >/dev/null 2>&1 || true
  pid=$(plugin_pid)
  if [[ -z $pid ]]; then
    say "plugin $name does not run here: its switch could not be asked to clean up"
    return
  fi
  # A driver that was enabled just now needs a moment to decide which switch it uses.
  inside s6-svwait -u -t 3000 /run/service/ovs-vswitchd >/dev/null 2>&1 || true
  inside s6-svc -wD -T 3000 -d /run/service/driver
  # The table of the ingress guards, empty by now.
  inside nft delete table netdev dovesnap 2>/dev/null || true
  [[ $(inside s6-svstat -o up /run/service/ovs-vswitchd) == true ]] || return 0
  # -O: s6 does not start it again.
  inside s6-svc -O /run/service/ovs-vswitchd
  inside ovs-appctl --timeout=5 exit --cleanup
  inside s6-svwait -D -t 5000 /run/service/ovs-vswitchd
}

# remove_links: what a plugin that was removed by hand left behind. The mark dovesnap: is the driver's alone; of the
# bridges' local ports only those that no switch holds open go away.
remove_links() {
  local link
  while read -r link; do
    ip link delete dev "$link" && say "link $link removed"
  done < <(ip -details link show | awk '/^[0-9]+: / { split($2, name, "[@:]"); link = name[1] } $1 == "alias" && $2 ~ /^dovesnap:/ { print link }')
  while read -r link; do
    ! ip tuntap del dev "$link" mode tap 2>/dev/null || say "link $link removed"
  done < <(ip -brief link show | awk '{ print $1 }' | grep -E '^ovsbr-[0-9a-f]{5}$')
}

need_docker
if description "$name" >/dev/null; then
  remove_networks
  stop_embedded_switch
  ! is_enabled "$name" || "${DOCKER[@]}" plugin disable --force "$name" >/dev/null
  "${DOCKER[@]}" plugin rm --force "$name" >/dev/null
  say "plugin $name removed"
fi
remove_links
echo "$name is uninstalled"
