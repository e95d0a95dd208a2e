# Everything here installs what it needs into .venv; nothing else has to be set up first.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
ARGS   ?=
# Tests that run at a time: most of their time goes by in waiting.
JOBS   ?= 2

.PHONY: run test check bench clean install install-test

run: $(VENV)/.run
	$(BIN)/python -m proxy --app proxy.worker.example:application --admin 127.0.0.1:8081 $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not soak and not fuzz and not image and not question" $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

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
