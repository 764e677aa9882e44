# The project's commands; `make` alone lists them.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3
NODE   := tests/node/node_modules
SDKS   := tests/sdks/clients
SDKENV := .venv-clients
GOLDEN := $(dir $(wildcard recordings/*/recording.json))
ROUNDS ?= 2
WSTEST := .venv-autobahn
PY27   := $(or $(lastword $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/2.7.*/bin/python)),$(shell command -v python2.7))
UV     := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .venv-uv/bin/uv)

export UV_PROJECT_ENVIRONMENT := $(VENV)

# What happens in the browser, at the card or for very long is the same on every Python: once is enough.
ELSEWHERE := --ignore-glob=tests/system/test_page*.py \
	$(patsubst %,--ignore=tests/system/test_%.py,device terminal marathon kill autobahn)

# What only the tests need of the system: Debian's package, and behind = the command, or the file of a library, by which
# it is known where that has another name.
SYSTEM_PACKAGES := chromium faketime libasound2-plugins=alsa-lib/libasound_module_pcm_pulse.so \
                   libportaudio2=libportaudio.so.2 nodejs=node npm openssl pulseaudio pulseaudio-utils=pactl tmux

.DEFAULT_GOAL := help
.PHONY: help setup system autobahn run test test-clients lint format pytest bench soak recordings clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## make the environment in .venv, and nothing else

run: setup  ## a page to talk at on http://127.0.0.1:8000/, the embedded model behind it: no key, no network
	$(BIN)/engine serve --transport ws --upstream local --script examples/replies.toml --tools examples/house.py

system:  ## install what the tests need of the system: a browser, a sound card and the like
	@missing=; for each in $(SYSTEM_PACKAGES); do \
		command -v $${each#*=} >/dev/null || ls /usr/lib*/$${each#*=} /usr/lib/*/$${each#*=} 2>/dev/null | grep -q . || \
			missing="$$missing $${each%=*}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	install="apt-get update -qq && apt-get install -qq -y --no-install-recommends$$missing"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		DEBIAN_FRONTEND=noninteractive sh -c "$$install" >/dev/null; \
	else \
		echo "The tests need$$missing. On Debian: sudo sh -c '$$install'" >&2; exit 1; \
	fi

autobahn: $(WSTEST)/.ready  ## install Autobahn|Testsuite, which needs Python 2.7

$(WSTEST)/.ready:
	@[ -n "$(PY27)" ] || { echo "Autobahn needs Python 2.7: pyenv install 2.7.18" >&2; exit 1; }
	rm -rf $(WSTEST) $(WSTEST)-maker
	$(PYTHON) -m venv $(WSTEST)-maker
	$(WSTEST)-maker/bin/pip install --quiet 'virtualenv<20.22'
	$(WSTEST)-maker/bin/virtualenv --quiet --python $(PY27) $(WSTEST)
	$(WSTEST)/bin/pip install --quiet --no-python-version-warning autobahntestsuite==0.8.2
	rm -rf $(WSTEST)-maker
	@touch $@

%/node_modules/.ready: %/package.json %/package-lock.json | system
	npm ci --prefix $* --loglevel=error --no-audit --no-fund
	@touch $@

test: lint system autobahn $(NODE)/.ready test-clients  ## run every check; PYTHONS="/path/to/python3.13 …" adds interpreters
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/engine replay $(GOLDEN)
	@for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
		$(MAKE) --no-print-directory pytest PYTHON=$$python VENV=.venv-$$version BUT="$(ELSEWHERE)" || exit 1; \
	done

test-clients: setup system $(SDKENV)/.ready $(SDKS)/node/node_modules/.ready  ## hold the Realtime clients of other makers against the engine
	$(BIN)/pytest -n 2 tests/sdks

lint: setup  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pytest: setup system autobahn $(NODE)/.ready  ## only the tests and the golden recordings
	$(BIN)/pytest -n 2 $(BUT)
	$(BIN)/engine replay $(GOLDEN)

soak: setup test-clients system autobahn  ## what takes long: fuzzed events, kills, a long hang, all of Autobahn, 1050 clients, the page, the sound card; MINUTES=1 shortens it
	ENGINE_FUZZED_EVENTS=100000 $(BIN)/pytest -n 0 tests/transports/ws/test_faults.py -k fuzzed
	ENGINE_KILLS=500 ENGINE_WORKER_KILLS=20 $(BIN)/pytest -n 0 -o faulthandler_timeout=1800 tests/system/test_kill.py tests/system/test_workers.py -k kill
	ENGINE_HANG_SECONDS=30 $(BIN)/pytest -n 0 tests/upstreams/openai/test_lost.py -k hangs
	$(BIN)/pytest -n 0 --hypothesis-profile=search tests/test_frames.py
	$(BIN)/python -m tests.autobahn.conformance
	$(BIN)/python -m tests.system.relay_soak $(MINUTES)
	$(BIN)/python -m tests.system.page_soak
	$(BIN)/python -m tests.system.card_soak $(MINUTES)
	$(BIN)/python -m tests.system.echo_soak

bench: setup system  ## measure, and print one table; ROUNDS=5 measures the relay as long as its goals ask for
	ROUNDS=$(ROUNDS) $(BIN)/python -m bench.run

recordings: setup  ## make the golden recordings anew
	$(BIN)/python -m recordings.make

clean:  ## remove everything that is made
	rm -rf .venv* .*_cache .hypothesis .coverage* dist answer.wav memory.sqlite $(NODE) $(SDKS)/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml uv.lock $(filter-out uv,$(UV))
	$(UV) sync --locked --all-extras --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@[ ! -x .venv-uv/bin/uv ] || ln -sf ../../.venv-uv/bin/uv $(BIN)/uv
	@touch $@

$(SDKENV)/.ready: $(SDKS)/pyproject.toml $(SDKS)/uv.lock $(filter-out uv,$(UV))
	UV_PROJECT_ENVIRONMENT=$(abspath $(SDKENV)) $(UV) sync --project $(SDKS) --locked --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

.venv-uv/bin/uv:
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/pip install --quiet uv
