# Each target does all of its own set-up, into .venv; the second time that takes no time.
#   make run     serve; settings are taken from the environment (TAILRUN_*, see README.md)
#   make test    all tests, with coverage; gets a browser and wscat for them
#   make lint    formatting, lints, types, the arrows between the layers
#   make bench   measure beside the bare machine and websocketd: see bench/README.md
#   make torture kill, freeze and renew everything for minutes: TORTURE="--minutes 15 --seed 2"
# PYTHON=python3.13 chooses the interpreter that .venv is made with, VENV=… another place for it.

.DEFAULT_GOAL := run
SHELL := /bin/sh
NEW_ENOUGH := import sys; sys.version_info >= (3, 11) or sys.exit("Tailrun needs Python 3.11 or newer.")
PYTHON ?= $(or $(firstword $(foreach python,python3 python3.13 python3.12 python3.11,$(shell \
	$(python) -c '$(NEW_ENOUGH)' 2>/dev/null && echo $(python)))),python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PURE := server/values.py,server/output/frames.py,server/output/lines.py,server/output/ranges.py
PURE := $(PURE),server/services/codec.py,server/handlers/near.py,server/handlers/negotiation.py
PURE := $(PURE),server/handlers/openapi31.py,server/handlers/swagger.py
WSCAT := wscat@6.1.0
OPENAPI_TYPESCRIPT := openapi-typescript@7.13.0

.PHONY: run test torture bench lint constraints clean
run: $(VENV)/.installed
	@exec $(BIN)/python -m server

test: $(VENV)/.test-installed $(VENV)/.$(WSCAT) $(VENV)/.$(OPENAPI_TYPESCRIPT) \
		$(VENV)/.openapi-tools browser faketime proxies
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest --cov --cov-report=term
	@echo "The pure modules:"
	@$(BIN)/coverage report --include=$(PURE) --fail-under=100

bench: $(VENV)/.bench-installed $(VENV)/.bench-peers websocketd
	$(BIN)/python -m bench $(BENCH)

torture: $(VENV)/.test-installed
	@$(BIN)/python -m tests.torture $(TORTURE)

lint: $(VENV)/.test-installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Takes the newest versions that setup.py allows.
constraints:
	@rm -rf $(VENV)-new && $(PYTHON) -m venv $(VENV)-new
	$(VENV)-new/bin/pip install -qq '.[test,bench]'
	{ grep '^#' constraints.txt; $(VENV)-new/bin/pip freeze --exclude tailrun; } >constraints.new
	mv constraints.new constraints.txt && rm -rf $(VENV)-new

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .*_cache .hypothesis tests/artifacts

$(BIN)/pip:
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	@echo "Making $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py constraints.txt | $(BIN)/pip
	@echo "Installing what Tailrun needs …"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	@echo "Installing what the tests need …"
	@$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.installed
	@echo "Installing what the benchmark needs …"
	@$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@

$(VENV)/.bench-peers: bench/peers.txt | $(BIN)/pip
	@echo "Installing what Tailrun is measured beside …"
	@$(PYTHON) -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip --disable-pip-version-check -qq install --requirement $<
	@touch $@

# $(call ensure,PROGRAMS,PACKAGES,UNITS): one of the programs is there, by Debian's packages if need
# be. Services that come with them are not started, nor at the next boot: tests run their own.
define ensure
	@for program in $1; do command -v $$program >/dev/null && exit; done; \
	echo "Installing $2 with apt-get …"; \
	[ "$$(id -u)" = 0 ] && sudo= || sudo=sudo; \
	apt="$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq"; \
	units=; [ ! -d /run/systemd/system ] || units="$3"; \
	{ [ -z "$$units" ] || $$sudo systemctl mask $$units; \
		$$apt update && $$apt install --yes --no-install-recommends $2; code=$$?; \
		[ -z "$$units" ] || { $$sudo systemctl unmask $$units; $$sudo systemctl disable $$units; }; \
		[ $$code = 0 ]; } >$(VENV)/apt.log 2>&1 && exit; \
	tail -n 3 $(VENV)/apt.log; \
	echo "This needs $(firstword $1). Please install it (Debian and Ubuntu: apt-get install $2)."; \
	exit 1
endef

.PHONY: browser faketime proxies websocketd
browser: | $(BIN)/pip
	$(call ensure,chromium chromium-browser google-chrome,chromium)

faketime: | $(BIN)/pip
	$(call ensure,faketime,faketime)

proxies: | $(BIN)/pip
	$(call ensure,nginx /usr/sbin/nginx,nginx-light,nginx)
	$(call ensure,haproxy /usr/sbin/haproxy,haproxy,haproxy)
	$(call ensure,caddy,caddy,caddy)
	$(call ensure,openssl,openssl)

websocketd: | $(BIN)/pip
	$(call ensure,websocketd,websocketd)

$(VENV)/.$(WSCAT): | $(BIN)/pip
	$(call ensure,npm,nodejs npm)
	@echo "Installing $(WSCAT) …"
	@npm install --loglevel=error --no-save --prefix $(VENV)/npm $(WSCAT) >/dev/null
	@ln -sfn ../npm/node_modules/.bin/wscat $(BIN)/wscat
	@touch $@

$(VENV)/.$(OPENAPI_TYPESCRIPT): | $(BIN)/pip
	$(call ensure,npm,nodejs npm)
	@echo "Installing $(OPENAPI_TYPESCRIPT) …"
	@npm install --loglevel=error --no-save --prefix $(VENV)/npm-openapi \
		$(OPENAPI_TYPESCRIPT) typescript@5.9.3 >/dev/null
	@ln -sfn ../npm-openapi/node_modules/.bin/openapi-typescript $(BIN)/openapi-typescript
	@touch $@

$(VENV)/.openapi-tools: tests/openapi-tools.txt | $(BIN)/pip
	$(call ensure,java,default-jre-headless)
	@echo "Installing what reads the API's description …"
	@$(PYTHON) -m venv $(VENV)/openapi
	@$(VENV)/openapi/bin/python -m pip --disable-pip-version-check -qq install --requirement $<
	@for tool in spec-validator python-client generator-cli; do \
		ln -sfn ../openapi/bin/openapi-$$tool $(BIN)/openapi-$$tool; done
	@touch $@
