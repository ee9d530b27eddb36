# common.sh - what tools/start and tools/check share: finding and installing packages, building a variant.
#
# To be sourced by bash with `set -euo pipefail` in force and $ROOT set to the repository's root.
# Everything that is said goes to stderr: the stdout of tools/start belongs to midge.

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# --- packages --------------------------------------------------------------------------------------------------
#
# A need is written `PROBE=PACKAGE`: the probe says whether the thing is there, however it came there, and the
# package is what Debian calls it. Probes: cmd:NAME (in PATH), pc:NAME (pkg-config), file:PATH (* may stand in it),
# py:MODULE (of Debian's own python), deb:NAME (the package itself).

NEEDS_BUILD=(cmd:gcc=gcc file:/usr/include/stdio.h=libc6-dev cmd:ar=binutils cmd:meson=meson cmd:ninja=ninja-build
    cmd:pkg-config=pkg-config pc:liburing=liburing-dev pc:libsodium=libsodium-dev pc:libcjson=libcjson-dev pc:libcrypt=libcrypt-dev)

need_is_met() {
    local what=${1#*:}
    case $1 in
    cmd:*) command -v "$what" >/dev/null ;;
    pc:*) command -v pkg-config >/dev/null && pkg-config --exists "$what" ;;
    file:*) compgen -G "$what" >/dev/null ;;
    py:*) [ -x /usr/bin/python3 ] && /usr/bin/python3 -c "import $what" 2>/dev/null ;;
    deb:*) [ "$(dpkg-query -W -f='${Status}' "$what" 2>/dev/null)" = "install ok installed" ] ;;
    *) die "no such probe: $1" ;;
    esac
}

# Print the packages of the needs that are not met.
missing_packages() {
    local need
    for need in "$@"; do
        need_is_met "${need%=*}" || printf '%s\n' "${need##*=}"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n true 2>/dev/null || say "sudo may ask for your password:"
        sudo "$@"
    fi
}

APT_UPDATED=
apt_run() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=600 "$@" >&2 </dev/null; }

# Install what is missing. apt is not touched when nothing is. Returns non-zero when a package cannot be had.
install_packages() {
    local packages
    mapfile -t packages < <(missing_packages "$@")
    [ ${#packages[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        say "missing here: ${packages[*]} (Debian's names). There is no apt-get to install them with; install them and try again."
        return 1
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        say "missing here: ${packages[*]}. Neither root nor sudo: as root, run"
        say "    apt-get update && apt-get install ${packages[*]}"
        return 1
    fi
    say "installing: ${packages[*]}"
    if [ -z "$APT_UPDATED" ]; then
        apt_run update || say "apt-get update failed; going on with the lists that are here"
        APT_UPDATED=yes
    fi
    apt_run install --no-install-recommends "${packages[@]}" || return 1
    mapfile -t packages < <(missing_packages "$@")
    [ ${#packages[@]} -eq 0 ] || { say "installed, and still not found: ${packages[*]}"; return 1; }
}

# --- building --------------------------------------------------------------------------------------------------

# What the shipped server is built with, as measured (docs/benchmarks.md).
RELEASE_OPTIONS=(--buildtype=release -Db_lto=true)

# The versions of what a build was configured against: when one changes, it is configured again.
toolchain_stamp() {
    "$1" --version | head -n 1
    meson --version
    local lib
    for lib in liburing libsodium libcjson libcrypt cmocka; do
        printf '%s %s\n' "$lib" "$(pkg-config --modversion "$lib" 2>/dev/null || echo none)"
    done
}

# configure DIR COMPILER OPTION...: make DIR a meson build with these options, if it is not one already.
configure() {
    local dir=$1 compiler=$2 stamp
    shift 2
    stamp=$(printf '%s\n' "$compiler" "$@"; toolchain_stamp "$compiler")
    if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.configured" 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    mkdir -p "$dir"
    local how=()
    # An older configuration is thrown away: meson keeps what it found then (a compiler, a library that was missing).
    [ -f "$dir/meson-private/coredata.dat" ] && how=(--wipe)
    local log
    log=$(mktemp)
    if ! CC=$compiler meson setup "${how[@]}" "$dir" "$ROOT" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    printf '%s\n' "$stamp" >"$dir/.configured"
}

# build_release [TARGET...]: configure and build build/, one caller at a time.
build_release() {
    local lock
    exec {lock}<"$ROOT/meson.build" # a file that no configuration wipes away
    flock "$lock"
    configure "$ROOT/build" gcc "${RELEASE_OPTIONS[@]}" && ninja -C "$ROOT/build" --quiet "$@" >&2
    local rc=$?
    exec {lock}<&-
    return $rc
}
