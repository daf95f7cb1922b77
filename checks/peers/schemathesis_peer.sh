#!/bin/sh
# Holds the routes for applications against their own OpenAPI document: schemathesis makes requests that keep it and requests
# that break it, and checks every answer. Loopback only, bounded by SECONDS.
#
#     cargo run -p server --example fake -- 8443 DIR
#     checks/peers/schemathesis_peer.sh https://localhost:8443 DIR/tls/ca.pem swk_all [SECONDS]
#
# Needs `st` (schemathesis 4) on the path. Installs nothing.
set -eu
url=${1:?URL} ca=${2:?CA} key=${3:?KEY} seconds=${4:-120}
case $url in
https://localhost:* | https://127.0.0.1:*) ;;
*) echo "only against this machine" >&2 && exit 2 ;;
esac
# The document describes the header of binary tensors only in words, so bodies stay JSON. A fixed seed: the same requests each time.
exec timeout "$((seconds + 60))" st --config-file "$(dirname "$0")/schemathesis.toml" run "$url/openapi.json" --tls-verify "$ca" --header "Authorization: Bearer $key" \
    --checks all --mode all --generation-with-security-parameters false --max-examples 60 --seed 7 --request-timeout 20 --no-color \
    --phases examples,coverage,fuzzing --max-time "$seconds"
