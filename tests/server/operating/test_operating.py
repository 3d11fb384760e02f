"""What an operator sees: whether the service is alive and ready, what it counts, what it logs."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from kg.engine.isolated import sandbox
from server.operating.metrics import LABELS

isolates = pytest.mark.skipif(sandbox.lacking() is not None, reason="this platform cannot isolate")

HOST = "127.0.0.1"
SERVE = "from server.cli import main; main()"
ASK = "/sparql?query=" + quote("ASK { ?s ?p ?o }")
PRODUCT = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n ?o"
ENDLESS = f"SELECT (COUNT(*) AS ?x) {{ {PRODUCT} FILTER(?a != ?g) }}"
SECRET = "myAcneHasReturned"  # noqa: S105 - what no log may have
SECONDS: Final = 60.0

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Running(NamedTuple):
    """A service that runs."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Reply:
        """Ask on a connection of its own."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def query(self, text: str, **headers: str) -> Reply:
        """Ask the SPARQL endpoint by POST."""
        return self.ask("/sparql", "POST", text, Content_Type="application/sparql-query", **headers)

    def samples(self) -> Samples:
        """Ask for the metrics, by name and labels."""
        families = text_string_to_metric_families(self.ask("/metrics").body.decode())
        return {
            (
                sample.name.removeprefix("dermograph_"),
                frozenset(sample.labels.items()),
            ): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Ask for one number."""
        return self.samples().get((name, frozenset(labels.items())), 0.0)

    def workers(self) -> list[int]:
        """Tell the processes that speak HTTP, as soon as all are there."""
        return [pid for pid in children(self.process.pid) if not is_fork_server(pid)]

    def fork_server(self) -> int:
        """Tell the process that holds the data."""
        return next(pid for pid in children(self.process.pid) if is_fork_server(pid))


def children(pid: int) -> list[int]:
    """Tell the child processes of a process."""
    paths = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in paths for child in path.read_text().split()]


def is_fork_server(pid: int) -> bool:
    """Tell whether a process is a fork server."""
    return b"kg.engine.isolated.fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()


def until(true: Callable[[], bool]) -> None:
    """Return when something is true."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.05)


@contextmanager
def served(folder: Path, stderr: int | None = None, **settings: object) -> Iterator[Running]:
    """Serve 200 triples."""
    data = folder / "few.ttl"
    data.write_text("".join(f"<http://e/{n}> <http://e/p> {n} .\n" for n in range(200)))
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    variables = {f"DERMOGRAPH_{name}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-c", SERVE, "serve", "--port", str(port), "--data", str(data)]
    with subprocess.Popen(command, env=environment, stderr=stderr, text=True) as process:
        running = Running(process, port)
        try:
            until(lambda: process.poll() is not None or _is_alive(running))
            assert process.poll() is None, "the service did not start"
            yield running
        finally:
            process.terminate()
            process.wait(timeout=SECONDS)


def _is_alive(running: Running) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return running.ask("/health").status == 200
    return False


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a service."""
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Have processes do nothing for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(("path", "state"), [("/health", "alive"), ("/ready", "ready")])
def test_a_service_tells_its_state(client: FlaskClient, path: str, state: str) -> None:
    """It is alive and ready, in JSON or in a word, as no cache may keep it, whatever is accepted."""
    told = client.get(path)
    in_short = client.get(path, headers={"Accept": "text/plain"})
    odd = client.get(path, headers={"Accept": "image/png;;"})
    head = client.head(path)
    options = client.options(path)

    assert told.json == odd.json == {"status": state}
    assert in_short.text == f"{state}\n"
    for reply in (told, in_short, head):
        assert reply.status_code == 200
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert head.data == b""
    assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert client.post(path).status_code == 405


@isolates
def test_the_engine_tells_whether_it_is_ready(service: Running) -> None:
    """While no query is answered the service is alive and not ready; afterwards it is."""
    fork_server = service.fork_server()
    with stopped(fork_server, *children(fork_server)):
        alive = service.ask("/health")
        with ThreadPoolExecutor(40) as pool:
            replies = list(pool.map(lambda _: service.ask("/ready"), range(40)))
            # However many ask, the queue has one question of theirs.
            waiting = service.value("queries_waiting")

    assert alive.status == 200
    assert {reply.status for reply in replies} == {503}
    problem = json.loads(replies[0].body)
    assert problem["type"].endswith("/problems/not-ready")
    assert "within 2 seconds" in problem["detail"]
    assert int(replies[0].headers["Retry-After"]) > 0
    assert replies[0].headers["Cache-Control"] == "no-store"
    assert waiting <= 1
    assert service.ask("/ready").status == 200


@isolates
def test_a_fork_server_that_died_is_told(tmp_path: Path) -> None:
    """It is counted, and the service becomes ready again."""
    with served(tmp_path) as running:
        assert running.value("fork_server_restarts_total") == 0
        os.kill(running.fork_server(), signal.SIGKILL)
        until(lambda: running.value("fork_server_restarts_total") == 1)
        until(lambda: running.ask("/ready").status == 200)


def test_requests_are_counted_each_once(service: Running) -> None:
    """Whatever way they are answered; what is not legal HTTP has no route."""
    before = service.samples()
    etag = service.ask(ASK).headers["ETag"]
    for _ in range(3):
        service.ask(ASK)
    service.ask(ASK, If_None_Match=etag)
    service.ask(ASK, "HEAD")
    service.query("nonsense")
    service.ask("/nowhere")
    service.ask("/sparql", "DELETE")
    with socket.create_connection((HOST, service.port)) as connection:
        connection.sendall(b"NONSENSE / HTTP/1.1\r\n\r\n")
        connection.recv(10_000)
    after = service.samples()

    def growth(name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return after.get(key, 0) - before.get(key, 0)

    def requests(route: str, method: str, status: str) -> float:
        return growth("http_requests_total", route=route, method=method, status=status)

    assert requests("/sparql", "GET", "200") == 4
    assert requests("/sparql", "GET", "304") == 1
    assert requests("/sparql", "HEAD", "200") == 1
    assert requests("/sparql", "POST", "400") == 1
    assert requests("/sparql", "DELETE", "405") == 1
    assert requests("other", "GET", "404") == 1
    assert requests("other", "GET", "501") == 1
    durations = {
        cache: growth("http_request_duration_seconds_count", route="/sparql", cache=cache)
        for cache in LABELS["cache"]
    }
    assert sum(durations.values()) == 8
    assert durations["hit"] >= 4
    assert growth("query_duration_seconds_count", form="other") == 1


@isolates
def test_all_processes_are_in_one_answer(tmp_path: Path) -> None:
    """Whichever of the processes that speak HTTP is asked tells what both have answered."""
    with served(tmp_path, HTTP_PROCESSES=2) as running:
        until(lambda: len(running.workers()) == 2)
        first, second = running.workers()
        for other, number in ((second, 5), (first, 7)):
            with stopped(other):
                for _ in range(number):
                    assert running.ask(ASK).status == 200
                total = running.value(
                    "http_requests_total", route="/sparql", method="GET", status="200"
                )
        until(lambda: running.value("processes", process="http") == 2)

    assert total == 12


def test_labels_are_bounded(service: Running) -> None:
    """Nothing that clients send becomes a label, however unlike their requests are."""
    chosen = random.Random(1)  # noqa: S311 - the same in every run
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "PROPFIND", "M-SEARCH", "OPTIONS", "BREW")
    letters = "abcxyz/%.~:@é\"'{}\\"
    for number in range(500):
        path = "/" + quote("".join(chosen.choices(letters, k=12)) + str(number), safe="/:@~.")
        service.ask(path, chosen.choice(methods), X_Query_Id=path[:60])
    samples = service.samples()

    for name, labels in samples:
        if name != "build_info":
            assert all(value in LABELS[label] for label, value in labels if label != "le")
    assert len(samples) < 1000


@isolates
def test_what_ended_queries_is_told(tmp_path: Path) -> None:
    """Their limit of time, somebody who stopped them, a client that hung up, their memory."""
    with served(tmp_path, QUERY_MEMORY_BYTES=64 << 20) as running:

        def told(reason: str) -> None:
            until(lambda: running.value("queries_killed_total", reason=reason) == 1)

        growing = " ".join(f"BIND(CONCAT(?x{n}, ?x{n}, ?x{n}) AS ?x{n + 1})" for n in range(20))
        assert running.query(f'SELECT ?x20 {{ BIND("abc" AS ?x0) {growing} }}').status == 503
        told("memory")
        assert running.query(ENDLESS, Prefer="wait=1").status == 503
        told("timeout")
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(running.query, ENDLESS + "#", X_Query_Id="mine")
            until(lambda: running.ask("/queries-running/mine", "DELETE").status == 204)
            assert reply.result().status == 503
        told("stopped")
        until(lambda: running.value("queries_running") == 0)
        connection = http.client.HTTPConnection(HOST, running.port)
        connection.request("GET", "/sparql?query=" + quote(ENDLESS + "##"))
        until(lambda: running.value("queries_running") == 1)
        connection.close()
        told("client_gone")
        until(lambda: running.value("queries_running") == 0)


def test_the_largest_part_of_what_runs_is_told(service: Running) -> None:
    """Versions, and of each kind of process how many there are and what memory they take."""
    samples = service.samples()
    versions = next(dict(labels) for name, labels in samples if name == "build_info")

    assert versions["dataset_version"] == service.ask("/health").headers["Dataset-Version"]
    for name in ("process_resident_memory_bytes", "processes"):
        for process in ("main", "http", "fork-server"):
            assert samples[name, frozenset({("process", process)})] > 0


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _send_secrets(running: Running) -> int:
    """Put what nobody should read into all parts of requests; tell how many were sent."""
    query = f'SELECT * {{ ?s ?p "{SECRET}" }}'
    paths = (
        f"/sparql?query={quote(query)}",
        f"/sparql%3Fquery={quote(query, safe='')}",
        f"/{SECRET}?{SECRET}",
        f'/id/a%22%0A%7B"{SECRET}',
        f"/queries/x%20{SECRET}/answer?word={SECRET}",
    )
    for path in paths:
        running.ask(path, X_Query_Id="mine")
        running.ask(path)
    running.query(query, User_Agent=SECRET, X_Query_Id=f'{SECRET}"\\')
    return 2 * len(paths) + 1


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_requests_are_logged(tmp_path: Path, workers: int) -> None:
    """Each in a line of JSON, none lost when the service is stopped, with nothing of a query."""
    log = tmp_path / "access.log"
    with served(tmp_path, ACCESS_LOG=log, HTTP_PROCESSES=workers) as running:
        already = running.value("http_requests_total", route="/health", method="GET", status="200")
        number = _send_secrets(running)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: running.ask(ASK), range(200)))
    lines = _lines(log.read_text())

    assert SECRET not in log.read_text()
    assert len(lines) == len(log.read_text().splitlines()) == already + 1 + number + 200
    asked = [line for line in lines if line.get("form") == "ASK"]
    assert {"time", "id", "method", "route", "path", "status", "bytes", "seconds"} < set(asked[0])
    assert asked[0]["queue_seconds"] >= 0
    assert asked[0]["run_seconds"] > 0
    assert sum(line["cache"] == "hit" for line in lines) >= 200 - workers * 4
    assert sum(line["id"] == "mine" for line in lines) == 5


def test_queries_are_logged_if_that_is_wanted(tmp_path: Path) -> None:
    """Then a line has the target and the beginning of the query."""
    log = tmp_path / "access.log"
    with served(tmp_path, ACCESS_LOG=log, LOG_DEBUG="on") as running:
        running.query(f"ASK {{}} # {SECRET}\n#" + "x" * 5000)
        running.ask(ASK)
        running.ask(ASK)
    lines = _lines(log.read_text())

    (logged,) = (line for line in lines if SECRET in line.get("query", ""))
    assert len(logged["query"]) == 500
    assert [line["target"] for line in lines if "?" in line["target"]].count(
        "/sparql?query=" + ASK.partition("=")[2]
    ) == 2


@isolates
def test_slow_queries_are_logged(tmp_path: Path) -> None:
    """On standard error if there is no log of requests, and no others."""
    told = tmp_path / "stderr"
    with told.open("w") as file, served(tmp_path, file.fileno(), SLOW_QUERY_SECONDS=0.5) as running:
        running.ask("/ready")
        running.query(ENDLESS, Prefer="wait=1", X_Query_Id="slow")

    (line,) = (line for line in _lines(told.read_text()) if line["form"] != "ASK")
    assert (line["event"], line["id"], line["form"]) == ("slow-query", "slow", "SELECT")
    assert line["seconds"] > 0.5


@pytest.mark.parametrize("where", [pytest.param("/dev/full", marks=pytest.mark.long), "-"])
def test_errors_of_the_log_are_no_errors_of_requests(tmp_path: Path, where: str) -> None:
    """Where the log cannot be written, requests are answered, and lost lines are counted."""
    reading, writing = os.pipe()
    try:
        with served(tmp_path, stderr=writing, ACCESS_LOG=where) as running:
            os.close(reading)
            assert [running.ask(ASK).status for _ in range(20)] == [200] * 20
            until(lambda: running.value("log_lines_dropped_total") > 20)
    finally:
        os.close(writing)


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As programs that rotate logs expect it."""
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    with served(tmp_path, ACCESS_LOG=log) as running:
        until(lambda: log.stat().st_size > 0)
        log.rename(moved)
        running.ask(ASK, X_Query_Id="late")
        until(lambda: log.exists() and '"late"' in log.read_text())

    assert '"late"' not in moved.read_text()


def test_every_metric_is_documented() -> None:
    """The page for operators lists each with its kind, its labels and what it is."""
    root = Path(__file__).resolve().parents[3]
    page = (root / "docs" / "deploying.md").read_text(encoding="utf-8")
    table = (root / "server" / "metrics.tsv").read_text(encoding="utf-8").splitlines()[1:]

    assert len(table) > 15
    for name, kind, labels, told in (line.split("\t") for line in table):
        shown = name + ("_total" if kind == "counter" else "")
        assert f"| `{shown}` | {kind} | {labels.replace(',', ', ')} | {told} |" in page
