# DayBot. `make help` lists everything.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.synced
UV := uv==0.13.9

# Compiled modules halve the start of every process here.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up check lint types contracts test docs bench peers soak lock sbom env-example clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make the environment in .venv (Python 3.11, pinned by requirements.lock)

# Wheels with a hash of the lock and nothing else: a source distribution runs its author's code while it installs.
$(STAMP): requirements.lock pyproject.toml
	@echo "making the environment in .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: $(UV)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --only-binary :all: requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --verify-hashes --no-deps --build-constraints requirements.lock -e .
	@touch $(STAMP)

demo: setup  ## run the whole chain once on the simulated exchange: no account, no keys, no real money
	@$(BIN)/daybot demo

up: setup  ## exchange, Dagster, live runner and dashboard together, until Ctrl-C
	@$(BIN)/daybot up

check: lint types contracts docs test  ## all checks; .ci/run adds an audit of the packages

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

JOBS ?= 3
test: setup  ## the tests alone, in three processes: on two cores some of them wait (JOBS=1 for less); without those that measure or take minutes
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

docs: setup  ## build the documentation into build/site, its reference from the code; a broken link is an error (search needs python3 -m http.server -d build/site)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: setup  ## the benchmarks, each a ratio to a stated floor
	$(BIN)/python -m pytest -m benchmark -s

peers:  ## DayBot beside vectorbt, backtesting.py and nautilus_trader, in an environment of their own (.venv-peers)
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: $(UV)
	-@.venv-peers/bin/uv pip install --quiet --python .venv-peers/bin/python --requirement tests/benchmarks/peers/requirements.txt
	@.venv-peers/bin/python -W ignore tests/benchmarks/peers/compare.py

soak: setup  ## the tests that take minutes: a quarter on Celery, kills at random, readers while a night runs
	$(BIN)/python -m pytest -m soak -s

# A release that somebody has stolen is mostly found within days. What cannot wait for that: make lock AGE=2026-11-26.
AGE ?= 7 days
lock:  ## resolve requirements.lock anew: versions and hashes, no addresses, nothing younger than a week
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --exclude-newer "$(AGE)" --only-binary :all: --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements.lock

sbom: setup  ## what DayBot is made of, with licences and who needs whom: CycloneDX, in build/sbom.json
	@mkdir -p build
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --no-validate -o build/sbom.json $(BIN)/python 2>build/sbom.log \
	  || { cat build/sbom.log; exit 1; }

env-example: setup  ## write .env.example anew from the settings
	@$(BIN)/python -c "from pipelines.settings import example; print(example(), end='')" > .env.example

clean:  ## remove the environment and what runs left behind
	rm -rf .venv .daybot .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
