# Functions for the scripts in this folder, which source it.
# shellcheck shell=bash disable=SC2034

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/../versions.sh"

VERSION=$(version)
# The folder of a release: archives, checksums, the chart, install.yaml, and the digests of pushed images and charts.
DIST=${DIST:-$ROOT/dist}
PROGRAMS=(sc-auth-server sc-auth-operator)
# The architectures of a release; a rehearsal may set only its own.
read -ra ARCHES <<<"${ARCHES:-amd64 arm64}"
# The address of the repository, for labels and links.
SOURCE=${SOURCE:-${GITHUB_REPOSITORY:+${GITHUB_SERVER_URL:-https://github.com}/$GITHUB_REPOSITORY}}

# One login for buildah, Helm and cosign.
[[ ! -f $HOME/.docker/config.json ]] || export REGISTRY_AUTH_FILE=${REGISTRY_AUTH_FILE:-$HOME/.docker/config.json}

# PLAIN_HTTP=1 is for a registry on loopback that has no certificate.
BUILDAH_TLS=() HELM_TLS=() COSIGN_TLS=()
if [[ -n ${PLAIN_HTTP:-} ]]; then
    BUILDAH_TLS=(--tls-verify=false)
    HELM_TLS=(--plain-http)
    COSIGN_TLS=(--allow-http-registry)
fi

# need_registry REGISTRY : fails unless the argument is a registry, with or without a folder.
need_registry() {
    [[ ${1:-} =~ ^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$ ]] || fail "usage: dev/release/$(basename "$0") REGISTRY …, such as $EXAMPLE_REGISTRY/team"
}

# need_arch ARCH
need_arch() { [[ ${1:-} == amd64 || ${1:-} == arm64 ]] || fail "usage: dev/release/$(basename "$0") … ARCH, which is amd64 or arm64"; }

# tool NAME CACHED : prints the path of a program: the one that dev/build-tools has built, or that of this machine.
tool() {
    if [[ -x $CACHE/bin/$2/$1 ]]; then
        echo "$CACHE/bin/$2/$1"
    else
        command -v "$1" || fail "$1 is missing: install it, or run dev/build-tools all"
    fi
}

# Uses the storage of dev/build-images if it exists, so that a rehearsal has its base image.
buildah() {
    if [[ -d $CACHE/buildah/storage ]]; then
        command buildah --storage-driver vfs --root "$CACHE/buildah/storage" --runroot "$CACHE/buildah/run" "$@"
    else
        command buildah "$@"
    fi
}

# digest NAME : prints the digest of a pushed image or chart.
digest() { cat "$DIST/digests/$1" 2>/dev/null || fail "$DIST/digests/$1 is missing: push $1 first"; }
