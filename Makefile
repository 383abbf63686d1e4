# The commands of this project. `make help` lists them. Each works as the first command after a clone.
SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
ISSUER_PORT ?= 8080
VERIFIER_PORT ?= 8090
OUT ?= demo-out
JOBS ?= 2
FUZZ_SECONDS ?= 60
FUZZ_JOBS ?= $(JOBS)
ONCE ?=

# The first interpreter that runs, is new enough and can make a virtual environment; PYTHON=... overrides.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do \
	if $$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help install demo test fuzz lint format bench lock schemas attack-table soak clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python >= 3.11 that can make a virtual environment was found."; \
		version=$$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo 3.11); \
		echo "  Debian, Ubuntu:  apt install python$$version-venv   (or python3-venv)"; \
		echo "  Fedora:          dnf install python3"; \
		echo "  Another place:   make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; \
		exit 1; fi
	@echo "Installing into $(VENV) with $$($(PYTHON) --version), every package pinned by its hash ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.installed ## Make .venv with everything pinned

demo: $(VENV)/.installed ## Walk the whole way on this machine (ONCE=1: leave the files in demo-out/ and stop)
	@ISSUER_PORT=$(ISSUER_PORT) VERIFIER_PORT=$(VERIFIER_PORT) $(BIN)/python -m demo --out $(OUT) $(if $(ONCE),--once)

test: $(VENV)/.installed ## Run all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not soak" $(ARGS)

fuzz: $(VENV)/.installed ## Fuzz every parser for FUZZ_SECONDS each (60), FUZZ_JOBS at once; TARGETS="jwk verdict" chooses
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS) $(TARGETS)

soak: $(VENV)/.installed ## Run the long tests
	@$(BIN)/python -m pytest -n $(JOBS) -m soak $(ARGS)

lint: $(VENV)/.installed ## Check style, types and the walls between the packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.installed ## Print the measured figures, peers beside us, and write bench/results.json
	@$(BIN)/python -m bench

schemas: $(VENV)/.installed ## Write schemas/data/*.json anew from the types
	@$(BIN)/python -m schemas.json_schema

attack-table: $(VENV)/.installed ## Write docs/attack-cases.md anew from tests/attacks
	@$(BIN)/python -m tests.attacks.table

lock: ## Write requirements.lock anew (needs uv)
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url --quiet --output-file requirements.lock

clean: ## Remove everything that was made
	@rm -rf $(VENV) $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
