#!/bin/sh
# CPU seconds of our training and prediction beside XGBoost's and scikit-learn's: the same rows, one thread, one after the other.
# Appends to bench/results. usage: checks/bench/run.sh [large | intake | intake-large [ROWS]]     large: ten million rows, with peaks of memory
# intake: the check of deliveries beside pandera and Great Expectations; intake-large [ROWS]: a delivery of a hundred million rows
# PROFILE=dev measures the build of the tests instead of a release
set -eu
cd "$(dirname "$0")/../.."
profile="${PROFILE:-release}"
target="${CARGO_TARGET_DIR:-$PWD/target}"
# The workspace's lock file is the only one: cargo takes from the copy what is needed here.
cp Cargo.lock checks/bench/Cargo.lock
CARGO_TARGET_DIR="$target" cargo build --quiet --profile "$profile" --manifest-path checks/bench/Cargo.toml
[ "$profile" != dev ] || profile=debug
case "${1:-}" in
intake)
    mkdir -p "$PWD/target/bench"
    "$target/$profile/bench" "$PWD/target/bench" intake
    venv="$PWD/target/bench/venv"
    if ! cmp -s checks/bench/intake-requirements.txt "$venv/intake-requirements.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement checks/bench/intake-requirements.txt
        cp checks/bench/intake-requirements.txt "$venv/"
    fi
    machine="$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1 | tr -cs '[:alnum:]\n' '-' | tr '[:upper:]' '[:lower:]' | sed 's/-$//')"
    exec "$venv/bin/python" checks/bench/intake_peer.py "$PWD/target/bench" "bench/results/$(date -u +%F)-$machine-intake.txt"
    ;;
intake-large) exec "$target/$profile/bench" "$PWD/target/bench" "$@" ;;
esac
venv="$PWD/$(checks/peers/run.sh --environment)"
out="$PWD/target/bench"
export RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
"$target/$profile/bench" "$out" "$@"
"$venv/bin/python" checks/bench/peer.py "$out" bench/results "$@"
