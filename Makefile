# Herald's one front door for people and CI. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Each drill writes its report here; the folder is not part of the tree.
REPORTS ?= build/drills
# Python keeps what it compiled, whatever the environment says: compiling all of it anew costs each
# run of the tests some seconds, and every process of the lab a fraction of one.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/pytest -q -p no:cacheprovider

.PHONY: help demo test unit unit-segment unit-speaker unit-controller unit-others properties lint fmt lab drills-once drills bench manifests kube system clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(READY) system ## the main job, step by step, in a lab of its own
	@$(BIN)/herald lab demo

# With it, what needs the real control plane fails where that is missing, instead of being skipped.
KUBE := $(filter 1,$(HERALD_REQUIRE_KUBE))
# The drills that run on the real control plane too: each mode, each policy, each sort of fault.
KUBE_DRILLS := l2-node-crash l2-drain api-outage bgp-node-crash bgp-drain \
    local-endpoint-gone local-endpoint-gone-bgp local-endpoint-back kube-proxy-restart

# The lab needs root. Without it its tests are listed as skipped, each with its reason, and the drills
# are left out; where HERALD_REQUIRE_LAB=1 asks for every check, that fails.
LEFT_OUT := $(if $(filter 0,$(shell id -u))$(filter 1,$(HERALD_REQUIRE_LAB)),,yes)
NO_ROOT := Skipped: the lab tests above and the drills. The lab needs root: sudo make lab

# What fails in the lab is run once more, by itself, to tell what is broken from what is unsteady.
AGAIN := $(BIN)/python -m tests.lab.again
LAB_CACHE := build/pytest
LAB_TESTS := $(BIN)/pytest -q -rs -m netns -o cache_dir=$(LAB_CACHE)
ONCE := $(BIN)/herald drill run --nodes 2 --runs 1

test: lint unit properties lab ## every check: what CI runs

unit: $(READY) ## the unit tests: no root, no network
	@$(MAKE) --no-print-directory -j 4 --output-sync=target unit-segment unit-speaker unit-controller unit-others

# Four processes for two cores, about as long as each other: the tests of a segment compute, the others
# wait for sockets and timers too. None reads the others' files nor tells one more process about each test, which costs
# pytest-xdist's workers a fifth of their time.
SEGMENT := tests/speaker/l2 tests/speaker/hello tests/speaker/bfd
UNIT := $(PYTEST) -m "not hypothesis"

unit-segment:
	@$(UNIT) $(SEGMENT) tests/herald

unit-speaker:
	@$(UNIT) tests/speaker $(addprefix --ignore=,$(SEGMENT))

unit-controller:
	@$(UNIT) tests/controller

unit-others:
	@$(UNIT) tests $(addprefix --ignore=tests/,lab speaker controller herald)

properties: $(READY) ## what holds for any input: hypothesis tries many, and stories of two controllers
	@HERALD_FUZZ_EXAMPLES=$(or $(HERALD_FUZZ_EXAMPLES),200) $(PYTEST) -m hypothesis tests --ignore=tests/lab

lint: $(READY) ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(READY) ## format the code and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lab: $(READY) $(if $(LEFT_OUT),,system $(if $(KUBE),kube)) ## the lab tests, then each drill once on two nodes
	@$(if $(LEFT_OUT),,netns-lab/debian.sh bird2 $(if $(KUBE),iptables))
	@rm -rf $(LAB_CACHE)
	@$(LAB_TESTS) tests/lab || { [ $$? -eq 1 ] && $(AGAIN) tests $(LAB_CACHE) $(LAB_TESTS); }
	@$(if $(LEFT_OUT),echo "$(NO_ROOT)",$(MAKE) --no-print-directory drills-once)

drills-once:
	@mkdir -p $(REPORTS)
	@rm -f $(REPORTS)/once.json $(REPORTS)/kube.json
	@$(ONCE) --suite all \
	    --json $(REPORTS)/once.json --html $(REPORTS)/once.html --junit $(REPORTS)/once.xml \
	    || $(AGAIN) drills $(REPORTS)/once.json $(ONCE)
	@$(if $(KUBE),$(ONCE) $(KUBE_DRILLS) --control-plane kube \
	    --json $(REPORTS)/kube.json --html $(REPORTS)/kube.html --junit $(REPORTS)/kube.xml \
	    || $(AGAIN) drills $(REPORTS)/kube.json $(ONCE) --control-plane kube)

drills: $(READY) system ## the whole matrix of drills, three runs each
	@mkdir -p $(REPORTS)
	@$(BIN)/herald drill run --suite all --runs 3 \
	    --json $(REPORTS)/all.json --html $(REPORTS)/all.html --junit $(REPORTS)/all.xml

bench: $(READY) ## figures of the hot paths; prints, never judges
	@for bench in bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

manifests: $(READY) ## write the CRDs again from their models
	@$(BIN)/python -m kube.schema manifests/crds

kube: $(READY) ## the programs of the real control plane: found, or built once in some minutes
	@$(BIN)/python -m netns_lab.control_plane.binaries

system: ## Debian's packages for the lab; starts no daemon
	@netns-lab/debian.sh

$(READY): requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Herald needs Python 3.11 or newer: install python3.11 or name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || netns-lab/debian.sh python3-venv
	@echo "Setting up $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock \
	    || { echo "The Python packages of requirements.lock can't be had: check the network or pip's index settings and run make again."; exit 1; }
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# Compiles the tests and all that they import, and gathers what hypothesis reads from their
	@# sources, so that the first run is as fast as any. Its verdict is that of `make properties`.
	@$(PYTEST) -m hypothesis tests --ignore=tests/lab >/dev/null || true
	@touch $@

clean: ## remove what make made
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
