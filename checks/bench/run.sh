#!/bin/sh
# CPU seconds of our training and prediction beside XGBoost's and scikit-learn's: the same rows, one thread, one after the other.
# Appends to bench/results. usage: checks/bench/run.sh [large]     large: ten million rows, with peaks of memory
# PROFILE=dev measures the build of the tests instead of a release
set -eu
cd "$(dirname "$0")/../.."
profile="${PROFILE:-release}"
target="${CARGO_TARGET_DIR:-$PWD/target}"
# The workspace's lock file is the only one: cargo takes from the copy what is needed here.
cp Cargo.lock checks/bench/Cargo.lock
CARGO_TARGET_DIR="$target" cargo build --quiet --profile "$profile" --manifest-path checks/bench/Cargo.toml
[ "$profile" != dev ] || profile=debug
venv="$PWD/$(checks/peers/run.sh --environment)"
out="$PWD/target/bench"
export RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
"$target/$profile/bench" "$out" "$@"
"$venv/bin/python" checks/bench/peer.py "$out" bench/results "$@"
