"""Plain questions to the SPARQL endpoint, answered on the event loop as the app would in a thread.

Handing a request to a thread and taking it through Flask takes many times as long as a short query.
So what needs neither, and only that, is answered here: queries whose answer is not a page and that ask
no other endpoint, of requests without conditions. All errors are left to the app.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kg.engine import AsyncEngine
from kg.sparql.lexer import service_offset
from server.cache.key import QUERY_PATH, CacheKey
from server.http1.errors import RequestError
from server.http1.wsgi import OK, RawResponse
from server.protocol import responses
from server.protocol.parameters import Parameters
from server.sparql import endpoint

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from server.context import AppContext
    from server.protocol.answers import Plan


class FastPath:
    """Answers plain questions.

    Args:
        service: the service.
        engine: its engine.
    """

    def __init__(self, service: AppContext, engine: AsyncEngine) -> None:
        self._service = service
        self._engine = engine

    @classmethod
    def of(cls, service: AppContext) -> FastPath | None:
        """Return what answers the questions to a service; None: its engine is not asynchronous."""
        engine = service.graph.local
        return cls(service, engine) if isinstance(engine, AsyncEngine) else None

    async def said(self, environ: WSGIEnvironment, question: CacheKey) -> RawResponse | None:
        """Answer a request, or give None if it is for the app.

        Args:
            environ: the request.
            question: what it asks.

        Raises:
            EngineError: the query is not answered.
        """
        began = time.perf_counter()
        version = self._service.graph.version
        query_id = responses.query_id(environ.get("HTTP_X_QUERY_ID", ""))
        plan = self._planned(environ, question, query_id)
        if plan is None:
            return None
        environ[responses.NOTES].text = plan.query.text
        answer = await self._engine.answer(plan.query)
        timings = {"queue": answer.waited, "run": answer.seconds}
        content = answer.content
        headers = [
            *plan.headers(answer),
            ("Content-Length", str(len(content))),
            *responses.of_every_response(environ, version, query_id, timings, began),
        ]
        return RawResponse(OK, headers, [content] if isinstance(content, bytes) else content)

    def _planned(self, environ: WSGIEnvironment, asked: CacheKey, query_id: str) -> Plan | None:
        """Plan the answer to a query; None: it is for the app."""
        parameters = Parameters(asked.parameters)
        if asked.path != QUERY_PATH or not responses.is_plain(environ) or "query" not in parameters:
            return None
        try:
            plan = endpoint.planned(self._service, parameters, environ, query_id)
        except RequestError:
            return None
        is_for_app = plan.choice.has_page or self._asks_others(plan.query.text)
        return None if is_for_app else plan

    def _asks_others(self, text: str) -> bool:
        may = bool(self._service.settings.service_endpoints)
        return may and service_offset(text) is not None
