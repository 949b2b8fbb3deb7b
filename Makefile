# Two commands: `make demo` and `make test`. Each first sets up .venv if that has not been done yet.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check parity wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' Makefile

demo: .venv/.training ## fit a network to the built-in digits under 0.3 ms; the report lands in runs/demo
	$(BIN)/pocketvision fit digits --budget 0.3ms --threads 1 --time 3m --out runs/demo

test: .venv/.installed ## run the tests, two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/.installed ## run the linter, the formatter's check and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

parity: .venv/.installed ## compare every family with the modules of torchvision, timm, transformers and pytorchcv
	$(BIN)/python experiments/parity/run.py

wheel: .venv/.installed ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove .venv, the caches and what was built; runs/ stays
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache

# The stamps are written last: an interrupted or failed install is taken up again by the next `make`.
.venv/.training: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d is too old, 3.11 or newer is needed: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@echo "Installing pocketvision and the tested versions of its libraries into .venv (once; about a minute after several GB of download, most of it torch) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@touch $@

.venv/.installed: .venv/.training
	@echo "Installing what the tests and checks need besides ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	@touch $@
