# Two commands on a fresh machine with Python >= 3.10 and make: `make up` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
QUICKSTART := examples/quickstart/bootstrap.yaml
SCHEMA := templates/bootstrap.schema.json
REPORT_SCHEMA := docs/report.schema.json
# What isn't installed keeps its row, unless BACKENDS_FROM, PROVIDERS_FROM or OPERATORS_FROM names folders that have it.
BACKENDS := templates/backends.json
CONN_TYPES := templates/conn_types.json
SECRET_EXTRAS := templates/secret_extras.json
OPERATORS := templates/operators.json
# Three for two cores: tests wait, too.
PYTEST := $(BIN)/python -m compileall -q bootstrap tests && env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 3
SLOW_SECONDS := 90
RUN := $(BIN)/airflow-bootstrap -f $(QUICKSTART)
# Each a stamp: what is installed is what the file says, and a second run has nothing to do. --no-deps: the file is complete.
INSTALLED_UP := $(VENV)/.installed-quickstart
INSTALLED_DEV := $(VENV)/.installed-dev
OLDEST := 2.11
NEWEST := 3.3
OLDER := $(OLDEST) 3.0 3.1 3.2
RELEASES := $(NEWEST) $(OLDEST)
JUNIT = --junitxml=.compat/python-3.13.xml -o junit_suite_name=$(1)
INSTALLED_OLDER := $(OLDER:%=.venv-%/.installed)
INSTALLED_BIGQUERY := .venv-bigquery/.installed
PACKAGES := busybox-static docker-compose docker.io iptables mariadb-server openjdk-17-jre-headless openssh-server redis-server runc

.PHONY: help up down test test-all test-slow compat compat-all compat-page compat-python $(OLDER:%=compat-%) compat-$(NEWEST) lint types format check house schema bench lock system-deps systems clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: $(INSTALLED_UP)  ## install, start the quickstart's systems, and bootstrap an Airflow that reaches them
	@$(BIN)/python -m examples.quickstart.systems up
	@$(RUN) up

down:  ## stop what `make up` started; data stays
	@if [ -x $(BIN)/airflow-bootstrap ]; then $(BIN)/python -m examples.quickstart.systems down; fi

test: $(INSTALLED_DEV) $(INSTALLED_BIGQUERY) | systems  ## run the tests, but for those marked slow and those of compat (thirteen minutes)
	@$(PYTEST) --dist loadfile --no-loadscope-reorder --ignore tests/compat $(ARGS)

test-all: $(INSTALLED_DEV) $(INSTALLED_BIGQUERY) | systems  ## run all tests (hours); with ARGS=tests/checks: of that folder
	@$(PYTEST) --dist worksteal --slow all $(ARGS)

test-slow: $(INSTALLED_DEV) $(INSTALLED_BIGQUERY) | systems  ## run slow tests drawn by lot, for SLOW_SECONDS; SLOW_SEED repeats a draw
	@$(PYTEST) --dist worksteal --slow $$(( 2 * $(SLOW_SECONDS) )) $(ARGS)

compat: $(RELEASES:%=compat-%)  ## run the small suite on the newest Airflow and on the oldest supported, or on RELEASES

compat-$(NEWEST): $(INSTALLED_DEV)
	@COMPAT_RESULTS=.compat/$(NEWEST).json $(BIN)/python -m pytest tests/compat $(ARGS)

$(OLDER:%=compat-%): compat-%: .venv-%/.installed
	@if [ -x .venv-$*/bin/python ]; then COMPAT_RESULTS=.compat/$*.json .venv-$*/bin/python -m pytest tests/compat $(ARGS); fi

compat-all: $(INSTALLED_DEV)  ## run the small suite on every Airflow, and all tests on Python 3.13; writes docs/compatibility.md
	@rm -rf .compat
	-@$(MAKE) --keep-going compat RELEASES="$(OLDER) $(NEWEST)"
	-@ARGS="$(ARGS) $(call JUNIT,test)" tools/python-3.13 test
	@$(MAKE) compat-page

compat-page: $(INSTALLED_DEV)  ## write docs/compatibility.md from what the last runs of each release found; exit 1 unless all was well
	@$(BIN)/python -m tools.compatibility .compat/*

compat-python: $(INSTALLED_DEV)  ## run the tests that start no Airflow and no server: what a Python can break (two minutes)
	@$(PYTEST) -m 'not airflow' $(foreach room,desired domain manifest register render util validation,tests/$(room)) $(ARGS)

lint: $(INSTALLED_DEV)  ## check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache --no-logo

types: $(INSTALLED_DEV)  ## check types
	@$(BIN)/mypy

check: lint types  ## lint and types

format: $(INSTALLED_DEV)  ## reformat
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

house: $(INSTALLED_DEV)  ## print the layout in figures: rooms, imports upwards, circles, function lengths, lines
	@$(BIN)/python -m tools.house

bench: $(INSTALLED_DEV)  ## measure all that benchmarks/ compares, into docs/benchmarks.md (ten minutes); with ONLY=startup,up: those
	@$(BIN)/python -m benchmarks

schema: $(INSTALLED_DEV)  ## generate the JSON Schemas, docs/checks.md, the rooms in docs/architecture.md and the tables of secrets backends and conn_types anew
	@$(BIN)/python -c 'from bootstrap.manifest.json_schema import generated; print(generated(), end="")' > $(SCHEMA).new
	@mv $(SCHEMA).new $(SCHEMA)
	@$(BIN)/python -c 'from tools.report_schema import generated; print(generated(), end="")' > $(REPORT_SCHEMA).new
	@mv $(REPORT_SCHEMA).new $(REPORT_SCHEMA)
	@$(BIN)/python -c 'from tools.checks_reference import generated; print(generated(), end="")' > docs/checks.md.new
	@mv docs/checks.md.new docs/checks.md
	@$(BIN)/python -c 'from tools.architecture import generated; print(generated(), end="")' > docs/architecture.md.new
	@mv docs/architecture.md.new docs/architecture.md
	@$(BIN)/python -c 'import sys; from tools.backends_table import generated; print(generated(sys.argv[1:]), end="")' $(BACKENDS_FROM) > $(BACKENDS).new
	@mv $(BACKENDS).new $(BACKENDS)
	@$(BIN)/python -c 'import sys; from tools.provider_tables import generated_conn_types; print(generated_conn_types(sys.argv[1:]), end="")' $(PROVIDERS_FROM) > $(CONN_TYPES).new
	@mv $(CONN_TYPES).new $(CONN_TYPES)
	@$(BIN)/python -c 'import sys; from tools.provider_tables import generated_secret_extras; print(generated_secret_extras(sys.argv[1:]), end="")' $(PROVIDERS_FROM) > $(SECRET_EXTRAS).new
	@mv $(SECRET_EXTRAS).new $(SECRET_EXTRAS)
	@$(BIN)/python -c 'import sys; from tools.operators_table import generated; print(generated(sys.argv[1:]), end="")' $(OPERATORS_FROM) > $(OPERATORS).new
	@mv $(OPERATORS).new $(OPERATORS)

lock: $(UV)  ## compile requirements/*.txt anew from pyproject.toml
	@export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	compile="$(UV) pip compile -q --universal --python-version 3.10 --generate-hashes --no-annotate \
	  --override requirements/overrides.in --extra airflow --extra embedded --group quickstart pyproject.toml"; \
	$$compile -o requirements/quickstart.txt && \
	$$compile --group dev --group systems -c requirements/quickstart.txt -o requirements/dev.txt && \
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
	  -o requirements/bigquery.txt requirements/bigquery.in && \
	for release in $(OLDER); do $(UV) pip compile -q --universal --python-version 3.10 --generate-hashes --no-annotate \
	  -o requirements/airflow-$$release.txt requirements/airflow-$$release.in pyproject.toml --extra embedded || exit; done

system-deps:  ## install the Debian packages that tests need (as root)
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null; }

# Tests skip what is still missing then, and say why; with CI=true they fail.
systems:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || \
	  if ! command -v apt-get >/dev/null; then echo "no apt-get here: tests of systems that are not installed are skipped"; \
	  elif [ "$$(id -u)" = 0 ]; then $(MAKE) system-deps; \
	  elif sudo -n true 2>/dev/null; then sudo -n $(MAKE) system-deps; \
	  else echo "not root: tests of systems that are not installed are skipped; install them with: sudo make system-deps"; \
	  fi || echo "the packages could not be installed: tests that need them are skipped"

clean: down  ## remove what the quickstart made, and .venv
	@rm -rf $(VENV) .venv-bigquery $(OLDER:%=.venv-%) examples/quickstart/.bootstrap examples/quickstart/.airflow examples/quickstart/.systems

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "airflow-bootstrap needs Python 3.10 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

$(INSTALLED_UP): requirements/quickstart.txt pyproject.toml | $(UV)
	@$(UV) pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements/quickstart.txt
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

# Compiled once: tests start Airflow hundreds of times, and where PYTHONDONTWRITEBYTECODE is set, each start would compile it.
$(INSTALLED_DEV): requirements/dev.txt $(INSTALLED_UP) | $(UV)
	@$(UV) pip install -q --python $(BIN)/python --no-deps --require-hashes --compile-bytecode -r requirements/dev.txt
	@touch $@

# 2.11 and 3.0 need Python 3.12 or older, and 3.1 and 3.2 take it.
$(INSTALLED_OLDER): .venv-%/.installed: requirements/airflow-%.txt | $(UV)
	@for python in $(PYTHON) python3.12 python3.11 python3.10 ""; do \
	  $$python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' 2>/dev/null && break; done; \
	if [ -n "$$python" ]; then $$python -m venv .venv-$* && \
	  $(UV) pip install -q --python .venv-$*/bin/python --no-deps --require-hashes --compile-bytecode -r $< && \
	  $(UV) pip install -q --python .venv-$*/bin/python --no-deps -e .; \
	else mkdir -p .venv-$* && echo "Airflow $* needs Python 3.12 or older: it is left out"; fi
	@touch $@

# bqemulator needs Python 3.11 or newer; without it the tests of BigQuery say so.
$(INSTALLED_BIGQUERY): requirements/bigquery.txt | $(UV)
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  $(PYTHON) -m venv .venv-bigquery && \
	  $(UV) pip install -q --python .venv-bigquery/bin/python --no-deps --require-hashes --compile-bytecode -r $<; \
	else mkdir -p .venv-bigquery; fi
	@touch $@
