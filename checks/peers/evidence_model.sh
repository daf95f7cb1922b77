#!/bin/sh
# OpenSSF's model_signing program judges a model that ours signed: accepts it, and refuses a changed, an extra and a missing file (T4, T7).
# usage: evidence_model.sh FOLDER, with FOLDER made by `cargo run -p store --example make_log -- FOLDER`
# needs: model-signing==1.1.1 and pyOpenSSL (it does not start without), on PATH or as $MODEL_SIGNING
set -eu
folder="$1"
program="${MODEL_SIGNING:-model_signing}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

verify() {
    "$program" verify key --public_key "$folder/bundle-key.pem" --signature "$folder/model.sig" "$1"
}
# The program exits with 1 both for a bad model and for a bug of its own, so the reason is looked for too.
refuses() {
    if verify "$work/model" >"$work/out" 2>&1 || ! grep -q "$2" "$work/out"; then
        echo "refused: model_signing did not refuse $1:" >&2
        cat "$work/out" >&2
        exit 1
    fi
    echo "model_signing refuses $1"
}
fresh() {
    rm -rf "$work/model"
    cp -r "$folder/model" "$work/model"
}

verify "$folder/model"
echo "model_signing accepts the model"
fresh && printf 'Weights' >"$work/model/model.bin" && refuses "a changed file" "Hash mismatch for 'model.bin'"
fresh && printf 'x' >"$work/model/extra" && refuses "an extra file" "Extra files"
fresh && rm "$work/model/card.json" && refuses "a missing file" "Missing files"
