#!/bin/sh
# Go's sumdb code judges a log that ours wrote. Debian: golang-go golang-golang-x-mod-dev.
# usage: checks/peers/tlog/run.sh [FOLDER]   (a FOLDER made by make_log; without one, several sizes are made and judged)
set -eu
cd "$(dirname "$0")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="${GOCACHE:-$work/cache}" go build -o "$work/judge" main.go
if [ $# -gt 0 ]; then
    exec "$work/judge" "$1"
fi
for entries in 1 2 7 255 256 257 700; do
    if [ -n "${MAKE_LOG:-}" ]; then
        "$MAKE_LOG" "$work/$entries" "$entries"
    else
        (cd ../../.. && cargo run -q -p store --example make_log -- "$work/$entries" "$entries")
    fi
    "$work/judge" "$work/$entries"
done
# A flipped bit in a tile of hashes must be refused too.
tile="$work/7/log/tile/0/000.p/7"
printf 'x' | dd of="$tile" bs=1 seek=5 conv=notrunc 2>/dev/null
if "$work/judge" "$work/7" >/dev/null 2>&1; then
    echo "refused: a damaged tile was accepted" >&2
    exit 1
fi
echo "damaged tile refused"
