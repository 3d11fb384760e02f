"""What an operator asks: whether the service is alive, whether it is ready, what it has done.

They have to be told however busy the service is. So the dispatcher answers them before all others.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from wsgiref.types import WSGIEnvironment

from flask import Response, request
from prometheus_client.exposition import generate_latest

from kg.engine import AsyncEngine, Engine, EngineError, Query
from kg.results import stored_text
from server.context import current_snapshot, pinned
from server.http1.wsgi import REFUSAL, RawResponse
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.errors import MalformedHeader, NotReady
from server.protocol.negotiation import PLAIN_JSON, PLAIN_TEXT, PROMETHEUS, best

_ALIVE, _READY, _METRICS = (
    ENDPOINTS[f"operating.{view}"].paths[0] for view in ("alive", "ready", "metrics")
)
PROBES: Final = frozenset({_ALIVE, _READY, _METRICS})

_PROBED: Final = "dermograph.probed"
"""Key in the WSGI environment: the engine has been asked for this request, and answered."""

_PATIENCE: Final = 2.0
"""Seconds that the engine has to answer: those who watch a service seldom wait for longer."""

_PROBE: Final = Query(stored_text("probe.rq"), seconds=_PATIENCE)


def alive() -> Response:
    """Say that the process that speaks HTTP does so."""
    return _state_of("alive")


def ready() -> Response:
    """Say that queries are answered.

    Raises:
        NotReady: they are not.
    """
    if _PROBED not in request.environ:
        failure = asyncio.run(_failure_of(current_snapshot().graph.engine))
        if failure is not None:
            raise failure
    return _state_of("ready")


def metrics() -> Response:
    """Say what the service has done, for Prometheus."""
    told = generate_latest(current_snapshot().observer)
    return responses.reply(told, PROMETHEUS, cache=responses.UNCACHEABLE, negotiated=False)


def _state_of(state: str) -> Response:
    try:
        offers = ENDPOINTS["operating.ready"].representations
        chosen = best(request.headers.get("Accept"), offers) or PLAIN_JSON
    except MalformedHeader:  # who watches a service is told in any case
        chosen = PLAIN_JSON
    body = f"{state}\n" if chosen == PLAIN_TEXT else f'{{"status": "{state}"}}\n'
    return responses.reply(body, chosen, cache=responses.UNCACHEABLE)


class Operating:
    """Answers what an operator asks, apart from other requests.

    Args:
        app: answers a request.
    """

    def __init__(self, app: Callable[[WSGIEnvironment], RawResponse]) -> None:
        self._app = app
        self._probe: asyncio.Task[NotReady | None] | None = None
        # One, so that however often they are asked for, others are kept waiting by one at a time.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="metrics")

    async def response(self, environ: WSGIEnvironment) -> RawResponse:
        """Answer a request to one of PROBES."""
        path = environ["PATH_INFO"]
        if path == _METRICS:
            return await asyncio.wrap_future(self._pool.submit(self._app, environ))
        if path == _READY and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            if self._probe is None or self._probe.done():  # one for all who ask at a time
                self._probe = asyncio.create_task(_failure_of(pinned(environ).graph.engine))
            failure = await asyncio.shield(self._probe)
            environ[_PROBED if failure is None else REFUSAL] = failure
        return self._app(environ)


async def _failure_of(engine: Engine) -> NotReady | None:
    """Return why a query is not answered; None: it is."""
    try:
        async with asyncio.timeout(_PATIENCE):
            if isinstance(engine, AsyncEngine):
                await engine.answer(_PROBE)
            else:
                await asyncio.to_thread(engine.run, _PROBE)
    except EngineError as error:
        return NotReady(f"A query was not answered: {error}")
    except TimeoutError:
        return NotReady(f"A query was not answered within {_PATIENCE:g} seconds.")
    return None
