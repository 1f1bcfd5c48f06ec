# Everything happens in a .venv of the project's own; Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: help demo test soak lint bench bench-peers clean

help:  ## show this
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

$(STAMP): pyproject.toml constraints.txt exporter/version.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -qq --disable-pip-version-check --constraint constraints.txt --upgrade pip setuptools
	$(BIN)/pip install -qq --constraint constraints.txt --no-build-isolation --editable . --group test --group lint
	@touch $@

demo: $(STAMP)  ## see it work: sandbox, export, kill, resume, verify, in 20 seconds
	@$(BIN)/zexport demo

test: $(STAMP)  ## the whole suite
	$(BIN)/python -m pytest -n 2

soak: $(STAMP)  ## the long campaigns: kills, disks, power losses, by the hundred
	$(BIN)/python -m pytest -m soak -n 2

lint: $(STAMP)  ## style, rooms and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: $(STAMP)  ## measure what an export costs, and how much of the rate limit it uses, in eight minutes
	$(BIN)/python -m benchmarks

bench-peers: $(STAMP)  ## measure zexport beside other exporters, in about 15 minutes
	$(BIN)/python -m benchmarks.peers

clean:  ## remove what was made here
	rm -rf .venv .peers build dist *.egg-info .mypy_cache .ruff_cache .hypothesis zexport-demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
