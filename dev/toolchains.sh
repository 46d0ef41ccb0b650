# Finds Rust and Go, and installs them into the cache if this machine has none; to be sourced.
# shellcheck shell=bash disable=SC2034

# The versions that are installed where there is none, and the checksums of Go's archives.
RUST=1.95
GO=go1.26.8
GO_SHA256_amd64=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7
GO_SHA256_arm64=02b36b6787b3ac767668f630e2998df45a3b1f9ffee08d1bf3ef6487cd658d99

# newer_than VERSION FOUND : whether FOUND is at least VERSION.
newer_than() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

has_go() { newer_than go1.26 "$(go env GOVERSION 2>/dev/null || echo go0)"; }
has_rust() { newer_than "$RUST" "$(rustc --version 2>/dev/null | awk '{ print $2 }')"; }

# need_go : makes `go` 1.26 or newer available to this script.
need_go() {
    has_go && return 0
    [[ ! -x $CACHE/$GO/bin/go ]] || { export PATH=$CACHE/$GO/bin:$PATH; return 0; }
    may_install "Go 1.26 or newer" "from https://go.dev/dl"
    need_packages ca-certificates curl unzip
    step "Go ${GO#go} (once)" install_go
    export PATH=$CACHE/$GO/bin:$PATH
}

# The Go module proxy serves Go itself; the archive's checksum is pinned above.
install_go() {
    local machine folder name sum proxy=${GOPROXY:-https://proxy.golang.org}
    machine=$(dpkg --print-architecture)
    sum=GO_SHA256_$machine
    [[ -n ${!sum:-} ]] || fail "no Go for $machine: install 1.26 or newer from https://go.dev/dl"
    name=golang.org/toolchain@v0.0.1-$GO.linux-$machine
    folder=$(mktemp -d "$CACHE/go-XXXXXX")
    curl -fsSL -o "$folder/go.zip" "${proxy%%[,|]*}/golang.org/toolchain/@v/${name#*@}.zip"
    echo "${!sum}  $folder/go.zip" | sha256sum --check --quiet
    unzip -q "$folder/go.zip" -d "$folder"
    chmod -R a+x "$folder/$name/bin" "$folder/$name/pkg/tool"
    mv "$folder/$name" "$CACHE/$GO"
    rm -rf "$folder"
}

# need_rust : makes `cargo` and `rustc` available to this script.
need_rust() {
    has_rust && return 0
    export RUSTUP_HOME=$CACHE/rust/rustup PATH=$CACHE/rust/bin:$PATH
    has_rust && return 0
    may_install "Rust $RUST or newer" "from https://rustup.rs"
    need_packages ca-certificates curl gcc libc6-dev
    step "Rust $RUST (once)" install_rust
    has_rust || fail "Rust $RUST was installed and does not run: see $CACHE/log"
}

# Into the cache: the home directory and its profile stay as they are.
install_rust() {
    curl --proto '=https' --tlsv1.2 -fsSL https://sh.rustup.rs |
        CARGO_HOME=$CACHE/rust sh -s -- -y --no-modify-path --profile minimal --default-toolchain "$RUST" \
            --component rustfmt,clippy
}
