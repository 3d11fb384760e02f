"""The service in front of an endpoint answers as it does over an engine of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from server import create_app
from server.config import SettingError, read
from tests.processes import free_port

SECRET = "s3cret-t0ken"  # noqa: S105 - of this test
MAIN = "from server.cli import main; main()"


def command(url: str, *more: str) -> list[str]:
    """Return the command that serves what an endpoint holds."""
    return [sys.executable, "-c", MAIN, "serve", "--engine", url, *more]


def environment() -> dict[str, str]:
    """Return the environment of a service that has a secret."""
    path = os.pathsep.join(sys.path)
    return {**os.environ, "PYTHONPATH": path, "DERMOGRAPH_ENGINE_TOKEN": SECRET}


@pytest.fixture(scope="module")
def front(live_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Yield the URL of a service in front of another, and what it says on standard error."""
    said = tmp_path_factory.mktemp("front") / "stderr"
    port = free_port()
    started = command(f"{live_url}/sparql", "--port", str(port))
    settings = {"DERMOGRAPH_ACCESS_LOG": "-", "DERMOGRAPH_LOG_DEBUG": "on"}
    with (
        said.open("wb") as errors,
        subprocess.Popen(
            started, env={**environment(), **settings}, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stderr is not None
        line = process.stderr.readline()  # which it says when it is served
        errors.write(line)
        errors.flush()
        assert b"is served at" in line, line
        yield f"http://127.0.0.1:{port}", said
        process.terminate()
        errors.write(process.stderr.read())
        process.wait(120)


def get(url: str, accept: str = "*/*") -> tuple[int, bytes]:
    """Return status and body of a response."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    "path",
    [
        "/queries/lay-terms/answer?word=blister&format=csv",
        "/queries/thermal-confinement/answer?size_um=100&format=csv",
        "/queries/absorption-compared/answer?format=srj",
        "/queries/contraindications/answer?procedure=FullFieldCO2LaserResurfacing&format=xml",
        "/queries/why/answer?subject=nothing",
        "/ontology/CO2Laser.nt",
        "/sources?key=WARD2008&format=bibtex",
        "/sparql?query=ASK%20%7B",
        "/sparql?query=SELECT%20*%20%7B%20SERVICE%20%3Chttp%3A%2F%2Fe%2F%3E%20%7B%7D%20%7D",
        "/sparql?query=SELECT%20%3Fs%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D%20ORDER%20BY%20%3Fs%20LIMIT%203&format=tsv",
    ],
)
def test_it_answers_as_any(front: tuple[str, Path], live_url: str, path: str) -> None:
    """Canned queries, resources, formats and errors are the same, byte by byte."""
    here, there = get(f"{front[0]}{path}"), get(f"{live_url}{path}")

    assert here[0] == there[0]
    assert here[1].replace(front[0].encode(), live_url.encode()) == there[1]


def test_its_pages_are_there(front: tuple[str, Path]) -> None:
    """What is made of several answers is made as well, and it is ready."""
    for path in ("/", "/queries", "/sparql", "/id/claim/B0375", "/ontology/CO2Laser"):
        assert get(f"{front[0]}{path}", "text/html")[0] == 200
    assert get(f"{front[0]}/ready")[0] == 200
    assert b"The engine behind it" in get(f"{front[0]}/sparql", "text/turtle")[1]


def test_functions_that_it_may_lack_are_refused(front: tuple[str, Path]) -> None:
    """An engine may leave out what an unknown function gives without a word, so it is not asked."""
    text = (
        "ASK%20%7B%20FILTER(%3Chttps://w3id.org/dermograph/function/convert%3E(1,'mm','um')%3E0)%7D"
    )
    status, body = get(f"{front[0]}/sparql?query={text}")

    assert (status, json.loads(body)["type"].rpartition("/")[2]) == (400, "unsupported-function")


def test_secrets_are_not_shown(front: tuple[str, Path]) -> None:
    """Neither in a log nor in an error, nor where settings are shown to whoever debugs."""
    get(f"{front[0]}/sparql?query=ASK%20%7B%7D")

    assert SECRET not in front[1].read_text()
    settings = read({"ENGINE_PASSWORD": SECRET, "ENGINE_TOKEN": SECRET, "ENGINE_USER": SECRET}, {})
    assert SECRET not in repr(settings)
    with pytest.raises(SettingError, match=r"^ENGINE_TOKEN [^3]*$"):
        read({"ENGINE_TOKEN": f"{SECRET}\n"}, {})


def _ended(*more: str, url: str = "http://127.0.0.1:9/") -> subprocess.CompletedProcess[str]:
    """Return how the command ends before an endpoint that is not there, or another."""
    return subprocess.run(
        command(url, "--port", str(free_port()), *more),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_endpoint_out_of_reach_ends_the_start() -> None:
    """The command says why, without an address or a secret, and what kind of failure it is."""
    done = _ended()

    assert done.returncode == 4
    assert "The engine behind this service cannot be asked: Connection refused." in done.stderr
    assert SECRET not in done.stderr


class _Dividing(BaseHTTPRequestHandler):
    """An endpoint that answers everything with the number 3."""

    def do_POST(self) -> None:
        """Answer a query."""
        self.rfile.read(int(self.headers["Content-Length"]))
        integer = "http://www.w3.org/2001/XMLSchema#integer"
        number = {"type": "literal", "datatype": integer, "value": "3"}
        rows = {"head": {"vars": ["number"]}, "results": {"bindings": [{"number": number}]}}
        body = json.dumps(rows).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/sparql-results+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_an_endpoint_that_divides_otherwise_is_warned_of() -> None:
    """It answers 7 / 2 with 3; that it counts triples where there are none ends the start then."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Dividing) as endpoint:
        threading.Thread(target=endpoint.serve_forever).start()
        done = _ended(url=f"http://127.0.0.1:{endpoint.server_port}/")
        endpoint.shutdown()

    assert "divides 7 by 2 into something else" in done.stderr
    assert done.returncode == 4
    assert "disregards the dataset" in done.stderr


@pytest.mark.parametrize("more", [["--empty"], ["--data", __file__]])
def test_it_serves_one_thing(more: list[str]) -> None:
    """An endpoint and other data exclude each other."""
    done = _ended(*more)

    assert done.returncode == 2
    assert "exclude each other" in done.stderr


def test_an_engine_elsewhere_is_for_the_command() -> None:
    """A WSGI server that makes the app by itself is told, rather than given other data."""
    with pytest.raises(SettingError, match="ENGINE"):
        create_app({"ENGINE": "http://127.0.0.1:9/"})
    for wrong in ("http://a/ http://b/", "e.example", "https://user:word@e.example/"):
        with pytest.raises(SettingError, match="ENGINE"):
            read({"ENGINE": wrong}, {})
