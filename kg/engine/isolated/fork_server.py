"""The fork server: holds a dataset in memory and forks the workers that share it.

Run as `python -m kg.engine.isolated.fork_server` by the isolated engine. A single thread forks, so
that a fork copies no lock that another thread holds. A worker answers one query at a time and many
in its life; the kernel ends it when a query exceeds its limits, when whoever asked has gone, and
when the fork server ends.

As many workers as there are processor cores take up queries, as more would only contend for the
caches of the processor; half as many while queries are brief, when those who ask have as much to do.
So a worker needs a concurrency token to take a job. A query that has run for 50 ms while others wait
gives its token away; each further one has to run for 50 ms more (see ``policy``).
"""

import fcntl
import gc
import logging
import os
import pickle
import signal
import socket
import sys
import termios
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from kg.engine.interface import Task, TaskRunner
from kg.engine.isolated import ipc, policy, sandbox
from kg.engine.isolated.ipc import Setup
from kg.engine.isolated.scoreboard import Cause, Scoreboard
from kg.engine.oxigraph.engine import InProcessEngine
from kg.sparql.errors import EngineError

_TICK: Final = 0.02
"""Seconds between looks at the age of running queries: often enough for `policy.SHORT`, and a look
takes a thousandth of that (a judgement)."""

_WORN: Final = 32 << 20
"""Growth of the address space in bytes after which a worker makes room for a fresh one: a small part
of what a query may take, which is counted from the start of the worker (a judgement)."""

_COPIED: Final = 16 << 20
"""Bytes that a worker may copy of what is shared if it is one of many and memory is scarce (a
judgement). Oxigraph counts references within its data, so who reads much of them has a copy."""

_LOOK: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT

_LOG = logging.getLogger(__name__)


def main() -> None:
    """Load the dataset and keep the workers running until killed."""
    setup: Setup = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    sandbox.default_signals()
    sandbox.die_with_parent(setup.parent)
    scoreboard = Scoreboard(setup.slots, setup.scoreboard)
    scoreboard.clear()  # those who were asking a fork server before this one wait for that
    with socket.socket(fileno=setup.report) as report:
        engine = _loaded(setup, report)
    # Functions are called with what clients write, which must not fill the log.
    logging.getLogger("rdflib.term").setLevel(logging.ERROR)
    jobs = socket.socket(fileno=setup.jobs)
    sandbox.forbid_network()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    if setup.tasks is not None:
        setup.tasks.open(engine)
    gc.freeze()  # so that collecting garbage does not copy the memory that is shared
    workers = _Workers(engine, setup, jobs, scoreboard)
    while True:
        workers.start_missing()
        signal.sigtimedwait({signal.SIGCHLD}, _TICK)
        workers.reap()
        workers.look()


def _loaded(setup: Setup, report: socket.socket) -> InProcessEngine:
    """Load the data, and say how that went."""
    # Oxigraph loads without the lock of Python. This thread has ended before anything is forked.
    preparing = threading.Thread(target=setup.tasks.prepare if setup.tasks else None)
    preparing.start()
    try:
        engine = InProcessEngine(
            setup.data,
            version=setup.version,
            expected=setup.expected,
            prefixes=setup.prefixes,
            functions=setup.functions,
        )
        ipc.send(report, ipc.Loaded(engine.version, engine.contents))
    except EngineError as error:
        ipc.send(report, error)
        os._exit(1)  # at once: the other thread may be in the middle of an import
    preparing.join()
    return engine


def _unread(descriptor: int) -> int:
    """Return how many bytes wait to be read."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


class _Workers:
    """The workers of a fork server, each with a slot."""

    def __init__(
        self, engine: InProcessEngine, setup: Setup, jobs: socket.socket, scoreboard: Scoreboard
    ) -> None:
        self._engine = engine
        self._setup = setup
        self._jobs = jobs
        self._scoreboard = scoreboard
        self._job_server = JobServer(min(sandbox.cores(), setup.slots), scoreboard)
        self._slots: dict[int, int] = {}
        self._fork_server = os.getpid()
        self._failed = False

    def start_missing(self) -> None:
        """Start a process in each slot that has none, as far as that is possible now."""
        for slot in set(range(len(self._scoreboard.slots))) - set(self._slots.values()):
            try:
                pid = os.fork()
            except OSError as error:  # tried again at the next look
                if not self._failed:
                    _LOG.warning("Query processes cannot be started now: %s.", error.strerror)
                self._failed = True
                return
            if pid == 0:
                self._answer_jobs(slot)
            self._slots[pid] = slot
        self._failed = False

    def reap(self) -> None:
        """Note which processes have ended, and why."""
        while self._slots and (ended := os.waitid(os.P_ALL, 0, _LOOK)) is not None:
            slot = self._slots.pop(ended.si_pid)
            by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            self._scoreboard.died(slot, ended.si_status if by_signal else 0)
            self._job_server.give_back(slot)
            # Only now may another process get the identifier, which is no more on the scoreboard.
            os.waitpid(ended.si_pid, 0)

    def look(self) -> None:
        """Make queries give way to others."""
        running = list(map(self._scoreboard.running, range(len(self._scoreboard.slots))))
        now = time.monotonic()
        ages = [now - each.began if each.began else 0.0 for each in running]
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        for pid, slot in self._slots.items():
            niceness = policy.niceness(ages[slot], usual)
            if niceness is not None:
                sandbox.lower_priority(pid, niceness)
        for slot in policy.crowding(ages):
            self._scoreboard.kill(slot, Cause.CROWDED, number=running[slot].number)
        if max(ages) >= policy.SHORT and sandbox.memory_left() < self._setup.reserve:
            pids = {slot: pid for pid, slot in self._slots.items()}
            costliest = policy.costliest(ages, lambda slot: sandbox.taken_by(pids.get(slot, 0)))
            if costliest is not None:
                number = running[costliest].number
                self._scoreboard.kill(costliest, Cause.SHORTAGE, number=number)
        self._job_server.pass_on(ages, waited_for=_unread(self._jobs.fileno()) > 0)

    def _answer_jobs(self, slot: int) -> Never:
        """Be a worker."""
        try:
            sandbox.die_with_parent(self._fork_server)
            # Who is to end first when no memory is left; if it may not be said, the kernel chooses.
            with suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
            shared = (self._engine, self._jobs, self._scoreboard, self._job_server)
            _Worker(*shared, self._setup.tasks, slot).answer_jobs(self._setup.memory)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(0)


class JobServer:
    """The concurrency tokens: bytes in a pipe, of which each worker takes one, as GNU make's do.

    Who has one is on the scoreboard. The two are changed one after the other, and a worker may be
    killed in between; `policy.Allotment` makes up for a token that is lost so.
    """

    def __init__(self, number: int, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._allotment = policy.Allotment(number)
        self._taking, self._giving = os.pipe()
        os.write(self._giving, bytes(self._allotment.tokens))

    def take(self, slot: int) -> None:
        """Wait for a token, unless the worker of a slot has one."""
        worker = self._scoreboard.slots[slot]
        if not worker.has_token:
            os.read(self._taking, 1)
            worker.has_token = True

    def give_back(self, slot: int) -> None:
        """Pass the token of the worker of a slot on to others, if it has one."""
        worker = self._scoreboard.slots[slot]
        if worker.has_token:
            worker.has_token = False
            os.write(self._giving, bytes(1))

    def pass_on(self, ages: list[float], *, waited_for: bool) -> None:
        """Let others have tokens if they wait, and see that there are as many as there should be."""
        workers = self._scoreboard.slots
        if waited_for:
            for slot in policy.outlasted(ages, [worker.has_token for worker in workers]):
                self.give_back(slot)
        holding = [worker for worker in workers if worker.has_token]
        missing = self._allotment.missing(ages, len(holding) + _unread(self._taking))
        # The first goes on, whose worker has copied what it writes to.
        for worker in holding[::-1][: max(0, -missing)]:
            worker.has_token = False
        os.write(self._giving, bytes(max(0, missing)))


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker: answers one job after the other until it is worn."""

    engine: InProcessEngine
    jobs: socket.socket
    scoreboard: Scoreboard
    job_server: JobServer
    tasks: TaskRunner | None
    slot: int

    def answer_jobs(self, memory: int) -> None:
        """Answer jobs, growing by no more than some bytes of memory."""
        growth = sandbox.Growth()
        # Whatever it is here: the service may be started with any, and be given another as a whole.
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        sandbox.limit_memory(memory)
        while not self._is_worn(growth, niceness):
            self.job_server.take(self.slot)
            connection, job = ipc.take(self.jobs)
            with connection:
                self._answer_over(connection, job)

    def _is_worn(self, growth: sandbox.Growth, niceness: int) -> bool:
        """Tell whether a fresh process should take over: this one is too large, or must give way.

        Only who is privileged could have back the niceness that it began with.
        """
        if growth.bytes() > _WORN or os.getpriority(os.PRIO_PROCESS, 0) > niceness:
            return True
        # With a token it is one of the few that may keep a copy of their own.
        if self.scoreboard.slots[self.slot].has_token or growth.copied() <= _COPIED:
            return False
        return sandbox.memory_left() < sandbox.memory_in_all() // 2

    def _answer_over(self, connection: socket.socket, job: ipc.Job) -> None:
        try:
            self._answer(job, connection)
        except ConnectionError:
            pass  # the caller disconnected
        except MemoryError:
            os.abort()  # as the engine's own allocations do, while the job is on the scoreboard
        finally:
            self.scoreboard.end(self.slot)

    def _answer(self, job: ipc.Job, connection: socket.socket) -> None:
        """Answer a job under its limits, if anybody still waits for it.

        The order matters. The job is on the scoreboard before its time runs, or a caller would take
        one that ended for one that was never begun, and put it again; who has hung up does not. The
        limits are lifted before anything is sent, as a caller that has the answer closes the
        connection. The job is on the scoreboard until all is sent, so that the caller goes on waiting.
        """
        if not sandbox.die_with_connection(connection):
            return
        began = self.scoreboard.begin(self.slot, job.number, job.work.names)
        sandbox.limit_time(job.seconds)
        message = self._outcome(job, began)
        sandbox.limit_time(0)
        sandbox.outlive_connection(connection)
        ipc.send(connection, message)

    def _outcome(self, job: ipc.Job, began: float) -> ipc.Message:
        work = job.work
        try:
            if isinstance(work, Task):
                assert self.tasks is not None, "an engine without a runner is asked for no task"
                return ipc.Done(self.tasks.run(work.subject), began)
            return ipc.Done(self.engine.run(work), began)
        except EngineError as error:
            return error


if __name__ == "__main__":
    main()
