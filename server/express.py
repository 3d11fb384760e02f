"""Plain questions to the SPARQL endpoint, answered on the event loop as the app would in a thread.

Handing a request to a thread and taking it through Flask takes many times as long as a short query.
So what needs neither, and only that, is answered here: queries whose answer is not a page and that ask
no other endpoint, of requests without conditions. All errors are left to the app.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from kg.engine import AsyncEngine
from kg.engine.tokens import service_offset
from server import answers, http, sparql
from server.errors import RequestError
from server.parameters import Parameters
from server.wsgi import OK, Said

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from server.cache.questions import Question
    from server.service import Service

_PATH: Final = "/sparql"


class _Put(NamedTuple):
    """A query as the client put it, and the representation for each kind of result."""

    question: answers.Question
    choice: answers.Choice


class Express:
    """Answers plain questions.

    Args:
        service: the service.
        engine: its engine.
    """

    def __init__(self, service: Service, engine: AsyncEngine) -> None:
        self._service = service
        self._engine = engine

    @classmethod
    def of(cls, service: Service) -> Express | None:
        """Return what answers the questions to a service; None: its engine is not asynchronous."""
        engine = service.graph.local
        return cls(service, engine) if isinstance(engine, AsyncEngine) else None

    async def said(self, environ: WSGIEnvironment, question: Question) -> Said | None:
        """Answer a request, or give None if it is for the app.

        Args:
            environ: the request.
            question: what it asks.

        Raises:
            EngineError: the query is not answered.
        """
        began = time.perf_counter()
        put = self._put(environ, question)
        if put is None:
            return None
        version = self._service.graph.version
        query_id = http.query_id(environ.get("HTTP_X_QUERY_ID", ""))
        notes: http.Notes = environ[http.NOTES]
        notes.text = put.question.text
        answer = await self._engine.answer(
            answers.query_for(self._service, put.question, put.choice, (query_id,))
        )
        headers = http.headers_of_answer(
            answer.content,
            put.choice.of(answer.kind),
            etag=answers.etag_of(version, put.question, put.choice),
            cache=http.CACHEABLE if answer.repeatable else http.UNCACHEABLE,
            version=version,
        )
        total = time.perf_counter() - began
        notes.timings = {"queue": answer.waited, "run": answer.seconds, "total": total}
        headers.append(("X-Query-Id", query_id))
        headers.append(("Server-Timing", http.server_timing(notes.timings)))
        content = answer.content
        return Said(OK, headers, [content] if isinstance(content, bytes) else content)

    def _put(self, environ: WSGIEnvironment, asked: Question) -> _Put | None:
        """Return the query that a request puts and what its client accepts; None: it is for the app."""
        if asked.path != _PATH or not http.is_plain(environ):
            return None
        parameters = Parameters(asked.parameters)
        if "query" not in parameters:
            return None
        prefer = environ.get("HTTP_PREFER", "")
        try:
            question = sparql.question_in(
                parameters, prefer, self._service.settings.max_query_bytes
            )
            name = answers.result_format(parameters)
            choice = answers.chosen_for(environ.get("HTTP_ACCEPT"), name)
        except RequestError:
            return None
        if choice.has_page or self._asks_others(question.text):
            return None
        return _Put(question, choice)

    def _asks_others(self, text: str) -> bool:
        may = bool(self._service.settings.service_endpoints)
        return may and service_offset(text) is not None
