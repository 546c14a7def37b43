# On a fresh Debian machine, `make demo` and `make test` set up everything they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-packaging
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_ARGS ?=
TEST_ARGS ?=
SOAK_ARGS ?=
MUTANTS_ARGS ?=
HISTORIES_ARGS ?=
PACKAGING_ARGS ?=
IMAGE_ARGS ?=

.PHONY: help demo test check-packaging dist chart packages bundle image site lint format docs dashboards bench soak histories mutants lock clean

help: ## list all targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.runtime ## run the exporter against a simulated enterprise; no account needed
	$(BIN)/python -m exporter demo $(DEMO_ARGS)

test: lint ## run all checks and tests, with the real Prometheus, Alertmanager and Chromium
	scripts/debian-packages.sh test
	scripts/test.sh $(BIN)/python $(TEST_ARGS)

check-packaging: $(VENV)/.dev $(TOOLS)/.packaging $(TOOLS)/.kubernetes ## build and check the chart, packages, image and site with their real tools
	scripts/debian-packages.sh packaging
	scripts/check-packaging.sh $(BIN)/python $(TOOLS) $(PACKAGING_ARGS)

dist: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)
dist: $(TOOLS)/.packaging $(TOOLS)/.kubernetes ## build what a release consists of, but the images, into dist/
	scripts/debian-packages.sh packaging
	scripts/dist.sh

chart: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)
chart: $(TOOLS)/.kubernetes ## lint the Helm chart and pack it into dist/
	scripts/build-chart.sh dist

site: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)
site: $(TOOLS)/.packaging ## build the documentation site, in English and Chinese, into site/
	$(TOOLS)/bin/python scripts/build_site.py site

image: ## build the container image with docker, podman or buildah
	scripts/build-image.sh $(IMAGE_ARGS)

packages: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)
packages: $(TOOLS)/.packaging ## build the Debian and RPM packages into dist/
	scripts/build-packages.sh dist

bundle: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)
bundle: $(TOOLS)/.packaging ## build the bundle for networks without Internet into dist/
	scripts/build-bundle.sh dist

lint: $(VENV)/.dev ## check style, types, import layers and generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/make_docs.py --check
	$(BIN)/python scripts/make_chart.py --check

format: $(VENV)/.dev ## format the code and apply automatic fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.dev ## generate documents in English and Chinese, and parts of the Helm chart, from the code
	$(BIN)/python scripts/make_docs.py
	$(BIN)/python scripts/make_chart.py

dashboards: $(VENV)/.dev ## generate exporter/dashboards from grafana/code
	$(BIN)/python grafana/code/build.py

bench: $(VENV)/.dev ## run the benchmarks and write docs/performance.md
	$(BIN)/python -m bench --write docs/performance.md

soak: $(VENV)/.dev ## run the daemon under a seeded schedule of faults for SOAK_MINUTES (30)
	scripts/debian-packages.sh soak
	$(BIN)/python -m soak $(SOAK_ARGS)

histories: $(VENV)/.dev ## play 20,000 random histories of tokens through both ways of alerts; takes ten minutes
	scripts/debian-packages.sh test
	$(BIN)/python scripts/alert_histories.py $(HISTORIES_ARGS)

mutants: $(VENV)/.dev ## change the code at random places and report what no unit test notices; takes an hour
	$(BIN)/python scripts/mutants.py $(MUTANTS_ARGS)

lock: $(VENV)/.dev ## update the pinned dependencies and their hashes
	scripts/lock.sh $(BIN)/uv

clean: ## remove what the other targets created
	rm -rf $(VENV) $(TOOLS) dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	scripts/debian-packages.sh python
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.runtime

$(TOOLS)/.packaging: requirements-packaging.lock | $(VENV)/bin/python
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-packaging.lock
	touch $@

$(TOOLS)/.kubernetes: scripts/kubernetes-tools.sh $(TOOLS)/.packaging
	scripts/kubernetes-tools.sh $(TOOLS)
	touch $@
