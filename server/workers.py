"""The processes that speak HTTP: granian, and the app in each of its workers."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Final

from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from server import config
from server.app import create_app
from server.cache import Cache
from server.gateway import Gateway
from server.service import service_of

__all__ = ["create_app", "run"]

_SPARE_THREADS: Final = 64
"""Threads for requests beside those whose queries run or wait, so that a full queue can say so."""


def run(
    app: Flask, again: Callable[[], Flask], values: config.Settings, address: str, port: int
) -> None:
    """Serve an app until this process is interrupted or terminated.

    Args:
        app: the app; a worker that is forked shares the memory of this process.
        again: makes the app in a worker that is not forked.
        values: the settings.
        address: the numeric address to listen on.
        port: the port.
    """
    forks = multiprocessing.get_start_method() == "fork"
    server = Server(
        "dermograph",
        address=address,
        port=port,
        interface=Interfaces.RSGI,
        workers=values.workers,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
    )
    make = partial(_start, (lambda: app) if forks else again, values)
    server.serve(target_loader=make, wrap_loader=False)


def _start(make: Callable[[], Flask], values: config.Settings) -> Gateway:
    parent = multiprocessing.parent_process()
    assert parent is not None, "granian serves in processes of its own"
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    app = make()
    # What is there now stays, and most of what a request makes goes with it: full collections, of
    # which each takes as long as hundreds of requests, find nothing.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    assert isinstance(app.wsgi_app, Cache), "the app has its cache before it"
    return Gateway(
        app.wsgi_app,
        service_of(app).graph.engine.stop,
        threads=_SPARE_THREADS + values.query_queue,
        max_body_bytes=values.max_body_bytes,
    )


def _die_with(parent: BaseProcess) -> None:
    """End this process when its parent ends, even if that was killed."""
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
