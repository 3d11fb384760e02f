"""A scoreboard in shared memory on which processes leave word for each other: who runs what, who died how.

What is on it is read and written under locks of the kernel, one for each slot: so nobody reads what
is half written, a process is about the same query from the look at it until it is killed, and a lock
ends with the process that has it. What a process writes of itself counts as a whole or not at all,
even if it dies meanwhile.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Final, NamedTuple

from kg.engine.isolated import sandbox

_RUNNING: Final = struct.Struct("=diQQ64s")
"""Of a query process: when its job began (0: idle), its identifier, when it was started, the job,
digests of names."""

_KILLED: Final = struct.Struct("=Qi")
"""Which job's process was killed last in a slot, and why."""

_DEATH: Final = struct.Struct("=Qii")
"""Of a process that died: its job, the signal that ended it, why it was sent."""

_COUNT: Final = struct.Struct("=Q")

# A slot: which of two records of what runs is the right one, both, the last kill, the token.
_RECORDS: Final = 1
_LAST_KILL: Final = _RECORDS + 2 * _RUNNING.size
_TOKEN: Final = _LAST_KILL + _KILLED.size
_SLOT_BYTES: Final = _TOKEN + 1

_DEATHS: Final = 512
"""How many deaths are remembered. The cause of one is lost if so many follow before it is asked."""

_DIGEST_BYTES: Final = 16
_MOST_NAMES: Final = 4


class Cause(IntEnum):
    """Why a query process was killed by its own service."""

    NONE = 0
    ASKED = 1
    CROWDED = 2
    SHORTAGE = 3


class Running(NamedTuple):
    """What a query process is about.

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
    digests: bytes = b""


class Death(NamedTuple):
    """How the process of a job ended.

    Attributes:
        signal: that ended it; 0: none.
        cause: why the service sent it, if it did.
    """

    signal: int
    cause: Cause


_EVENTS: Final = ("starts", "timeout", "memory", "crowded", "shortage", "asked", "worn", "other")
"""What is counted: starts of the fork server, and query processes that ended, by reason."""

_BY_SIGNAL: Final = {
    0: "worn",
    signal.SIGALRM: "timeout",
    signal.SIGABRT: "memory",
    signal.SIGSEGV: "memory",
    signal.SIGIO: "asked",
}
_NUMBER_BYTES: Final = 8


class Scoreboard:
    """The scoreboard, with a slot for each query process.

    Args:
        slots: how many.
        descriptor: the shared memory of an existing scoreboard; None makes a new one.
    """

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        end = -(-slots * _SLOT_BYTES // _NUMBER_BYTES) * _NUMBER_BYTES
        self._ring = end + len(_EVENTS) * _NUMBER_BYTES
        size = self._ring + _COUNT.size + _DEATHS * _DEATH.size
        if descriptor is None:
            descriptor = os.memfd_create("scoreboard", 0)
            os.ftruncate(descriptor, size)
        self.slots = slots
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, size)
        self._events = memoryview(self._memory)[end : self._ring].cast("d")
        self._me = (0, 0)
        self._threads = threading.RLock()

    def after_fork(self) -> None:
        """Make the lock anew, as another thread may have held it."""
        self._threads = threading.RLock()

    def close(self) -> None:
        """Let go of the shared memory; other processes keep it as long as they need it."""
        self._events.release()
        self._memory.close()
        os.close(self.descriptor)

    def clear(self) -> None:
        """Forget what processes were about that are no more; a new fork server begins with this."""
        self._count("starts")
        for slot in range(self.slots):
            self.end(slot)
            self.set_active(slot, active=False)

    def begin(self, slot: int, number: int, names: Iterable[str] = ()) -> float:
        """Note that this process begins a job, whose query goes by some names.

        Returns:
            The time on the monotonic clock.
        """
        pid = os.getpid()
        if self._me[0] != pid:
            self._me = pid, sandbox.start_of(pid)
        digests = b"".join([_digest(name) for name in list(names)[:_MOST_NAMES]])
        running = Running(time.monotonic(), *self._me, number, digests)
        with self._locked(slot):
            self._set_running(slot, running)
        return running.began

    def end(self, slot: int) -> None:
        """Note that the slot is idle again."""
        with self._locked(slot):
            self._set_running(slot, Running())

    def is_active(self, slot: int) -> bool:
        """Tell whether the process of a slot has one of the places for short queries."""
        return bool(self._memory[slot * _SLOT_BYTES + _TOKEN])

    def set_active(self, slot: int, *, active: bool) -> None:
        """Note whether the process of a slot has one of the places for short queries."""
        self._memory[slot * _SLOT_BYTES + _TOKEN] = active

    def running(self, slot: int) -> Running:
        """Return what the process of a slot is about."""
        with self._locked(slot):
            return self._running(slot)

    def kill(self, slot: int, cause: Cause, name: str | None = None, number: int = 0) -> bool:
        """Kill the process of a slot if it runs a query, and no other than is meant.

        Args:
            slot: the slot.
            cause: what whoever asked is told.
            name: that the query has; None: any.
            number: that its job has; 0: any.

        Returns:
            Whether it did.
        """
        with self._locked(slot):
            running = self._running(slot)
            if not running.began or number not in (0, running.number):
                return False
            if name is not None and _digest(name) not in _split(running.digests):
                return False
            if _KILLED.unpack_from(self._memory, self._last_kill(slot))[0] == running.number:
                return False  # it is dying already
            with suppress(ProcessLookupError):
                process = os.pidfd_open(running.pid)
                try:
                    # If the fork server died, the process did, and another may have its identifier.
                    if sandbox.start_of(running.pid) == running.started:
                        place = self._last_kill(slot)
                        _KILLED.pack_into(self._memory, place, running.number, cause)
                        signal.pidfd_send_signal(process, signal.SIGKILL)
                        return True
                finally:
                    os.close(process)
            return False

    def died(self, slot: int, ended_by: int) -> None:
        """Note that the process of a slot ended by a signal; 0: by none."""
        with self._locked(slot):
            number = self._running(slot).number
            killed, cause = _KILLED.unpack_from(self._memory, self._last_kill(slot))
            if number:
                with self._locked(self.slots):
                    (count,) = _COUNT.unpack_from(self._memory, self._ring)
                    place = self._ring + _COUNT.size + count % _DEATHS * _DEATH.size
                    cause = cause if killed == number else Cause.NONE
                    _DEATH.pack_into(self._memory, place, number, ended_by, cause)
                    _COUNT.pack_into(self._memory, self._ring, count + 1)
            is_killed = killed == number != 0
            self._count(
                Cause(cause).name.lower() if is_killed else _BY_SIGNAL.get(ended_by, "other")
            )
            # Only now, so that whoever finds that a job does not run finds what became of it.
            self._set_running(slot, Running())

    def activity(self) -> dict[str, float]:
        """Return how many jobs are running, and how many events of each kind there were."""
        running = sum(self._running(slot).began > 0 for slot in range(self.slots))
        return {"running": running, **dict(zip(_EVENTS, self._events, strict=True))}

    def began(self, number: int) -> float | None:
        """Return when a job began that is running; None: it is not."""
        for slot in range(self.slots):
            running = self.running(slot)
            if running.began and running.number == number:
                return running.began
        return None

    def death(self, number: int) -> Death | None:
        """Return how the process of a job ended; None: as far as is known it did not."""
        with self._locked(self.slots):
            deaths = self._memory[self._ring + _COUNT.size :]
        for dead, ended_by, cause in _DEATH.iter_unpack(deaths):
            if dead == number:
                return Death(ended_by, Cause(cause))
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
        start = slot * _SLOT_BYTES
        place = start + _RECORDS + self._memory[start] * _RUNNING.size
        return Running(*_RUNNING.unpack_from(self._memory, place))

    def _set_running(self, slot: int, running: Running) -> None:
        start = slot * _SLOT_BYTES
        other = 1 - self._memory[start]
        _RUNNING.pack_into(self._memory, start + _RECORDS + other * _RUNNING.size, *running)
        self._memory[start] = other  # one byte, so that it counts or does not

    def _count(self, event: str) -> None:
        self._events[_EVENTS.index(event)] += 1

    def _last_kill(self, slot: int) -> int:
        return slot * _SLOT_BYTES + _LAST_KILL


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).digest()


def _split(digests: bytes) -> set[bytes]:
    starts = range(0, len(digests), _DIGEST_BYTES)
    return {digests[start : start + _DIGEST_BYTES] for start in starts}
