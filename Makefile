# `make run` and `make test` do all their own set-up; see README.md.
PYTHON ?= python3
VENV := .venv

.PHONY: run test
run: $(VENV)/.installed
	$(VENV)/bin/python -m server

test: $(VENV)/.tests-installed
	$(VENV)/bin/python -m pytest

$(VENV)/.installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable .
	touch $@

$(VENV)/.tests-installed: $(VENV)/.installed
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $@
