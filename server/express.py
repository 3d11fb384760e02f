"""Plain questions to the SPARQL endpoint, answered on the event loop as the app would in a thread.

Handing a request to a thread and taking it through Flask takes many times as long as a short query.
So what needs neither, and only that, is answered here: queries whose answer is not a page and that ask
no other endpoint, of requests without conditions. All errors are left to the app.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kg.engine import Answer, AsyncEngine, Query
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


@dataclass(frozen=True, slots=True)
class _Plain:
    """A question that is answered here.

    Attributes:
        query: what the engine is asked.
        choice: the representation for each kind of result.
        etag: the entity tag of the answer.
        query_id: see ``http.query_id``.
        began: when the request was read.
    """

    query: Query
    choice: answers.Choice
    etag: str
    query_id: str
    began: float


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
        """Give what answers the questions to a service; None: its engine is no ``AsyncEngine``."""
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
        plain = self._plain(environ, question)
        if plain is None:
            return None
        notes: http.Notes = environ[http.NOTES]
        notes.text = plain.query.text
        return self._said_of(plain, await self._engine.answer(plain.query), notes)

    def _plain(self, environ: WSGIEnvironment, asked: Question) -> _Plain | None:
        began = time.perf_counter()
        settings = self._service.settings
        if asked.path != _PATH or not http.is_plain(environ):
            return None
        parameters = Parameters(asked.parameters)
        if "query" not in parameters:
            return None
        prefer = environ.get("HTTP_PREFER", "")
        try:
            question = sparql.question_in(parameters, prefer, settings.max_query_bytes)
            name = answers.result_format(parameters)
            choice = answers.chosen_for(environ.get("HTTP_ACCEPT"), name)
        except RequestError:
            return None
        if choice.has_page or self._asks_others(question.text):
            return None
        query_id = http.query_id(environ.get("HTTP_X_QUERY_ID", ""))
        return _Plain(
            answers.query_for(self._service, question, choice, (query_id,)),
            choice,
            answers.etag_of(self._service.graph.version, question, choice),
            query_id,
            began,
        )

    def _asks_others(self, text: str) -> bool:
        may = bool(self._service.settings.service_endpoints)
        return may and service_offset(text) is not None

    def _said_of(self, plain: _Plain, answer: Answer, notes: http.Notes) -> Said:
        headers = http.headers_of_answer(
            answer.content,
            plain.choice.of(answer.kind),
            etag=plain.etag,
            cache=http.CACHEABLE if answer.repeatable else http.UNCACHEABLE,
            version=self._service.graph.version,
        )
        total = time.perf_counter() - plain.began
        timings = {"queue": answer.waited, "run": answer.seconds, "total": total}
        notes.timings = timings
        headers.append(("X-Query-Id", plain.query_id))
        headers.append(("Server-Timing", http.server_timing(timings)))
        content = answer.content
        body = [content] if isinstance(content, bytes) else content
        return Said(OK, headers, body)
