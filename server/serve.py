"""Serving a graph: the engine in processes of its own, and processes that speak HTTP before it."""

from __future__ import annotations

import logging
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Final

import kg
from kg.engine import Engine
from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import Limits
from kg.releases.dataset_spec import DatasetSpec
from server import config
from server.runner import AppRunner

_BACKLOG: Final = 1024
"""How many connections may wait to be accepted."""

_LOG = logging.getLogger(__name__)


class AddressError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


class IsolationError(Exception):
    """This platform cannot isolate queries; the message says why and what to do."""


def serve(
    spec: DatasetSpec,
    settings: Mapping[str, object] | None = None,
    *,
    host: str,
    port: int,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve a dataset until the process is interrupted or terminated.

    Args:
        spec: the knowledge, or other data, to serve.
        settings: see ``server.create_app``.
        host: name or address of the interface to listen on.
        port: the port.
        announce: is told where the service is; says it on standard error if None.

    Raises:
        AddressError: the address cannot be listened on.
        IsolationError: this platform cannot isolate queries, and the settings ask for that.
        server.config.SettingError: a setting is unknown or has an illegal value.
        kg.engine.DataError: the data cannot be read or do not parse.
        kg.engine.EngineUnavailable: the data cannot be held.
    """
    values = config.read(settings)
    with _listener(host, port) as listener, closing(_engine(spec, values)) as engine:
        # This takes its time, in which the engine loads.
        from server import app, prefork  # noqa: PLC0415

        graph = spec.over(engine)
        service = app.create_app(settings, graph)
        app.prepare(service)
        listener.listen(_BACKLOG)
        address = listener.getsockname()[0]
        shown = f"[{address}]" if ":" in address else address
        say = announce or partial(print, file=sys.stderr)
        say(f"{graph.title} is served at http://{shown}:{port}")
        prefork.run(service, values, listener)


def _engine(spec: DatasetSpec, values: config.Settings) -> Engine:
    engine = _here(spec, values)
    if values.engine is None:
        return engine
    from kg.engine.endpoint_client import Endpoint, EndpointClient  # noqa: PLC0415 - seldom needed
    from kg.engine.remote.engine import HEADERS, RemoteEngine  # noqa: PLC0415 - as above

    user = b64encode(f"{values.engine_user}:{values.engine_password or ''}".encode()).decode()
    right = f"Bearer {values.engine_token}" if values.engine_token else f"Basic {user}"
    headers = [*HEADERS, f"User-Agent: Dermograph/{kg.__version__}"]
    if values.engine_token or values.engine_user:
        headers.append(f"Authorization: {right}")
    endpoint = Endpoint.named(values.engine, private=True)
    client = EndpointClient(endpoint, headers, values.engine_connections, 5.0, 30.0)
    limits = (values.query_seconds, values.max_query_seconds)
    remote = RemoteEngine(client, engine, spec.data, spec.prefixes, limits)
    if not remote.divides_as_sparql():
        _LOG.warning("The engine divides 7 by 2 into something else: its answers may be wrong.")
    return remote


def _here(spec: DatasetSpec, values: config.Settings) -> Engine:
    if values.isolation == "off":
        _LOG.warning("Queries are not isolated: no limit of time or memory holds, as is set.")
        return spec.engine()
    lacking = sandbox.lacking()
    if lacking is not None:
        raise IsolationError(
            f"Queries cannot be isolated here, as this platform lacks {lacking}. "
            f"With {config.ENVIRONMENT_PREFIX}ISOLATION=off they run in the process of the "
            "service, where no limit of time or memory holds."
        )
    tasks = None if values.engine else AppRunner(spec, values)
    limits = Limits(
        seconds=values.query_seconds,
        most_seconds=values.max_query_seconds,
        memory=values.query_memory_bytes,
        spooled=sandbox.memory_in_all() // 4 // values.http_processes,  # as waiting below
        waiting=max(1, values.query_queue // values.http_processes),  # each process has its share
    )
    return spec.isolated_engine(limits, tasks)


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to a host and a port.

    Raises:
        AddressError: the host is unknown, or the port is taken or not permitted.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise AddressError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. "
            "Choose another with --host and --port."
        ) from error
    return listener
