# Milestake. `make run` and `make test` need only python3 (3.11 or later, with venv) and make.

VENV   ?= .venv
PYTHON ?= python3
JOBS   ?= 2
DB     ?= sqlite
SECONDS_LONG ?= 3600
BIN     = $(VENV)/bin
FLASK   = $(BIN)/flask --app wsgi

.DEFAULT_GOAL := help
.PHONY: help run test gate lint lock soak replay replay-offerings

help:  ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

run: $(VENV)/.installed  ## Install, migrate, load the demo, serve http://127.0.0.1:8000 with its worker
	$(FLASK) demo serve

test: $(VENV)/.installed-dev  ## Run every test, on SQLite and on a PostgreSQL that the tests start (ARGS="-k name")
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup $(ARGS)

soak: $(VENV)/.installed-dev  ## Play random lives against a model in dictionaries, new ones each time (SECONDS_LONG=3600, SOAK_SEED=n)
	SOAK_SECONDS=$(SECONDS_LONG) $(BIN)/python -m pytest -q tests/model -k soak --db $(DB)

gate: $(VENV)/.installed-dev  ## Look at more pages than the tests do, each at every size, with a real browser
	MILESTAKE_GATE=full $(BIN)/python -m pytest -q tests/browser $(ARGS)

lint: $(VENV)/.installed-dev  ## Check style and likely mistakes with ruff
	$(BIN)/ruff check .

replay: $(VENV)/.installed-dev  ## Run real contracts through the whole application (DATA=FILE.jsonl)
	@test -n "$(DATA)" || { echo 'Say which file: make replay DATA=../shared/data/milestone_contracts.jsonl'; exit 2; }
	PATH="$(abspath $(BIN)):$$PATH" $(FLASK) replay "$(DATA)"

replay-offerings: $(VENV)/.installed-dev  ## Run real filed offerings through the whole application (DATA=FILE.jsonl)
	@test -n "$(DATA)" || { echo 'Say which file: make replay-offerings DATA=../shared/data/offerings.jsonl'; exit 2; }
	PATH="$(abspath $(BIN)):$$PATH" $(FLASK) replay-offerings "$(DATA)"

lock:  ## Lock the libraries of requirements*.in anew, with hashes
	@lock=$$(mktemp -d) && trap 'rm -rf "$$lock"' EXIT && \
	$(PYTHON) -m venv "$$lock" && "$$lock/bin/pip" install --quiet uv && \
	for name in requirements requirements-dev; do \
	  "$$lock/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-header --no-emit-index-url $$name.in --output-file $$name.txt || exit 1; \
	done

# The stamps make repeated runs quick: pip runs again only when a lock has changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Milestake needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3 ...'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements.txt -r requirements-dev.txt
	@touch $@ $(VENV)/.installed
