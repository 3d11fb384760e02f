"""The scoreboard, in shared memory: which worker runs which query, and how the last workers died.

A worker begins a job under the lock of its slot, which is one of the kernel, and goes with the
process that has it. Who reads a slot or kills its worker has the lock too: so nobody reads what is
half written, and a worker is about the same query from the look at it until it is killed. The time
at which it began is written last, and taken back first, at once and not byte by byte: so what a
worker writes of itself counts as a whole or not at all, even if it dies meanwhile, and it needs no
lock to end a job: one that is through while it is killed cannot begin another.
"""

import ctypes
import fcntl
import hashlib
import mmap
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, Final

from kg.engine.isolated import sandbox

_MOST_NAMES: Final = 4  # a query of the service has one (a judgement)
_DIGEST_BYTES: Final = 16  # nobody finds two names with one

_DEATHS: Final = 512
"""How many deaths are remembered: a judgement, as who waits asks within milliseconds. The cause of
one is lost if so many follow before it is asked for."""


class Cause(IntEnum):
    """Why a worker was killed by its own service."""

    NONE = 0
    ASKED = 1
    CROWDED = 2
    SHORTAGE = 3


class Slot(ctypes.Structure):
    """What a worker is about.

    Attributes:
        began: when its job began, on the monotonic clock; 0: it is idle.
        pid, started: its identifier, and when it was started, since identifiers are used again.
        number: of the job.
        digests: of the names of its query, with a space between them.
        killed, cause: which job's worker was killed last in this slot, and why.
        has_token: whether it has a concurrency token.
    """

    _fields_ = (
        ("began", ctypes.c_double),
        ("pid", ctypes.c_int),
        ("started", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("digests", ctypes.c_char * ((2 * _DIGEST_BYTES + 1) * _MOST_NAMES)),
        ("killed", ctypes.c_uint64),
        ("cause", ctypes.c_int),
        ("has_token", ctypes.c_bool),
    )


class _Death(ctypes.Structure):
    """Of a worker that died: its job, the signal that ended it, why it was sent."""

    _fields_ = (("number", ctypes.c_uint64), ("ended_by", ctypes.c_int), ("cause", ctypes.c_int))


_EVENTS: Final = ("starts", "timeout", "memory", "crowded", "shortage", "asked", "worn", "other")
"""What is counted: starts of the fork server, and workers that ended, by reason."""

_BY_SIGNAL: Final = {
    0: "worn",
    signal.SIGALRM: "timeout",
    signal.SIGABRT: "memory",
    signal.SIGSEGV: "memory",
    signal.SIGIO: "asked",
}


class Scoreboard:
    """The scoreboard, with a slot for each worker.

    Args:
        slots: how many.
        descriptor: the shared memory of an existing scoreboard; None makes a new one.

    Attributes:
        slots: the slots; what others than their workers read of them, but tokens, needs the lock.
    """

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        class Board(ctypes.Structure):
            _fields_ = (
                ("slots", Slot * slots),
                ("events", ctypes.c_double * len(_EVENTS)),
                ("died", ctypes.c_uint64),
                ("deaths", _Death * _DEATHS),
            )

        size = ctypes.sizeof(Board)
        if descriptor is None:
            descriptor = os.memfd_create("scoreboard", 0)
            os.ftruncate(descriptor, size)
        self.descriptor = descriptor
        self._board: Any = Board.from_buffer(mmap.mmap(descriptor, size))
        self.slots: ctypes.Array[Slot] = self._board.slots
        self._me = (0, 0)
        self._threads = threading.RLock()

    def after_fork(self) -> None:
        """Make the lock anew, as another thread may have held it."""
        self._threads = threading.RLock()

    def close(self) -> None:
        """Let go of the shared memory; other processes keep it as long as they need it."""
        del self.slots, self._board  # which have it mapped
        os.close(self.descriptor)

    def clear(self) -> None:
        """Forget what processes were about that are no more; a new fork server begins with this."""
        self._board.events[_EVENTS.index("starts")] += 1
        for slot in self.slots:
            slot.began = 0.0
            slot.has_token = False

    def begin(self, slot: int, number: int, names: Sequence[str] = ()) -> float:
        """Note that this process begins a job, whose query goes by some names, after it was idle.

        Returns:
            The time on the monotonic clock.
        """
        pid = os.getpid()
        if self._me[0] != pid:
            self._me = pid, sandbox.start_of(pid)
        mine = self.slots[slot]
        began = time.monotonic()
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1, slot)  # a worker has no other threads
        mine.pid, mine.started = self._me
        mine.number = number
        mine.digests = b" ".join(map(_digest, names[:_MOST_NAMES]))
        mine.began = began
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, slot)
        return began

    def end(self, slot: int) -> None:
        """Note that the slot is idle again."""
        self.slots[slot].began = 0.0

    def running(self, slot: int) -> Slot:
        """Return what the worker of a slot is about at the moment."""
        with self._locked(slot):
            return Slot.from_buffer_copy(self.slots[slot])

    def kill(self, slot: int, cause: Cause, name: str | None = None, number: int = 0) -> bool:
        """Kill the worker of a slot if it runs a query, and no other than is meant.

        Under the lock of the slot the worker cannot go on to another query, and the kernel keeps the
        process of a descriptor apart from a later one of the same identifier. So what is looked at
        is what dies, and the cause is there before the signal.

        Args:
            slot: the slot.
            cause: why, for the error that whoever waits gets.
            name: that the query has; None: any.
            number: that its job has; 0: any.

        Returns:
            Whether it did.
        """
        with self._locked(slot):
            running = self.slots[slot]
            if not running.began or number not in (0, running.number):
                return False
            if name is not None and _digest(name) not in running.digests:
                return False
            if running.killed == running.number:
                return False  # it is dying already
            with suppress(ProcessLookupError):
                process = os.pidfd_open(running.pid)
                try:
                    # If the fork server died, the process did, and another may have its identifier.
                    if sandbox.start_of(running.pid) == running.started:
                        running.killed, running.cause = running.number, cause
                        signal.pidfd_send_signal(process, signal.SIGKILL)
                        return True
                finally:
                    os.close(process)
            return False

    def died(self, slot: int, ended_by: int) -> None:
        """Note that the worker of a slot ended by a signal; 0: by none."""
        with self._locked(slot):
            last = self.slots[slot]
            number = last.number if last.began else 0
            is_killed = last.killed == number != 0
            cause = Cause(last.cause) if is_killed else Cause.NONE
            if number:
                with self._locked(len(self.slots)):
                    place = self._board.died % _DEATHS
                    self._board.deaths[place] = _Death(number, ended_by, cause)
                    self._board.died += 1
            event = cause.name.lower() if is_killed else _BY_SIGNAL.get(ended_by, "other")
            self._board.events[_EVENTS.index(event)] += 1
            # Only now, so that whoever finds that a job does not run finds what became of it.
            self.end(slot)

    def activity(self) -> dict[str, float]:
        """Return how many jobs are running, and how many events of each kind there were."""
        running = sum(slot.began > 0 for slot in self.slots)
        return {"running": running, **dict(zip(_EVENTS, self._board.events, strict=True))}

    def began(self, number: int) -> float | None:
        """Return when a job began that is running, on the monotonic clock; None: it is not."""
        for running in map(self.running, range(len(self.slots))):
            if running.began and running.number == number:
                return float(running.began)
        return None

    def death(self, number: int) -> tuple[int, Cause] | None:
        """Return by which signal the worker of a job ended, and why the service sent it, if it did.

        None: as far as is known it did not end; 0 for the signal: by none.
        """
        with self._locked(len(self.slots)):
            for death in self._board.deaths:
                if death.number == number:
                    return death.ended_by, Cause(death.cause)
        return None

    @contextmanager
    def _locked(self, slot: int) -> Iterator[None]:
        """Keep other threads and processes from a slot; that behind the last is for deaths."""
        with self._threads:  # which are one to the kernel
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1, slot)
            try:
                yield
            finally:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, slot)


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).hexdigest().encode()
