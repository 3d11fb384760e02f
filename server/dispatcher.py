"""The app behind connections: what needs neither it nor a thread is answered at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final
from wsgiref.types import WSGIEnvironment

from kg.engine import EngineError, Overloaded
from kg.engine.cancellation import CancelToken
from server.cache import Cache, Lookup
from server.cache.entries import LONG_TO_COMPRESS
from server.cache.key import CacheKey
from server.http1.protocol import Connection
from server.http1.wsgi import LARGE, REFUSAL, RawResponse, length_of, whole
from server.operating.observer import Observer
from server.operating.probes import PROBES, Operating
from server.protocol.problems import last_resort
from server.protocol.responses import NOTES, Notes

FastPath = Callable[[WSGIEnvironment, CacheKey], Awaitable[RawResponse | None]]

_SWEEP_SECONDS: Final = 1.0
"""Time between looks for connections that take too long. A judgement: the shortest limit is ten."""

_FINISHING_SECONDS: Final = 0.02
"""Time between looks whether all has been sent, when the service is stopped."""

_LONG: Final = 20_000
"""Bytes of a request from which a thread reads it: a query of as many takes up to 11 ms (measured)."""


_LOG = logging.getLogger(__name__)


class Dispatcher:
    """Hands the requests of connections to a WSGI application, a cache before another.

    Args:
        cache: the application, a cache before another.
        fast_path: answers what needs neither the application nor a thread; None: all does.
        observer: takes note of what is answered.
        threads: how many requests are answered in threads at a time; more are refused.
        max_body_bytes: how much of a body is read; the app refuses what is longer.
        body_seconds: how long a client may take to send a body.

    Attributes:
        connections: those that are open.
    """

    def __init__(
        self,
        cache: Cache,
        fast_path: FastPath | None,
        observer: Observer,
        *,
        threads: int,
        max_body_bytes: int,
        body_seconds: float = 30.0,
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.body_seconds = body_seconds
        self.connections: set[Connection] = set()
        self._cache = cache
        self._observer = observer
        self._operating = Operating(
            lambda environ: _whole_if_small(partial(cache.pass_on, environ))
        )
        self._fast_path = fast_path
        self._threads = threads
        self._busy = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._pool.submit(int)  # so that there is one thread, whatever is allowed later
        self._running: dict[Connection, CancelToken] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, environ: WSGIEnvironment, connection: Connection) -> None:
        """Answer a request; see ``connection.Handler``."""
        began = time.perf_counter()
        self._cache.mount(environ)
        hit = None if REFUSAL in environ else self._cache.recall(environ, began)
        if hit is not None:
            # Before it is sent: whoever has it and asks another process finds it counted.
            self._observer.answered(environ, hit, began)
            connection.send(hit)
            return
        environ[NOTES] = Notes(began)
        token = self._running[connection] = CancelToken()
        task = asyncio.get_running_loop().create_task(self._answer(environ, connection, token))
        self._tasks.add(task)  # the event loop holds it no longer than it has to do with it
        task.add_done_callback(self._tasks.discard)

    def gone(self, connection: Connection) -> None:
        """Stop the query of a request whose client has gone; see ``connection.Handler``."""
        token = self._running.get(connection)
        if token is not None and token.set():
            self._observer.abandoned()

    async def sweep(self) -> None:
        """End what takes too long, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.end_if_overdue(now)
            self._observer.refresh(len(self.connections), self._cache)

    async def finish(self) -> None:
        """Return when what is being answered has been answered and sent."""
        for connection in list(self.connections):
            connection.finish()
        while any(connection.is_sending for connection in self.connections):  # noqa: ASYNC110
            await asyncio.sleep(_FINISHING_SECONDS)  # nothing tells when a buffer is empty

    async def _answer(
        self, environ: WSGIEnvironment, connection: Connection, token: CancelToken
    ) -> None:
        try:
            response = await self._response(environ, token)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer
            _LOG.exception("A request could not be answered.")
            response = last_resort(environ)
        finally:
            # From here on there is no query to stop, and with the response the next may begin.
            del self._running[connection]
        try:
            notes: Notes = environ[NOTES]
            in_memory = isinstance(response.body, list)
            sent = None if in_memory else await connection.stream(response)
            gone = connection.is_gone
            # Before it is sent, as above.
            self._observer.answered(environ, response, notes.began, notes, sent=sent, gone=gone)
            if in_memory:
                connection.send(response)
        except Exception:  # noqa: BLE001 - there is nobody else to tell
            _LOG.exception("A response could not be sent.")
            connection.abort()  # or what was sent of it might be taken for the whole

    async def _response(self, environ: WSGIEnvironment, token: CancelToken) -> RawResponse:
        if environ["PATH_INFO"] in PROBES and REFUSAL not in environ:
            return await self._operating.response(environ)
        # In this task and the threads that work for it, but not in what an operator asks, as that
        # is for all who ask it.
        token.make_current()
        bytes_in_body = environ["wsgi.input"].getbuffer().nbytes
        if REFUSAL in environ or len(environ["QUERY_STRING"]) + bytes_in_body >= _LONG:
            return await self._in_thread(environ, partial(self._cache.answer, environ))
        found = self._cache.lookup(environ)
        if found is None:
            return await self._in_thread(environ, partial(self._cache.pass_on, environ))
        notes: Notes = environ[NOTES]
        if isinstance(found, RawResponse):
            notes.cache = "hit"
            return found
        notes.cache = found.outcome
        response = await self._without_app(found) if found.is_leader else None
        if response is None:
            return await self._in_thread(environ, partial(self._cache.resolve, found), found)
        complete = partial(self._cache.complete, found, response)
        if length_of(response.headers) < LONG_TO_COMPRESS:
            return complete()
        return await self._in_thread(environ, complete, found)

    async def _without_app(self, leader: Lookup) -> RawResponse | None:
        """Answer a request on the fast path; None: the app has to."""
        if self._fast_path is None:
            return None
        try:
            return await self._fast_path(leader.environ, leader.question)
        except EngineError as error:
            leader.environ[REFUSAL] = error
            return None
        except BaseException:
            self._cache.abandon(leader)
            raise

    async def _in_thread(
        self,
        environ: WSGIEnvironment,
        answer: Callable[[], RawResponse],
        lookup: Lookup | None = None,
    ) -> RawResponse:
        """Answer a request in a thread, if there is one left; a lookup ends in any case."""
        outcome: Future[RawResponse] = Future()
        if not self._taken_up(outcome, answer):
            if lookup is not None:
                self._cache.abandon(lookup)
            environ[REFUSAL] = Overloaded(
                "More requests are being answered than there is room for."
            )
            return _whole_if_small(partial(self._cache.pass_on, environ))
        self._busy += 1
        try:
            return await asyncio.wrap_future(outcome)
        finally:
            self._busy -= 1
            del outcome  # or an exception in it would hold this, and this the exception

    def _taken_up(self, outcome: Future[RawResponse], answer: Callable[[], RawResponse]) -> bool:
        """Let a thread find out what the outcome is, and tell whether one will."""
        if self._busy >= self._threads:
            return False
        try:
            self._pool.submit(copy_context().run, _find_out, outcome, answer)
        except RuntimeError:
            # The pool needs another thread, which is not allowed; what it was to do is in its queue
            # nevertheless. If a thread has begun with it meanwhile, so much the better.
            return not outcome.cancel()
        return True


def _find_out(outcome: Future[RawResponse], answer: Callable[[], RawResponse]) -> None:
    """Answer a request in a thread, unless nobody waits for that any more."""
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        outcome.set_result(_whole_if_small(answer))
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it
        outcome.set_exception(error)
        del outcome  # which the error would hold by its traceback


def _whole_if_small(answer: Callable[[], RawResponse]) -> RawResponse:
    response = answer()
    if length_of(response.headers) >= LARGE:
        return response
    return response._replace(body=[whole(response.body)])
