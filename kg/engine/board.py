"""A board in shared memory on which processes leave word for each other: who is busy, who died how."""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Final

_SLOT: Final = struct.Struct("=dii")
"""Of a query process: when its query began (0: idle), who died last in this slot, and how."""


class Board:
    """The board, with a slot for each query process.

    Args:
        slots: how many.
        descriptor: the shared memory of an existing board; None makes a new one.
    """

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        size = slots * _SLOT.size
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

    def begin(self, slot: int) -> None:
        """Note that a query begins."""
        _, pid, status = self._read(slot)
        self._write(slot, time.monotonic(), pid, status)

    def end(self, slot: int) -> None:
        """Note that the slot is idle again."""
        _, pid, status = self._read(slot)
        self._write(slot, 0.0, pid, status)

    def age(self, slot: int) -> float:
        """Give for how long the query of a slot has been running, in seconds; 0 when idle."""
        began, _, _ = self._read(slot)
        return time.monotonic() - began if began else 0.0

    def died(self, slot: int, pid: int, status: int) -> None:
        """Note that the process of a slot ended with a status of waitpid."""
        self._write(slot, 0.0, pid, status)

    def signal_of(self, slot: int, pid: int, patience: float = 0.2) -> int | None:
        """Give the signal that ended a process, waiting a little for word of it; None: unknown."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            _, last, status = self._read(slot)
            if last == pid:
                return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            time.sleep(0.001)
        return None

    def _read(self, slot: int) -> tuple[float, int, int]:
        began, pid, status = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
        return began, pid, status

    def _write(self, slot: int, began: float, pid: int, status: int) -> None:
        _SLOT.pack_into(self._memory, slot * _SLOT.size, began, pid, status)
