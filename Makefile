# Everything runs in its own environment, created from the lock file with hashes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= synthetic
FORMAT ?= jsonl
ALGORITHM ?= gradient_boosting
SPLIT ?= time
OUTPUT ?= artifacts/current
ALERT_SHARE ?= 0.05
CONTRACT ?= auto
CLAIMS ?= 20000
ROUNDS ?= 20
SEED ?= 1
WORKERS ?= 1
SERVICE ?= pypi

# File names as a single shell word, whatever they contain.
quoted = '$(subst ','\'',$(1))'

export OMP_NUM_THREADS ?= 1
# Parts of the stack started in addition to its core: grafana, generator.
export COMPOSE_PROFILES ?= grafana

.DEFAULT_GOAL := help
.PHONY: help setup runtime demo test check quick coverage lint audit train run serve topics kafka bench chaos up claims down schemas pictures lock clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# On every core. A file's tests stay together, so that what they share is made once.
PARALLEL = --numprocesses auto --dist loadfile
# schemathesis serves a single slow test, and takes seconds to load in every process.
QUICK = -m "not kafka and not slow" $(PARALLEL) \
  -p no:schemathesis --ignore tests/http/test_contract.py --hypothesis-profile quick
COVERED = "statements executed by tests without a broker: $$($(BIN)/coverage report --format=total) %"

INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.13 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock | $(BIN)/pip
	$(INSTALL) --require-hashes -r requirements/runtime.lock
	@touch $@

# What is needed to develop the product; includes everything the runtime needs.
$(VENV)/.ready: requirements/dev.lock pyproject.toml | $(BIN)/pip
	$(INSTALL) --require-hashes -r requirements/dev.lock
	PYTHONWARNINGS=ignore $(INSTALL) --no-deps --no-index --no-build-isolation --editable .
	@touch $@ $(VENV)/.runtime

setup: $(VENV)/.ready ## create the development environment, with the command .venv/bin/fraud-scorer

runtime: $(VENV)/.runtime # only what a worker needs, half the size

demo: runtime ## demonstrate scoring on an embedded broker (CONTRACT=health, property or motor; DATA=FILE FORMAT=carclaims)
	@$(BIN)/python -m consumer demo --data $(call quoted,$(DATA)) --format $(FORMAT) \
	  --claims $(CLAIMS) --contract $(CONTRACT)

# Tests on a broker wait most of the time, so three run at once, each process on a broker of its own.
# Fault injection waits for moments that other tests, or tracing, would move: it runs after them, in
# processes with brokers of their own.
test: setup lint ## lint, type check and run every test, on a real Apache Kafka; measure coverage
	@failed=0; \
	$(BIN)/python -m pytest -m "not kafka" $(PARALLEL) --cov --cov-report= || failed=1; \
	echo $(COVERED); \
	$(BIN)/python -m pytest -m kafka --numprocesses 3 --dist loadfile --ignore tests/chaos || failed=1; \
	$(BIN)/python -m pytest -m kafka --numprocesses 3 --dist worksteal tests/chaos || failed=1; \
	exit $$failed

check: setup ## lint, type check and the tests that are fast and need no broker
	@$(MAKE) --no-print-directory --jobs=2 quick lint

quick: setup # these tests alone, while ruff and mypy use what they leave of the processors
	$(BIN)/python -m pytest --quiet $(QUICK)

coverage: setup ## share of the statements that those tests execute in their own process
	$(BIN)/python -m pytest --quiet $(QUICK) --cov --cov-report=
	@echo $(COVERED)

lint: setup ## ruff and mypy --strict
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

audit: setup ## licences and known vulnerabilities of the locks (SERVICE=osv uses another database)
	$(BIN)/python -m pytest --quiet tests/test_licences.py
	$(BIN)/python -m tests.audit --service $(SERVICE)

train: setup ## train a model (DATA, FORMAT, ALGORITHM, SPLIT, OUTPUT; ALERT_SHARE of the claims are referred)
	$(BIN)/python -m model train --data $(call quoted,$(DATA)) --format $(FORMAT) \
	  --algorithm $(ALGORITHM) --split $(SPLIT) --alert-share $(ALERT_SHARE) \
	  --output $(call quoted,$(OUTPUT))

run: runtime ## score claims from Kafka (settings from the environment)
	$(BIN)/python -m consumer run

serve: runtime ## answer POST /fraud-detection
	$(BIN)/python -m consumer serve

topics: runtime ## create the topics
	$(BIN)/python -m consumer topics

kafka: setup ## keep an Apache Kafka running for trying things, with Java 17 and Maven instead of Docker
	$(BIN)/python -m tests.broker

bench: setup ## benchmark against the bare client and its peers on a real broker (AGAINST=commit)
	$(BIN)/python -m benchmarks --picture docs/pictures/bench.png $(if $(AGAINST),--against $(call quoted,$(AGAINST)))

chaos: setup ## inject faults into the worker on a real broker (ROUNDS, SEED)
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED)

up: ## the whole stack in containers (WORKERS=3 for three; COMPOSE_PROFILES= without Grafana)
	docker compose up --build --detach --wait --scale worker=$(WORKERS)
	@deploy/addresses.sh

claims: ## send synthetic claims through the stack (RATE per second)
	docker compose --profile generator up --detach --no-recreate generator

down: ## stop the stack; stored data is kept (docker compose down --volumes removes it)
	docker compose --profile '*' down

pictures: setup ## draw the pictures of the documentation (needs Chromium for two of the three)
	$(BIN)/python -m pictures

schemas: setup ## write the documents generated from the types
	$(BIN)/python -m schemas.export

lock: ## renew the lock files (needs uv)
	uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" pyproject.toml --extra crypto --extra memory -o requirements/runtime.lock
	uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" pyproject.toml --extra crypto --extra memory --extra memory-postgres \
	  --extra registry --extra tracing -o requirements/extras.lock
	uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" pyproject.toml --all-extras -o requirements/dev.lock

clean: ## remove everything that was generated
	rm -rf $(VENV) artifacts reports .mypy_cache .ruff_cache .pytest_cache .hypothesis
