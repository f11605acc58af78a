# Everything that is done to sipguard from a shell. `make run` and `make test` need nothing set up before.
#
# Set-up is done once and remembered in stamp files under .venv/.made; a stamp is older than what it was
# made from when that changes, and then the step is done again.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The order of a recipe's prerequisites is the order in which failures are cheapest to learn.
.NOTPARALLEL:

# rustup puts cargo here, and only login shells have it on their path.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO_TARGET_DIR ?= $(CURDIR)/engine/target

PYTHON := .venv/bin/python
MADE := .venv/.made
# Tests wait for wires and clocks more than they compute, and every run of them has a network of its own.
WORKERS ?= 3
CARGO := cargo
MANIFEST := --manifest-path engine/Cargo.toml
# Directories too: a source that is removed changes only the directory.
ENGINE_SOURCES := engine/Cargo.toml engine/Cargo.lock $(shell find engine/src -type d -o -name '*.rs')

.PHONY: help run test build lint lint-python lint-engine stubs unit unit-python unit-engine \
        scenarios bench load faults simulate proofs fuzz api-fuzz format tour deb lock clean sipp phones promtool browser rust agents

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build sipp ## Start the daemon on demo data with two demo gateways, until Ctrl-C.
	@tools/run.sh

test: lint build stubs unit-engine sipp phones promtool browser ## Everything that CI runs, the cheap checks first; screenshots in build/screens.
	.venv/bin/pytest -n $(WORKERS) --dist loadfile

build: $(MADE)/engine $(MADE)/bytecode $(MADE)/pages ## Build the native engine and install sipguard into .venv.

lint: lint-python lint-engine ## Formatters, linters, types, layers; Python and Rust.

lint-python: $(MADE)/python
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Twice: as the crate's own tests see it, and as Python does, whose from_user is a property and no conversion.
lint-engine: $(MADE)/python | rust
	$(CARGO) fmt $(MANIFEST) --check
	$(CARGO) clippy -q --locked $(MANIFEST) --all-targets -- -D warnings
	PYO3_PYTHON=$(CURDIR)/$(PYTHON) $(CARGO) clippy -q --locked $(MANIFEST) --features python -- \
		-D warnings -A clippy::wrong_self_convention

stubs: $(MADE)/engine ## Compare sipguard/_engine.pyi with the built engine.
	$(PYTHON) -m mypy.stubtest --allowlist tools/stubtest.allow sipguard._engine

unit: unit-engine unit-python ## The tests that need no sipp.

unit-engine: | rust
	$(CARGO) test -q --locked $(MANIFEST)

unit-python: $(MADE)/engine $(MADE)/bytecode
	.venv/bin/pytest -m 'not scenario'

scenarios: $(MADE)/engine $(MADE)/bytecode sipp ## Real sipp against a real daemon; CASE=word picks by name, OVER=tls plays over TLS.
	$(if $(OVER),SIPGUARD_OVER=$(OVER)) .venv/bin/pytest -m scenario $(if $(CASE),-k '$(CASE)')

bench: build sipp ## Measure sipguard beside its peers; OPTIONS=--quick for a first look, --help for all.
	$(PYTHON) -m benchmarks $(OPTIONS)

agents: build phones ## PJSIP, baresip and linphone call each other, each over UDP, TCP and TLS.
	AGENTS=all .venv/bin/pytest tests/agents

load: build sipp ## 20,000 calls at 500 a second by sipp, and the proof that none is missing.
	$(PYTHON) -m benchmarks.load $(OPTIONS)

faults: build ## Kills, full and failing disks, locks, jumping clocks, lossy networks; KILLS=1000, resumes.
	$(PYTHON) -m tests.faults --kills $(or $(KILLS),200) $(OPTIONS)

simulate: build ## A million calls, losses and kills under a virtual clock; CALLS=1000000 SEED=0, resumes.
	$(PYTHON) -m tests.calls --calls $(or $(CALLS),1000000) --seed $(or $(SEED),0) $(OPTIONS)

proofs: build ## No channel too many, no micro-unit too few, 100,000 calls each; CALLS=100000 SEED=1.
	PROOF_CALLS=$(or $(CALLS),100000) PROOF_SEED=$(or $(SEED),1) .venv/bin/pytest -s --timeout=3600 \
		tests/calls/test_channels.py tests/calls/test_purses.py tests/calls/test_at_once.py tests/store/test_hot_account.py

api-fuzz: build ## schemathesis over every route of the API and tenants against each other; EXAMPLES=200 STEPS=5000.
	SCHEMA_EXAMPLES=$(or $(EXAMPLES),200) TENANT_STEPS=$(or $(STEPS),5000) .venv/bin/pytest --timeout=7200 \
		tests/web/test_schema.py tests/web/test_matrix.py

fuzz: | rust ## Fuzz parser and endpoint, INPUTS=1e6 messages each, resumes; TARGET=endpoint for one; needs nightly Rust.
	@tools/fuzz.sh $(or $(INPUTS),1e6) $(TARGET)

format: $(MADE)/python | rust ## Rewrite the sources in the house format.
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	$(CARGO) fmt $(MANIFEST)

tour: build sipp browser ## Look at every page with Chromium (build/screens), and renew the pictures of docs/tour.
	.venv/bin/pytest tests/ui
	@tools/tour.sh

deb: $(MADE)/python $(MADE)/pages | rust ## Build a Debian package for this machine's Python: build/sipguard_*.deb.
	@tools/deb.sh

lock: $(MADE)/python ## Choose the Python dependencies anew and write requirements.lock.
	tools/lock.sh --upgrade

clean: ## Remove what was built, not var/ (the demo database).
	rm -rf .venv engine/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find sipguard tests -name __pycache__ -prune -exec rm -rf {} +
	rm -f sipguard/_engine*.so

# Set-up --------------------------------------------------------------------------------------------------

$(MADE)/python: requirements.lock tools/python.sh
	@tools/python.sh
	@mkdir -p $(MADE) && touch $@

# pyproject.toml too: it names the commands that are installed.
$(MADE)/engine: $(MADE)/python $(ENGINE_SOURCES) pyproject.toml | rust
	@tools/engine.sh
	@touch $@

# Python keeps none by itself where PYTHONDONTWRITEBYTECODE is set: starts took a second longer for it.
$(MADE)/bytecode: $(MADE)/python $(shell find sipguard -name '*.py')
	@$(PYTHON) -m compileall -q sipguard
	@touch $@

$(MADE)/pages: tools/ui/package-lock.json tools/pages.sh
	@tools/system.sh npm 'command -v npm' npm 'it fetches the libraries of the web pages'
	@tools/pages.sh
	@mkdir -p $(MADE) && touch $@

rust:
	@tools/rust.sh

# Without them the tests that need them are skipped, and say so.
browser:
	-@tools/system.sh chromium 'command -v chromium' chromium 'tests look at the web pages with it'

phones:
	-@tools/system.sh baresip 'command -v baresip' baresip-core 'a real phone that calls through sipguard'
	-@tools/system.sh linphone-daemon 'command -v linphone-daemon' linphone-cli 'another one'

promtool:
	-@tools/system.sh promtool 'command -v promtool' prometheus 'it checks metrics and rules'

sipp:
	@tools/system.sh 'sipp' 'command -v sipp' sip-tester 'it plays callers and gateways'
