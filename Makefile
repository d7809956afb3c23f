# The front door. `make demo` runs the main job on the embedded world, `make test` the tests; both set themselves up.
#
# Make orders the stages, kdpipe decides what is fresh: `kdpipe plan --make` prints the rules of what has to run, and a
# second make runs them, in parallel where they don't depend on one another. Time stamps carry no truth.
#
#   make features DATASET=msvd DATA_ROOT=/data/msvd
#   make student ARGS="--set student.kd_alpha=2"
#
# DATASET SYSTEM   a config of configs/datasets, configs/systems      DATA_ROOT   directory of the raw dataset
# ARGS             more options for kdpipe                            VENV        where Python's packages live
# JOBS             stages that run at a time (or make -jN)            KDPIPE_STORE  where results live (artifacts/)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
DATASET ?=
SYSTEM ?=
ARGS ?=
CASES ?= ../shared/golden/videoqa
ONLY ?=
ifdef DATA_ROOT
export DATA_ROOT
endif

BIN := $(VENV)/bin
KDPIPE := $(BIN)/python -m pipeline
OPTIONS = $(if $(DATASET),--dataset $(DATASET)) $(if $(SYSTEM),--system $(SYSTEM)) $(ARGS)

# The environment is ready for exactly this setup.cfg: an edit there sets it up again, nothing else does.
READY := $(VENV)/.ready-$(shell cat setup.cfg pyproject.toml | sha256sum | cut -c1-16)

STAGES := world index ingest sample questions extract features teacher dump student evaluate

.PHONY: help setup demo report test parity lint clean $(STAGES)

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -13

setup: $(READY)

$(READY):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@rm -f $(VENV)/.ready-*
	@touch $@

# Run what a target needs. The jobserver of an outer `make -jN` is used if there is one.
define run_target
@rules="$$($(KDPIPE) plan $(1) $(OPTIONS) --make)"; \
if [ -n "$$rules" ]; then \
  printf '%s\n' "$$rules" | $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS)) -f - all; \
fi
endef

$(STAGES): $(READY)
	$(call run_target,$@)

demo report: $(READY)
	$(call run_target,report)
	@$(KDPIPE) report $(OPTIONS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

parity: $(READY)
	@$(BIN)/python -m tests.parity $(CASES) $(if $(ONLY),--only '$(ONLY)')

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Results stay: remove artifacts/ by hand if you mean it.
clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
