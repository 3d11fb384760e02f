"""A log that a thread writes, so that no request waits for a disk or a pipe."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import partial
from typing import BinaryIO, Final

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
        self._ends = threading.Event()
        self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._writer.start()

    def add(self, line: str) -> None:
        """Queue a line, with its end, to be written soon."""
        if len(self._lines) < _MOST_LINES:
            self._lines.append(line)
        else:
            self.dropped += 1

    def end(self, seconds: float) -> None:
        """Return when all lines have been written, or some time has passed."""
        self._ends.set()
        self._writer.join(seconds)

    def _write_all(self) -> None:
        ended = False
        while not ended:
            ended = self._ends.wait(_BATCH_SECONDS)
            # In few steps, as this thread keeps the event loop waiting with each.
            if lines := self._lines.copy():
                del self._lines[: len(lines)]
                with suppress(OSError):  # which is no request's; ``dropped`` tells of it
                    self._write(lines)
                self.dropped += len(lines)

    def _write(self, lines: list[str]) -> None:
        """Write lines, and take away those that are written."""
        with opened(self._where) as file:  # each time, as the last one may have been moved away
            together = _MOST_LINES if file.seekable() else _TOGETHER
            while lines:
                file.write("".join(lines[:together]).encode())
                del lines[:together]


def opened(where: str) -> BinaryIO:
    """Open a log to add to it, without a buffer.

    Raises:
        OSError: it cannot be written.
    """
    if where == STANDARD_ERROR:
        return open(2, "ab", buffering=0, closefd=False)
    return open(where, "ab", buffering=0, opener=partial(os.open, mode=0o640))
