"""The app on RSGI, granian's own interface: what is in the cache at once, the rest in threads.

WSGI has no way to tell an app that its client has gone, RSGI has; otherwise the app is the same on
both. See https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope  # type: ignore[attr-defined]

from kg.engine import Overloaded
from server.errors import BodyStalled
from server.http import REFUSAL, REQUEST_NAME
from server.wsgi import LARGE, Said, close, length_of, run, whole

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from server.cache import Cache

_WATCHED_AFTER: Final = 0.03
"""Seconds after which a request that is being answered has its client watched."""

_UNREADABLE: Final = "\ufffd"
"""Stands for the value of a header that is not ASCII."""

_SAME: Final[WSGIEnvironment] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
}
"""What the environment of every request has."""


class Gateway:
    """An RSGI application that hands requests to a WSGI application, a cache before another.

    Args:
        cache: the application, a cache before another, which gets a name for each request.
        stop: is called with the name of a request whose client has gone.
        threads: how many requests are answered at a time; more are refused.
        max_body_bytes: how much of a body is read; the app refuses what is longer.
        body_seconds: how long a client may take to send a body.
    """

    def __init__(
        self,
        cache: Cache,
        stop: Callable[[str], object],
        *,
        threads: int,
        max_body_bytes: int,
        body_seconds: float = 30.0,
    ) -> None:
        self._cache = cache
        self._stop = stop
        self._threads = threads
        self._busy = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer a request."""
        environ = _environ(scope)
        recalled = self._cache.recalled(environ)
        if recalled is not None:
            _send_whole(protocol, recalled)
            return
        try:
            await self._read_body(environ, protocol)
            await _send(protocol, await self._answered(environ, protocol))
        except ProtocolClosed:
            return  # the client has gone, so there is nobody to tell

    async def _read_body(self, environ: WSGIEnvironment, protocol: HTTPProtocol) -> None:
        """Read a body, if there is one, to its end or to where it is too long for the app."""
        declared = environ.get("CONTENT_LENGTH", "")
        if declared == "0" or (not declared and "HTTP_TRANSFER_ENCODING" not in environ):
            return
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                async for piece in protocol:
                    body += piece
                    if len(body) > self._max_body_bytes:
                        break
        except TimeoutError:
            environ[REFUSAL] = BodyStalled(self._body_seconds)
        environ["wsgi.input"] = io.BytesIO(body)
        if not declared:
            environ["CONTENT_LENGTH"] = str(len(body))

    async def _answered(self, environ: WSGIEnvironment, protocol: HTTPProtocol) -> Said:
        """Have a request answered in a thread, and stopped if its client goes."""
        if self._busy >= self._threads:
            environ[REFUSAL] = Overloaded(
                "More requests are being answered than there is room for."
            )
            return self._answer(environ)
        # No client can send this as an id, see server.http.query_id.
        name = environ[REQUEST_NAME] = f"request {next(self._numbers)}"
        loop = asyncio.get_running_loop()
        self._busy += 1
        watched: list[asyncio.Task[None]] = []
        watch = loop.call_later(_WATCHED_AFTER, self._watch, protocol, name, watched)
        try:
            return await loop.run_in_executor(self._pool, self._answer, environ)
        finally:
            self._busy -= 1
            watch.cancel()
            for task in watched:
                task.cancel()

    def _watch(self, protocol: HTTPProtocol, name: str, watched: list[asyncio.Task[None]]) -> None:
        watched.append(asyncio.create_task(self._stop_when_gone(protocol, name)))

    async def _stop_when_gone(self, protocol: HTTPProtocol, name: str) -> None:
        await protocol.client_disconnect()
        self._stop(name)

    def _answer(self, environ: WSGIEnvironment) -> Said:
        said = run(self._cache, environ)
        if length_of(said.headers) >= LARGE:
            return said
        return said._replace(body=[whole(said.body)])


def _environ(scope: Scope) -> WSGIEnvironment:
    """Give the environment of WSGI for a request, its body left out."""
    name, _, port = scope.server.rpartition(":")
    client, _, client_port = scope.client.rpartition(":")
    environ: WSGIEnvironment = {
        **_SAME,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client,
        "REMOTE_PORT": client_port,
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
    }
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    items = scope.headers.items()
    for header, value in items:
        key = _key(header)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    names = scope.headers.keys()
    if len(names) != len(items):
        for header in names:
            environ.setdefault(_key(header), _UNREADABLE)
    return environ


def _key(header: str) -> str:
    """Give the key of a header in an environment of WSGI."""
    key = _KEYS.get(header)
    return key or f"HTTP_{header.upper().replace('-', '_')}"


_KEYS: Final = {
    "content-type": "CONTENT_TYPE",
    "content-length": "CONTENT_LENGTH",
    **{
        name: f"HTTP_{name.upper().replace('-', '_')}"
        for name in ("host", "accept", "accept-encoding", "accept-language", "user-agent", "origin")
    },
}


def _send_whole(protocol: HTTPProtocol, said: Said) -> None:
    body = b"".join(said.body)
    if body:
        protocol.response_bytes(int(said.status[:3]), said.headers, body)
    else:
        protocol.response_empty(int(said.status[:3]), said.headers)


async def _send(protocol: HTTPProtocol, said: Said) -> None:
    if isinstance(said.body, list):
        _send_whole(protocol, said)
        return
    transport = protocol.response_stream(int(said.status[:3]), said.headers)
    try:
        for piece in said.body:
            await transport.send_bytes(piece)
    finally:
        close(said.body)
