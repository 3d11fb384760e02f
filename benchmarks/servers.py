"""The servers that are compared: how each is set up, started, watched and stopped."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.data import BenchmarkData

OTHERS: Final = ("oxigraph==0.5.13", "rdflib-endpoint[cli]==0.6.3")
"""What is compared with, as pip takes it."""

TIME_LIMIT: Final = 10
"""Seconds that a query may run where there is a limit; it is what our service has anyway."""

_ROOT: Final = Path(__file__).parents[1]
_PAUSE: Final = 0.005
_QUIET: Final = 0.05


class StartFailed(Exception):
    """A server ended before it answered, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server finds things.

    Attributes:
        data: the graph that it is to serve.
        folder: where it may keep what it makes.
        programs: folder of the commands of the other servers.
        port: to listen on, on loopback.
        limited: whether queries are to have a time limit where that is optional.
    """

    data: BenchmarkData
    folder: Path
    programs: Path
    port: int
    limited: bool = False

    @property
    def store(self) -> Path:
        """Folder of an Oxigraph database with the data."""
        return self.folder / f"{self.data.path.stem}.store"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the servers that are compared.

    Attributes:
        name: what the command line calls it.
        title: what the table calls it.
        path: of its SPARQL endpoint.
        command: gives the command that starts it.
        prepare: is done once, before any start.
        load: puts the data into it after it has started.
        is_ours: whether it is our service, which keeps answers.
    """

    name: str
    title: str
    path: str
    command: Callable[[Place], list[str]]
    prepare: Callable[[Place], None] = lambda _: None
    load: Callable[[Place], None] = lambda _: None
    is_ours: bool = False


def _dermograph(place: Place) -> list[str]:
    # The code that stands here, not an installed version of it, is what is measured.
    command = [sys.executable, "-c", "from server.cli import main; main()"]
    data = [] if place.data.is_own else ["--data", str(place.data.path)]
    return [*command, "serve", "--port", str(place.port), *data]


def _oxigraph(place: Place, *arguments: str) -> list[str]:
    bind = ["--bind", f"127.0.0.1:{place.port}", "--union-default-graph"]
    # With the limit each query leaves a sleeping thread behind until it has passed, so that some
    # thousand queries per second end in errors.
    limit = ["--timeout-s", str(TIME_LIMIT)] if place.limited else []
    return [str(place.programs / "oxigraph"), *arguments, *bind, *limit]


def _put_into_memory(place: Place) -> None:
    path = place.data.path
    quads = path.suffix == ".nq"
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    with path.open("rb") as file:
        connection.request(
            "POST",
            "/store?no_transaction" if quads else "/store?default&no_transaction",
            file,
            {
                "Content-Type": "application/n-quads" if quads else "application/n-triples",
                "Content-Length": str(path.stat().st_size),
            },
        )
        response = connection.getresponse()
    if response.status >= http.client.BAD_REQUEST:
        raise StartFailed(f"oxigraph serve refused the data: {response.read(500)!r}")
    connection.close()


def _put_onto_disk(place: Place) -> None:
    if place.store.exists():
        return
    unfinished = place.store.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    oxigraph, where = str(place.programs / "oxigraph"), ["--location", str(unfinished)]
    load = [oxigraph, "load", *where, "--file", str(place.data.path)]
    subprocess.run(load, check=True, capture_output=True)
    subprocess.run([oxigraph, "optimize", *where], check=True, capture_output=True)
    unfinished.rename(place.store)


def _rdflib_endpoint(place: Place) -> list[str]:
    command = [str(place.programs / "rdflib-endpoint"), "serve", str(place.data.path)]
    return [*command, "--host", "127.0.0.1", "--port", str(place.port)]


OURS: Final = Kind("dermograph", "Dermograph", "/sparql", _dermograph, is_ours=True)
REFERENCE: Final = Kind(
    "oxigraph",
    "oxigraph serve, in memory",
    "/query",
    lambda place: _oxigraph(place, "serve"),
    load=_put_into_memory,
)
KINDS: Final = (
    OURS,
    REFERENCE,
    Kind(
        "oxigraph-disk",
        "oxigraph serve-read-only, from disk",
        "/query",
        lambda place: _oxigraph(place, "serve-read-only", "--location", str(place.store)),
        prepare=_put_onto_disk,
    ),
    Kind("rdflib-endpoint", "rdflib-endpoint", "/", _rdflib_endpoint),
)
"""Every server, in the order of the table."""


class Server:
    """A server that runs.

    Args:
        kind: which one.
        place: its data and port.

    Attributes:
        kind: which one.
        url: of its SPARQL endpoint.
    """

    def __init__(self, kind: Kind, place: Place) -> None:
        self.kind = kind
        self.url = f"http://127.0.0.1:{place.port}{kind.path}"
        self._log = place.folder / f"{kind.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                kind.command(place), cwd=_ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_it_listens(self, port: int, deadline: float) -> None:
        """Return as soon as connections are accepted.

        Raises:
            StartFailed: it ended, or the deadline passed.
        """
        while not processes.listens(port):
            self.check_alive()
            if time.monotonic() > deadline:
                raise StartFailed("it did not start in time")
            time.sleep(_PAUSE)

    def check_alive(self) -> None:
        """Raise if the server has ended.

        Raises:
            StartFailed: it has; with the end of what it said.
        """
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")[-300:]
            raise StartFailed(f"it ended with {self._process.returncode}: {said}")

    def memory(self) -> int:
        """Return the bytes of memory that all its processes take together.

        That is their proportional set sizes, and the files in memory that they hold open.
        """
        return processes.memory(processes.tree(self._process.pid))

    def settle(self, patience: float) -> None:
        """Wait until it works on nothing any more, such as queries that nobody waits for."""
        deadline = time.monotonic() + patience
        before = self._busy()
        while time.monotonic() < deadline:
            time.sleep(_QUIET)
            after = self._busy()
            if after - before <= 1:
                return
            before = after

    def stop(self) -> None:
        """End it, if need be by force, and all its processes."""
        self._process.terminate()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _busy(self) -> int:
        return processes.ticks(processes.tree(self._process.pid))


def install(folder: Path) -> Path:
    """Install the other servers in an environment of their own, and give the folder of commands.

    Args:
        folder: where the environment is, or is to be.
    """
    programs = folder / "bin"
    if not (programs / "rdflib-endpoint").exists() or not (programs / "oxigraph").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(programs / "pip"), "install", "--quiet", *OTHERS], check=True)
    return programs


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
