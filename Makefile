# The targets below are all that one needs; `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test simulate histories chaos bench flamegraph check fmt lint rules deny cargo

# Words for the command that a target runs: make demo ARGS="--for 30s"
ARGS ?=

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: cargo ## build orderwatch and watch a small shop live at 60x speed; nothing to install
	cargo build --release --locked
	"$${CARGO_TARGET_DIR:-target}/release/orderwatch" demo $(ARGS)

test: cargo ## everything that must hold: format, lints, all tests, the monitoring rules
	tests/support/prepare.sh
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test chaos -- -D warnings
	cargo test --locked
	$(MAKE) --no-print-directory rules

simulate: cargo ## the simulation over many seeds: RUNS=10000
	ORDERWATCH_SIM_RUNS=$${RUNS:-10000} cargo test --release --locked --lib simulation:: -- --nocapture $(ARGS)

histories: cargo ## random orders under random policies, against an oracle of its own: RUNS=100000
	ORDERWATCH_HISTORIES=$${RUNS:-100000} cargo test --release --locked --test histories -- --nocapture $(ARGS)

chaos: cargo ## break three processes and a broker for minutes: ARGS="--minutes 10 --seed 7"
	tests/support/prepare.sh
	cargo test --release --locked --test chaos -- $(ARGS)

bench: cargo ## every figure beside its goal, small: ARGS="--bench drain -- 1000000" as BENCHMARKS.md has them
	tests/support/prepare.sh
	cargo bench --locked $(ARGS)

flamegraph: cargo ## where the time goes, as SVG in benches/flamegraphs (needs perf and inferno): ORDERS=100000
	tests/support/prepare.sh
	benches/flamegraph.sh

check: cargo ## does it compile
	cargo check --locked --all-targets

fmt: cargo ## format the code
	cargo fmt

lint: cargo ## clippy, warnings are errors
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test chaos -- -D warnings

rules: ## check and test the Prometheus rules
	promtool check config deploy/prometheus/prometheus.yml
	promtool test rules deploy/prometheus/tests/*.yml

deny: cargo ## licences, advisories and sources of the dependencies (needs cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: cargo install --locked cargo-deny"; exit 1; }
	cargo deny check $(ARGS)

cargo:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.89 or newer, see https://rustup.rs"; exit 1; }
