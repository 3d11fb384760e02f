"""A log that a thread writes, so that no request waits for a disk or a pipe."""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import suppress
from typing import Final

STANDARD_ERROR: Final = "-"
_BATCH_SECONDS: Final = 0.1
"""For how long lines are gathered before they are written."""

_MOST_LINES: Final = 10_000
"""How many lines may wait to be written, as many as there are in a busy second; more are dropped."""

_TOGETHER: Final = 7
"""Lines that a pipe (PIPE_BUF, 4096 bytes) takes at once, between those of other processes: without
texts of queries none is longer than 580 bytes."""


class Log:
    """A log; lines are added by one thread.

    Args:
        where: the path of a file that is added to, or STANDARD_ERROR.

    Attributes:
        dropped: how many lines could not be written.
    """

    def __init__(self, where: str) -> None:
        self.dropped = 0
        self._where = where
        self._lines: list[str] = []
        self._some = threading.Event()
        self._ends = False
        self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._writer.start()

    def add(self, line: str) -> None:
        """Queue a line, with its end, to be written soon."""
        waiting = len(self._lines)
        if waiting >= _MOST_LINES:
            self.dropped += 1
            return
        self._lines.append(line)
        if not waiting:
            self._some.set()

    def end(self, seconds: float) -> None:
        """Return when all lines have been written, or some time has passed."""
        self._ends = True
        self._some.set()
        self._writer.join(seconds)

    def _write_all(self) -> None:
        while self._lines or not self._ends:
            self._some.wait()
            if not self._ends:
                time.sleep(_BATCH_SECONDS)
            self._some.clear()
            # In few steps, as this thread keeps the event loop waiting with each.
            number = len(self._lines)
            lines = self._lines[:number]
            del self._lines[:number]
            if self._lines or self._ends:  # added meanwhile, behind others, so that nobody was told
                self._some.set()
            with suppress(OSError):  # which is no request's; ``dropped`` tells of it
                self._write(lines)
            self.dropped += len(lines)

    def _write(self, lines: list[str]) -> None:
        """Write lines, and take away those that are written."""
        descriptor = opened(self._where)  # each time, as the last file may have been moved away
        try:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            while lines:
                piece = slice(len(lines) if is_file else _TOGETHER)
                os.write(descriptor, "".join(lines[piece]).encode())
                del lines[piece]
        finally:
            os.close(descriptor)


def opened(where: str) -> int:
    """Open a log to add to it; return a descriptor, to be closed.

    Raises:
        OSError: it cannot be written.
    """
    if where == STANDARD_ERROR:
        return os.dup(2)
    return os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
