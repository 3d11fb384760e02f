"""A log that a thread writes, so that no request waits for a disk or a pipe."""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
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
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._writer.start()

    def add(self, line: str) -> None:
        """Have a line, with its end, written soon."""
        if self._lines.qsize() < _MOST_LINES:
            self._lines.put(line)
        else:
            self.dropped += 1

    def end(self, seconds: float) -> None:
        """Return when all lines have been written, or some time has passed."""
        self._lines.put(None)
        self._writer.join(seconds)

    def _write_all(self) -> None:
        ends = False
        while not ends:
            taken = [self._lines.get()]
            time.sleep(_BATCH_SECONDS)
            taken += [self._lines.get() for _ in range(self._lines.qsize())]
            ends = None in taken
            lines = [line for line in taken if line is not None]
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
