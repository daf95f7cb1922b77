#!/bin/sh
# Drives every parser with damaged input: checks/fuzz/run.sh [SECONDS] [TARGET..]; STAYWARD_FUZZ_SEED gives another seed.
# An input that asks for more than 4 GiB of memory ends its process, which is a finding.
set -eu
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
# The workspace's lock file is the only one: cargo takes from the copy what is needed here.
cp Cargo.lock checks/fuzz/Cargo.lock
CARGO_TARGET_DIR="$target" cargo build --quiet --manifest-path checks/fuzz/Cargo.toml
[ $# -gt 0 ] || set -- 10
ulimit -v 4194304
exec "$target/debug/fuzz" "$@"
