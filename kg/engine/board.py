"""A board in shared memory on which processes leave word for each other: who runs what, who died how."""

from __future__ import annotations

import hashlib
import mmap
import os
import signal
import struct
import time
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

_RUNNING: Final = struct.Struct("=diQ64s")
"""Of a query process: when its job began (0: idle), its identifier, the job, digests of names."""

_DEAD: Final = struct.Struct("=iiiQ")
"""Of who died last in a slot: its identifier, its status of waitpid, why it was killed, its job."""

_IS_ACTIVE: Final = struct.Struct("=?")
"""Whether a query process has one of the places for short queries."""

_SLOT_BYTES: Final = _RUNNING.size + _DEAD.size + _IS_ACTIVE.size
_DIGEST_BYTES: Final = 16
_MOST_NAMES: Final = 4


class Cause(IntEnum):
    """Why a query process was killed by its own service."""

    NONE = 0
    ASKED = 1
    CROWDED = 2
    SHORTAGE = 3


class Board:
    """The board, with a slot for each query process.

    Args:
        slots: how many.
        descriptor: the shared memory of an existing board; None makes a new one.
    """

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        size = slots * _SLOT_BYTES
        if descriptor is None:
            descriptor = os.memfd_create("board", 0)
            os.ftruncate(descriptor, size)
        self.slots = slots
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, size)

    def close(self) -> None:
        """Let go of the shared memory; other processes keep it as long as they need it."""
        self._memory.close()
        os.close(self.descriptor)

    def clear(self) -> None:
        """Forget what processes were about that are no more."""
        for slot in range(self.slots):
            self.end(slot)
            self.set_active(slot, active=False)

    def begin(self, slot: int, number: int, names: Iterable[str] = ()) -> float:
        """Note that this process begins a job, whose query goes by some names.

        Returns:
            The time on the monotonic clock.
        """
        digests = b"".join([_digest(name) for name in list(names)[:_MOST_NAMES]])
        began = time.monotonic()
        self._set_running(slot, began, os.getpid(), number, digests)
        return began

    def end(self, slot: int) -> None:
        """Note that the slot is idle again."""
        self._set_running(slot, 0.0, 0, 0, b"")

    def is_active(self, slot: int) -> bool:
        """Tell whether the process of a slot has one of the places for short queries."""
        (active,) = _IS_ACTIVE.unpack_from(self._memory, self._place_of(slot))
        return bool(active)

    def set_active(self, slot: int, *, active: bool) -> None:
        """Note whether the process of a slot has one of the places for short queries."""
        _IS_ACTIVE.pack_into(self._memory, self._place_of(slot), active)

    def age(self, slot: int) -> float:
        """Give for how long the query of a slot has been running, in seconds; 0 when idle."""
        began, *_ = self._running(slot)
        return time.monotonic() - began if began else 0.0

    def kill(self, slot: int, cause: Cause, name: str | None = None) -> bool:
        """Kill the process of a slot if it runs a query, of the given name if there is one.

        Returns:
            Whether it did.
        """
        running = self._running(slot)
        began, pid, number, digests = running
        if not began or (name is not None and _digest(name) not in _split(digests)):
            return False
        last, _, cause_given, _ = self._dead(slot)
        if last == pid and cause_given:  # it is dying already
            return False
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # Now that the process is held, see that it is still about the same query.
            if self._running(slot) != running:
                return False
            self._set_dead(slot, pid, 0, cause, number)
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(process)
        return True

    def died(self, slot: int, pid: int, status: int) -> None:
        """Note that the process of a slot ended with a status of waitpid."""
        last, _, cause, number = self._dead(slot)
        if last != pid:
            cause = Cause.NONE
            _, _, number, _ = self._running(slot)
        self.end(slot)
        self._set_dead(slot, pid, status, Cause(cause), number)

    def began(self, number: int) -> float | None:
        """Give when a job began that is running; None: it is not."""
        for slot in range(self.slots):
            began, _, running, _ = self._running(slot)
            if running == number:
                return began
        return None

    def death(self, number: int, patience: float = 0.2) -> tuple[int, Cause]:
        """Give the signal that ended whoever had a job (0: unknown or none), and why it was sent.

        Args:
            number: of the job.
            patience: how many seconds to wait for word of it.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for slot in range(self.slots):
                _, status, cause, dead = self._dead(slot)
                if dead == number and status:
                    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, Cause(cause)
            time.sleep(0.001)
        return 0, Cause.NONE

    def _running(self, slot: int) -> tuple[float, int, int, bytes]:
        began, pid, number, digests = _RUNNING.unpack_from(self._memory, slot * _SLOT_BYTES)
        return began, pid, number, digests

    def _set_running(self, slot: int, began: float, pid: int, number: int, digests: bytes) -> None:
        _RUNNING.pack_into(self._memory, slot * _SLOT_BYTES, began, pid, number, digests)

    def _dead(self, slot: int) -> tuple[int, int, int, int]:
        pid, status, cause, number = _DEAD.unpack_from(
            self._memory, slot * _SLOT_BYTES + _RUNNING.size
        )
        return pid, status, cause, number

    def _set_dead(self, slot: int, pid: int, status: int, cause: Cause, number: int) -> None:
        offset = slot * _SLOT_BYTES + _RUNNING.size
        _DEAD.pack_into(self._memory, offset, pid, status, cause, number)

    def _place_of(self, slot: int) -> int:
        return slot * _SLOT_BYTES + _RUNNING.size + _DEAD.size


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).digest()


def _split(digests: bytes) -> set[bytes]:
    starts = range(0, len(digests), _DIGEST_BYTES)
    return {digests[start : start + _DIGEST_BYTES] for start in starts}
