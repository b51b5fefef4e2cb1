# `make up` and `make test` are the two commands; everything else is behind them. `make help` lists them all.

PYTHON ?= $(firstword $(foreach each,python3 python3.13 python3.12 python3.11,$(shell \
    $(each) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) and print("$(each)")' 2>/dev/null)) python3)
BIN := .venv/bin
# uv resolves in seconds what takes pip minutes; where it cannot reach an index that pip's settings name, pip does it.
INSTALL := sh -c '$(BIN)/uv pip install --quiet --python $(BIN)/python "$$@" 2>/dev/null || $(BIN)/python -m pip install --quiet "$$@"' install

.PHONY: help up pi down test bench lint constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 22

up: .venv/.installed ## set up, start everything, run the pipeline once, print how to install from the index
	@$(BIN)/piwright up

pi: .venv/.installed ## add an emulated Raspberry Pi as a worker (NAME=pi-1 SUITE=trixie ARCHITECTURE=armv7l)
	@$(BIN)/piwright worker emulate $(or $(NAME),pi-1) --suite $(or $(SUITE),trixie) --architecture $(or $(ARCHITECTURE),armv7l)

down: ## end everything that `make up` started
	@if [ -x $(BIN)/piwright ]; then $(BIN)/piwright down; else echo "Nothing was set up."; fi

test: lint ## every test, with lint and types
	@$(BIN)/python -m pytest

bench: .venv/.developing ## builds, index, serving and clients, each beside what others use
	@$(BIN)/python benchmarks/worker.py
	@$(BIN)/python benchmarks/index.py
	@$(BIN)/python benchmarks/serving.py
	@$(BIN)/python benchmarks/clients.py

lint: .venv/.developing ## ruff (rules and format) and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

constraints: .venv/.developing ## resolve every version anew
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header \
	    requirements.txt requirements-dev.txt -o constraints.txt

clean: down ## remove state and the virtual environment
	@if [ -d .piwright/emulated ] && [ -x $(BIN)/piwright ]; then $(BIN)/piwright worker remove --all; fi
	@rm -rf .piwright .venv

.venv/.installed: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) include/piwright/stack/preflight.py
	@echo "Setting up .venv with $$($(PYTHON) --version)."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(INSTALL) -r requirements.txt -c constraints.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@

.venv/.developing: .venv/.installed requirements-dev.txt
	@$(INSTALL) -r requirements.txt -r requirements-dev.txt -c constraints.txt
	@touch $@
