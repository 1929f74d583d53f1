# Each target does all of its own set-up, into .venv; the second time that takes no time.
#   make run         serve; settings are taken from the environment (TAILRUN_*, see README.md)
#   make test        all tests, with coverage; gets a browser, wscat and proxies for them
#   make lint        formatting, lints, types, the arrows between the layers
#   make bench       measure beside the bare machine and websocketd: see bench/README.md
#   make torture     kill, freeze and renew everything for minutes: TORTURE="--minutes 15 --seed 2"
#                    of several hosts: TORTURE="--hosts 3"
#   make cluster     NATS, two servers, three workers on this machine, to be tried and broken
#   make man         docs/tailrun.1, the manual of the command line, as its words are now
#   make constraints have constraints.txt name the newest versions that setup.py allows
# PYTHON=python3.13 chooses the interpreter that .venv is made with, VENV=… another place for it.

.DEFAULT_GOAL := run
.NOTPARALLEL: # apt-get, and pip in one environment, run once at a time
SHELL := /bin/sh
VENV ?= .venv
export VENV
BIN := $(VENV)/bin
WSCAT := wscat@6.1.0
OPENAPI_TYPESCRIPT := openapi-typescript@7.13.0
AXE := axe-core@4.14.1
XTERM := @xterm/xterm@6.0.0
OPENAPI_PROGRAMS := openapi-spec-validator openapi-python-client openapi-generator-cli

.PHONY: run test torture cluster bench lint man constraints clean
run: $(VENV)/.installed
	@exec $(BIN)/python -m server

test: $(VENV)/.test-installed $(VENV)/.$(WSCAT) $(VENV)/.$(OPENAPI_TYPESCRIPT) \
		$(VENV)/.$(AXE) $(VENV)/.openapi-tools $(VENV)/.oidc-provider browser faketime proxies recorded \
		nats-server
	@scripts/run-tests

bench: $(VENV)/.test-installed $(VENV)/.bench-peers $(VENV)/.bench-xterm websocketd browser \
		nats-server openssl
	$(BIN)/python -m bench $(BENCH)

torture: $(VENV)/.test-installed nats-server openssl
	@$(BIN)/python -m tests.torture $(TORTURE)

cluster: $(VENV)/.test-installed nats-server openssl
	@exec $(BIN)/python -m tests.cluster

lint: $(VENV)/.test-installed
	@scripts/lint

man: $(VENV)/.test-installed
	@scripts/write-manual

constraints:
	@scripts/update-constraints

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .*_cache .hypothesis tests/artifacts

# Python: a stamp for each thing that is installed.

$(BIN)/pip:
	@scripts/make-venv $(VENV)

$(VENV)/.installed: setup.py constraints.txt | $(BIN)/pip
	@scripts/install-tailrun "Tailrun needs" && touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	@scripts/install-tailrun "the tests need" test && touch $@

$(VENV)/.bench-peers: bench/peers.txt | $(BIN)/pip
	@scripts/install-apart "Tailrun is measured beside" peers $< && touch $@

$(VENV)/.openapi-tools: tests/openapi-tools.txt | $(BIN)/pip java
	@scripts/install-apart "reads the API's description" openapi $< $(OPENAPI_PROGRAMS) && touch $@

$(VENV)/.oidc-provider: tests/oidc-provider.txt | $(BIN)/pip
	@scripts/install-apart "people sign in at in the tests" oidc-provider $< oidc-provider-mock && touch $@

# npm.

$(VENV)/.$(WSCAT): | $(BIN)/pip npm
	@scripts/install-npm-tool npm $(WSCAT) && touch $@

$(VENV)/.$(OPENAPI_TYPESCRIPT): | $(BIN)/pip npm
	@scripts/install-npm-tool npm-openapi $(OPENAPI_TYPESCRIPT) typescript@5.9.3 && touch $@

$(VENV)/.$(AXE): | $(BIN)/pip npm
	@scripts/install-npm-library npm-axe $(AXE) && touch $@

$(VENV)/.bench-xterm: | $(BIN)/pip npm
	@scripts/install-npm-library npm-xterm $(XTERM) && touch $@

# Debian: the programs, one of which is enough; the packages; the service that comes with them.

.PHONY: browser faketime recorded npm java proxies nginx haproxy caddy openssl nats-server websocketd
browser: | $(BIN)/pip
	@scripts/ensure-debian "chromium chromium-browser google-chrome" chromium

faketime openssl websocketd: | $(BIN)/pip
	@scripts/ensure-debian $@ $@

recorded: | $(BIN)/pip
	@scripts/ensure-debian git git
	@scripts/ensure-debian less less
	@scripts/ensure-debian watch procps

npm: | $(BIN)/pip
	@scripts/ensure-debian npm "nodejs npm"

java: | $(BIN)/pip
	@scripts/ensure-debian java default-jre-headless

nats-server: | $(BIN)/pip
	@scripts/ensure-debian "nats-server /usr/sbin/nats-server" nats-server nats-server

proxies: nginx haproxy caddy openssl

nginx: | $(BIN)/pip
	@scripts/ensure-debian "nginx /usr/sbin/nginx" nginx-light nginx

haproxy: | $(BIN)/pip
	@scripts/ensure-debian "haproxy /usr/sbin/haproxy" haproxy haproxy

caddy: | $(BIN)/pip
	@scripts/ensure-debian caddy caddy caddy
