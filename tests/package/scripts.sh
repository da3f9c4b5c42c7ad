#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The scripts say what they do, refuse what they don't know, and do nothing twice.
# usage: scripts.sh SOURCE_ROOT
set -euo pipefail
cd "$1"

fail()
{
    echo "$*"
    exit 1
}

for script in tools/setup tools/run tools/test tools/bench; do
    [[ -x $script ]] || fail "$script is not executable"
    words=$("$script" --help) || fail "$script --help failed"
    [[ $words == "Usage: $script"* ]] || fail "$script --help does not say its usage"
done
for script in tools/setup tools/test tools/bench; do
    status=0
    "$script" --banana >/dev/null 2>&1 || status=$?
    ((status == 2)) || fail "$script --banana ended with status $status, not 2"
done

# With all there, setup asks neither apt nor the network, nor for root.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for tool in apt-get apt-cache sudo; do
    printf '#!/bin/sh\necho "%s was called" >&2\nexit 1\n' "$tool" >"$scratch/$tool"
    chmod +x "$scratch/$tool"
done
if tools/setup --check 2>/dev/null; then
    words=$(PATH=$scratch:$PATH tools/setup 2>&1) || fail "setup with all there failed: $words"
    [[ $words == *'nothing to do'* ]] || fail "setup with all there said: $words"
fi

# With one missing (and one of the peers) and no way to become root, it names the command to type.
cat >"$scratch/dpkg-query" <<'END'
#!/bin/sh
for word; do
    case $word in -* | valgrind | golang-go | '$'*) ;; *) echo "$word installed" ;; esac
done
END
chmod +x "$scratch/dpkg-query"
words=$(PATH=$scratch:$PATH tools/setup --check 2>&1) && fail 'setup --check: nothing is missing?'
[[ $words == *'missing: valgrind' ]] || fail "setup --check said: $words"
words=$(PATH=$scratch:$PATH tools/setup --peers --check 2>&1) &&
    fail 'setup --peers --check: nothing is missing?'
[[ $words == *'missing: valgrind golang-go' ]] || fail "setup --peers --check said: $words"
words=$(PATH=$scratch:$PATH tools/setup 2>&1) && fail 'setup went on without apt-get'
[[ $words == *'apt-get update && apt-get install valgrind' ]] ||
    fail "setup that can't install said: $words"

if command -v shellcheck >/dev/null; then
    shellcheck -x -P . tools/setup tools/run tools/test tools/common.sh .ci/run \
        tests/package/scripts.sh || fail 'shellcheck has something to say'
fi
