"""The app behind connections: what is in the cache is answered at once, the rest in threads."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from kg.engine import Overloaded
from server.http import REFUSAL, REQUEST_NAME
from server.wsgi import LARGE, Said, close, length_of, whole

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from server.cache import Cache
    from server.connection import Connection

_SWEEP_SECONDS: Final = 1.0
"""Time between looks for connections that take too long."""


class Gateway:
    """Hands the requests of connections to a WSGI application, a cache before another.

    Args:
        cache: the application, a cache before another, which gets a name for each request.
        stop: is called with the name of a request whose client has gone.
        threads: how many requests are answered at a time; more are refused.
        max_body_bytes: how much of a body is read; the app refuses what is longer.
        body_seconds: how long a client may take to send a body.

    Attributes:
        connections: those that are open.
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
        self.max_body_bytes = max_body_bytes
        self.body_seconds = body_seconds
        self.connections: set[Connection] = set()
        self._cache = cache
        self._stop = stop
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._numbers = itertools.count()
        self._running: dict[Connection, tuple[str, asyncio.Task[None]]] = {}

    def answer(self, environ: WSGIEnvironment, connection: Connection) -> None:
        """Answer a request; see ``connection.Handler``."""
        recalled = None if REFUSAL in environ else self._cache.recalled(environ)
        if recalled is not None:
            connection.send(recalled)
            return
        # No client can send this as an id, see server.http.query_id.
        name = environ[REQUEST_NAME] = f"request {next(self._numbers)}"
        task = asyncio.get_running_loop().create_task(self._answer(environ, connection))
        self._running[connection] = (name, task)

    def gone(self, connection: Connection) -> None:
        """Stop the query of a request whose client has gone; see ``connection.Handler``."""
        running = self._running.get(connection)
        if running is not None:
            self._stop(running[0])

    async def sweep(self) -> None:
        """End what takes too long, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.end_if_overdue(now)

    async def finish(self) -> None:
        """Return when what is being answered has been."""
        for connection in list(self.connections):
            connection.finish()
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks)

    async def _answer(self, environ: WSGIEnvironment, connection: Connection) -> None:
        try:
            said = await self._said(environ)
            # From here on there is no query to stop, and with the response the next may begin.
            del self._running[connection]
            if isinstance(said.body, list):
                connection.send(said)
            else:
                await self._stream(said, connection)
        except BaseException:
            connection.abort()
            raise

    async def _said(self, environ: WSGIEnvironment) -> Said:
        if len(self._running) > self._threads:
            environ[REFUSAL] = Overloaded(
                "More requests are being answered than there is room for."
            )
            return self._in_thread(environ)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._in_thread, environ)

    def _in_thread(self, environ: WSGIEnvironment) -> Said:
        said = self._cache.asked(environ)
        if length_of(said.headers) >= LARGE:
            return said
        return said._replace(body=[whole(said.body)])

    async def _stream(self, said: Said, connection: Connection) -> None:
        try:
            await connection.stream(said)
        finally:
            close(said.body)
