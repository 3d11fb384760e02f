"""The scoreboard, in shared memory: which worker runs which query, and how the last workers died.

A worker begins a job under the lock of its slot, which is one of the kernel, and goes with the
process that has it. Who reads a slot or kills its worker has the lock too: so nobody reads what is
half written, and a worker is about the same query from the look at it until it is killed. The time
at which it began is written last, and taken back first, at once and not byte by byte: so what a
worker writes of itself counts as a whole or not at all, even if it dies meanwhile, and it needs no
lock to end a job: one that is through while it is killed cannot begin another.
"""

import fcntl
import hashlib
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Final, NamedTuple

from kg.engine.isolated import sandbox

_MOST_NAMES: Final = 4  # a query of the service has one (a judgement)
_DIGEST_BYTES: Final = 16  # nobody finds two names with one
_NO_DIGESTS: Final = (b"",) * _MOST_NAMES
_RUNNING: Final = struct.Struct(f"=iQQ{f'{_DIGEST_BYTES}s' * _MOST_NAMES}")
"""What ``Running`` has beside its first member, with the digests of _MOST_NAMES names."""

_KILLED: Final = struct.Struct("=Qi")
"""Which job's worker was killed last in a slot, and why."""

_DEATH: Final = struct.Struct("=Qii")
"""Of a worker that died: its job, the signal that ended it, why it was sent."""

# A slot: what runs, the last kill, the token.
_LAST_KILL: Final = _RUNNING.size
_TOKEN: Final = _LAST_KILL + _KILLED.size
_SLOT_BYTES: Final = _TOKEN + 1

_DEATHS: Final = 512
"""How many deaths are remembered: a judgement, as who waits asks within milliseconds. The cause of
one is lost if so many follow before it is asked for."""


class Cause(IntEnum):
    """Why a worker was killed by its own service."""

    NONE = 0
    ASKED = 1
    CROWDED = 2
    SHORTAGE = 3


class Running(NamedTuple):
    """What a worker is about.

    Attributes:
        began: when its job began, on the monotonic clock; 0: it is idle.
        pid, started: its identifier, and when it was started, since identifiers are used again.
        number: of the job.
        digests: of the names of its query.
    """

    began: float = 0.0
    pid: int = 0
    started: int = 0
    number: int = 0
    digests: tuple[bytes, ...] = ()


_EVENTS: Final = ("starts", "timeout", "memory", "crowded", "shortage", "asked", "worn", "other")
"""What is counted: starts of the fork server, and workers that ended, by reason."""

_BY_SIGNAL: Final = {
    0: "worn",
    signal.SIGALRM: "timeout",
    signal.SIGABRT: "memory",
    signal.SIGSEGV: "memory",
    signal.SIGIO: "asked",
}
_NUMBER_BYTES: Final = 8


class Scoreboard:
    """The scoreboard, with a slot for each worker.

    Args:
        slots: how many.
        descriptor: the shared memory of an existing scoreboard; None makes a new one.
    """

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        # When jobs began, by slot; how often there was what, by event; how many deaths there were.
        self._slots = (slots + len(_EVENTS) + 1) * _NUMBER_BYTES
        self._ring = self._slots + slots * _SLOT_BYTES
        size = self._ring + _DEATHS * _DEATH.size
        if descriptor is None:
            descriptor = os.memfd_create("scoreboard", 0)
            os.ftruncate(descriptor, size)
        self.slots = slots
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, size)
        self._numbers = memoryview(self._memory)[: self._slots].cast("d")
        self._began, self._events = self._numbers[:slots], self._numbers[slots:-1]
        self._me = (0, 0)
        self._threads = threading.RLock()

    def after_fork(self) -> None:
        """Make the lock anew, as another thread may have held it."""
        self._threads = threading.RLock()

    def close(self) -> None:
        """Let go of the shared memory; other processes keep it as long as they need it."""
        for view in (self._began, self._events, self._numbers):
            view.release()
        self._memory.close()
        os.close(self.descriptor)

    def clear(self) -> None:
        """Forget what processes were about that are no more; a new fork server begins with this."""
        self._events[_EVENTS.index("starts")] += 1
        for slot in range(self.slots):
            self.end(slot)
            self.set_token(slot, held=False)

    def begin(self, slot: int, number: int, names: Sequence[str] = ()) -> float:
        """Note that this process begins a job, whose query goes by some names, after it was idle.

        Returns:
            The time on the monotonic clock.
        """
        pid = os.getpid()
        if self._me[0] != pid:
            self._me = pid, sandbox.start_of(pid)
        digests = [*map(_digest, names[:_MOST_NAMES]), *_NO_DIGESTS][:_MOST_NAMES]
        began = time.monotonic()
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1, slot)  # a worker has no other threads
        _RUNNING.pack_into(self._memory, self._place(slot), *self._me, number, *digests)
        self._began[slot] = began
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, slot)
        return began

    def end(self, slot: int) -> None:
        """Note that the slot is idle again."""
        self._began[slot] = 0.0

    def has_token(self, slot: int) -> bool:
        """Tell whether the worker of a slot has a concurrency token."""
        return bool(self._memory[self._place(slot) + _TOKEN])

    def set_token(self, slot: int, *, held: bool) -> None:
        """Note whether the worker of a slot has a concurrency token."""
        self._memory[self._place(slot) + _TOKEN] = held

    def running(self, slot: int) -> Running:
        """Return what the worker of a slot is about."""
        with self._locked(slot):
            return self._running(slot)

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
            running = self._running(slot)
            if not running.began or number not in (0, running.number):
                return False
            if name is not None and _digest(name) not in running.digests:
                return False
            last_kill = self._place(slot) + _LAST_KILL
            if _KILLED.unpack_from(self._memory, last_kill)[0] == running.number:
                return False  # it is dying already
            with suppress(ProcessLookupError):
                process = os.pidfd_open(running.pid)
                try:
                    # If the fork server died, the process did, and another may have its identifier.
                    if sandbox.start_of(running.pid) == running.started:
                        _KILLED.pack_into(self._memory, last_kill, running.number, cause)
                        signal.pidfd_send_signal(process, signal.SIGKILL)
                        return True
                finally:
                    os.close(process)
            return False

    def died(self, slot: int, ended_by: int) -> None:
        """Note that the worker of a slot ended by a signal; 0: by none."""
        with self._locked(slot):
            number = self._running(slot).number
            killed, cause = _KILLED.unpack_from(self._memory, self._place(slot) + _LAST_KILL)
            if number:
                with self._locked(self.slots):
                    place = self._ring + int(self._numbers[-1]) % _DEATHS * _DEATH.size
                    cause = cause if killed == number else Cause.NONE
                    _DEATH.pack_into(self._memory, place, number, ended_by, cause)
                    self._numbers[-1] += 1
            is_killed = killed == number != 0
            event = Cause(cause).name.lower() if is_killed else _BY_SIGNAL.get(ended_by, "other")
            self._events[_EVENTS.index(event)] += 1
            # Only now, so that whoever finds that a job does not run finds what became of it.
            self.end(slot)

    def activity(self) -> dict[str, float]:
        """Return how many jobs are running, and how many events of each kind there were."""
        running = sum(began > 0 for began in self._began)
        return {"running": running, **dict(zip(_EVENTS, self._events, strict=True))}

    def began(self, number: int) -> float | None:
        """Return when a job began that is running, on the monotonic clock; None: it is not."""
        for slot in range(self.slots):
            running = self.running(slot)
            if running.began and running.number == number:
                return running.began
        return None

    def death(self, number: int) -> tuple[int, Cause] | None:
        """Return by which signal the worker of a job ended, and why the service sent it, if it did.

        None: as far as is known it did not end; 0 for the signal: by none.
        """
        with self._locked(self.slots):
            deaths = self._memory[self._ring :]
        for dead, ended_by, cause in _DEATH.iter_unpack(deaths):
            if dead == number:
                return ended_by, Cause(cause)
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

    def _running(self, slot: int) -> Running:
        if not (began := self._began[slot]):
            return Running()
        pid, started, number, *digests = _RUNNING.unpack_from(self._memory, self._place(slot))
        return Running(began, pid, started, number, tuple(digests))

    def _place(self, slot: int) -> int:
        return self._slots + slot * _SLOT_BYTES


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).digest()
