# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What setup, run and test share. Sourced, never run. Talk goes to stderr: stdout is data.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s\n' "$*" >&2; }

die()
{
    say "${0##*/}: $*"
    exit 1
}

# configure DIR OPTION...: makes a Meson build directory, anew if it was made with other options or
# somewhere else. Its output is shown only if it fails.
configure()
{
    local dir=$1 stamp="$1/options.stamp" wanted log
    shift
    wanted="$root CC=${CC:-} $*"
    if [[ -f $dir/build.ninja && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return 0
    fi
    rm -rf -- "$dir"
    mkdir -p "$dir"
    log="$dir/setup.log"
    if ! meson setup "$dir" "$root" "$@" >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        return 1
    fi
    printf '%s' "$wanted" >"$stamp"
}

# compile DIR [TARGET...]: builds these, or everything in it. Its output is shown only if it fails.
compile()
{
    local log="$1/compile.log"
    if ! ninja -C "$@" >"$log" 2>&1; then
        grep -v '^\[[0-9]*/[0-9]*\] \(Compiling\|Linking\|Generating\)' "$log" | tail -n 40 >&2
        return 1
    fi
}
