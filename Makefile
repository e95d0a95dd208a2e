# Everything here installs what it needs into .venv; nothing else has to be set up first.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
ARGS   ?=
# Tests that run at a time: most of their time goes by in waiting.
JOBS   ?= 2
# Marks of what runs for minutes, each in a step of its own.
USUAL  = "not soak and not fuzz and not image and not image_compiled and not question"

.PHONY: run test check bench clean install install-test compiled test-compiled

run: $(VENV)/.run
	$(BIN)/python -m proxy --app proxy.worker.example:application --admin 127.0.0.1:8081 $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m $(USUAL) $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

# The compiled build (see setup.py), as a tree of its own beside the sources: nothing here is in the
# way of those, and tests can run in it.
COMPILED = build/compiled
ROADWORK = setup.py pyproject.toml README.md LICENSE protocol proxy
compiled: $(COMPILED)/.built

$(COMPILED)/.built: setup.py pyproject.toml $(shell find protocol proxy -type f -not -name '*.pyc') | $(VENV)/.test
	rm -rf $(COMPILED) && mkdir -p $(COMPILED)/src
	cp -R $(ROADWORK) $(COMPILED)/src
	COMPILE_UWSGI_FRONTEND=1 $(BIN)/python -m pip install --quiet --no-deps --target $(COMPILED) ./$(COMPILED)/src
	rm -r $(COMPILED)/src
	touch $@

# Of what is compiled, and those that send whole requests through the whole program.
ROADTESTS = $(patsubst %,tests/test_%.py,clock compiled connection downstream exchange interleavings \
	pace record relay spool stream tally tunnel waiting) tests/protocol tests/upstream/balance \
	$(wildcard tests/upstream/test_*.py) $(patsubst %,tests/telemetry/test_%.py,access_log error_log metrics) \
	tests/integration
test-compiled: compiled
	cp -R Makefile setup.py pyproject.toml README.md CHANGELOG.md Dockerfile constraints.txt docs examples benchmarks tests $(COMPILED)
	cd $(COMPILED) && REQUIRE_COMPILED=1 $(abspath $(BIN))/python -m pytest -n $(JOBS) --dist loadfile \
		-m $(USUAL) $(or $(ARGS),$(ROADTESTS))

install: $(VENV)/.run
install-test: $(VENV)/.test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The worker extra is tried first: where it has no wheel, the built-in worker serves the example.
$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e '.[uwsgi]' || $(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) examples/question/.work build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
