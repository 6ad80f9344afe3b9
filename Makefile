# One command each; `make` alone lists them. Everything lives in .venv; nothing else of the machine is changed, except
# that `make test` installs Debian packages of real servers where it may (as root, or with sudo that asks nothing).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMPS := $(VENV)/.stamps
REFERENCE := .venv-reference
DEMO ?= $(BIN)/python -m examples.demo
# `make test PYTEST_ARGS="-k duckdb -n 0"` runs fewer of them.
PYTEST_ARGS ?= -n auto --dist loadfile

# uv works with the environment that is named here, whatever is activated in the caller's shell.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport PYTHONPATH
unexport PYTHONHOME
# What is compiled once starts faster the next time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- environment -------------------------------------------------------------------------------------------------------

$(STAMPS)/bootstrap: locks/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/bootstrap.txt
	@mkdir -p $(STAMPS) && touch $@

# What is installed for the demo is a part of what is installed for the tests, in the same versions.
$(STAMPS)/demo: $(STAMPS)/bootstrap locks/demo.txt pyproject.toml
	$(UV) pip install --quiet --require-hashes -r locks/demo.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/bootstrap locks/dev.txt pyproject.toml tests/thirdparty/hardpoint-lakeq/pyproject.toml
	$(UV) pip install --quiet --require-hashes -r locks/dev.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	$(UV) pip install --quiet --no-deps --no-build-isolation -e tests/thirdparty/hardpoint-lakeq
	@touch $@

$(REFERENCE)/.stamp: $(STAMPS)/bootstrap locks/reference.txt
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(REFERENCE)
	VIRTUAL_ENV=$(CURDIR)/$(REFERENCE) $(UV) pip install --quiet --require-hashes -r locks/reference.txt
	@touch $@

.PHONY: setup
setup: $(STAMPS)/dev ## Make .venv with all that development needs

.PHONY: services
services:
	@scripts/system-packages

# -- what people run ---------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(STAMPS)/demo ## Run the demonstration
	$(DEMO)

.PHONY: test
test: $(STAMPS)/dev services lint types imports ## Everything that is checked before a change goes in: lint, types, layers, tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: lint
lint: $(STAMPS)/dev ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(STAMPS)/dev ## Types of the package
	$(BIN)/mypy

.PHONY: imports
imports: $(STAMPS)/dev ## Layers of the package
	$(BIN)/lint-imports

.PHONY: format
format: $(STAMPS)/dev ## Mend the style
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

.PHONY: bench
bench: $(STAMPS)/dev $(REFERENCE)/.stamp ## Measure, beside the reference
	$(BIN)/python -m benchmarks --reference $(REFERENCE)/bin/python

.PHONY: docs
docs: $(STAMPS)/dev ## Write the parts of README and docs that come from the manifests
	$(BIN)/python scripts/readme_table.py

# -- locks -------------------------------------------------------------------------------------------------------------

COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url $(LOCK_ARGS)

.PHONY: lock
lock: $(STAMPS)/bootstrap ## Compile locks/ anew; LOCK_ARGS=--upgrade for newer versions
	$(COMPILE) --group pyproject.toml:bootstrap --no-annotate -o locks/bootstrap.txt
	$(COMPILE) pyproject.toml --all-extras --group dev -o locks/dev.txt
	$(COMPILE) pyproject.toml --extra deck --extra duckdb --extra memray --extra pandas --extra pandera --extra polars \
	  --extra sqlalchemy --group demo -c locks/dev.txt -o locks/demo.txt
	$(COMPILE) locks/reference.in -o locks/reference.txt
