# A real project and its service, for the peers that are clients; sourced by run.sh, which sets BUILT and work.
#
# The project is `stayward demo`'s: generated customers, a supplier, people with second factors, a released model. Everything lies
# in target/peers/work. Nothing here runs behind a pipe or outlives run.sh: `service_stopped` is safe to call twice.

SERVICE="$work/real"
service=""

# Makes the project and three keys: two that may all but are not held by the rate limit, so that a peer reads answers and not only
# 429, and one as `api key create` makes it by default.
service_made() {
    customers="$1"
    stayward="$BUILT/stayward"
    "$stayward" demo --project "$SERVICE" --customers "$customers" --quiet || return 1
    "$stayward" --project "$SERVICE" login admin --credentials "$SERVICE-credentials.json" || return 1
    cp "$SERVICE/stayward.toml" "$work/ordinary.toml"
    sed -i -e 's/^per_minute = .*/per_minute = 6000/' -e 's/^distinct_customers_per_day = .*/distinct_customers_per_day = 1000000/' \
        "$SERVICE/stayward.toml"
    ! cmp -s "$SERVICE/stayward.toml" "$work/ordinary.toml" || {
        echo "stayward.toml has no limits of the api to raise"
        return 1
    }
    service_key all --right ask --right what-if --right metrics || return 1
    service_key client --right ask --right what-if || return 1
    # A key keeps the limits that it was made with, so the policy in force is the ordinary one again.
    cp "$work/ordinary.toml" "$SERVICE/stayward.toml"
    service_key ordinary --right ask --right what-if || return 1
    echo "a project of $customers customers, three keys"
}

# NAME RIGHTS..: the key's text goes into a file, so that no process list shows it.
service_key() {
    application="$1"
    shift
    "$stayward" --project "$SERVICE" --quiet api key create --app "$application" "$@" >"$work/key-$application"
}

# Serves on a free port; says where in URL.
service_started() {
    : >"$work/service.out"
    "$BUILT/stayward" --project "$SERVICE" --output ndjson serve --port 0 >"$work/service.out" 2>"$work/service.err" &
    service=$!
    waited=0
    until port="$(sed -n 's/.*"address":"[^"]*:\([0-9]*\)".*/\1/p' "$work/service.out")" && [ -n "$port" ]; do
        waited=$((waited + 1))
        if [ "$waited" -gt 600 ] || ! kill -0 "$service" 2>/dev/null; then
            echo "the service does not start:"
            cat "$work/service.out" "$work/service.err"
            return 1
        fi
        sleep 0.1
    done
    URL="https://localhost:$port"
    CA="$SERVICE/tls/ca.pem"
    echo "$URL"
}

# Ends it as an operator would. A service that was gone before, or does not end by itself, is a fault.
service_stopped() {
    [ -n "$service" ] || return 0
    stopping="$service"
    service=""
    kill -TERM "$stopping" 2>/dev/null || {
        echo "the service was gone before it was told to stop:"
        tail -n 20 "$work/service.err"
        return 1
    }
    wait "$stopping" || {
        echo "the service ended with $?:"
        tail -n 20 "$work/service.err"
        return 1
    }
    ! grep -n "panicked" "$work/service.err" || return 1
    echo "$(grep -c "^refused, ref " "$work/service.err") refusals in the operator's log, no panic, ended as told"
}
