# Functions for the scripts in this folder, which source it.
# shellcheck shell=bash disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything built or downloaded is in this cache, so that a fresh clone can reuse it; `make clean-cache` deletes it.
CACHE=${SCDEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sc-auth}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
# Go's own caches, too.
export GOPATH=$CACHE/go GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/modules

# The Debian packages that the databases, our images and the cluster need.
DATABASE_PACKAGES=(mariadb-server postgresql pgbouncer openssl mmdebstrap debian-archive-keyring)
# Proxies that call the server, in addition to Traefik, which is built from source, and Envoy, a Python wheel.
PROXY_PACKAGES=(caddy nginx)
# A proxy that logs users in, and a browser.
APPLICATION_PACKAGES=(apache2-bin libapache2-mod-auth-openidc chromium)
# Reads our metrics, and tests our alerts.
MONITORING_PACKAGES=(prometheus)
# For the programs in examples/. default-jdk-headless is Java 17 or newer.
CLIENT_PACKAGES=(python3-venv nodejs npm default-jdk-headless maven)
IMAGE_PACKAGES=(buildah busybox-static debian-archive-keyring gcc libc6-dev mmdebstrap)
CLUSTER_PACKAGES=(containerd runc containernetworking-plugins iptables ipset iproute2 openssl "${IMAGE_PACKAGES[@]}")

# The version of the workspace, and of our images.
version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

# The example registry in README and config/overlay; nothing is pulled from it, since the node has the images.
EXAMPLE_REGISTRY=registry.example.com

# Prints the Debian mirror that this machine's apt uses.
debian_mirror() {
    local label uri
    while read -r label uri; do
        [[ $label == Debian || $uri =~ /debian/?$ ]] && break
    done < <(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages')
    printf '%s\n' "${uri:-http://deb.debian.org/debian}"
}

# debian SUITE TARGET PACKAGE,… : builds a small Debian as a folder or a tar file, with the mirror and the proxy of this machine's apt.
debian() {
    local proxy options=()
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
    [[ -z $proxy ]] || options+=("--aptopt=Acquire::http::Proxy \"$proxy\"")
    mmdebstrap --mode=root --variant=essential --include="$3" --aptopt='Acquire::Check-Valid-Until "false"' \
        "${options[@]}" "$1" "$2" "$(debian_mirror)"
}

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "error: $*"
    exit 1
}

# step WHAT COMMAND… : runs a command, and prints its description, a dot every ten seconds, and its duration. The output goes to a log;
# if the command fails, the end of the log is printed.
step() {
    local what=$1 log started command dots code=0
    shift
    mkdir -p "$CACHE/log"
    log="$CACHE/log/$(printf '%s' "$what" | tr -cs 'a-zA-Z0-9\n' '-').log"
    started=$SECONDS
    printf '  %-58s ' "$what" >&2
    # In the background, since bash ignores errors inside the condition of an `if`.
    (set -euo pipefail; "$@") >"$log" 2>&1 </dev/null &
    command=$!
    dots "$command" &
    dots=$!
    wait "$command" || code=$?
    kill "$dots" 2>/dev/null || true
    if ((code == 0)); then
        say "$(printf '%4d s' $((SECONDS - started)))"
    else
        say "failed"
        tail -n 40 "$log" >&2
        fail "$what: the whole output is in $log"
    fi
}

# dots PID : prints a dot every ten seconds while that process runs. The sleep must not keep our caller's pipes open.
dots() { while sleep 10 >/dev/null 2>&1 && kill -0 "$1" 2>/dev/null; do printf '.' >&2; done; }

# wait_for SECONDS WHAT COMMAND… : retries a command until it succeeds.
wait_for() {
    local seconds=$1 what=$2 i
    shift 2
    for ((i = 0; i < seconds * 5; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    fail "$what: not within $seconds s"
}

# may_install WHAT HOW : fails where this script must not install WHAT, and says HOW to install it by hand.
may_install() {
    [[ ${DEMO_INSTALL:-yes} =~ ^(yes|no)$ ]] || fail "DEMO_INSTALL is $DEMO_INSTALL: write yes or no"
    [[ ${DEMO_INSTALL:-yes} == yes ]] || fail "missing, with DEMO_INSTALL=no: $1; install it $2"
    command -v apt-get >/dev/null ||
        fail "missing: $1. This script installs it on Debian and Ubuntu only; in a cluster that you have, run make demo CLUSTER=current"
    ((EUID == 0)) || fail "missing: $1. Run this as root, or install it $2"
}

# need_packages PACKAGE… : installs the Debian packages that are missing.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    ((${#missing[@]} != 0)) || return 0
    may_install "${missing[*]}" "with: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    say "  This needs the Debian packages ${missing[*]}."
    step "installing them" install_packages "${missing[@]}"
}

# No service starts because its package is installed: the demo and the tests start their own. See invoke-rc.d(8).
install_packages() {
    local policy=/usr/sbin/policy-rc.d
    export DEBIAN_FRONTEND=noninteractive
    if [[ ! -e $policy ]]; then
        # shellcheck disable=SC2064
        trap "rm -f '$policy'" EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
}

need_root() {
    ((EUID == 0)) || fail "this starts containers and networks, so it must run as root"
}

# background NAME COMMAND… : starts a program, with its process id in $RUN/NAME.pid and its output in $RUN/NAME.log.
background() {
    local name=$1
    shift
    setsid "$@" >"$RUN/$name.log" 2>&1 </dev/null &
    echo $! >"$RUN/$name.pid"
}

# end NAME [SIGNAL] : stops the program that `background NAME` started, and waits for it.
end() {
    local file=$RUN/$1.pid pid i
    [[ -f $file ]] || return 0
    pid=$(<"$file")
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$file"
}
