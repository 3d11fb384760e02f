"""The service starts, stops, and leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

import server
from kg.engine import Answer, Overloaded, Query
from kg.engine.dataset import Data
from kg.engine.oxigraph.engine import InProcessEngine
from kg.releases.dataset_spec import DatasetSpec
from server.app import prepare
from server.serve import AddressError, serve

Start = Callable[[], AbstractContextManager[tuple[subprocess.Popen[bytes], int]]]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_it_stops_when_it_is_told_to(start: Start, number: signal.Signals) -> None:
    """On SIGTERM and SIGINT the service ends without an error, and nothing listens any more."""
    with start() as (process, port):
        process.send_signal(number)

        assert process.wait(timeout=120) == 0
        assert not _listens(port)


def test_a_killed_service_leaves_no_process(start: Start) -> None:
    """The process that serves ends with the one that started it, even if that is killed."""
    with start() as (process, port):
        process.kill()
        process.wait(timeout=120)

        deadline = time.monotonic() + 60
        while _listens(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _listens(port)


class LateEngine(InProcessEngine):
    """An engine none of whose query processes is free for the first times."""

    refusals = 0

    def run(self, query: Query) -> Answer:
        """Refuse, or answer."""
        if self.refusals:
            self.refusals -= 1
            raise Overloaded("No query process was free within 10 seconds.")
        return super().run(query)


def test_a_service_starts_however_late_a_query_process_is_free() -> None:
    """On a loaded machine the first questions are asked again; a service in use says that it is busy."""
    engine = LateEngine(
        b"<https://w3id.org/dermograph/ontology> <http://www.w3.org/2002/07/owl#versionInfo> "
        b'"7.0.0" <urn:g> .\n'
    )
    engine.refusals = 5
    graph = DatasetSpec(Data(())).over(engine)
    app = server.create_app(graph=graph)
    engine.refusals = 5
    prepare(app)

    assert graph.release == "7.0.0"
    engine.refusals = 1
    assert app.test_client().get("/sparql?query=ASK{}").status_code == 503


def test_an_address_in_use_is_an_error(live_url: str) -> None:
    """A second service does not share the port of the first in silence."""
    port = urlsplit(live_url).port
    assert port is not None

    with pytest.raises(AddressError, match=f"port {port}.*Choose another"):
        serve(DatasetSpec(Data()), {}, host="127.0.0.1", port=port)


def test_an_unknown_host_is_an_error() -> None:
    """A name that is no interface of this machine is said to be the trouble."""
    with pytest.raises(AddressError, match=r"192\.0\.2\.1"):
        serve(DatasetSpec(Data()), {}, host="192.0.2.1", port=8080)


@pytest.mark.long
def test_flask_finds_the_app() -> None:
    """`flask --app server` works, without our own server."""
    listed = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "server", "routes"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    assert "/sparql" in listed.stdout


SERVE = "from server.cli import main; main()"
COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(?a != ?j) }"


class Served(NamedTuple):
    """A service over a few triples, started by the command line."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, query: str, **parameters: str) -> tuple[int, dict[str, object]]:
        """Ask, and give the status and the document that is answered."""
        address = f"http://127.0.0.1:{self.port}/sparql?" + urlencode(
            {"query": query, **parameters}
        )
        try:
            with urllib.request.urlopen(address, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@contextmanager
def served(
    folder: Path,
    *before: str,
    environment: Mapping[str, str] | None = None,
    code: str = SERVE,
) -> Iterator[Served]:
    """Serve 200 triples by the command line.

    Args:
        folder: for the data.
        before: what the command line begins with, such as "nice".
        environment: variables besides those of this process.
        code: what is run.
    """
    data = folder / "few.ttl"
    data.write_text("".join(f"<http://e/{n}> <http://e/p> {n} .\n" for n in range(200)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}
    command = [*before, sys.executable, "-c", code, "serve", "--port", str(port), "--data"]
    with subprocess.Popen([*command, str(data)], env=variables, text=True) as process:
        try:
            while process.poll() is None and not _listens(port):
                time.sleep(0.05)
            assert process.poll() is None, "the service did not start"
            yield Served(process, port)
        finally:
            process.terminate()
            process.wait(timeout=60)


def children_of(parent: int) -> dict[int, bytes]:
    """Return the processes that a process started, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may end meanwhile
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found[int(path.parent.name)] = (path.parent / "cmdline").read_bytes()
    return found


def query_processes_of(service: Served) -> set[int]:
    """Return the query processes of a service."""
    children = children_of(service.process.pid)
    (fork_server,) = (
        pid for pid, command in children.items() if b"kg.engine.isolated.fork_server" in command
    )
    return set(children_of(fork_server))


def priorities_of(processes: set[int]) -> set[int]:
    """Return the niceness of processes."""
    return {os.getpriority(os.PRIO_PROCESS, each) for each in processes}


def lowered_by(niceness: str) -> int:
    """Return the niceness of what `nice` starts, which adds to that of the tests."""
    return min(19, os.getpriority(os.PRIO_PROCESS, 0) + int(niceness))


@pytest.mark.long
@pytest.mark.parametrize("niceness", ["1", "10", "19"])
def test_it_answers_with_any_niceness(tmp_path: Path, niceness: str) -> None:
    """Started with a low priority it answers, and its query processes live on."""
    with served(tmp_path, "nice", "-n", niceness) as service:
        assert service.ask(COUNT)[0] == 200
        # The last of them may still be about to start: what is there now has to stay.
        before = query_processes_of(service)
        assert priorities_of(before) == {lowered_by(niceness)}
        for number in range(20):
            assert service.ask(f"{COUNT} # {number}")[0] == 200

        after = query_processes_of(service)
        assert before - after == set()
        assert priorities_of(after) == {lowered_by(niceness)}


@pytest.mark.long
@pytest.mark.parametrize("niceness", ["0", "17"])
def test_a_long_query_lowers_no_priority_but_its_own(tmp_path: Path, niceness: str) -> None:
    """One that runs for seconds is stopped at its limit, and the next is asked of a fresh process."""
    with served(tmp_path, "nice", "-n", niceness) as service:
        status, problem = service.ask(ENDLESS, timeout="2.5")
        assert status == 503
        assert str(problem["type"]).endswith("/query-timeout")
        assert service.ask(COUNT)[0] == 200

        assert priorities_of(query_processes_of(service)) == {lowered_by(niceness)}


@pytest.mark.parametrize(
    "left_behind",
    [
        "signal.pthread_sigmask(signal.SIG_BLOCK, signals)",
        pytest.param(
            "[signal.signal(each, signal.SIG_IGN) for each in signals]", marks=pytest.mark.long
        ),
    ],
)
def test_limits_hold_whatever_signals_the_parent_blocks_or_ignores(
    tmp_path: Path, left_behind: str
) -> None:
    """A parent hands on which signals it blocks or ignores; what ends queries is not among them."""
    code = f"""
import os, signal, sys
signals = (signal.SIGALRM, signal.SIGIO, signal.SIGCHLD, signal.SIGABRT)
{left_behind}
run = "from server.cli import main; main()"
os.execv(sys.executable, [sys.executable, "-c", run, *sys.argv[1:]])
"""
    with served(tmp_path, code=code) as service:
        status, problem = service.ask(ENDLESS, timeout="0.5")

        assert (status, problem["limit"]) == (503, 0.5)
        assert service.ask(COUNT)[0] == 200


@pytest.mark.parametrize(
    "closed", [*(pytest.param(each, marks=pytest.mark.long) for each in "02"), "0, 1, 2"]
)
def test_it_starts_without_standard_streams(tmp_path: Path, closed: str) -> None:
    """A supervisor may close standard input, output and error: no other file takes their place."""
    code = f"""
import os, sys
for descriptor in ({closed},):
    os.close(descriptor)
run = "from server.cli import main; main()"
os.execv(sys.executable, [sys.executable, "-c", run, *sys.argv[1:]])
"""
    with served(tmp_path, code=code) as service:
        assert service.ask(COUNT)[0] == 200
        assert service.ask("nonsense")[0] == 400


WITH_START_METHOD = f"import multiprocessing; multiprocessing.set_start_method('METHOD'); {SERVE}"
WITHOUT_PIDFD = f"import os, errno; os.pidfd_open = lambda _: open('/dev/none'); {SERVE}"
"""Serves where the kernel lacks a part of what isolation needs."""


@pytest.mark.parametrize("method", [pytest.param("spawn", marks=pytest.mark.long), "forkserver"])
def test_limits_hold_with_any_start_method(tmp_path: Path, method: str) -> None:
    """Whichever way Python starts processes by default, a query is stopped at its limit."""
    with served(tmp_path, code=WITH_START_METHOD.replace("METHOD", method)) as service:
        assert service.ask(COUNT)[0] == 200
        status, problem = service.ask(ENDLESS, timeout="0.5")

    assert status == 503
    assert problem["detail"] == "The query was stopped after 0.5 s."


def test_without_isolation_it_does_not_start(tmp_path: Path) -> None:
    """Where queries cannot be isolated that is an error, which says what to do."""
    ended = refused(tmp_path, code=WITHOUT_PIDFD)

    assert ended.returncode == 2
    assert "cannot be isolated" in ended.stderr
    assert "DERMOGRAPH_ISOLATION=off" in ended.stderr
    assert "/dev/none" not in ended.stderr


def test_isolation_can_be_done_without(tmp_path: Path) -> None:
    """Then queries are answered in the process of the service, and its description says so."""
    off = {"DERMOGRAPH_ISOLATION": "off"}
    with served(tmp_path, environment=off, code=WITHOUT_PIDFD) as service:
        assert service.ask(COUNT)[0] == 200
        assert not any(
            b"kg.engine.isolated.fork_server" in command
            for command in children_of(service.process.pid).values()
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/sparql") as response:
            assert b"no limit of time or memory holds" in response.read()


def test_a_process_told_to_end_at_once_does_not_end_the_service(tmp_path: Path) -> None:
    """SIGTERM right after the fork of a process that speaks HTTP ends that process alone."""
    with served(tmp_path) as service:
        assert service.ask(COUNT)[0] == 200  # so the process is there
        (worker,) = (
            pid
            for pid, command in children_of(service.process.pid).items()
            if b"kg.engine.isolated.fork_server" not in command
        )
        known = set(children_of(service.process.pid)) - {worker}
        for _ in range(5):
            with suppress(ProcessLookupError):  # the signal before has ended it already
                os.kill(worker, signal.SIGKILL)
            # The first that is seen of a new process is soon after its fork.
            while not (new := set(children_of(service.process.pid)) - known - {worker}):
                assert service.process.poll() is None
            (worker,) = new
            os.kill(worker, signal.SIGTERM)
        while service.process.poll() is None:
            with suppress(OSError):
                assert service.ask(COUNT)[0] == 200
                break

        assert service.process.poll() is None


PIDS = Path("/sys/fs/cgroup/pids")
CPU = Path("/sys/fs/cgroup/cpu")


@contextmanager
def control_group(above: Path, **limits: str) -> Iterator[tuple[str, ...]]:
    """Make a control group with limits, and give what runs a command in it."""
    group = above / f"dermograph-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip(f"control groups cannot be made in {above}")
    try:
        for name, limit in limits.items():
            (group / name.replace("__", ".")).write_text(limit)
        yield "sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"
    finally:
        while (group / "cgroup.procs").read_text():
            time.sleep(0.02)
        group.rmdir()


def test_fewer_query_processes_where_few_may_be_started(tmp_path: Path) -> None:
    """In a container that may have 30 processes there are fewer, and questions are answered."""
    with control_group(PIDS, pids__max="30") as before, served(tmp_path, *before) as service:
        assert service.ask(COUNT)[0] == 200
        assert 1 <= len(query_processes_of(service)) <= 7


def test_query_processes_that_cannot_be_started_now_are_started_later(tmp_path: Path) -> None:
    """The fork server waits, with its data, until there may be more processes."""
    with control_group(PIDS, pids__max="max") as before, served(tmp_path, *before) as service:
        assert service.ask(COUNT)[0] == 200
        limit = PIDS / f"dermograph-test-{os.getpid()}" / "pids.max"
        limit.write_text("1")
        while processes := query_processes_of(service):
            for process in processes:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.02)
        limit.write_text("max")

        assert service.ask(f"{COUNT} # later")[0] == 200
        assert len(query_processes_of(service)) >= 1


def test_too_few_processes_are_an_error_at_the_start(tmp_path: Path) -> None:
    """It says which limit it is, rather than failing later."""
    with control_group(PIDS, pids__max="5") as before:
        ended = refused(tmp_path, *before)

    assert ended.returncode == 4
    assert "pids.max" in ended.stderr


def test_too_few_files_are_an_error_at_the_start(tmp_path: Path) -> None:
    """It says which limit it is, rather than failing later."""
    ended = refused(tmp_path, "prlimit", "--nofile=40:40")

    assert ended.returncode == 4
    assert "RLIMIT_NOFILE" in ended.stderr


def test_files_that_may_only_be_small_are_an_error_at_the_start(tmp_path: Path) -> None:
    """Answers are held in files in memory, for which the limit holds too."""
    ended = refused(tmp_path, "prlimit", "--fsize=100000:100000")

    assert ended.returncode == 2
    assert "128 MiB" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.long
def test_the_cores_of_a_container_count(tmp_path: Path) -> None:
    """With half of a core there are as many query processes as for one."""
    limits = {"cpu__cfs_period_us": "100000", "cpu__cfs_quota_us": "50000"}
    with control_group(CPU, **limits) as before, served(tmp_path, *before) as service:
        assert service.ask(COUNT)[0] == 200
        assert len(query_processes_of(service)) == 8


def test_it_serves_where_no_file_can_be_written(tmp_path: Path) -> None:
    """On a file system that can only be read, without HOME, a large answer is given as any other."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    read_only = """
for each in $(cut -d" " -f2 /proc/mounts); do mount -o remount,ro,bind "$each" 2>/dev/null; done
touch /tmp/x "$PWD/x" /dev/shm/x /var/tmp/x 2>/dev/null && exit 9
exec "$@"
"""
    before = ("env", "-u", "HOME", "unshare", "--mount", "sh", "-c", read_only, "sh")
    large = "SELECT * { ?a ?b ?c . ?d ?e ?f } LIMIT 30000"
    with served(tmp_path, *before) as service:
        status, document = service.ask(large)

    assert status == 200
    assert len(document["results"]["bindings"]) == 30_000  # type: ignore[index]


@pytest.mark.long
def test_a_user_without_a_home_can_ask(tmp_path: Path) -> None:
    """The knowledge is built, though it cannot be kept."""
    user = ["--reuid=65422", "--clear-groups", "--inh-caps=-all,+dac_read_search"]
    may_read = ["--ambient-caps=+dac_read_search", "--bounding-set=-all,+dac_read_search"]
    before = ["env", "-i", f"PYTHONPATH={os.pathsep.join(sys.path)}", "setpriv", *user, *may_read]
    if subprocess.run([*before, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can become another user")
    asked = subprocess.run(
        [*before, sys.executable, "-B", "-c", SERVE, "query", "ASK { ?s ?p ?o }"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=tmp_path,
    )

    assert (asked.returncode, asked.stdout) == (0, "true\n")
    assert "no home" in asked.stderr


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a new folder that every user may look into."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.long
def test_threads_that_may_not_be_started_are_an_answer_too() -> None:
    """Where few processes are allowed, what finds no thread is to be asked again later."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root can become another user")
    # Query processes, loader and the two of the service, its threads, and few for requests.
    allowed = 4 + 4 * len(os.sched_getaffinity(0)) + 10
    user = f"--reuid={60_000 + os.getpid() % 5000}"
    may_read = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
    bounded = [*may_read, "--bounding-set=-all,+dac_read_search", "prlimit", f"--nproc={allowed}"]
    with (
        open_folder() as data,
        served(data, "setpriv", user, "--clear-groups", *bounded) as service,
    ):

        def ask(number: int) -> tuple[int, str | None, bool]:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
            query = urlencode({"query": f"{ENDLESS} # {number}", "timeout": "2"})
            with closing(connection):
                connection.request("GET", f"/sparql?{query}", headers={"Accept": "text/html"})
                response = connection.getresponse()
                no_thread = b"than there is room for" in response.read()
                return response.status, response.getheader("Retry-After"), no_thread

        with ThreadPoolExecutor(40) as threads:
            answers = list(threads.map(ask, range(40)))
        assert service.ask(COUNT)[0] == 200

    assert {answer[:2] for answer in answers} == {(503, "5")}
    assert any(no_thread for _, _, no_thread in answers)


def refused(folder: Path, *before: str, code: str = SERVE) -> subprocess.CompletedProcess[str]:
    """Return how the command line ends that does not come to serve."""
    return subprocess.run(
        [*before, sys.executable, "-c", code, "serve", "--empty", "--port", "8119"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
