# The two commands of a newcomer: `make serve` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
# One more than the two cores that it is meant for, as many tests wait for a service.
PYTEST := $(BIN)/pytest -n 3 --dist worksteal
# What was left out is told at the end of each run of pytest, with that of the runs before.
export LEFT_OUT := .venv/left-out

.PHONY: serve test types knowledge test-all requests tools benchmarks lock clean

# Sets up, builds and validates the graph, and serves it at http://localhost:8080.
serve: .venv/installed
	@exec $(BIN)/dermograph serve

# Sets up and checks everything that a change can break: lint, format, types, the knowledge against
# its shapes, which any command does after a change, and tests.
test: .venv/installed
	@rm -f $(LEFT_OUT)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@$(MAKE) --no-print-directory --jobs 2 types knowledge
	$(PYTEST)

types: .venv/installed
	$(BIN)/mypy

knowledge: .venv/installed
	$(BIN)/dermograph query 'ASK {}'

# Besides, what takes long or needs more than Python: pySHACL on all of the knowledge, many more
# generated examples, requests made up of the API, jsonld.js, a browser, other engines, other versions of Python.
test-all: test tools
	$(PYTEST) --hypothesis-profile deep -m hypothesis
	$(PYTEST) -m "long or browser or node or interpreters"
	$(BIN)/pytest -m requests

# Asks a service all requests that are made up of the description of its API: of each operation 200 for
# each of three seeds, where test-all asks a canned query 5.
requests: test tools
	REQUESTS_CANNED=200 $(BIN)/pytest -m requests

# Gets what `make test-all` needs besides, as far as this machine has it: the tests tell what is missing.
tools: .venv/installed
	-$(PIP) install --require-hashes -r requirements-browser.lock
	-mkdir -p .venv/node && cp tests/node/package*.json .venv/node && npm ci --silent --prefix .venv/node
	-if [ -e /etc/debian_version ] && [ "$$(id -u)" = 0 ] && \
		! { command -v chromedriver && command -v virtuoso-t; } >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends \
			chromium chromium-driver virtuoso-opensource-7-bin; fi

# Compares the service with other servers and renews docs/benchmarks.md; needs wrk.
benchmarks: .venv/installed
	$(BIN)/python -m benchmarks --into docs/benchmarks.md

# The lock file pins what is installed. The package itself is linked, so edits take effect at once.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@# Build and validate the graph now, so that the first start takes it ready.
	@$(BIN)/dermograph query 'ASK {}' >/dev/null
	@touch $@

# Renews the lock files from pyproject.toml.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"
lock: .venv/installed
	$(PIP) install uv
	$(COMPILE) --group dev --extra pandas --output-file requirements.lock pyproject.toml
	$(COMPILE) --group api --group browser --group engines --group owl --constraints requirements.lock --output-file requirements-browser.lock

clean:
	rm -rf .venv dist
