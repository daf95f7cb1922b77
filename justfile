# What a developer runs. `just --list` shows it; `just` comes with `cargo install just` or the Python package rust-just.

_list:
    @just --list --unsorted

# watch the threat model at work on synthetic customers: from a signed feed to a served answer
demo *arguments:
    cargo run --locked --bin stayward -- demo {{ arguments }}

# all tests, the repository's rules among them; arguments go to nextest: `just test -p learn`
test *arguments:
    cargo nextest run --locked {{ if arguments == "" { "--workspace" } else { arguments } }}

# only the repository's rules
tidy:
    cargo nextest run --locked -p tidy

# what every change must pass: format, lints, tests, doc tests, a few peers
ci:
    checks/ci.sh

# other people's programs judge what ours wrote: Go, XGBoost, scikit-learn, delta-rs, sigstore's and in-toto's libraries
peers *arguments:
    checks/peers/run.sh {{ arguments }}

# write golden and generated files anew, to be reviewed
gen:
    STAYWARD_BLESS=1 cargo nextest run --locked --no-fail-fast -p tidy -p identity

# drive every parser with damaged input for so many seconds each: `just fuzz 10`, `just fuzz 60 csv`
fuzz seconds="10" *targets:
    checks/fuzz/run.sh {{ seconds }} {{ targets }}

# CPU seconds of our training and prediction against XGBoost's and scikit-learn's, on the same rows in one run
bench:
    checks/bench/run.sh

# the check of deliveries: schema and ranges beside pandera and Great Expectations, and the whole content check
bench-intake:
    checks/bench/run.sh intake

# The same for ten million rows, with peaks of memory; half an hour
bench-large:
    checks/bench/run.sh large
