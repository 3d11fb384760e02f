"""What an operator asks: whether the service is alive, whether it is ready, what it has done.

The first two have to be told however busy the service is. So the gateway answers them before all
others, and asks the engine for everyone who wants to know at a time at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from kg.engine import AsyncEngine, Engine, EngineError, Query
from server import http
from server.errors import MalformedHeader, NotReady
from server.negotiation import PLAIN_JSON, PLAIN_TEXT, best
from server.service import current_service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from server.wsgi import Said

ALIVE: Final = "/health"
READY: Final = "/ready"
METRICS: Final = "/metrics"

_PROBED: Final = "dermograph.probed"
"""Key in the WSGI environment: the engine has been asked for this request, and answered."""

_PROBE: Final = Query("SELECT ?o WHERE { ?s ?p ?o } LIMIT 1", seconds=2.0)
_PATIENCE: Final = 2.0
"""Seconds that the engine has to answer: those who watch a service seldom wait for longer."""

blueprint = Blueprint("operating", __name__)


@blueprint.get(ALIVE)
def alive() -> Response:
    """Say that the process that speaks HTTP does so."""
    return _said_in_short("alive")


@blueprint.get(READY)
def ready() -> Response:
    """Say that queries are answered.

    Raises:
        NotReady: they are not.
    """
    if _PROBED not in request.environ:
        try:
            current_service().graph.engine.run(_PROBE)
        except EngineError as error:
            raise NotReady(f"A query was not answered: {error}") from error
    return _said_in_short("ready")


@blueprint.get(METRICS)
def metrics() -> Response:
    """Say what the service has done, for Prometheus."""
    response = Response(current_service().observer.metrics(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response.headers["Cache-Control"] = http.UNCACHEABLE
    return response


def _said_in_short(state: str) -> Response:
    try:
        chosen = best(request.headers.get("Accept"), (PLAIN_JSON, PLAIN_TEXT)) or PLAIN_JSON
    except MalformedHeader:  # who watches a service is told in any case
        chosen = PLAIN_JSON
    body = f"{state}\n" if chosen == PLAIN_TEXT else f'{{"status": "{state}"}}\n'
    return http.reply(body, chosen, cache=http.UNCACHEABLE)


class Operating:
    """Answers what an operator asks, apart from other requests.

    Args:
        engine: the engine.
        app: answers a request.
        refresh: brings what is counted up to date.
    """

    def __init__(
        self,
        engine: Engine,
        app: Callable[[WSGIEnvironment], Said],
        refresh: Callable[[], None],
    ) -> None:
        self._app = app
        self._refresh = refresh
        self._probe = Probe(engine)
        # One, so that however often they are asked for, others are kept waiting by one at a time.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="metrics")

    async def said(self, environ: WSGIEnvironment) -> Said | None:
        """Answer a request; None: it is none of an operator."""
        path = environ["PATH_INFO"]
        if path == METRICS:
            self._refresh()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._app, environ)
        if path == READY and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            failure = await self._probe.outcome()
            environ[_PROBED if failure is None else http.REFUSAL] = failure
        elif path not in (ALIVE, READY):
            return None
        return self._app(environ)


class Probe:
    """Asks an engine a query: one at a time, for all who came before it was asked.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking: asyncio.Task[NotReady | None] | None = None
        self._next: asyncio.Task[NotReady | None] | None = None

    async def outcome(self) -> NotReady | None:
        """Return why a query that is asked from now on is not answered; None: it is."""
        if self._next is None:
            self._next = asyncio.create_task(self._outcome_after(self._asking))
        return await asyncio.shield(self._next)

    async def _outcome_after(self, last: asyncio.Task[NotReady | None] | None) -> NotReady | None:
        if last is not None:
            await asyncio.wait([last])
        self._asking, self._next = self._next, None
        try:
            async with asyncio.timeout(_PATIENCE):
                if isinstance(self._engine, AsyncEngine):
                    await self._engine.answer(_PROBE)
                else:
                    await asyncio.to_thread(self._engine.run, _PROBE)
        except EngineError as error:
            return NotReady(f"A query was not answered: {error}")
        except TimeoutError:
            return NotReady(f"A query was not answered within {_PATIENCE:g} seconds.")
        return None
