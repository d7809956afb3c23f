# The front door. `make demo` runs the main job on the embedded world, `make test` the tests; both set themselves up.
#
# Make orders the stages, kdpipe decides what is fresh: `kdpipe plan --make` prints the rules of what has to run, and a
# second make runs them, in parallel where they don't depend on one another. Time stamps carry no truth.
#
#   make features DATASET=msvd DATA_ROOT=/data/msvd
#   make student ARGS="--set student.kd_alpha=2"
#
# setup test check lint parity clean; demo and report run everything and show the result, demo as a page too. Any other target is one of
# the system's, which `kdpipe status` lists: a stage (student), a node (student.kd.s0) or a group of them (features).
#
# DATASET SYSTEM   a config of configs/datasets, configs/systems      DATA_ROOT   directory of the raw dataset
# ARGS             more options for kdpipe, as in a shell             VENV        where Python's packages live
# JOBS             stages, or tests, at a time (or make -jN)          PYTHON      which one sets VENV up
# KDPIPE_STORE     where results live (artifacts/)                EXECUTOR    who makes rows, as in "slurm --shards 64"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= python3 python3.13 python3.12 python3.11
JOBS ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 1)
# Tests often wait, for processes and for disks: unless somebody says how many, one more than there are cores keeps the cores at work.
TESTS = $(if $(filter file,$(origin JOBS)),$(shell expr $(JOBS) + 1),$(JOBS))
DATASET ?=
SYSTEM ?=
ARGS ?=
EXECUTOR ?=
CASES ?= ../shared/golden/videoqa
ONLY ?=

# A dollar is no business of make's: what was typed goes to the shell and to kdpipe as it is.
AS_TYPED := ARGS DATA_ROOT KDPIPE_STORE KDPIPE_UPSTREAM
$(foreach name,$(AS_TYPED),$(if $(filter command environment,$(origin $(name))),$(eval override export $(name) := $$(value $(name)))))
MAKEOVERRIDES :=
define BREAK


endef
$(if $(findstring $(BREAK),$(ARGS)),$(error ARGS has a line break, which make cannot carry; in YAML it is "\n" in double quotes))

BIN := $(VENV)/bin
KDPIPE := $(BIN)/python -m pipeline
OPTIONS = $(if $(DATASET),--dataset '$(DATASET)') $(if $(SYSTEM),--system '$(SYSTEM)') $(ARGS)

# The environment is ready for exactly this setup.cfg: an edit there sets it up again, nothing else does.
READY := $(VENV)/.ready-$(shell cat setup.cfg pyproject.toml | sha256sum | cut -c1-16)

.PHONY: help setup demo report test check parity lint clean FORCE

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: $(READY)

# The first of PYTHON that will do; where none does, say so before pip does.
$(READY):
	@for python in $(PYTHON); do \
	  version="$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" || continue; \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then found="$$python"; break; fi; \
	  old="$${old:-$$python is $$version}"; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "kdpipe needs Python 3.11 or later; $${old:-there is no $(firstword $(PYTHON))} (PYTHON= names another)" >&2; exit 1; \
	fi; \
	"$$found" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@rm -f $(VENV)/.ready-*
	@touch $@

# Run what a target needs, as many at a time as JOBS= says, else as -j (typed, or in MAKEFLAGS) says, else as there are cores.
PARALLEL = $(if $(filter command line,$(origin JOBS)),-j$(JOBS),$(if $(filter -j%,$(MFLAGS)),,-j$(JOBS)))
define run_target
+@rules="$$($(KDPIPE) plan $(1) $(OPTIONS) --make $(if $(EXECUTOR),--executor $(EXECUTOR)))"; \
if [ -n "$$rules" ]; then \
  printf '%s\n' "$$rules" | $(MAKE) --no-print-directory $(PARALLEL) -f - all; \
fi
endef

# Whatever is no target of this file is one for kdpipe, which knows the stages; folders are called like some of them, hence FORCE.
.SUFFIXES:
Makefile: ;
%: $(READY) FORCE
	$(call run_target,'$@')

demo report: $(READY)
	$(call run_target,report)
	@$(KDPIPE) report $(OPTIONS) $(if $(filter demo,$@),--html)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses=$(TESTS) $(ARGS)

# After every edit: the lint, and the tests that take no time.
check: lint
	$(BIN)/python -m pytest --numprocesses=$(TESTS) --quick $(ARGS)

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
