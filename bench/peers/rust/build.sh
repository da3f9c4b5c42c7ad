#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the contenders in Rust from the crates that Debian installs, without a network.
# usage: build.sh CARGO FOLDER LIBRARY OUTPUT...
# FOLDER has Cargo.toml and takes what Cargo writes; LIBRARY is the part of them that is C.
set -eu
cargo=$1 folder=$2 library=$(realpath "$3")
shift 3
export CARGO_TARGET_DIR="$folder/target" RUSTFLAGS="-C link-arg=$library"
"$cargo" build --release --offline --quiet --manifest-path "$folder/Cargo.toml" \
    --config 'source.crates-io.replace-with="debian"' \
    --config 'source.debian.directory="/usr/share/cargo/registry"'
for output; do
    cp "$folder/target/release/${output##*/}" "$output"
done
