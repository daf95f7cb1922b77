#!/bin/sh
# What every change must pass: format, lints, tests (the repository's rules among them), doc tests, and a few judgements by other
# people's programs. Prints what each stage took. Writes only below target/; installs from Debian only what is missing: the
# solver of the proofs, and what the last stage needs. One build for all stages but the lints: the same profile, the same features, nothing released.
set -eu
cd "$(dirname "$0")/.."
export CARGO_INCREMENTAL=0
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
NEXTEST_VERSION=0.9.143
times=""

stage() {
    name="$1"
    shift
    echo "== $name"
    started="$(date +%s)"
    if ! "$@"; then
        echo "== $name: FAILED after $(($(date +%s) - started)) s"
        exit 1
    fi
    took="$(($(date +%s) - started)) s"
    echo "== $name: ok, $took"
    times="$times  $name $took;"
}

# Rust's own parts come with the toolchain and cannot be made here, so their absence is said at once.
for part in fmt clippy; do
    cargo "$part" --version >/dev/null 2>&1 || {
        echo "missing: \`cargo $part\`; install the rustfmt and clippy components of this toolchain" >&2
        exit 1
    }
done

install_nextest() {
    cargo install --locked --quiet --root target/tools --target-dir target/tools/build cargo-nextest@"$NEXTEST_VERSION"
}
PATH="$PWD/target/tools/bin:$PATH"
export PATH
cargo nextest --version >/dev/null 2>&1 || stage "install nextest" install_nextest

# Without the solver the proofs of the access rules are skipped, and say so.
install_solver() {
    [ "$(id -u)" = 0 ] || return 0
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends cvc5 >/dev/null
}
command -v cvc5 >/dev/null 2>&1 || stage "install cvc5" install_solver
if command -v cvc5 >/dev/null 2>&1; then
    export STAYWARD_NEEDS_SOLVER=1
fi

stage "format" cargo fmt --all --check
stage "lints" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
stage "build" cargo build --workspace --all-targets --locked --quiet
stage "tests" cargo nextest run --workspace --locked --profile ci
stage "doc tests" cargo test --doc --workspace --locked --quiet
stage "peers" checks/peers/run.sh --smoke
echo "== all ok:$times"
