# Everything that one does with a checkout. `make` alone lists it.

PORT ?= 8000
DIR ?= var/httpca
SUITES ?= unit fuzz flow simulation system browser
SERVERS ?= var/servers
PROGRAMS := rabbitmq postgresql softhsm haproxy openssl curl chromium systemd-analyze
RUNS ?= 1000
STEPS ?= 100
SECONDS ?= 120
REQUESTS ?= 3000
TIMES ?= 3
COUNT ?= 10000
SIZES ?= 100000,1000000

SHELL := /bin/sh
.DEFAULT_GOAL := help

# A word for the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'

BIN := .venv/bin
RUN_READY := .venv/ready-to-run
DEV_READY := .venv/ready-to-develop
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard pipeline/*/translations/*/LC_MESSAGES/*.po))
SOURCES := $(wildcard benchmarks pipeline settings tests tools)

.PHONY: help
help: ## list what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

# --- use -----------------------------------------------------------------------------------------

.PHONY: run
run: $(RUN_READY) $(CATALOGUES) ## start HttpCA here, in one process: PORT=8000 DIR=var/httpca
	@exec $(BIN)/httpca dev --dir $(call quoted,$(DIR)) --port $(call quoted,$(PORT))

.PHONY: servers
servers: $(RUN_READY) ## start a RabbitMQ and a PostgreSQL to try HttpCA on, until Ctrl-C: SERVERS=var/servers
	@tools/debian-packages.sh rabbitmq postgresql
	@exec $(BIN)/python -m tests.servers --dir $(call quoted,$(SERVERS))

# --- develop -------------------------------------------------------------------------------------

.PHONY: dev
dev: $(DEV_READY) $(CATALOGUES) ## set up .venv with all that developing needs

.PHONY: test
test: dev ## run all tests, installing the servers that they need: SUITES="unit fuzz flow simulation system browser"
	@tools/debian-packages.sh $(PROGRAMS)
	@exec $(BIN)/python tools/run_tests.py $(SUITES)

.PHONY: coverage
coverage: dev ## run all tests and write which lines they reached to var/coverage
	@tools/debian-packages.sh $(PROGRAMS)
	@exec $(BIN)/python tools/run_tests.py --coverage $(SUITES)

.PHONY: chaos
chaos: dev ## break everything under load, on real servers: SECONDS=120 REQUESTS=3000 SEED=N APART=1 JSON=FILE
	@tools/debian-packages.sh rabbitmq postgresql
	@exec $(BIN)/python -m tests.chaos --seconds "$(SECONDS)" --requests "$(REQUESTS)" \
		$(if $(SEED),--seed "$(SEED)") $(if $(APART),--apart) $(if $(JSON),--json $(call quoted,$(JSON)))

.PHONY: cluster
cluster: dev ## end the leading node of a RabbitMQ of three under load, and then a second one
	@tools/debian-packages.sh rabbitmq postgresql
	@exec $(BIN)/python -m pytest tests/system/test_cluster.py

.PHONY: simulate
simulate: dev ## simulate both sides under every fault, without servers: RUNS=1000 STEPS=100 SEED=N for one
	@exec $(BIN)/python -m tests.simulation --runs "$(RUNS)" --steps "$(STEPS)" \
		$(if $(SEED),--seed "$(SEED)")

.PHONY: mutants
mutants: dev ## take out one mechanism at a time, and show which test notices: MUTANTS="NAME ..."
	@tools/debian-packages.sh $(PROGRAMS)
	@exec $(BIN)/python -m tools.mutants $(MUTANTS)

.PHONY: bench
bench: dev ## measure how fast HttpCA is, on real servers: CASES="throughput ..." TIMES=3 COUNT=10000 SIZES=N,... JSON=FILE
	@tools/debian-packages.sh rabbitmq postgresql softhsm
	@exec $(BIN)/python -m benchmarks $(CASES) --times "$(TIMES)" --requests "$(COUNT)" \
		--sizes "$(SIZES)" --json $(call quoted,$(or $(JSON),var/bench.json))

.PHONY: bench-quick
bench-quick: dev ## the same in a minute, with few requests: a look, not a measurement
	@tools/debian-packages.sh rabbitmq postgresql
	@exec $(BIN)/python -m benchmarks --quick --json $(call quoted,$(or $(JSON),var/bench-quick.json))

.PHONY: fuzz
fuzz: dev ## feed everything that parses with what nobody meant to send: SECONDS=120 TARGETS="csr ..."
	@exec $(BIN)/python -m tests.fuzz --seconds "$(SECONDS)" $(TARGETS)

.PHONY: readme
readme: dev ## run the README's commands in a fresh clone of the last commit
	@tools/debian-packages.sh openssl curl
	@exec $(BIN)/python -m tools.readme

.PHONY: picture
picture: dev ## draw the README's picture of httpca approve anew, from a walk through it
	@exec $(BIN)/python -m tests.system.approve_walk

.PHONY: check
check: dev ## look at style, types and imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive pipeline settings tools
	$(BIN)/python -m tools.supply

.PHONY: advisories
advisories: dev ## ask PyPI for known weaknesses of every package in the lock (needs the network)
	@exec $(BIN)/python -m tools.supply.advisories

.PHONY: sbom
sbom: dev ## write what HttpCA runs on, as CycloneDX, to var/sbom.json
	@mkdir -p var
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file var/sbom.json requirements/run.txt

.PHONY: format
format: $(DEV_READY) ## put the source into its usual form
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.PHONY: lock
lock: $(DEV_READY) ## write requirements/*.txt anew after a change in pyproject.toml: UPGRADE=--upgrade
	tools/lock.sh $(UPGRADE)

.PHONY: clean
clean: ## remove what these rules have made, but nothing in var
	rm -rf .venv build dist *.egg-info .coverage* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache $(CATALOGUES)
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what these need -----------------------------------------------------------------------------

$(RUN_READY): requirements/run.txt pyproject.toml
	@tools/venv.sh run
	@touch $@

# All that running needs is part of what developing needs.
$(DEV_READY): requirements/dev.txt pyproject.toml
	@tools/venv.sh dev
	@touch $@ $(RUN_READY)

%.mo: %.po | $(RUN_READY)
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@
