"""The engine that runs each query in a process that the kernel stops at its limits.

Oxigraph cannot be interrupted from Python, so no query runs in a process that speaks HTTP. A fork
server holds the dataset and forks workers (``kg.engine.isolated.fork_server``). A call goes to the
worker that is free first, by way of a queue in the kernel: the engine makes a pair of connected
sockets, puts the job with one end into the queue, and waits at the other. When the worker dies, its
end closes, so the engine knows at once; when the engine closes its own end, or dies, the worker is
killed. Why a worker died is on the scoreboard; of its answer nobody sees a part.

    admitted ----> in the queue ----> begun ----> answered
       |           |         ^          |
       v           v         |          v
    Overloaded:  Overloaded: |        died: QueryTimeout, MemoryLimitExceeded, QueryStopped,
    too many     nobody free |        Overloaded (gave way), EngineUnavailable
    are waiting  in time     |
                             +--- died before it began: the job is put again, _ATTEMPTS times

Each state but the last can be cancelled (``kg.engine.cancellation``), and the engine be closed.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar
from weakref import WeakSet

from kg.engine.cancellation import CallsByName, CancelToken
from kg.engine.dataset import Contents, Data
from kg.engine.interface import (
    Answer,
    AsyncEngine,
    FunctionsOf,
    Query,
    Task,
    TaskEngine,
    TaskResult,
    TaskRunner,
)
from kg.engine.isolated import ipc, sandbox
from kg.engine.isolated.scoreboard import Cause, Scoreboard
from kg.engine.isolated.supervisor import Supervisor, pinned
from kg.engine.spool import SpooledFile, bytes_in_files
from kg.sparql.errors import (
    EngineError,
    EngineUnavailable,
    MemoryLimitExceeded,
    Overloaded,
    QueryStopped,
    QueryTimeout,
)
from kg.sparql.syntax_errors import faster_form

_MARGIN: Final = 0.2
"""Seconds after its limit by which a worker is known to be dead: the kernel may be late to send the
signal, to free the memory and to close the connection where all is busy (a judgement)."""

_LOOK_SECONDS: Final = 0.001
"""Time between looks for the cause of a death, of which the fork server hears at once."""

_CAUSE_PATIENCE: Final = 10.0
"""Seconds that the cause of a death is waited for. The fork server leaves word within milliseconds,
unless it has died too; then nobody will (a judgement)."""

_PER_CORE: Final = 4
"""Workers for each processor core, and as many more: as many long queries may run until the next of
them has to give way, while few take up queries at a time (a judgement)."""

_FEWEST_PROCESSES: Final = 8
"""Processes and threads without which there is no service: a fork server, a worker, one that speaks
HTTP with some threads."""

_FEWEST_FILES: Final = 64
"""Files that a process that speaks HTTP has open before anybody asks, and as many for who asks."""

_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS)

_ATTEMPTS: Final = 5
"""How many times a job is put whose worker is killed before it begins with it.

One that is being killed may still take a job, so as many attempts may be lost at a time.
"""

_Result = TypeVar("_Result", Answer, TaskResult)

_CLOSED: Final = "The engine is closed."
_KILLED: Final = "The query process was stopped."


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may use.

    Attributes:
        seconds: how long it may run by the clock, unless it asks for another time.
        most_seconds: the longest time that it may ask for.
        memory: how many bytes the address space of its worker may grow by.
        reserve: how many bytes of the machine's memory all queries leave free; None: a twentieth.
        spooled: how many bytes of large answers may be held until they have been sent, which are in
            memory; None: a quarter of the machine's. One answer may be larger.
        waiting: how many queries may wait for a worker.
        patience: how many seconds a query waits for a worker.
    """

    seconds: float = 10.0
    most_seconds: float = 60.0
    memory: int = 1 << 30
    reserve: int | None = None
    spooled: int | None = None
    waiting: int = 64
    patience: float = 10.0


class IsolatedEngine(AsyncEngine, TaskEngine):
    """Oxigraph in processes of their own, over one version of a dataset.

    The engine may be used from many threads, and from processes forked after it was made.

    Args:
        data: what to hold; bytes are N-Quads. Only the fork server reads it, now and whenever it has
            to load again; files are held open, so that they may be replaced meanwhile.
        version: the version of the data, see ``Engine.version``; None: as their contents say.
        prefixes: see ``InProcessEngine``.
        functions: gives what queries can call beyond SPARQL's own functions, by IRI; a function
            of a module, as other processes have to find it.
        tasks: does what ``call`` is asked for, within the limits of a query; None: nothing does.
        limits: what a query may use.
        processes: number of workers; more than processor cores only so that long queries do not
            keep short ones waiting.

    Raises:
        DataError: a file cannot be opened.
        EngineUnavailable: too few processes may be started, or too few files be open.
        OSError: the platform lacks what isolation needs; see ``sandbox.lacking``.
    """

    isolated: Final = True

    def __init__(
        self,
        data: Data | bytes,
        *,
        version: str | None = None,
        prefixes: Mapping[str, str] | None = None,
        functions: FunctionsOf | None = None,
        tasks: TaskRunner | None = None,
        limits: Limits | None = None,
        processes: int | None = None,
    ) -> None:
        with ExitStack() as files:
            held, descriptors = pinned(Data.of(data), files)
            self._files = files.pop_all()
        self.limits = limits or Limits()
        self.processes = _as_far_as_allowed(processes or _PER_CORE * (sandbox.cores() + 1))
        self._version = version
        self._does_tasks = tasks is not None
        self._lock = threading.Lock()
        self._pending: set[ipc.PendingCall] = set()
        self._closed = False
        self._users = 0
        self._loaded: ipc.Loaded | None = None
        self._jobs, self._queue_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._jobs.setblocking(False)
        self._numbers = itertools.count(1)
        self._scoreboard = Scoreboard(self.processes)
        self._owner = os.getpid()
        self._calls = CallsByName()
        self._refused = 0
        reserve = self.limits.reserve
        setup = ipc.Setup(
            parent=self._owner,
            jobs=self._queue_end.fileno(),
            scoreboard=self._scoreboard.descriptor,
            slots=self.processes,
            data=held,
            version=version,
            prefixes=dict(prefixes or {}),
            functions=functions,
            memory=self.limits.memory,
            reserve=sandbox.memory_in_all() // 20 if reserve is None else reserve,
            tasks=tasks,
        )
        inherited = (setup.jobs, setup.scoreboard, *descriptors)
        self._supervisor = Supervisor(setup, inherited)
        _ENGINES.add(self)

    @property
    def version(self) -> str:
        """The version of the data, as soon as it is known; see ``wait_until_loaded``."""
        return self._version or self.wait_until_loaded().version

    @property
    def contents(self) -> Contents:
        """How much it holds, as soon as that is known; see ``wait_until_loaded``."""
        return self.wait_until_loaded().contents

    def wait_until_loaded(self) -> ipc.Loaded:
        """Return when the data have been loaded for the first time.

        Raises:
            DataError: they cannot be read or do not parse, so the engine will never answer.
            EngineUnavailable: the fork server is killed each time, or the engine was closed.
        """
        # Kept, as a forked process has no supervisor to ask.
        self._loaded = self._loaded or self._supervisor.wait_until_loaded()
        return self._loaded

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``.

        Raises:
            QueryTimeout: it ran longer than it may.
            MemoryLimitExceeded: it took more memory than it may.
            Overloaded: too many queries are waiting, or it waited too long.
        """
        return self._result(_run(self._done(query, _wait_in_thread)), Answer)

    def call(self, task: Task) -> TaskResult | None:
        """Run a task in a worker; see ``TaskEngine.call``.

        Raises:
            EngineUnavailable: as ``run``.
        """
        if not self._does_tasks:
            return None
        return self._result(_run(self._done(task, _wait_in_thread)), TaskResult)

    async def answer(self, query: Query) -> Answer:
        """Answer a query like ``run``, while the event loop sees to other things."""
        return self._result(await self._done(query, _wait_in_loop), Answer)

    def stop(self, name: str) -> bool:
        """Stop the queries of a name, whichever of the forked processes asked them."""
        stopped = self._calls.stop(name)
        killed = [self._scoreboard.kill(slot, Cause.ASKED, name) for slot in range(self.processes)]
        return stopped or any(killed)

    def activity(self) -> Mapping[str, float]:
        """Return what it does and has done; see ``AsyncEngine.activity``."""
        return {
            **self._scoreboard.activity(),
            "waiting": len(self._pending),
            "refused": self._refused,
        }

    def close(self) -> None:
        """End the fork server and all workers; whoever waits for an answer gets an error.

        It does not wait for them, as they may need this thread: the last of them lets go of the rest.
        """
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._users += 1
            for call in self._pending:
                call.connection.shutdown(socket.SHUT_RDWR)  # as who waits notices
        self._supervisor.close(EngineUnavailable(_CLOSED))
        self._jobs.shutdown(socket.SHUT_RDWR)  # which ends the wait for room in the queue
        self._queue_end.close()  # which ends the connections that wait in the queue
        self._release()

    def after_fork(self) -> None:
        """Begin anew in a forked process: the calls of threads go on in the process they are of."""
        for call in self._pending:
            call.drop()
        self._pending = set()
        self._lock = threading.Lock()
        self._users = 0
        self._calls = CallsByName()
        self._scoreboard.after_fork()
        self._queue_end.close()  # it would keep alive what is in the queue of a closed engine

    def _release(self, call: ipc.PendingCall | None = None) -> None:
        """Note that somebody uses the engine no more, and let go of all if it was the last."""
        with self._lock:
            self._pending.discard(call)
            self._users -= 1
            is_last = self._closed and not self._users
        if is_last:
            self._jobs.close()
            self._scoreboard.close()
            self._files.close()

    async def _done(self, work: Query | Task, wait: _Wait) -> ipc.Done:
        """Run a query or task in a worker; it waits for nothing but by ``wait``."""
        for _ in range(_ATTEMPTS):
            with self._call(work) as call:
                await self._put(call, wait)
                message = await self._outcome(call, wait)
                if isinstance(message, EngineError):
                    raise message
                if message is not None:
                    assert isinstance(message, ipc.Done)
                    return message
                await self._refuse_if_begun(call, wait)
        raise EngineUnavailable(_KILLED)

    @contextmanager
    def _call(self, work: Query | Task) -> Iterator[ipc.PendingCall]:
        """Admit a query or task and yield the call to a worker."""
        seconds = min(work.seconds or self.limits.seconds, self.limits.most_seconds)
        job = ipc.Job(work, seconds, os.getpid() << 32 | next(self._numbers))
        try:
            self._supervisor.refuse_if_longer_than(self.limits.patience)
            with self._calls.call(work.names) as token:
                call = self._admitted(job, token)
                try:
                    yield call
                finally:
                    self._release(call)  # first, as ``close`` interrupts whatever is pending
                    call.close()
        except Overloaded:
            with self._lock:
                self._refused += 1
            raise
        except BrokenPipeError:
            raise EngineUnavailable(_CLOSED) from None
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            raise Overloaded("The service has as many files and connections as it may.") from error

    def _admitted(self, job: ipc.Job, token: CancelToken) -> ipc.PendingCall:
        with self._lock:
            if self._closed:
                raise EngineUnavailable(_CLOSED)
            if len(self._pending) >= self.processes + self.limits.waiting:
                raise Overloaded(f"More than {self.limits.waiting} queries are waiting.")
            call = ipc.PendingCall(job, token)
            self._pending.add(call)
            self._users += 1
        return call

    async def _put(self, call: ipc.PendingCall, wait: _Wait) -> None:
        """Put a job into the queue, as soon as there is room."""
        while not call.put(self._jobs):
            left = call.put_at + self.limits.patience - time.monotonic()
            if left <= 0 or not await wait(self._jobs, select.POLLOUT, left):
                raise self._nobody_free()

    async def _outcome(self, call: ipc.PendingCall, wait: _Wait) -> ipc.Message | None:
        """Wait for what comes of a job; None: its worker died."""
        left: float | None = self.limits.patience
        while left is not None and not await wait(call.connection, select.POLLIN, left):
            left = self._time_left(call)
        try:
            return ipc.receive(call.connection, call.put_at)
        except BlockingIOError:
            raise self._nobody_free() from None
        except EOFError:
            return None

    def _time_left(self, call: ipc.PendingCall) -> float | None:
        """Return for how many seconds an answer may still come; None: it is there, or never comes.

        At its limit the kernel ends the worker, which is then seen by the end of the connection.
        Only where that does not come within the margin is the query given up from here.
        """
        began = self._scoreboard.began(call.job.number)
        if began is None:  # it was not begun, or has just been answered
            return None
        left = began + call.job.seconds + _MARGIN - time.monotonic()
        if left <= 0:
            raise _timeout(call.job)
        return left

    def _nobody_free(self) -> Overloaded:
        return Overloaded(f"No query process was free within {self.limits.patience:g} seconds.")

    async def _refuse_if_begun(self, call: ipc.PendingCall, wait: _Wait) -> None:
        """Raise why the worker of a job died, or return if it had not begun with it."""
        job = call.job
        begun = False
        deadline = time.monotonic() + _CAUSE_PATIENCE
        while True:
            if self._closed:
                raise EngineUnavailable(_CLOSED)
            call.token.refuse_if_set()
            if self._scoreboard.began(job.number) is None or time.monotonic() >= deadline:
                break
            begun = True
            # The fork server cannot send word: any of several processes may be calling.
            await wait(None, 0, _LOOK_SECONDS)
        ended_by, cause = self._scoreboard.death(job.number) or (0, None)
        if cause is Cause.ASKED:
            raise QueryStopped
        if cause:
            raise Overloaded(_GAVE_WAY[cause])
        if ended_by == signal.SIGALRM:
            raise _timeout(job)
        if ended_by in (signal.SIGABRT, signal.SIGSEGV, signal.SIGXFSZ):
            raise MemoryLimitExceeded(self.limits.memory)
        if begun or cause is not None:
            raise EngineUnavailable(_KILLED)

    def _result(self, done: ipc.Done, kind: type[_Result]) -> _Result:
        """Return what came of a job, unless there is no memory left for answers in files."""
        result = done.answer
        assert isinstance(result, kind), "each kind of work has its own results"
        if isinstance(result.content, SpooledFile):
            limit = self.limits.spooled
            most = sandbox.memory_in_all() // 4 if limit is None else limit
            held = bytes_in_files()
            if held > most and held > len(result.content):  # a single one may be larger
                raise Overloaded(
                    "Large answers that are being sent take the memory there is for them."
                )
        return result


_ENGINES: Final[WeakSet[IsolatedEngine]] = WeakSet()
os.register_at_fork(after_in_child=lambda: list(map(IsolatedEngine.after_fork, list(_ENGINES))))


_Wait: TypeAlias = Callable[[socket.socket | None, int, float], Awaitable[bool]]
"""Waits for an event of poll(2) at a connection, or for so many seconds; tells whether it came."""


async def _wait_in_thread(connection: socket.socket | None, event: int, seconds: float) -> bool:
    """Wait, and keep the thread."""
    poll = select.poll()
    if connection is not None:
        poll.register(connection, event)
    return bool(poll.poll(seconds * 1000))


async def _wait_in_loop(connection: socket.socket | None, event: int, seconds: float) -> bool:
    """Wait while the event loop sees to other things."""
    if connection is None:
        await asyncio.sleep(seconds)
        return False
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[bool] = loop.create_future()
    own: AbstractContextManager[socket.socket] = nullcontext(connection)
    add, remove = loop.add_reader, loop.remove_reader
    if event == select.POLLOUT:
        # The loop has one waiter for each descriptor, and several calls may wait for the queue.
        own, add, remove = connection.dup(), loop.add_writer, loop.remove_writer
    with own as waited_for:
        late = loop.call_later(seconds, _settle, ready, False)
        add(waited_for, _settle, ready, True)
        try:
            return await ready
        finally:
            remove(waited_for)
            late.cancel()


def _settle(ready: asyncio.Future[bool], is_ready: bool) -> None:  # noqa: FBT001 - a callback
    if not ready.done():
        ready.set_result(is_ready)


def _run(done: Coroutine[Any, Any, ipc.Done]) -> ipc.Done:
    """Run what waits by ``_wait_in_thread`` only, and so is through when it is begun."""
    try:
        done.send(None)
    except StopIteration as end:
        result: ipc.Done = end.value
        return result
    raise AssertionError("it waits by something else")


def _as_far_as_allowed(processes: int) -> int:
    """Return how many workers to start: fewer than wanted where few may be started."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != files < _FEWEST_FILES:
        raise EngineUnavailable(
            f"A process may have {files} files open (RLIMIT_NOFILE), and needs {_FEWEST_FILES}."
        )
    left = sandbox.processes_left()
    if left is None:
        return processes
    if left < _FEWEST_PROCESSES:
        raise EngineUnavailable(
            f"{max(0, left)} more processes or threads may be started (RLIMIT_NPROC, or pids.max of "
            f"a control group), and at least {_FEWEST_PROCESSES} are needed."
        )
    return min(processes, left // 4)  # the rest is for threads of the processes that ask


def _timeout(job: ipc.Job) -> QueryTimeout:
    hint = faster_form(job.work.text) if isinstance(job.work, Query) else None
    return QueryTimeout(job.seconds, hint)


_GAVE_WAY: Final = {
    Cause.CROWDED: "Too many long queries run at once, so this one was stopped.",
    Cause.SHORTAGE: "Memory ran short, and this query had taken the most of it.",
}
