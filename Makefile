# All that a developer or a curious user does with this repository. `make` alone lists the targets.
VENV   ?= .venv
PYTHON ?= python3
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
JOBS   ?= 2
LONG   ?= tests
PYTEST  = $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long test-again lint format types coverage bench man wheel clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml hatch_build.py $(wildcard src/shark/recorder/*.[chS])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "shark needs Python 3.11 or newer; say PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@

setup: $(READY)  ## the virtual environment, with shark and all that its tests need

demo: $(READY)  ## runs a real example under shark, then shows where its outputs come from
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

test: $(READY)  ## the whole suite, but for the long tests
	@failed=0; \
	$(PYTEST) -m 'not long and not serial' -n $(JOBS) tests || failed=1; \
	$(PYTEST) -m 'serial and not long' tests || failed=1; \
	exit $$failed

# pytest ends with 5 where it has found no test: LONG may name files that have none of a kind.
test-long: $(READY)  ## transparency, crash, fuzz, scale and soak tests: three quarters of an hour
	@failed=0; \
	$(PYTEST) -m 'long and not serial' -n $(JOBS) --durations=10 $(LONG) || [ $$? = 5 ] || failed=1; \
	$(PYTEST) -m 'long and serial' --durations=10 $(LONG) || [ $$? = 5 ] || failed=1; \
	exit $$failed

# Where no test is known to have failed, pytest ends with 5, and so does this: then it was something else that failed.
test-again: $(READY)  ## the tests that failed when they were run last, by themselves
	$(PYTEST) --last-failed --last-failed-no-failures none $(LONG)

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## ruff: mends what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## mypy, strict
	$(BIN)/mypy

coverage: $(READY)  ## lines and branches of the model that the tests reach
	$(PYTEST) -q -m 'not timed' -n $(JOBS) --cov=shark.model --cov-branch --cov-report=term-missing --cov-fail-under=95 tests/unit/model

bench: $(READY)  ## figures: untraced, shark, strace; a store of many runs; the flow of data
	@missed=0; for bench in run recorder verify store flow; do $(BIN)/python bench/$$bench.py || missed=1; done; exit $$missed

man: $(READY)  ## build/shark.1, made from the help texts
	@mkdir -p build
	$(BIN)/shark man > build/shark.1

wheel: $(READY)  ## dist/*.whl and the source archive
	$(BIN)/python -m build --outdir dist

clean:  ## removes what tests, demo and builds left
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and the virtual environment
	rm -rf $(VENV)
