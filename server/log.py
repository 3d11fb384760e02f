"""A log that is written in batches by a thread, so that no request waits for a disk or a pipe."""

from __future__ import annotations

import asyncio
import io
import os
import select
import stat
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

STANDARD_ERROR: Final = "-"
_BATCH_SECONDS: Final = 0.1
"""For how long lines are gathered before they are written."""

_NEWLINE: Final = 10
_MOST_BATCHES: Final = 64
"""How many batches may wait for whoever reads the log; more are dropped."""


class Log:
    """A log; it belongs to the event loop that runs when it is made.

    Args:
        where: the path of a file that is added to, or STANDARD_ERROR. A file that was moved away
            is made anew.

    Attributes:
        dropped: how many lines could not be written.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._loop = asyncio.get_running_loop()
        # Written over again and again, as memory that is new takes longer than what is put there.
        self._buffer = io.BytesIO()
        self._spare: list[io.BytesIO] = []
        self._batches: dict[Future[int], io.BytesIO] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._descriptor = -1
        self._torn = False
        self.dropped = 0

    def add(self, line: str) -> None:
        """Have a line written, soon."""
        if not self._buffer.tell():
            self._loop.call_later(_BATCH_SECONDS, self._hand_over)
        self._buffer.write(line.encode())

    async def end(self, seconds: float) -> None:
        """Return when all lines have been written, or some time has passed."""
        self._hand_over()
        if self._batches:
            waiting = [asyncio.wrap_future(batch) for batch in self._batches]
            await asyncio.wait(waiting, timeout=seconds)

    def _hand_over(self) -> None:
        full = self._buffer
        if not full.tell():
            return
        if len(self._batches) >= _MOST_BATCHES:
            self.dropped += full.getvalue().count(b"\n", 0, full.tell())
            full.seek(0)
            return
        self._buffer = self._spare.pop() if self._spare else io.BytesIO()
        batch = self._pool.submit(self._write, full.getbuffer()[: full.tell()])
        self._batches[batch] = full
        batch.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._written, done))

    def _written(self, batch: Future[int]) -> None:
        full = self._batches.pop(batch)
        self.dropped += batch.result()
        if not self._spare:
            full.seek(0)
            self._spare.append(full)

    def _write(self, lines: memoryview) -> int:
        """Write lines; return how many could not be."""
        written = 0
        # An error here is no request's; that lines are missing is told by their number.
        with suppress(OSError):
            descriptor = self._opened()
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            if self._torn:  # what was cut off must not be taken for the beginning of a line
                os.write(descriptor, b"\n")
                self._torn = False
            while written < len(lines):
                end = len(lines) if is_file else _end_of_piece(lines, written)
                written += os.write(descriptor, lines[written:end])
                self._torn = lines[written - 1] != _NEWLINE
        return bytes(lines[written:]).count(b"\n")

    def _opened(self) -> int:
        """Return the descriptor of what has the name of the log now."""
        if self._where == STANDARD_ERROR:
            return sys.stderr.fileno()
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(Path(self._where).stat(), os.fstat(self._descriptor)):
                    return self._descriptor
            os.close(self._descriptor)
            self._descriptor = -1
        self._descriptor = opened(self._where)
        return self._descriptor


def opened(path: str) -> int:
    """Open the file of a log to add to it; return its descriptor.

    Raises:
        OSError: it cannot be written.
    """
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _end_of_piece(lines: memoryview, start: int) -> int:
    """Return where whole lines end that a pipe takes at once, between those of other processes."""
    length = bytes(lines[start : start + select.PIPE_BUF]).rfind(b"\n") + 1
    return start + (length or bytes(lines[start:]).index(b"\n") + 1)
