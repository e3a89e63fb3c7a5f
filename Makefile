# Two commands do everything on a fresh machine with Python 3.11 or later: `make demo` and `make test`.
SHELL := bash
.DEFAULT_GOAL := help

PYTHON ?= python3
# What `make demo` and `make bench` are asked for, e.g. make demo CUSTOMERS=500 OUT=/tmp/shop
CUSTOMERS ?= 2000
OUT ?= retain-demo
LINES ?= 100000 1000000 5000000
# Words handed on, e.g. make test TESTS="tests/features -x"
TESTS ?=

# Small matrices only: a second BLAS thread costs more than it brings on two busy cores.
export OPENBLAS_NUM_THREADS := 1

BIN := .venv/bin
ROOMS := features strategies training serving retain
LINTED := $(ROOMS) tests benchmarks docs notebooks

.PHONY: help setup demo test check bench docs clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

setup: .venv/project ## Install everything into .venv/, once and again when the lock changes
	@bash .ci/openmp "$(BIN)/python"

demo: setup ## Simulate a shop and run the main job on it: check, train, score, list (CUSTOMERS=, OUT=)
	@$(BIN)/python -m retain demo --customers $(CUSTOMERS) --out-dir "$(OUT)"

test: setup ## Run all tests and doctests with coverage (TESTS= narrows them)
	@$(BIN)/python -m pytest -p no:cacheprovider -n 2 --dist loadfile $(if $(TESTS),$(TESTS),--cov --cov-report=term)

check: setup ## Lint, formatting, types, import contracts
	@$(BIN)/python -m ruff check $(LINTED)
	@$(BIN)/python -m ruff format --check $(LINTED)
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

bench: setup ## Time and memory of each step beside pandas and DuckDB (LINES="100000 1000000")
	@$(BIN)/python benchmarks/steps.py --lines $(LINES) --out docs/benchmark_steps.md

docs: setup ## Write the generated pages anew and check all pages
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m pytest -p no:cacheprovider -q --durations=0 tests/test_docs.py

clean: ## Remove the environment and every cache; data and lists stay
	@rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find $(ROOMS) tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or later, or name it: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Retain needs 3.11 or later. Name a newer one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python cannot make virtual environments. Install them with: apt-get install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/lock: requirements.lock .venv/python
	@echo "Installing the locked packages into .venv/ (about 1.2 GB; one to five minutes, once) ..."
	@set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
	  --require-hashes -r requirements.lock 2>&1 | awk -v most=$$(grep -c == requirements.lock) \
	  '/^(Collecting|Requirement already)/ && ++n % 20 == 0 {printf "  %d of at most %d\n", n, most; fflush()} \
	   /^Installing collected/ {print "  unpacking and compiling ..."; fflush()} \
	   /^ERROR/ {failed = 1} failed || /Retrying/ {print > "/dev/stderr"}'
	@touch $@

.venv/project: pyproject.toml .venv/lock
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q $(ROOMS)
	@touch $@
