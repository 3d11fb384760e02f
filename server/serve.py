"""Serving the app with granian."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Final

from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

import kg
from kg.engine import kernel
from kg.engine.isolated import Limits
from server import config, create_app

_SPARE_THREADS: Final = 64
"""Threads for requests beside those whose queries run or wait, so that a full queue can say so."""

_LOG = logging.getLogger(__name__)


class AddressError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def serve(
    graph: kg.KnowledgeGraph,
    settings: Mapping[str, object] | None = None,
    *,
    host: str,
    port: int,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve a graph until the process is interrupted or terminated.

    Args:
        graph: the knowledge to serve; where processes cannot fork, it has to be the shipped one.
        settings: see ``server.create_app``.
        host: name or address of the interface to listen on.
        port: the port.
        announce: is told where the service is; says it on standard error if None.

    Raises:
        AddressError: the address cannot be listened on.
        server.config.SettingError: a setting is unknown or has an illegal value.
    """
    values = config.read(settings)
    address = _address(host, port)
    if not kernel.SUPPORTED:
        _LOG.warning(
            "Queries run in the process of the service here: this platform cannot isolate them."
        )
    served = graph.isolated(_limits(values)) if kernel.SUPPORTED else graph
    app = create_app(settings, served)
    server = Server(
        "dermograph",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=_SPARE_THREADS + values.query_queue,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
    )
    shown = f"[{address}]" if ":" in address else address
    say = announce or _say
    say(f"Dermograph {graph.release} is served at http://{shown}:{port}")
    try:
        server.serve(target_loader=_loader(app, settings), wrap_loader=False)
    finally:
        served.close()


def _limits(values: config.Settings) -> Limits:
    return Limits(
        seconds=values.query_seconds,
        most_seconds=values.max_query_seconds,
        memory=values.query_memory_bytes,
        waiting=values.query_queue,
    )


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def _loader(app: Flask, settings: Mapping[str, object] | None) -> Callable[[], Flask]:
    """Give what makes the app in the process that serves it.

    A forked process shares the memory of this one; any other loads the knowledge itself.
    """
    forks = multiprocessing.get_start_method() == "fork"
    return partial(_start, (lambda: app) if forks else partial(create_app, settings))


def _start(make: Callable[[], Flask]) -> Flask:
    parent = multiprocessing.parent_process()
    assert parent is not None, "granian serves in processes of its own"
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    return make()


def _die_with(parent: BaseProcess) -> None:
    """End this process when its parent ends, even if that was killed."""
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _address(host: str, port: int) -> str:
    """Give the numeric address of a host, and check that nothing listens there yet.

    granian shares ports, so a second server would silently take half of the requests.

    Raises:
        AddressError: the host is unknown, or the port is taken or not permitted.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        raise AddressError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. "
            "Choose another with --host and --port."
        ) from error
    return str(where[0])
