# Debian's archive, for what is built from its packages; sourced. DEBIAN_MIRROR names another than the machine's own.
# shellcheck shell=bash

# debian_mirrors: the archives, a line each: the address and `main` or `security`.
debian_mirrors() {
  if [[ -n ${DEBIAN_MIRROR:-} ]]; then
    printf '%s main\n' "$DEBIAN_MIRROR"
    return
  fi
  # Others publish packages for Debian at addresses that end alike.
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 ~ /\/linux\/debian\/?$/ { next }
         $1 ~ /\/debian\/?$/ { print $1, "main" }
         $1 ~ /\/debian-security\/?$/ { print $1, "security" }' | sort -u
}

# debian_mirror: the main archive; nothing where this machine has none.
debian_mirror() { debian_mirrors | sed -n 's/ main$//p' | head -n 1; }

# debian_sources <release>: apt's lines for a release with its updates.
debian_sources() {
  local release=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirrors
  [[ -e $keyring ]] || { echo "$keyring is missing: apt-get install debian-archive-keyring" >&2; return 1; }
  mirrors=$(debian_mirrors)
  [[ $mirrors == *' main'* ]] || {
    echo 'this machine has no Debian mirror in its apt sources: name one with DEBIAN_MIRROR=http://…/debian' >&2
    return 1
  }
  awk -v release="$release" -v keyring="$keyring" '{
    if ($2 == "security") { if (release !~ /-/) suites = release "-security"; else next }
    else suites = release
    printf "deb [signed-by=%s] %s %s main\n", keyring, $1, suites
    if ($2 == "main" && release !~ /-/) printf "deb [signed-by=%s] %s %s-updates main\n", keyring, $1, release
  }' <<<"$mirrors"
}

# apt_for <folder> <architecture> <release>: an apt configuration of its own, which knows neither this machine's
# architecture nor its packages, and changes neither. Prints what APT_CONFIG has to name, with the lists fetched.
apt_for() {
  local apt=$1 architecture=$2 release=$3
  rm -rf "$apt"
  mkdir -p "$apt"/{etc/apt/apt.conf.d,etc/apt/preferences.d,state/lists/partial,cache/archives/partial}
  : >"$apt/status"
  cat >"$apt/apt.conf" <<CONF
Dir "$apt";
Dir::Etc "$apt/etc/apt";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
CONF
  debian_sources "$release" >"$apt/etc/apt/sources.list" || return
  APT_CONFIG=$apt/apt.conf apt-get update -q -q >&2 || return
  printf '%s\n' "$apt/apt.conf"
}
