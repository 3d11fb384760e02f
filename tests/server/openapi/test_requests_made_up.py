"""Requests that are made up of the description of the API, legal ones and others, are answered as it says.

Each operation is asked its examples, what follows from its bounds, and 200 requests at random for each
of three seeds. One of a canned query is asked as much by `make requests`; by `make test-all`, its examples
and 5 at random, as most are new questions for the engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import pytest

from tests.server.conftest import Start

_COMMAND: Final = Path(sys.executable).with_name("st")
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
_CANNED: Final = r"^/(queries/[a-z-]+/answer|collections/[a-z-]+)$"
_SEEDS: Final = (1, 2, 3)
_OF_CANNED = os.environ.get("REQUESTS_CANNED", "5")
_OF_OTHERS = os.environ.get("REQUESTS", "200")
"""How many requests are made up for an operation and a seed: for one of a canned query, for another."""

_SETTINGS: Final = """
[[operations]]
include-path = "/sparql"
# What answers hold is sent elsewhere too; here, the texts of canned queries, which run for minutes
# without their values.
phases.fuzzing.extra-data-sources.responses = false
"""
_ALL: Final = "REQUESTS_CANNED" in os.environ
"""Whether what follows from the bounds of canned queries is asked too, which takes minutes."""

pytestmark = [
    pytest.mark.requests,
    pytest.mark.skipif(not _COMMAND.exists(), reason="needs Schemathesis: make tools"),
]


@pytest.fixture(scope="module")
def url(start: Start) -> Iterator[str]:
    """Yield the URL of a service with time for every query: a query that ends at a limit is a 503."""
    with start(QUERY_SECONDS=300, MAX_QUERY_SECONDS=300, QUERY_QUEUE=500) as (_, port):
        yield f"http://127.0.0.1:{port}"


def found(url: str, folder: Path, *options: str) -> str:
    """Return what Schemathesis found; nothing if all was as described."""
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("schemathesis_hooks.py"), folder)
    (folder / "schemathesis.toml").write_text(_SETTINGS)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": "."}
    # Schemathesis would wait ten seconds for it and no longer, which a loaded machine may need.
    with urlopen(f"{url}/openapi.json", timeout=300) as response:
        (folder / "openapi.json").write_bytes(response.read())
    command = [str(_COMMAND), "--no-color", "run", "openapi.json", f"--url={url}"]
    command += [f"--checks={','.join(_CHECKS)}", "--workers=1", "--continue-on-failure"]
    # With a database the generator compares each request with all before it, for half of the time.
    command += ["--request-timeout=300", "--generation-database=none", *options]
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )

    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def all_found(url: str, folder: Path, most: str, which: str, phases: str) -> list[str]:
    """Return what is found with each seed, of one service, which keeps the answers to all of them."""

    def with_seed(seed: int) -> str:
        # What follows from examples and bounds alone is the same for every seed.
        asked = f"{phases},fuzzing" if seed == _SEEDS[0] else "fuzzing"
        options = (f"--seed={seed}", f"--max-examples={most}", f"--phases={asked}", which)
        return found(url, folder / str(seed), *options)

    # One after the other: who stops queries by their ids would stop those of another seed.
    return [with_seed(seed) for seed in _SEEDS]


def test_any_operation_answers_as_described(url: str, tmp_path: Path) -> None:
    """Status, media type, headers and body are those of the description, whatever is asked."""
    which = f"--exclude-path-regex={_CANNED}"
    told = all_found(url, tmp_path, _OF_OTHERS, which, "examples,coverage")
    assert told == [""] * len(_SEEDS)


def test_each_canned_query_answers_as_described(url: str, tmp_path: Path) -> None:
    """So do canned queries, each with its own parameters."""
    which = f"--include-path-regex={_CANNED}"
    phases = "examples,coverage" if _ALL else "examples"
    assert all_found(url, tmp_path, _OF_CANNED, which, phases) == [""] * len(_SEEDS)
