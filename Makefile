# Each target sets itself up. PYTHON names the interpreter (3.11 or newer) to begin with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/.parts/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help demo test faults faults-disk reloads lint types contracts policies controls mutants mutants-sample interop writers interop-witness bench bench-audit bench-impact requirements clean

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Set up anew when the pinned requirements or the package's metadata change.
$(VENV)/runtime.ok: requirements/runtime.txt pyproject.toml
	@echo "Setting up $(VENV) (pinned, hash-checked packages) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python deploy/link.py
	@touch $@

$(VENV)/dev.ok: requirements/dev.txt $(VENV)/runtime.ok
	@echo "Adding test tools to $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.parts/bin/opa: deploy/parts.py deploy/part_list.py
	@$(PYTHON) deploy/parts.py opa

.parts/bin/litewitness .parts/bin/regal .parts/bin/age .parts/bin/age-keygen .parts/bin/sops .parts/bin/fsck .parts/bin/versitygw: deploy/parts.py deploy/part_list.py
	@$(PYTHON) deploy/parts.py $(@F)

# Debian's, found on the machine or unpacked into the cache.
.parts/bin/postgres: deploy/postgresql.py deploy/parts.py
	@$(PYTHON) deploy/postgresql.py

.parts/bin/pgbouncer: deploy/postgresql.py deploy/parts.py
	@$(PYTHON) deploy/postgresql.py pgbouncer

# Older and newer versions, to see that they give the same verdicts.
.parts/bin/opa-%: deploy/parts.py deploy/part_list.py
	@$(PYTHON) deploy/parts.py opa@$*

demo: $(VENV)/runtime.ok .parts/bin/opa  ## the whole product on this machine's own processes
	@$(BIN)/gateway demo

test: $(VENV)/dev.ok .parts/bin/opa  ## unit, contract, property, fault and end-to-end tests
	@$(BIN)/python -m pytest tests --ignore=tests/interop -n 2 --dist loadfile --durations 10

faults: $(VENV)/dev.ok .parts/bin/opa  ## kill the gateway fifty times under eight clients
	@GATEWAY_KILLS=50 $(BIN)/python -m pytest -s tests/faults/test_gateway_killed.py

# DISK_RUNS: runs a test, or all: every write in every way, an hour on two cores.
faults-disk: $(VENV)/dev.ok .parts/bin/opa  ## every write fails in turn below the database (DISK_RUNS=all)
	@command -v cc gcc clang >/dev/null || { echo "A C compiler is needed: apt-get install gcc libc6-dev (Debian), dnf install gcc (Fedora), apk add build-base (Alpine)"; exit 1; }
	@DISK_RUNS=$${DISK_RUNS:-all} DISK_KILLS=$${DISK_KILLS:-20} $(BIN)/python -m pytest -s -n 2 $(wildcard tests/faults/test_disk_*.py)

reloads: $(VENV)/dev.ok .parts/bin/opa  ## two hundred activations under 100 requests a second
	@GATEWAY_RELOADS=200 $(BIN)/python -m pytest -s tests/e2e/test_reload_under_load.py

lint: $(VENV)/dev.ok  ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/dev.ok  ## mypy --strict, tests too
	@$(BIN)/mypy gateway collector tests bench

contracts: $(VENV)/dev.ok  ## the direction of imports
	@$(BIN)/lint-imports

policies: $(VENV)/dev.ok .parts/bin/opa  ## OPA's own check, format and tests over policies/
	@.parts/bin/opa check --strict --capabilities policies/capabilities.json -b policies
	@test -z "$$(.parts/bin/opa fmt --list policies)" || { .parts/bin/opa fmt --list policies; exit 1; }
	@$(BIN)/gateway policy check policies --strict
	@$(BIN)/gateway policy test policies

controls: $(VENV)/dev.ok .parts/bin/opa  ## write docs/controls.md anew
	@$(BIN)/gateway policy controls policies

mutants: $(VENV)/dev.ok .parts/bin/opa  ## change the policies in 320 ways; the tests must notice
	@$(BIN)/python -m tests.mutants

mutants-sample: $(VENV)/dev.ok .parts/bin/opa
	@$(BIN)/python -m tests.mutants --sample 60 --budget-seconds 400

interop: $(VENV)/dev.ok .parts/bin/opa .parts/bin/regal .parts/bin/age .parts/bin/age-keygen .parts/bin/sops .parts/bin/fsck .parts/bin/versitygw .parts/bin/postgres .parts/bin/pgbouncer .parts/bin/opa-1.21.0 .parts/bin/opa-1.22.3 policies mutants-sample  ## the real parts
	@$(BIN)/python -m pytest -s tests/interop
	@DISK_RUNS=25 DISK_KILLS=5 $(BIN)/python -m pytest -s -n 2 tests/faults/test_disk_writes.py tests/faults/test_disk_gateway.py

writers: $(VENV)/dev.ok .parts/bin/postgres  ## four writers for a minute on each store, forty deaths of PostgreSQL
	@GATEWAY_WRITERS_SECONDS=60 GATEWAY_SERVER_KILLS=40 $(BIN)/python -m pytest -s tests/interop/test_postgresql_writers.py

# Apart from `interop`: its Go is newer than the machine's may be, so that a toolchain comes with it.
interop-witness: $(VENV)/dev.ok .parts/bin/litewitness  ## torchwood's litewitness cosigns our checkpoints
	@$(BIN)/python -m pytest -s tests/interop/test_litewitness.py tests/interop/test_witness.py

bench: $(VENV)/dev.ok .parts/bin/opa  ## verdicts per second beside the real OPA, in one run
	@$(BIN)/python -m bench.decisions

bench-audit: $(VENV)/dev.ok .parts/bin/postgres  ## append, verify, export and prove, beside the machine's own limits
	@$(BIN)/python -m bench.audit

bench-impact: $(VENV)/dev.ok .parts/bin/opa  ## a million recorded verdicts under a candidate
	@$(BIN)/python -m bench.impact

requirements:  ## pin the requirements anew (needs uv)
	@requirements/compile.sh

clean:  ## remove what the other targets made here
	rm -rf $(VENV) .parts .demo bench/out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
