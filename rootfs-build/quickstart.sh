#!/usr/bin/env bash
# From nothing to a page fetched over an Open vSwitch network, in steps that the Makefile runs in this order:
#   quickstart.sh prepare   installs what the build needs
#   quickstart.sh run       starts Docker where it does not run, installs the plugin, makes network and containers
#   quickstart.sh undo      takes back what run made, and the Docker Engine if run started it; packages stay
# PLUGIN, TAG, DOCKER, BUNDLE: as for install.sh.
. "$(dirname "$0")/common.sh"

name=$PLUGIN:$TAG
network=mynet
container=web
image=dovesnap/quickstart
label=dovesnap.quickstart
page='<h1>Hello from an Open vSwitch network</h1>'
state=/var/lib/dovesnap-quickstart

[[ $(id -u) == 0 ]] || fail "this step needs root, and there is no sudo: run make ${MAKECMDGOALS:-quickstart} as root"

step() { say "== $*"; }

# install <what for> <package>...: with apt; elsewhere the user is told.
install() {
  local what=$1
  shift
  command -v apt-get >/dev/null || fail "$what is missing: please install it ($* on Debian), then again"
  step "installing $*"
  {
    apt-get -q -o DPkg::Lock::Timeout=300 update &&
      DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
  } >&2 || fail "could not install $*: see apt's message above"
}

prepare() {
  command -v npm >/dev/null || install 'Node.js with npm' nodejs npm
  (($(node -p 'process.versions.node.split(".")[0]') >= 20)) ||
    fail "Node.js $(node --version) is too old to build with: please install 20 or later, then again"
  command -v dockerd >/dev/null || docker_answers || install 'the Docker Engine' docker.io iptables
  command -v docker >/dev/null || install "Docker's client" docker-cli
  command -v busybox >/dev/null || install busybox busybox-static
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || install "Debian's archive keys" debian-archive-keyring
}

docker_answers() { "${DOCKER[@]}" version >/dev/null 2>&1; }

# A machine without an init system may have nobody to reap what ended.
is_running() { [[ -r /proc/$1/stat && $(<"/proc/$1/stat") != *') Z '* ]]; }

start_docker() {
  docker_answers && return
  if [[ -d /run/systemd/system ]]; then
    step 'starting Docker'
    systemctl start docker || fail 'Docker does not start: see journalctl -u docker'
    return
  fi
  step "starting dockerd, for this machine has no init system that would ($state/dockerd.log)"
  mkdir -p "$state"
  # The driver for cgroups must be named: on a unified hierarchy the default is systemd's.
  setsid dockerd --exec-opt native.cgroupdriver=cgroupfs >"$state/dockerd.log" 2>&1 </dev/null &
  echo $! >"$state/dockerd.pid"
  local second
  for ((second = 0; second < 60; second++)); do
    docker_answers && return
    is_running "$(<"$state/dockerd.pid")" || break
    sleep 1
  done
  tail -n 5 "$state/dockerd.log" >&2
  fail "dockerd does not answer: see $state/dockerd.log"
}

# An image of busybox alone: no registry is needed.
make_image() {
  local root
  root=$(mktemp -d)
  mkdir -p "$root"/{bin,www,tmp}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in sh httpd wget timeout ping ip; do ln -s busybox "$root/bin/$applet"; done
  printf '%s\n' "$page" >"$root/www/index.html"
  tar -C "$root" -c . | "${DOCKER[@]}" import --change "LABEL $label=yes" - "$image" >/dev/null
  rm -r "$root"
}

make_network() {
  local driver
  if driver=$("${DOCKER[@]}" network inspect --format '{{.Driver}}' "$network" 2>/dev/null); then
    [[ $driver == "$name" ]] || fail "there is a network $network of driver $driver already: remove it, then again"
    return
  fi
  # An engine that was enabled just now may need a moment until its switch is up; the plugin waits for that itself.
  "${DOCKER[@]}" network create --driver "$name" --label "$label=yes" "$network" >/dev/null
}

make_container() {
  local owner
  if owner=$("${DOCKER[@]}" inspect --format "{{index .Config.Labels \"$label\"}}" "$container" 2>/dev/null); then
    [[ $owner == yes ]] || fail "there is a container $container already, which is not ours: remove it, then again"
    "${DOCKER[@]}" rm --force "$container" >/dev/null
  fi
  "${DOCKER[@]}" run --detach --name "$container" --net "$network" --label "$label=yes" \
    "$image" httpd -f -h /www >/dev/null
}

# Not wget -T: that of Debian 12 crashes with it.
fetch_page() {
  "${DOCKER[@]}" run --rm --net "$network" --label "$label=yes" "$image" timeout 10 wget -q -O - "http://$container/"
}

run() {
  start_docker
  need_docker
  step "installing the plugin $name"
  bash rootfs-build/install.sh >&2
  step "docker network create --driver $name $network"
  make_network
  step "docker run --name $container --net $network …"
  make_image
  make_container
  step "docker run --net $network … wget http://$container/"
  local fetched
  fetched=$(fetch_page) || fail "the page of $container could not be fetched: see docker logs $container"
  [[ $fetched == "$page" ]] || fail "what came back is not the page of $container: $fetched"
  cat <<END

$fetched

That page was served by container $container and fetched by another, through the network $network of driver $name.
  see the switch:    nsenter --target "\$(pgrep -x dovesnap-ovs)" --mount --pid ovs-vsctl show
  one more of them:  docker run --rm -it --net $network $image sh
  take it all back:  make clean-quickstart
quickstart: ok
END
}

undo() {
  if docker_answers; then
    "${DOCKER[@]}" ps --all --quiet --filter "label=$label" | xargs -r "${DOCKER[@]}" rm --force >/dev/null
    "${DOCKER[@]}" network ls --quiet --filter "label=$label" | xargs -r "${DOCKER[@]}" network rm >/dev/null
    "${DOCKER[@]}" image rm --force "$image" >/dev/null 2>&1 || true
    bash rootfs-build/uninstall.sh >&2
  else
    say 'no Docker Engine answers: nothing of it to take back'
  fi
  if [[ -e $state/dockerd.pid ]]; then
    local pid
    pid=$(<"$state/dockerd.pid")
    if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dockerd ]]; then
      step 'stopping the dockerd that quickstart started'
      kill "$pid"
      while is_running "$pid"; do sleep 0.2; done
    fi
  fi
  rm -rf "$state"
  echo 'clean-quickstart: ok'
}

case ${1:-} in
  prepare | run | undo) "$1" ;;
  *) fail "usage: $0 prepare|run|undo" ;;
esac
