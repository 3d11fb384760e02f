"""Keeping the fork server of an isolated engine running: starting it, hearing of it, starting it again.

What it loads is held open, so that it can be loaded again though it was replaced on disk. All
processes that have forked from this one see when the data are expected to be loaded.
"""

import logging
import math
import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from kg.engine.dataset import Data, Source
from kg.engine.isolated import ipc
from kg.sparql.errors import DataError, EngineError, EngineUnavailable, Overloaded

_RESTART_PAUSE: Final = 0.5
"""Seconds between starts of a fork server that ends sooner than this."""

_RETRY_PAUSE: Final = 30.0
"""Seconds after which data are looked at again that could be loaded once and now cannot."""

_MOST_DEATHS: Final = 3
"""How many times a fork server may be killed before it has ever loaded the data."""

_LOG = logging.getLogger(__name__)


def pinned(data: Data, files: ExitStack) -> tuple[Data, tuple[int, ...]]:
    """Hold the sources of data open, for this process and for those that inherit them.

    Args:
        data: the data; bytes are put into memory that other processes can share.
        files: closes the files.

    Returns:
        The data with paths that lead to the open files, and the descriptors of these.

    Raises:
        DataError: a file cannot be opened.
    """
    descriptors = tuple(_opened(source, files) for source in data.sources)
    sources = (
        replace(source, content=Path(f"/proc/self/fd/{descriptor}"))
        for source, descriptor in zip(data.sources, descriptors, strict=True)
    )
    return replace(data, sources=tuple(sources)), descriptors


class Supervisor:
    """Runs a fork server in a process of its own, and runs it again whenever it ends.

    Args:
        setup: what a fork server has to know, except what is known only when it starts.
        descriptors: what a fork server inherits.
    """

    def __init__(self, setup: ipc.Setup, descriptors: tuple[int, ...]) -> None:
        self._setup = setup
        self._descriptors = descriptors
        # When the data are expected to be loaded; 0: they are. Written at once, not byte by byte,
        # and in memory that forked processes share.
        self._loaded_at = memoryview(mmap.mmap(-1, 8)).cast("d")
        self._closing = threading.Event()
        self._expected: str | None = None
        self._first: Future[ipc.Loaded] = Future()
        self._fork_server: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True, name="supervisor")
        self._thread.start()

    def wait_until_loaded(self) -> ipc.Loaded:
        """Return when the data have been loaded for the first time.

        Raises:
            DataError: they cannot be read or do not parse.
            EngineUnavailable: the fork server ends each time, or this was closed.
        """
        return self._first.result()

    def refuse_if_longer_than(self, patience: float) -> None:
        """Raise if it is not worth waiting for the data, in any of the forked processes.

        Raises:
            Overloaded: loading is expected to take longer than somebody's patience.
        """
        expected = self._loaded_at[0]
        left = expected - time.monotonic() if expected else 0.0
        if left > patience:
            raise Overloaded("The data are being loaded again.", math.ceil(left))

    def close(self, reason: EngineUnavailable) -> None:
        """End the fork server, and all that it started.

        Args:
            reason: is told to those who wait until the data are loaded.
        """
        self._closing.set()
        self._fail(reason)
        if self._fork_server is not None:
            self._fork_server.kill()
        self._thread.join()

    def _keep(self) -> None:
        deaths = 0
        took = 0.0
        while not self._closing.is_set() and not self._failed():
            began = time.monotonic()
            self._loaded_at[0] = began + took  # as long as the last time
            fork_server, message = self._load()
            if isinstance(message, ipc.Loaded):
                deaths = 0
                took = time.monotonic() - began
                self._loaded_at[0] = 0.0
                self._expected = message.version
                with suppress(InvalidStateError):  # it was loaded before, or this was closed
                    self._first.set_result(message)
            status = fork_server.wait()
            if isinstance(message, EngineError):
                self._fail(message)
                if not self._failed():
                    _LOG.warning("The data cannot be loaded again: %s", message)
                self._pause(_RETRY_PAUSE)
                continue
            deaths += message is None
            if deaths >= _MOST_DEATHS:
                how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
                failure = (
                    f"The process that loads the data ended {_MOST_DEATHS} times, at last by {how}."
                    " Most likely the data need more memory than there is, or something in them is"
                    " nested thousands of levels deep."
                )
                self._fail(EngineUnavailable(failure))
            if time.monotonic() - began < _RESTART_PAUSE:  # do not spin
                self._pause(_RESTART_PAUSE)

    def _fail(self, failure: EngineError) -> None:
        """Note why the data cannot be loaded, unless they were."""
        with suppress(InvalidStateError):
            self._first.set_exception(failure)

    def _failed(self) -> bool:
        """Tell whether it is known that the data can never be loaded."""
        return self._first.done() and self._first.exception() is not None

    def _pause(self, seconds: float) -> None:
        if not self._failed():
            self._loaded_at[0] = time.monotonic() + seconds
            self._closing.wait(seconds)

    def _load(self) -> tuple[subprocess.Popen[bytes], ipc.Loaded | EngineError | None]:
        """Start a fork server, and return its report of the loading; None: it ended without one."""
        mine, theirs = ipc.pair()
        with mine:
            with theirs:
                fork_server = self._fork_server = self._started(theirs.fileno())
            if self._closing.is_set():
                fork_server.kill()
            try:
                message = ipc.receive(mine)
            except EOFError:
                return fork_server, None
        assert isinstance(message, ipc.Loaded | EngineError)
        return fork_server, message

    def _started(self, report: int) -> subprocess.Popen[bytes]:
        setup = replace(self._setup, report=report, expected=self._expected)
        fork_server = subprocess.Popen(  # noqa: S603 - our own module
            # The version is there for people who look at the processes.
            [sys.executable, "-m", "kg.engine.isolated.fork_server", setup.version or ""],
            pass_fds=(*self._descriptors, report),
            stdin=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for this process, which ends it
        )
        assert fork_server.stdin is not None
        with suppress(BrokenPipeError), fork_server.stdin as pipe:  # it may be dead already
            pickle.dump(setup, pipe)
        return fork_server


def _opened(source: Source, files: ExitStack) -> int:
    if isinstance(source.content, Path):
        try:
            descriptor = os.open(source.content, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(f"It cannot be read: {error.strerror}.", source=source.name) from error
        files.callback(os.close, descriptor)
        return descriptor
    descriptor = os.memfd_create("data", os.MFD_CLOEXEC)
    files.callback(os.close, descriptor)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(source.content)
    return descriptor
