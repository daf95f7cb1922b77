#!/bin/sh
# Holds the routes for applications against their own OpenAPI document: schemathesis makes requests that keep it and requests
# that break it, and checks every answer; schemathesis_hooks.py adds that no answer tells more than it may. Loopback only, bounded
# by SECONDS.
#
#     checks/peers/schemathesis_peer.sh URL CA KEY SECONDS [PROJECT ORDINARY_KEY]
#
# With PROJECT (a real service's folder) real customers and rows are asked about; with ORDINARY_KEY (one with ordinary limits) a
# small part runs again, until the rate limit says no. Needs `st` (schemathesis 4) and python on the path. Installs nothing.
set -eu
url=${1:?URL} ca=${2:?CA} key=${3:?KEY} seconds=${4:-120} project=${5:-} ordinary=${6:-}
case $url in
https://localhost:* | https://127.0.0.1:*) ;;
*) echo "only against this machine" >&2 && exit 2 ;;
esac
here="$(cd "$(dirname "$0")" && pwd)"
SEEN="$PWD/schemathesis-seen"
: >"$SEEN"
metadata="$(python - "$url" "$ca" "$key" <<'PYTHON'
import json, ssl, sys, urllib.request
url, ca, key = sys.argv[1:]
request = urllib.request.Request(f"{url}/v2/models/churn", headers={"Authorization": f"Bearer {key}"})
answer = json.load(urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cafile=ca)))
print(answer["versions"][0])
print(json.dumps(answer["inputs"]))
PYTHON
)"
VERSION="${metadata%%
*}"
COLUMNS="${metadata#*
}"
PROJECT="$project"
SCHEMATHESIS_HOOKS=schemathesis_hooks
PYTHONPATH="$here"
PYTHONDONTWRITEBYTECODE=1
export SEEN VERSION COLUMNS PROJECT SCHEMATHESIS_HOOKS PYTHONPATH PYTHONDONTWRITEBYTECODE

# The document describes the header of binary tensors only in words, so bodies stay JSON. A fixed seed: the same requests each time.
fuzzed() {
    fuzz_key="$1" fuzz_seconds="$2" fuzz_examples="$3"
    shift 3
    timeout "$((fuzz_seconds + 60))" st --config-file "$here/schemathesis.toml" run "$url/openapi.json" --tls-verify "$ca" \
        --header "Authorization: Bearer $fuzz_key" --checks all --mode all --generation-with-security-parameters false --generation-database none \
        --max-examples "$fuzz_examples" --seed 7 --request-timeout 20 --no-color --max-time "$fuzz_seconds" "$@"
}
# How often each operation answered with each status.
counted() {
    sort "$SEEN" | uniq -c | awk '{ printf "%s %s %s x%s\n", $2, $3, $4, $1 }'
}
# So many answers with a status that begins so.
many() {
    grep -c " $1[0-9]*\$" "$SEEN" || true
}

# No key is let in at these, so every request is a refusal; an address that is refused too often is answered with 429 on every
# route. They are asked last and by themselves.
CLOSED='^/v1/(feeds|labels)/'
fuzzed "$key" "$seconds" "${EXAMPLES:-60}" --phases examples,coverage,fuzzing --exclude-path-regex "$CLOSED"
counted
figures="$(wc -l <"$SEEN") answers, $(many 2) good, $(many 4) refusals, $(many 5) faults"
# A judge that heard only refusals has judged nothing.
if [ -n "$project" ]; then
    for asked in "GET /v1/customers/{id}/churn 200" "POST /v1/predictions 200" "POST /v1/what-if 200" "POST /v2/models/churn/infer 200" \
        "POST /v2/models/churn/versions/{version}/infer 200" "GET /metrics 200"; do
        grep -qxF "$asked" "$SEEN" || {
            echo "no answer was $asked"
            exit 1
        }
    done
fi
if [ -n "$ordinary" ]; then
    : >"$SEEN"
    fuzzed "$ordinary" 20 10 --phases examples,fuzzing --include-path-regex '^/v1/' --exclude-path-regex "$CLOSED"
    counted
    [ "$(many 429)" -gt 0 ] && [ "$(many 200)" -gt 0 ] || {
        echo "an ordinary key was never held by its limit, or never answered"
        exit 1
    }
    figures="$figures; with ordinary limits $(many 200) good, $(many 429) held back"
fi
: >"$SEEN"
fuzzed "$key" 20 10 --phases examples,coverage,fuzzing --include-path-regex "$CLOSED" --exclude-checks ignored_auth
counted
[ "$(many 2)" -eq 0 ] && [ "$(many 4)" -gt 0 ] || {
    echo "a key was let in where no key may be, or nothing was asked"
    exit 1
}
echo "schemathesis: $figures; $(many 4) refusals where no key is let in"
