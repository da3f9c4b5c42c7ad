#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the switch for aarch64, with branch protection and without, and runs it in an emulator.
# usage: switch_aarch64.sh SOURCE_ROOT; exits 77 where compiler or emulator are not installed.
set -euo pipefail
root=$1
cc=aarch64-linux-gnu-gcc
for program in "$cc" qemu-aarch64; do
    if ! command -v "$program" >/dev/null; then
        echo "there is no $program here"
        exit 77
    fi
done
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
for protection in none standard; do
    "$cc" -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static \
        "-mbranch-protection=$protection" -I"$root/src/loop" -I"$root/src/base" \
        -o "$scratch/switch" "$root/tests/loop/switch_aarch64.c" "$root/src/loop/switch.c" \
        "$root/src/loop/switch.S" -lm
    qemu-aarch64 "$scratch/switch"
done
