"""Two versions of the data in one process: a request sees one of them from its beginning to its end."""

from __future__ import annotations

import functools
import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from flask import Flask

from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import Limits
from kg.releases.dataset_spec import DatasetSpec
from server import create_app
from server.app import prepare
from server.context import Snapshot, pin, publish, snapshot_of
from server.sparql import fast_path
from tests.server.test_dispatcher import SECONDS, Gate, Served, served

pytestmark = pytest.mark.skipif(
    sandbox.lacking() is not None, reason="this platform cannot isolate"
)

_QUERY = "SELECT ?o { <http://example.org/s> <http://example.org/p> ?o }"


class Version(NamedTuple):
    """A version of some data.

    Attributes:
        snapshot: the service over it.
        gate: the engine of that, which can be held up.
    """

    snapshot: Snapshot
    gate: Gate


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Version, Version]]:
    """Yield an app, and two versions of what it may serve, of which it serves the first."""
    folder: Path = tmp_path_factory.mktemp("versions")
    with ExitStack() as stack:
        found = []
        for name in ("old", "new"):
            file = folder / f"{name}.ttl"
            file.write_text(f'<http://example.org/s> <http://example.org/p> "{name}" .')
            data = DatasetSpec.of_files([file])
            engine = stack.enter_context(closing(data.isolated_engine(Limits(seconds=SECONDS))))
            engine.wait_until_loaded()
            gate = Gate(engine, 1_000_000)
            found.append((data.over(gate), gate))
        (old, old_gate), (new, new_gate) = found
        app = create_app({}, old)
        prepare(app)
        first = snapshot_of(app)
        second = Snapshot(new, first.settings, first.observer)
        yield app, Version(first, old_gate), Version(second, new_gate)


class Told(NamedTuple):
    """What a request was told."""

    status: int
    version: str | None
    tag: str
    body: str


def _get(service: Served, comment: str = "", accept: str = "text/csv", tag: str = "") -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=SECONDS)
    target = "/sparql?" + urlencode({"query": f"{_QUERY} # {comment}"})
    headers = {"Accept": accept} | ({"If-None-Match": tag} if tag else {})
    with closing(connection):
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        version = response.getheader("Dataset-Version")
        return Told(response.status, version, response.getheader("ETag", ""), body)


@pytest.mark.parametrize("accept", ["text/csv", "text/html"])
def test_a_request_keeps_the_version_that_it_began_with(
    versions: tuple[Flask, Version, Version], accept: str
) -> None:
    """What is published meanwhile is for requests that begin later, and answers are kept for each."""
    app, old, new = versions
    publish(app, old.snapshot)
    pinned = functools.partial(pin, app)
    path = app.wsgi_app._app  # type: ignore[attr-defined]  # noqa: SLF001 - its cache is served's
    with served(path, fast_path.answered, pin=pinned) as service, ThreadPoolExecutor() as pool:
        before = _get(service, accept=accept)
        old.gate.passing = 0
        waiting = pool.submit(_get, service, "held up", accept)
        assert old.gate.reached.wait(SECONDS)
        publish(app, new.snapshot)
        after = _get(service, accept=accept, tag=before.tag)
        old.gate.opened.set()
        kept = waiting.result(SECONDS)
        publish(app, old.snapshot)
        again = _get(service, accept=accept, tag=before.tag)
    old.gate.reached.clear()
    old.gate.opened.clear()
    old.gate.outcome = type(old.gate.outcome)()
    old.gate.passing = 1_000_000

    assert (before.status, before.version) == (200, old.gate.version)
    assert "old" in before.body
    assert (kept.status, kept.version) == (200, old.gate.version)
    assert "old" in kept.body
    assert (after.status, after.version) == (200, new.gate.version)
    assert "new" in after.body
    assert after.tag != before.tag
    assert again.status == 304
