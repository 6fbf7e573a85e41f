# What takes long to build is kept outside the clone, under the digest of its recipe; sourced.
# shellcheck shell=bash

CACHE_ROOT=${XDG_CACHE_HOME:-$HOME/.cache}/dovesnap
UNUSED_DAYS=30

# cached <name> <recipe> <command>...: prints the path of the entry for this recipe (any text). Where there is none, or
# it is not whole, the command is run first with the path of an empty folder as its last argument, and what it leaves
# there becomes the entry. Others that ask for the same entry meanwhile wait. REFRESH=1 builds it anew. The command is a
# program, not a function: bash ignores -e in functions whose result is looked at.
cached() {
  local name=$1 recipe=$2 entry
  shift 2
  entry=$CACHE_ROOT/$name-$(sha256sum <<<"$recipe" | cut -c 1-16)
  mkdir -p "$CACHE_ROOT"
  (
    exec 9>"$entry.lock"
    flock 9
    if [[ -z ${REFRESH:-} ]] && is_whole "$entry"; then
      touch "$entry.contents"
      exit 0
    fi
    # A name of its own: what a build left running writes into the folder that it was given.
    rm -rf --one-file-system "$entry".building.*
    building=$(mktemp -d "$entry.building.XXXXXX")
    chmod 755 "$building"
    trap 'rm -rf --one-file-system "$building"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # The lock is this shell's alone: a process that the build leaves behind would hold it.
    "$@" "$building" 9>&- >&2 || exit
    rm -rf --one-file-system "$entry" "$entry.contents"
    mv "$building" "$entry" && contents_of "$entry" >"$entry.contents"
  ) || return
  forget_unused
  printf '%s\n' "$entry"
}

# Names, kinds and sizes: what an interrupted copy, a full disk or a hand changes.
contents_of() { find "$1" -mindepth 1 \( -type d -printf 'd %P\n' -o -printf '%y %s %P %l\n' \) | LC_ALL=C sort | sha256sum; }

is_whole() { [[ -e $1.contents && $(contents_of "$1") == "$(cat "$1.contents")" ]]; }

# Of recipes that nobody asks for any more.
forget_unused() {
  local contents entry
  while read -r contents; do
    entry=${contents%.contents}
    flock --nonblock "$entry.lock" rm -rf --one-file-system "$entry" "$contents" || true
  done < <(find "$CACHE_ROOT" -maxdepth 1 -name '*.contents' -mtime +$UNUSED_DAYS)
  find "$CACHE_ROOT" -maxdepth 1 -name '*.building.*' -mtime +$UNUSED_DAYS -exec rm -rf --one-file-system {} +
}
