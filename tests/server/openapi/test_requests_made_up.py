"""Requests that are made up of the description of the API, legal ones and others, are answered as it says.

Each operation that is not that of one canned query is asked what its examples and bounds say, and 200
times at random, for each of three seeds. A canned query runs for longer, and all of them are answered
by the same code, so each is asked its examples and 10 times at random. It takes a quarter of an hour.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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
_CANNED: Final = r"^/queries/[a-z-]+/answer$"

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
    shutil.copy(Path(__file__).with_name("schemathesis_hooks.py"), folder)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": "."}
    command = [str(_COMMAND), "--no-color", "run", f"{url}/openapi.json"]
    command += [f"--checks={','.join(_CHECKS)}", "--workers=2", "--continue-on-failure"]
    command += ["--request-timeout=300", *options]
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )

    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_operation_answers_as_described(url: str, tmp_path: Path, seed: int) -> None:
    """Status, media type, headers and body are those of the description, whatever is asked."""
    # What follows from bounds alone is the same for every seed.
    phases = "examples,coverage,fuzzing" if seed == 1 else "fuzzing"
    options = (f"--seed={seed}", "--max-examples=200", f"--phases={phases}")
    assert found(url, tmp_path, *options, f"--exclude-path-regex={_CANNED}") == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_canned_query_answers_as_described(url: str, tmp_path: Path, seed: int) -> None:
    """So do canned queries, each with its own parameters."""
    phases = "examples,fuzzing" if seed == 1 else "fuzzing"
    options = (f"--seed={seed}", "--max-examples=10", f"--phases={phases}")
    assert found(url, tmp_path, *options, f"--include-path-regex={_CANNED}") == ""
