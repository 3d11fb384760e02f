"""A service over the shipped knowledge: in this process for most tests, on loopback for clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import kg
from server import create_app
from tests.processes import free_port

Ask = Callable[..., TestResponse]
Start = Callable[..., AbstractContextManager[tuple[subprocess.Popen[bytes], int]]]

LIVE_SETTINGS: Final = {
    "MAX_BODY_BYTES": 300_000,
    "MAX_QUERY_BYTES": 250_000,
    "QUERY_SECONDS": 60,
}
"""The settings of the service on loopback, which answers on a loaded machine too."""

_SERVE = """
import json, sys
from kg.releases.bundled import spec
from server.serve import serve
serve(spec(), json.loads(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]))
"""
_SECONDS_TO_START = 300.0


@pytest.fixture(scope="session")
def app(graph: kg.KnowledgeGraph) -> Flask:
    """Return the service over the shipped knowledge."""
    return create_app({}, graph)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client of the service."""
    return app.test_client()


@pytest.fixture(scope="session")
def client_of_session(app: Flask) -> FlaskClient:
    """Return a client that generated examples may share."""
    return app.test_client()


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """Return a function that asks the SPARQL endpoint by GET."""

    def send(
        query: str, accept: str | None = None, method: str = "GET", **parameters: Any
    ) -> TestResponse:
        address = "/sparql?" + urlencode({"query": query, **parameters}, doseq=True)
        headers = {} if accept is None else {"Accept": accept}
        return client.open(address, method=method, headers=headers)

    return send


@pytest.fixture(scope="session")
def start() -> Start:
    """Return a context manager that serves the knowledge in a process of its own, with settings."""
    return _started


@pytest.fixture(scope="session")
def live_url(start: Start) -> Iterator[str]:
    """Yield the URL of a service in a process of its own."""
    with start() as (_, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _started(**settings: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    values = json.dumps({**LIVE_SETTINGS, **settings})
    command = [sys.executable, "-c", _SERVE, str(port), values]
    with subprocess.Popen(command, env=environment) as process:
        try:
            wait_for(port, process)
            yield process, port
        finally:
            process.terminate()
            process.wait(timeout=120)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when a service listens, and fail if it does not start."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the service did not start")
