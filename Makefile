# make demo | test | unit | ui | lint | types | audit
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin
CONFIG ?= conf/demo.yaml
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYTHONPATH := $(CURDIR)

.PHONY: help setup servers demo test test-plain test-spark test-faults unit lint types audit ui clean

help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

setup:  ## make .venv complete: Java, compiler, pinned packages, Horovod
	@.toolchain/setup.sh

servers:
	@.toolchain/servers.sh

demo: setup  ## the main job on a generated platform: transactions in, order tables out
	@$(BIN)/replen run --config conf/demo.yaml

test: setup servers lint types  ## lint, types and all tests
	find replen -name '*.nb[ci]' -delete  # numba compiles again when a function's own file changes, not one it calls into
	$(MAKE) --jobs=2 --output-sync=target test-plain test-spark

test-plain:
	$(BIN)/python -m pytest -q --ignore=tests/spark --ignore=tests/jobs --ignore=tests/faults

test-spark:
	$(BIN)/python -m pytest -q tests/spark tests/jobs tests/faults

test-faults: setup servers  ## every fault at every write of every job, on every kind of database: hours
	REPLEN_FAULTS=all $(BIN)/python -m pytest -q -s tests/faults

unit: setup servers  ## only the tests that need no JVM
	$(BIN)/python -m pytest -q tests/unit tests/golden

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

audit: setup  ## known vulnerabilities of the pinned packages; asks a public database, so it needs a network
	python3.11 -m venv --clear .audit
	.audit/bin/pip install -q pip-audit
	.audit/bin/pip-audit --strict --no-deps --disable-pip -r .toolchain/constraints.txt

ui: setup  ## the MLflow UI on the runs of $(CONFIG)
	@$(BIN)/replen ui --config $(CONFIG)

clean:  ## remove what runs have written (not .venv)
	rm -rf warehouse .pytest_cache .mypy_cache .ruff_cache .hypothesis .audit
	find replen -name '*.nb[ci]' -delete
