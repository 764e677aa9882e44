# The project's commands; `make` alone lists them.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3
GOLDEN := $(dir $(wildcard recordings/*/recording.json))
UV     := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .venv-uv/bin/uv)

export UV_PROJECT_ENVIRONMENT := $(VENV)

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format pytest bench recordings clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## make the environment in .venv, and nothing else

run: setup  ## have a spoken question answered by the embedded model: no key, no network
	$(BIN)/engine run --transport wav --upstream local --script examples/replies.toml \
		--input examples/question.wav --output answer.wav

test: lint  ## run every check; PYTHONS="/path/to/python3.13 …" adds interpreters
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/engine replay $(GOLDEN)
	@for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
		$(MAKE) --no-print-directory pytest PYTHON=$$python VENV=.venv-$$version || exit 1; \
	done

lint: setup  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pytest: setup  ## only the tests and the golden recordings
	$(BIN)/pytest -n 2
	$(BIN)/engine replay $(GOLDEN)

bench: setup  ## measure, and print one table
	$(BIN)/python -m bench.run

recordings: setup  ## make the golden recordings anew
	$(BIN)/python -m recordings.make

clean:  ## remove everything that is made
	rm -rf .venv* .*_cache .hypothesis .coverage* dist answer.wav
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml uv.lock $(filter-out uv,$(UV))
	$(UV) sync --locked --all-extras --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

.venv-uv/bin/uv:
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/pip install --quiet uv
