# Everything is installed into .venv/<Python version>, so you can switch with PYTHON=python3.13 without cleaning up.

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV ?= .venv/$(VERSION)
BIN := $(VENV)/bin
# Further arguments for pytest, such as ARGS="tests/unit -x".
ARGS ?=
# Seven workers suit two cores, because tests often wait. The tests of a file stay together, because they may share a server.
JOBS ?= 7
MATRIX := 3.10 3.11 3.12 3.13

JS := tests/e2e/js
RUNTIME := requirements.txt requirements-embedded.txt
# A stamp's name contains a checksum of the requirements: when one changes, the stamp is missing.
RUN_STAMP := $(VENV)/.run-$(shell cat $(RUNTIME) | cksum | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cat $(RUNTIME) requirements-dev.txt | cksum | cut -d' ' -f1)
JS_STAMP := $(JS)/node_modules/.stamp-$(shell cat $(JS)/package-lock.json 2>/dev/null | cksum | cut -d' ' -f1)
CLIENT := $(JS)/node_modules/socket.io-client
WEB := chatsupport/web
WEB_STAMP := $(WEB)/node_modules/.stamp-$(shell cat $(WEB)/package-lock.json 2>/dev/null | cksum | cut -d' ' -f1)
VENDOR := chatsupport/web/vendor
BENCH_STAMP := bench/node_modules/.stamp-$(shell cat bench/package-lock.json 2>/dev/null | cksum | cut -d' ' -f1)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet install --require-hashes
# For every Python and platform at once. Your own package index is used, but not written into the files.
LOCK := UV_SYSTEM_CERTS=1 UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	--python-version 3.10 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links
LOCKED := requirements requirements-embedded requirements-dev requirements-tools
TOOLS_STAMP := $(VENV)/.tools-$(shell cat requirements-tools.txt | cksum | cut -d' ' -f1)
HAS_NODE := $(shell command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && echo 1)

ifeq ($(VERSION),)
$(error $(PYTHON) cannot be run: install Python 3.10 or later, or set PYTHON=/path/to/python)
endif

.DEFAULT_GOAL := help
.PHONY: help run cluster test chaos test-matrix screenshots bench bench-quick bench-short check format docs clean install lock upgrade vendor audit \
	hooks

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

run: $(RUN_STAMP) ## Start the server, with an embedded MongoDB if MONGODB_URI is not set
	@exec $(BIN)/gunicorn -c gunicorn.conf.py wsgi:app

cluster: $(DEV_STAMP) ## Start WEB_PROCESSES servers, connected by Valkey, behind nginx if it is installed
	@exec $(BIN)/python deploy/cluster.py

test: $(DEV_STAMP) $(if $(HAS_NODE),$(JS_STAMP),without-node) ## Run all tests (ARGS=... for some of them)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: $(DEV_STAMP) $(JS_STAMP) ## Cause every kind of fault while people chat, ROUNDS (50) times; SEED repeats a run
	ROUNDS=$(or $(ROUNDS),50) SEED=$(SEED) $(BIN)/python -m pytest -s tests/chaos

test-matrix: ## Run all tests on every installed Python from 3.10 to 3.13
	@for version in $(MATRIX); do \
		if python$$version -c '' 2>/dev/null; then \
			echo "== Python $$version"; $(MAKE) --no-print-directory test PYTHON=python$$version || exit 1; \
		else echo "== Python $$version is not installed: skipped"; fi; \
	done

screenshots: $(DEV_STAMP) $(JS_STAMP) ## Take the pictures in docs/images, with the system's Chromium
	$(BIN)/python -m pytest -q $(wildcard tests/browser/screenshots*.py)

bench: $(DEV_STAMP) $(if $(HAS_NODE),$(BENCH_STAMP)) ## Measure against Node.js peers (and BASE=a commit), 25 minutes; writes docs/performance.md
	$(BIN)/python -m bench.run $(if $(BASE),--base $(BASE)) $(ARGS)

bench-quick: $(DEV_STAMP) $(if $(HAS_NODE),$(BENCH_STAMP)) ## Run one short round of it; writes nothing
	$(BIN)/python -m bench.run --quick $(if $(BASE),--base $(BASE)) $(ARGS)

bench-short: $(DEV_STAMP) $(if $(HAS_NODE),$(BENCH_STAMP)) ## Measure the main scenarios in 12 minutes; writes docs/performance.md
	$(BIN)/python -m bench.run --short $(if $(BASE),--base $(BASE)) $(ARGS)

check: $(DEV_STAMP) $(if $(HAS_NODE),check-js,unchecked-js) ## Check format, lint, types and import layers
	$(BIN)/ruff format --check --output-format concise .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: check-js unchecked-js
check-js: $(WEB_STAMP)
	@cd $(WEB) && npm run --silent check

unchecked-js:
	@if [ "$$REQUIRE_TOOLS" = 1 ]; then echo "REQUIRE_TOOLS is set, but node and npm are not installed."; exit 1; fi
	@echo "node and npm are not installed: the checks of the browser code are skipped."

format: $(DEV_STAMP) $(if $(HAS_NODE),$(WEB_STAMP)) ## Format the code and apply automatic fixes
	$(if $(HAS_NODE),@cd $(WEB) && npm run --silent format)
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

docs: $(DEV_STAMP) ## Write the tables of docs/rest.md, docs/events.md and docs/architecture.md from the code
	@$(BIN)/python -W ignore -m docs.tables

lock: $(TOOLS_STAMP) ## Pin the packages of the *.in files, keeping the versions already pinned
	@for name in $(LOCKED); do $(LOCK) $(UPGRADE) $$name.in -o $$name.txt || exit 1; done

upgrade: ## Pin the newest version of everything; then run make check and make test
	@$(MAKE) --no-print-directory lock UPGRADE=--upgrade
	@git --no-pager diff --stat -- '*.txt' || true

vendor: $(JS_STAMP) ## Copy socket.io's client for browsers from the tests' npm packages
	@cp $(CLIENT)/dist/socket.io.esm.min.js $(VENDOR)/
	@cp $(CLIENT)/LICENSE $(VENDOR)/socket.io.LICENSE
	@git --no-pager diff --stat -- $(VENDOR)

audit: $(TOOLS_STAMP) ## Check the pinned packages for known vulnerabilities (asks a public database)
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
		-r requirements.txt -r requirements-embedded.txt

hooks: $(TOOLS_STAMP) ## Let git run the checks before each commit, and the unit tests before each push
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

clean: ## Remove everything that can be made again; data and logs stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf $(JS)/node_modules bench/node_modules $(WEB)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(RUN_STAMP) ## Install the server's requirements, without starting it

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Chat Support needs Python 3.10 or later.")'
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN_STAMP): | $(BIN)/python
	@echo "Installing requirements"
	@$(PIP) -r requirements.txt -r requirements-embedded.txt
	@rm -f $(VENV)/.run-*
	@touch $@

$(DEV_STAMP): | $(BIN)/python
	@echo "Installing requirements for tests and checks"
	@$(PIP) -r requirements-dev.txt
	@rm -f $(VENV)/.dev-*
	@touch $@ $(RUN_STAMP)

$(TOOLS_STAMP): | $(BIN)/python
	@echo "Installing tools for pinning and auditing"
	@$(PIP) -r requirements-tools.txt
	@rm -f $(VENV)/.tools-*
	@touch $@

$(JS_STAMP):
	@echo "Installing the JavaScript client for tests"
	@cd $(JS) && npm ci --no-audit --no-fund --silent
	@touch $@

$(WEB_STAMP):
	@echo "Installing the checks of the browser code"
	@cd $(WEB) && npm ci --no-audit --no-fund --silent
	@touch $@

$(BENCH_STAMP):
	@echo "Installing the Node.js peer for measuring"
	@cd bench && npm ci --no-audit --no-fund --silent
	@touch $@

.PHONY: without-node
without-node:
	@if [ "$$REQUIRE_TOOLS" = 1 ]; then echo "REQUIRE_TOOLS is set, but node and npm are not installed."; exit 1; fi
	@echo "node and npm are not installed: the tests that need them are skipped."
