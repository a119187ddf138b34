# What is done most often; `just` lists it. Everything here is a plain command that can be typed as well.

_default:
    @just --list --unsorted

# Does it compile, tests and benchmarks included?
check:
    cargo check --workspace --all-targets

# Format and lint
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Tests: a group and a part of a name, for example `just test lib ticket`
test *arguments:
    tests/run {{ arguments }}

# Which cases catch a fault, for example `just prove --fault 'create-*'`
prove *arguments:
    cargo run --release -- prove {{ arguments }}

# The main job against the embedded servers
demo *arguments:
    cargo run --release -- demo {{ arguments }}

# Accept snapshots that were meant to change, for example `just accept golden::`
accept name:
    INSTA_UPDATE=always tests/run cli {{ name }}

# Write the schemas anew after a key or a field of the record has changed
schemas:
    cargo run --release -- generate schema endpoints > docs/schemas/endpoints.schema.json
    cargo run --release -- generate schema suite > docs/schemas/suite.schema.json
    cargo run --release -- generate schema run > docs/schemas/run.schema.json

# Everything that has to pass before a change goes in
ci *arguments:
    .ci/run {{ arguments }}
