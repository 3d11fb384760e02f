"""The processes that speak HTTP: each with an event loop, started again when one ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

import uvloop
from flask import Flask

from server import config
from server.cache import Cache
from server.context import snapshot_of
from server.dispatcher import Dispatcher
from server.http1.protocol import Connection
from server.sparql import fast_path

_SPARE_THREADS: Final = 64
"""Threads for requests beside those whose queries run or wait, so that a full queue can say so."""

_RESTART_PAUSE: Final = 0.5
"""Seconds between starts of a process that ends sooner than this."""

_STOP_SECONDS: Final = 5.0
"""How long answers at hand may take when the service is stopped."""

_LOG_SECONDS: Final = 1.0
"""How long the rest of the log may take thereafter."""

_SWITCH_SECONDS: Final = 0.001
"""For how long a thread that computes keeps the event loop waiting."""

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)

_FORK: Final = multiprocessing.get_context("fork")
"""Whatever the default is, since only what is forked can ask the engine of this process."""

_LOG = logging.getLogger(__name__)


def run(app: Flask, values: config.Settings, listener: socket.socket) -> None:
    """Serve an app until this process is interrupted or terminated.

    Args:
        app: the app; the processes that speak HTTP are forked and share the memory of this one.
        values: the settings.
        listener: a socket that listens.
    """
    told, tell = os.pipe()
    for number in _ENDING:
        signal.signal(number, lambda *_: os.write(tell, b"."))
    targets = [partial(_serve, app, values, listener, row) for row in range(values.http_processes)]
    began = [time.monotonic()] * len(targets)
    processes = [_started(target) for target in targets]
    while told not in (ready := wait([told, *(each.sentinel for each in processes)])):
        for row, process in enumerate(processes):
            if process.sentinel in ready:
                process.join()
                _LOG.warning(
                    "A process that speaks HTTP ended (exit code %s); there is a new one.",
                    process.exitcode,
                )
                if time.monotonic() - began[row] < _RESTART_PAUSE:  # do not spin
                    time.sleep(_RESTART_PAUSE)
                began[row] = time.monotonic()
                processes[row] = _started(targets[row])
    for process in processes:  # which ends when it has answered what is at hand
        process.terminate()
        process.join(_STOP_SECONDS + 2 * _LOG_SECONDS)
        process.kill()
        process.join()


def _started(target: Callable[[], None]) -> BaseProcess:
    """Start a process that speaks HTTP."""
    process = _FORK.Process(target=target)
    # Until the new process has handlers of its own, what it is told would be told to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    return process


def _serve(app: Flask, values: config.Settings, listener: socket.socket, row: int) -> None:
    """Serve in a process of its own."""
    signal.set_wakeup_fd(-1)
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a process of its own"
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    # What is there now stays, and most of what a request makes goes with it: full collections, of
    # which each takes as long as hundreds of requests, find nothing.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(_SWITCH_SECONDS)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    assert isinstance(app.wsgi_app, Cache), "the app has its cache before it"
    uvloop.run(_accept(app, app.wsgi_app, values, listener, row))


async def _accept(
    app: Flask, cache: Cache, values: config.Settings, listener: socket.socket, row: int
) -> None:
    """Answer requests until the process is told to end."""
    observer = snapshot_of(app).observer
    observer.begin(row)
    dispatcher = Dispatcher(
        cache,
        fast_path.answered,
        observer,
        threads=_SPARE_THREADS + values.query_queue,
        max_body_bytes=values.max_body_bytes,
    )
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, ending.set)
    listener.setblocking(False)
    server = await loop.create_server(partial(Connection, dispatcher), sock=listener)
    sweeping = loop.create_task(dispatcher.sweep())
    await ending.wait()
    server.close()
    sweeping.cancel()
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await dispatcher.finish()
    observer.end(_LOG_SECONDS)
    os._exit(0)  # threads whose queries still run do not hold it up


def _die_with(parent: BaseProcess) -> None:
    """End this process when its parent ends, even if that was killed."""
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
