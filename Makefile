# The two commands of a newcomer: `make serve` and `make test`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve test benchmarks lock clean

# Sets up, builds and validates the graph, and serves it at http://localhost:8080.
serve: .venv/installed
	@exec $(BIN)/dermograph serve

# Sets up and checks everything: lint, format, types, the knowledge against its shapes, and tests,
# one of which compares that verdict with the one of pySHACL.
test: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/dermograph validate
	$(BIN)/pytest -n 2 --dist worksteal

# Compares the service with other servers and renews docs/benchmarks.md; needs wrk.
benchmarks: .venv/installed
	$(BIN)/python -m benchmarks --into docs/benchmarks.md

# The lock file pins what is installed. The package itself is linked, so edits take effect at once.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# Build and validate the graph now, so that the first start takes it ready.
	@$(BIN)/dermograph query 'ASK {}' >/dev/null
	@touch $@

# Renews the lock file from pyproject.toml.
lock: .venv/installed
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --group dev --extra pandas --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv dist
