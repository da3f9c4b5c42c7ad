#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# inject.sh PROGRAM: system calls that fail, or give less than was asked for, under strace. What a
# case of inject.c says then is the same as without, or the error that its call documents.
set -euo pipefail

program=$(realpath "$1")
directory=$(mktemp -d)
trap 'rm -rf -- "$directory"' EXIT
failures=0
paths=(file fifo) # what is injected touches these

skip()
{
    printf 'skipped: %s\n' "$1"
    exit 77
}

command -v strace >/dev/null || skip 'strace is not installed'
strace -qq -o /dev/null true 2>/dev/null || skip 'strace may not trace here'

# fresh_files: what the cases find.
fresh_files()
{
    rm -f -- "$directory"/*
    printf abcdef | tee "$directory/file" >"$directory/other"
    mkfifo "$directory/fifo"
}

# expect CASE LINE INJECTION...: what the case says, and that each injection came to pass.
expect()
{
    local case=$1 line=$2 injection path said arguments=()
    shift 2
    for injection in "$@"; do
        arguments+=(-e "inject=$injection")
    done
    for path in "${paths[@]}"; do
        arguments+=(-P "$directory/$path")
    done
    fresh_files
    if ! said=$(timeout 60 strace -f -qq -o "$directory/trace" "${arguments[@]}" \
        "$program" "$case" "$directory" 2>&1); then
        said="failed: $said"
    fi
    if [[ $# -gt 0 ]] && ! grep -q INJECTED "$directory/trace"; then
        said="nothing was injected: $said"
    fi
    if [[ $said != "$line" ]]; then
        printf '%s with %s: "%s", not "%s"\n' "$case" "$*" "$said" "$line"
        failures=$((failures + 1))
    fi
}

# always CASE LINE SYSCALL: the line comes without injections, and with those that no caller may
# see: EINTR and EAGAIN, once and several times.
always()
{
    expect "$1" "$2"
    expect "$1" "$2" "$3:error=EINTR:when=1"
    expect "$1" "$2" "$3:error=EINTR:when=1..4"
    expect "$1" "$2" "$3:error=EAGAIN:when=1"
    expect "$1" "$2" "$3:error=EAGAIN:when=1..4"
}

ENOMEM=-12 EIO=-5

always read '6 abcdef.' read
expect read "$ENOMEM ......." read:error=ENOMEM
expect read "$EIO ......." read:error=EIO
always read_all '6 abcdef.' read
expect read_all '7 .abcdef' read:retval=1:when=1 # a byte that the kernel never gave
expect read_all '6 abcdef.' read:error=ENOMEM:when=2 # after the six: they are not lost
always readv '6 ab.cdef' readv
expect readv "$ENOMEM ......." readv:error=ENOMEM
always pread '3 cde....' pread64
expect pread "$ENOMEM ......." pread64:error=ENOMEM
always pread_all '5 bcdef..' pread64
expect pread_all '5 .cdef..' pread64:retval=1:when=1
always write '3 UVWdef.' write
expect write "$ENOMEM abcdef." write:error=ENOMEM
always write_all '6 UVWXYZ.' write
expect write_all '6 VWXYZf.' write:retval=1:when=1 # the kernel never took the first
expect write_all "$EIO abcdef." write:retval=0:when=1
always writev '3 UVWdef.' writev
expect writev "$ENOMEM abcdef." writev:error=ENOMEM
expect ftruncate '0 ab.....'
expect ftruncate '0 ab.....' ftruncate:error=EINTR:when=1..3
expect ftruncate "$ENOMEM abcdef." ftruncate:error=ENOMEM
always pwrite '3 aUVWef.' pwrite64
expect pwrite "$ENOMEM abcdef." pwrite64:error=ENOMEM
always pwrite_all '5 aUVWXY.' pwrite64
expect pwrite_all '5 abcWXY.' pwrite64:retval=2:when=1
expect fsync '0 .......'
expect fsync '0 .......' fsync,fdatasync:error=EINTR:when=1..3
expect fsync '0 .......' fsync:retval=0
expect fsync "$EIO ......." fsync:error=EIO
expect fsync "$ENOMEM ......." fdatasync:error=ENOMEM
expect poll '1 .......'
expect poll '1 .......' ppoll:error=EINTR:when=1..4
expect poll "$ENOMEM ......." ppoll:error=ENOMEM
expect poll_until '-110 .......'
expect poll_until '-110 .......' ppoll:error=EINTR:when=1..4
expect read_until '6 abcdef.'
expect read_until '6 abcdef.' preadv2:error=EINTR:when=1..3
for error in EAGAIN EOPNOTSUPP ENOSYS; do # … so that poll and an alarm are needed
    expect read_until '6 abcdef.' "preadv2:error=$error" ppoll:error=EINTR:when=1..3
    expect read_until '6 abcdef.' "preadv2:error=$error" read:error=EINTR:when=1..3
    expect read_until '6 abcdef.' "preadv2:error=$error" read:error=EAGAIN:when=1..3
    expect read_until "$ENOMEM ......." "preadv2:error=$error" ppoll:error=ENOMEM
    expect read_until "$ENOMEM ......." "preadv2:error=$error" read:error=ENOMEM
done
expect close '0 .......'
expect close '0 .......' close:error=EINTR
expect close "$EIO ......." close:error=EIO

paths=(other) # the program opens the rest itself
expect open '3 abc....'
expect open '3 abc....' openat:error=EINTR:when=1..3
expect open '-11 .......' openat:error=EAGAIN # nothing to wait for
expect open "$ENOMEM ......." openat:error=ENOMEM

paths=() # sockets have none
always accept '0 .......' accept4
expect accept "$ENOMEM ......." accept4:error=ENOMEM
always connect '0 .......' connect
expect connect "$ENOMEM ......." connect:error=ENOMEM
always send '3 UVW....' sendto
expect send "$ENOMEM ......." sendto:error=ENOMEM
always send_all '6 UVWXYZ.' sendto
expect send_all '6 VWXYZ..' sendto:retval=1:when=1
always sendmsg '3 UVW....' sendmsg
expect sendmsg "$ENOMEM ......." sendmsg:error=ENOMEM
always recv '6 abcdef.' recvfrom
expect recv "$ENOMEM ......." recvfrom:error=ENOMEM
always recv_until '6 abcdef.' recvfrom
always recv_all '6 abcdef.' recvfrom
expect recv_all '7 .abcdef' recvfrom:retval=1:when=1
expect recv_all "$ENOMEM abcdef." recvfrom:error=ENOMEM:when=2 # a connection's error comes once
always recvmsg '6 ab.cdef' recvmsg
expect recvmsg "$ENOMEM ......." recvmsg:error=ENOMEM

exit $((failures > 0))
