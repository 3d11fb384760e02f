"""Where an engine writes an answer: its own memory while it is small, an unnamed file beyond that.

The file is in memory too where the kernel has such files, so that it can be handed over and outlives
the process that wrote it.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from typing import Final, TypeAlias
from weakref import WeakSet

from kg.sparql.errors import EngineUnavailable, ResultTooLarge

_IN_MEMORY: Final = 4 << 20
"""Bytes up to which an answer stays in memory (a judgement)."""

_PIECE: Final = 256 << 10  # bytes written at a time (a judgement)


class SpooledFile:
    """An answer in an unnamed file, which is gone when nobody holds it any more.

    Args:
        descriptor: of the open file, which is closed together with this.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        with _LOCK:
            _OPEN.add(self)

    def __del__(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def __len__(self) -> int:
        """Return the number of bytes."""
        return os.fstat(self.descriptor).st_size

    def pieces(self) -> Iterator[bytes]:
        """Yield the content piece by piece."""
        offset = 0
        while piece := os.pread(self.descriptor, _PIECE, offset):
            yield piece
            offset += len(piece)

    __iter__ = pieces  # as the body of a response is taken


_OPEN: Final[WeakSet[SpooledFile]] = WeakSet()
_LOCK: Final = threading.Lock()


def bytes_in_files() -> int:
    """Return how many bytes of answers this process holds in files."""
    with _LOCK:
        return sum(map(len, _OPEN))


Content: TypeAlias = bytes | SpooledFile
"""The content of an answer, complete."""


class Spool:
    """What an answer is written to, as to a binary file.

    Args:
        limit: the most bytes that it takes; None: as many as there are.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._size = 0
        self._pieces: list[bytes] = []
        self._file: SpooledFile | None = None

    def write(self, piece: bytes) -> int:
        """Take a piece.

        Raises:
            ResultTooLarge: there are more bytes than the limit.
            EngineUnavailable: the file cannot be written.
        """
        self._size += len(piece)
        if self._limit is not None and self._size > self._limit:
            raise ResultTooLarge(self._limit)
        try:
            self._keep(piece)
        except OSError as error:
            raise EngineUnavailable("There is no room for the answer.") from error
        return len(piece)

    def flush(self) -> None:
        """Do nothing: ``content`` is complete when all has been written."""

    def content(self) -> Content:
        """Return what was written."""
        return b"".join(self._pieces) if self._file is None else self._file

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(bytes(piece))
        if self._file is None and self._size > _IN_MEMORY:
            # In memory where the kernel has such files, so that no folder has to be writable.
            if hasattr(os, "memfd_create"):
                self._file = SpooledFile(os.memfd_create("answer", os.MFD_CLOEXEC))
            else:
                with tempfile.TemporaryFile(buffering=0) as file:
                    self._file = SpooledFile(os.dup(file.fileno()))
        if self._file is not None:
            view = memoryview(b"".join(self._pieces))
            self._pieces.clear()
            while view:
                view = view[os.write(self._file.descriptor, view) :]
