"""Whatever clients send, what the service remembers of it is the answers in its cache, and no more."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple
from urllib.parse import urlencode

import pytest

import kg
from kg.engine.isolated import sandbox
from tests.server.conftest import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sandbox.lacking() is not None, reason="this platform cannot isolate"),
]

CACHE_BYTES: Final = 1_000_000
MOST_GROWTH: Final = 20 << 20
WARM: Final = 10
"""One in so many requests is sent first, so that what is needed once is there."""

FORM: Final = "application/x-www-form-urlencoded"
DIRECT: Final = "application/sparql-query"


def filled(number: int, size: int) -> str:
    """Return a text that no other number has."""
    return f"u{number}x".ljust(size, "y")


class Request(NamedTuple):
    """A request."""

    method: str = "GET"
    target: str = "/sparql?query=ASK%7B%7D"
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def sent(self) -> bytes:
        """Return it as it is sent."""
        headers = {"Host": "localhost", **self.headers}
        if self.body:
            headers["Content-Length"] = str(len(self.body))
        lines = [f"{self.method} {self.target} HTTP/1.1", *map(": ".join, headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def form(**parameters: str) -> Request:
    """Ask by a form."""
    body = urlencode(parameters).encode()
    return Request("POST", "/sparql", {"Content-Type": FORM}, body)


def answer(**values: str) -> Request:
    """Ask a canned query."""
    return Request(target=f"/queries/why/answer?{urlencode(values)}")


KINDS: Final[Mapping[str, tuple[int, Callable[[int], Request]]]] = {
    "formats": (1000, lambda n: form(query="ASK{}", format=f"json,{filled(n, 60_000)}")),
    "hosts": (1000, lambda n: Request(target="/sparql", headers={"Host": host(n)})),
    "hosts of pages": (500, lambda n: Request(target="/queries", headers={"Host": host(n)})),
    "illegal hosts": (1500, lambda n: Request(headers={"Host": filled(n, 50_000)})),
    "hosts in URLs": (500, lambda n: Request(target=f"http://{host(n)}/problems/overloaded")),
    "accepted types": (1500, lambda n: Request(headers={"Accept": f"*/*, a/{filled(n, 9_000)}"})),
    "short types": (1500, lambda n: Request(headers={"Accept": f"*/*, a/{filled(n, 400)}"})),
    "codings": (1500, lambda n: Request(headers={"Accept-Encoding": f"br, {filled(n, 900)}"})),
    "profiles": (
        100,
        lambda n: Request(
            target="/id/claim/B0375",
            headers={"Accept": f'application/ld+json;profile="{filled(n, 9_000)}"'},
        ),
    ),
    "parameters": (1000, lambda n: Request(target=f"/sparql?{filled(n, 9_000)}=1")),
    "resources": (300, lambda n: Request(target=f"/ontology/{filled(n, 9_000)}")),
    "paths": (1000, lambda n: Request(target=f"/{filled(n, 9_000)}")),
    "redirections": (500, lambda n: Request(target=f"/queries//why?a={filled(n, 50_000)}")),
    "texts": (1500, lambda n: form(query=f"ASK {{}} # {filled(n, 9_000)}")),
    "bodies": (
        500,
        lambda n: Request(
            "POST", "/sparql", {"Content-Type": DIRECT}, f"ASK{{}}#{filled(n, 50_000)}".encode()
        ),
    ),
    "types of bodies": (
        700,
        lambda n: Request("POST", "/sparql", {"Content-Type": filled(n, 9_000)}, b"ASK{}"),
    ),
    "IRIs": (
        700,
        lambda n: form(query="ASK{}", **{"default-graph-uri": f"urn:{filled(n, 50_000)}"}),
    ),
    "values": (700, lambda n: answer(subject=f"https://w3id.org/dermograph/{filled(n, 30_000)}")),
    "values of other parameters": (500, lambda n: answer(**{filled(n, 9_000): "1"})),
    "conditions": (1000, lambda n: Request(headers={"If-None-Match": f'"{filled(n, 9_000)}"'})),
    "ids": (1000, lambda n: Request(headers={"X-Query-Id": filled(n, 60)})),
    "preferences": (500, lambda n: Request(headers={"Prefer": f"wait={n}, {filled(n, 9_000)}"})),
    "names of headers": (500, lambda n: Request(headers={filled(n, 100_000): "1"})),
    "names of queries": (500, lambda n: Request("DELETE", f"/queries-running/{filled(n, 9_000)}")),
    "keys": (200, lambda n: Request(target=f"/sources?key={filled(n, 9_000)}")),
    "types of problems": (300, lambda n: Request(target=f"/problems/{filled(n, 9_000)}")),
}
"""How many requests of each kind, and how one is made that is unlike all others."""


def host(number: int) -> str:
    """Return a legal host that no other number has, of the greatest length."""
    return ".".join([f"h{number}", *["y" * 60] * 3, "y" * 50])


class Client:
    """Sends requests over a connection that is kept as long as possible.

    Args:
        port: of the service.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._received: BinaryIO | None = None

    def send(self, request: Request) -> int:
        """Send a request, and give the status of the response, which is read whole."""
        if self._received is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._received = self._connection.makefile("rb")
        self._connection.sendall(request.sent())
        status = int(self._received.readline().split(b" ")[1])
        head = b"".join(iter(self._received.readline, b"\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        if length and status not in (204, 304):
            self._received.read(int(length[1]))
        if b"connection: close" in head:
            self.close()
        return status

    def close(self) -> None:
        """Close the connection."""
        if self._received is not None:
            self._received.close()
            self._connection.close()
            self._received = None


@pytest.fixture(scope="module")
def service(graph: kg.KnowledgeGraph) -> Iterator[tuple[int, int]]:
    """Yield the port of a service with a small cache, and the process that speaks HTTP."""
    del graph  # it has been built then
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DERMOGRAPH_CACHE_BYTES": str(CACHE_BYTES),
    }
    command = [sys.executable, "-c", "from server.cli import main; main()", "serve", "--port"]
    with subprocess.Popen([*command, str(port)], env=environment) as process:
        try:
            wait_for(port, process)
            with closing(Client(port)) as client:
                assert client.send(Request()) == 200
            yield port, speaker_of(process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


def speaker_of(parent: int) -> int:
    """Return the child of a service that speaks HTTP."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (speaker,) = (
        int(child)
        for child in children
        if b"kg.engine.isolated.fork_server" not in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return speaker


def memory_of(process: int) -> int:
    """Return how many bytes a process has for itself."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE)))


def test_nothing_of_what_clients_send_stays(service: tuple[int, int]) -> None:
    """20,000 requests that are unlike each other leave the memory of the service as it was."""
    port, speaker = service
    assert sum(count for count, _ in KINDS.values()) >= 20_000
    client = Client(port)
    for name, (count, make) in KINDS.items():
        for number in range(0, count, WARM):
            assert client.send(make(number)) < 500, name
    before = memory_of(speaker)
    grown = {}
    for name, (count, make) in KINDS.items():
        start = memory_of(speaker)
        for number in range(count):
            if number % WARM:
                client.send(make(number))
        grown[name] = (memory_of(speaker) - start) >> 10
    client.close()

    assert memory_of(speaker) - before < MOST_GROWTH, grown
