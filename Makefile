# Everything runs in .venv, which is made here with nothing but Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
# A start compiles what has no bytecode, for 0.3 s. An editable installation writes none, and Python
# none where PYTHONDONTWRITEBYTECODE is set.
BYTECODE := $(BIN)/python -m compileall -q src

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint compiled bench coverage clean

help: ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Ogi needs Python 3.11 or later, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Making a virtual environment failed. On Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(RUN): $(BIN)/python pyproject.toml
	@echo "Installing Ogi and what it needs (a minute or so) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BYTECODE)
	@touch $@

$(DEV): $(BIN)/python pyproject.toml
	@echo "Installing Ogi, its tests and their tools (a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BYTECODE)
	@touch $@ $(RUN)

demo: $(RUN) ## Run the whole chain and show the way of a file, hop by hop.
	@$(BYTECODE)
	@$(BIN)/ogi demo

test: lint compiled ## All that CI runs: everything compiled (if a compiler is here), the fast layers as Python too.
	@$(BYTECODE)
	@$(BIN)/python -m pytest -n 2 --dist loadfile
	@OGI_COMPILED=0 $(MAKE) --no-print-directory quick

quick: $(DEV) ## The fast layers alone: under a minute.
	@$(BYTECODE)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow' --ignore tests/scenarios --ignore tests/crash

lint: $(DEV)
	@$(BIN)/ruff format --check --quiet . || { echo "Run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

compiled: $(DEV) ## Compile the modules that every request runs through, if a C compiler is here.
	@$(BIN)/python -m ogi.compiling

bench: compiled ## Measure every promise of speed; prints a table, keeps JSON in benches/results.
	@$(BIN)/python -m benches.run

coverage: $(DEV) ## Write docs/coverage.md and docs/settings.md anew.
	@$(BIN)/python -m ogi.docs

clean: ## Remove what was made here.
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info src/*.egg-info src/ogi/_compiled
