# The two commands of a newcomer, and the longer ones behind them. Everything runs without standard input.
SHELL := /bin/sh
DEMO_DATA ?= target/demo-data
LISTEN ?= 127.0.0.1:8484

.PHONY: run test test-long bench mutants coverage lint setup web

## run: set up what is missing, build, start the server with a demo district, print address and demo logins
run: setup
	./tests/web/setup.sh && ./tests/web/build.sh || echo "the page in the browser is left out: its tool chain is not to be had here"
	cargo build --release -p server
	./tests/run-demo.sh "$(DEMO_DATA)" "$(LISTEN)"

## test: set up what is missing and run every test
test: setup
	./tests/run-tests.sh

## test-long: what does not fit into `make test`
test-long: setup
	./tests/run-tests.sh --long

## bench: the benchmarks beside their floors, as one table
bench: setup
	./tests/bench/run.sh

## mutants: mutation testing of merge, change and workflow (about half an hour)
mutants: setup
	./tests/mutants.sh

## coverage: line and branch coverage, as a table by module
coverage: setup
	./tests/coverage.sh

## lint: formatting and lints
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

## web: build the browser's page
web: setup
	./tests/web/setup.sh
	./tests/web/build.sh

setup:
	./tests/setup.sh
