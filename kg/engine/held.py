"""Data held open, so that they can be loaded again even when their files have been replaced."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from kg.engine.data import Data, Source
from kg.engine.errors import DataError


class Held:
    """Data whose sources are open files of this process and of those that inherit them.

    Args:
        data: the data; bytes are put into memory that other processes can share.

    Attributes:
        data: the same, its sources as paths that lead to the open files.
        descriptors: of the open files.

    Raises:
        DataError: a file cannot be opened.
    """

    def __init__(self, data: Data) -> None:
        with ExitStack() as files:
            self.descriptors: Final = tuple(_opened(source, files) for source in data.sources)
            self._files: Final = files.pop_all()
        sources = (
            replace(source, content=Path(f"/proc/self/fd/{descriptor}"))
            for source, descriptor in zip(data.sources, self.descriptors, strict=True)
        )
        self.data: Final = replace(data, sources=tuple(sources))

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()


def _opened(source: Source, files: ExitStack) -> int:
    if isinstance(source.content, Path):
        try:
            descriptor = os.open(source.content, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            detail = f"It cannot be read: {error.strerror}."
            raise DataError(detail, source=source.name) from error
        files.callback(os.close, descriptor)
        return descriptor
    descriptor = os.memfd_create("data", os.MFD_CLOEXEC)
    files.callback(os.close, descriptor)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(source.content)
    return descriptor
