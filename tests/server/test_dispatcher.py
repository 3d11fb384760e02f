"""What stands between connections and the app: it answers whatever happens, and stops what nobody
waits for.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import http.client
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import pytest

import kg
from kg.engine import Answer, Engine, Query, QueryStopped
from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import IsolatedEngine, Limits
from kg.releases.bundled import spec
from kg.releases.dataset_spec import DatasetSpec
from server import config, create_app
from server.app import prepare
from server.cache import Cache
from server.cache.codings import CODINGS
from server.context import pin
from server.dispatcher import Dispatcher
from server.http1.protocol import Connection
from server.operating.observer import Observer
from server.sparql import fast_path

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from server.dispatcher import FastPath

pytestmark = pytest.mark.skipif(
    sandbox.lacking() is not None, reason="this platform cannot isolate"
)

SECONDS: Final = 60.0
"""For how long a test waits for what has to come."""

ENDLESS: Final = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"


class Served:
    """A dispatcher on loopback, in a thread of this process.

    Args:
        cache: the app with a cache before it.
        path: the fast path, see ``Dispatcher``.

    Attributes:
        port: where it listens.
        faults: what the event loop was left with.
    """

    def __init__(self, cache: Cache, path: FastPath | None) -> None:
        self.faults: list[dict[str, Any]] = []
        self._cache, self._fast_path = cache, path
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self.port = self._ready.result(SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self._ending = asyncio.Event()
        observer = Observer(config.read({}, {}))
        observer.begin(0)
        self._dispatcher = Dispatcher(
            *(self._cache, self._fast_path, observer),
            threads=8,
            max_body_bytes=1000,
        )
        make = functools.partial(Connection, self._dispatcher)
        server = await self._loop.create_server(make, "127.0.0.1", 0)
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._ending.wait()
        server.close()
        gc.collect()  # which tells of exceptions that nobody has seen

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def wait_until_empty(self) -> None:
        """Return when it has noticed that all clients have gone."""
        empty = threading.Event()

        def look() -> None:
            if self._dispatcher.connections:
                self._loop.call_later(0.001, look)
            else:
                empty.set()

        self._loop.call_soon_threadsafe(look)
        assert empty.wait(SECONDS)


@contextmanager
def served(app: WSGIApplication, path: FastPath | None = None, **options: Any) -> Iterator[Served]:
    """Serve an app, with a cache before it."""
    with closing(Served(Cache(app, **options), path)) as service:
        yield service


def get(service: Served, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Send a request, and give the status and the body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=SECONDS)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def asking(service: Served, path: str) -> Iterator[None]:
    """Send a request, and hang up in the end without having read anything."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield
        reset = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)


# Whatever happens, there is an answer


async def broken_path(*_: object) -> None:
    """Fail to answer."""
    raise RuntimeError("broken")


def failing(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
    """Fail as an app never should."""
    raise RuntimeError("broken")


def breaking_off(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Begin an answer that is never complete."""
    start("200 OK", [("Content-Length", str(8 << 20))])
    return _broken_off()


def _broken_off() -> Iterator[bytes]:
    yield b"x" * 1000
    raise RuntimeError("broken")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("path", [None, broken_path])
def test_a_failure_of_the_app_is_a_problem_document(path: FastPath | None, method: str) -> None:
    """Even where the app itself fails a client gets an answer, and the next one too."""
    with served(failing, path) as service:
        for _ in range(2):
            status, body = get(service, method=method)
            assert status == 500
            assert body == b"" if method == "HEAD" else json.loads(body)["status"] == 500
        service.wait_until_empty()
    assert service.faults == []


def test_what_breaks_off_is_not_taken_for_the_whole() -> None:
    """A response that fails after it has begun ends without its end."""
    with served(breaking_off) as service:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            get(service)
        service.wait_until_empty()
    assert service.faults == []


# What nobody waits for is stopped


class Gate:
    """An engine that can be held up before it is asked a certain question.

    Args:
        behind: answers.
        passing: how many questions are let through.

    Attributes:
        reached: is set when the next question has come.
        opened: set this to have it answered.
        outcome: what then came of it.
    """

    def __init__(self, behind: IsolatedEngine, passing: int) -> None:
        self.behind = behind
        self.version, self.contents = behind.version, behind.contents
        self.isolated = behind.isolated
        self.passing = passing
        self.reached, self.opened = threading.Event(), threading.Event()
        self.outcome: Future[Answer] = Future()

    def __getattr__(self, name: str) -> Any:
        """Return what the engine behind has."""
        return getattr(self.behind, name)

    def _passes(self) -> bool:
        self.passing -= 1
        return self.passing >= 0

    def run(self, query: Query) -> Answer:
        """Answer, when that is allowed."""
        if self._passes():
            return self.behind.run(query)
        self.reached.set()
        assert self.opened.wait(SECONDS)
        return self._note(functools.partial(self.behind.run, query))

    async def answer(self, query: Query) -> Answer:
        """Answer on the event loop, when that is allowed."""
        if self._passes():
            return await self.behind.answer(query)
        self.reached.set()
        await asyncio.get_running_loop().run_in_executor(None, self.opened.wait)
        try:
            answer = await self.behind.answer(query)
        except QueryStopped as error:
            return self._note(functools.partial(_raise, error))
        return self._note(lambda: answer)

    def _note(self, ask: Callable[[], Answer]) -> Answer:
        try:
            answer = ask()
        except BaseException as error:
            self.outcome.set_exception(error)
            raise
        self.outcome.set_result(answer)
        return answer


def _raise(error: Exception) -> Answer:
    raise error


@pytest.fixture(scope="module")
def knowledge() -> DatasetSpec:
    """Return the shipped knowledge."""
    return spec()


@pytest.fixture(scope="module")
def engine(knowledge: DatasetSpec) -> Iterator[IsolatedEngine]:
    """Yield an engine that stops queries, and lets them run for long otherwise."""
    with closing(knowledge.isolated_engine(Limits(seconds=SECONDS))) as engine:
        engine.wait_until_loaded()
        yield engine


CASES: Final = {
    "on the event loop": ("/sparql?" + urlencode({"query": ENDLESS}), 0, True),
    "in a thread": ("/sparql?" + urlencode({"query": ENDLESS, "format": "html"}), 0, False),
    "a canned query": ("/queries/why/answer?subject=dg:CO2Laser", 0, False),
    "first of a page": ("/ontology/CO2Laser", 0, False),
    "third of a page": ("/ontology/CO2Laser?format=html", 2, False),
    "sources": ("/sources", 0, False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_asked_when_the_client_has_gone_is_never_begun(
    knowledge: DatasetSpec, engine: IsolatedEngine, name: str
) -> None:
    """A client may hang up at any moment, also between two questions that its request needs."""
    path, passing, spared = CASES[name]
    gate = Gate(engine, 1_000_000)
    over: Engine = gate
    graph: kg.KnowledgeGraph = knowledge.over(over)
    app = create_app({}, graph)
    prepare(app)
    gate.passing = passing
    path_taken = fast_path.answered if spared else None
    with served(app.wsgi_app._app, path_taken, pin=functools.partial(pin, app)) as service:  # type: ignore[attr-defined]  # noqa: SLF001
        with asking(service, path):
            assert gate.reached.wait(SECONDS)
        service.wait_until_empty()
        gate.opened.set()

        with pytest.raises(QueryStopped):
            gate.outcome.result(SECONDS)
    assert service.faults == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("on the event loop", "1.1"),
        ("in a thread", "1.0"),
        pytest.param("on the event loop", "1.0", marks=pytest.mark.long),
        pytest.param("in a thread", "1.1", marks=pytest.mark.long),
    ],
)
def test_a_client_that_closes_is_told_from_one_that_sends_no_more(
    knowledge: DatasetSpec, engine: IsolatedEngine, name: str, version: str
) -> None:
    """Its query is stopped, though no more than the end of what it sends is to be seen at first."""
    path, _, spared = CASES[name]
    gate = Gate(engine, 1_000_000)
    app = create_app({}, knowledge.over(gate))
    prepare(app)
    gate.passing = 0
    gate.opened.set()
    path_taken = fast_path.answered if spared else None
    with served(app.wsgi_app._app, path_taken, pin=functools.partial(pin, app)) as service:  # type: ignore[attr-defined]  # noqa: SLF001
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
            assert gate.reached.wait(SECONDS)

        with pytest.raises(QueryStopped):
            gate.outcome.result(SECONDS)
        service.wait_until_empty()


def test_allowing_endpoints_changes_nothing_for_other_queries(
    knowledge: DatasetSpec, engine: IsolatedEngine
) -> None:
    """What asks no endpoint is answered without the app; what does is left to it."""
    allowed = {"SERVICE_ALLOWED": "https://endpoint.example/sparql"}
    app = create_app(allowed, knowledge.over(engine))
    service_clause = "SERVICE <https://endpoint.example/sparql> { ?s ?p ?o }"
    with served(failing, fast_path.answered, pin=functools.partial(pin, app)) as service:
        for query, status in (("ASK { ?s ?p ?o }", 200), (f"ASK {{ {service_clause} }}", 500)):
            assert get(service, "/sparql?" + urlencode({"query": query}))[0] == status


# What takes long does not keep others waiting


@pytest.mark.parametrize("coding", sorted(CODINGS))
def test_a_large_answer_is_compressed_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    """Also where it is at hand already, and asked for in another coding."""
    body = b"0123456789abcdef" * (3 << 16)
    threads = []
    for name, compress in list(CODINGS.items()):

        def noting(content: bytes, compress: Callable[[bytes], bytes] = compress) -> bytes:
            threads.append(threading.current_thread().name)
            return compress(content)

        monkeypatch.setitem(CODINGS, name, noting)

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        headers = [("Content-Type", "text/plain"), ("Cache-Control", "public")]
        start("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    with served(app) as service:
        assert get(service) == (200, body)
        for _ in range(2):
            status, coded = get(service, **{"Accept-Encoding": coding})
            assert (status, len(coded) < len(body)) == (200, True)

    assert len(threads) == 1
    assert threads[0].startswith("request")
