"""Plain questions to the SPARQL endpoint, answered on the event loop as the app would in a thread.

Handing a request to a thread and taking it through Flask takes many times as long as a short query.
So what needs neither, and only that, is answered here: queries whose answer is not a page and that ask
no other endpoint, of requests without conditions. All errors are left to the app.
"""

from __future__ import annotations

import time
from wsgiref.types import WSGIEnvironment

from kg.sparql.lexer import first_word
from server import delegation
from server.cache.key import QUERY_PATH, CacheKey
from server.context import pinned
from server.http1.errors import RequestError
from server.http1.wsgi import OK, RawResponse
from server.protocol import responses
from server.protocol.parameters import Parameters
from server.sparql import endpoint


async def answered(environ: WSGIEnvironment, asked: CacheKey) -> RawResponse | None:
    """Answer a request, or return None if it is for the app.

    Args:
        environ: the request, which has its snapshot.
        asked: what it asks.

    Raises:
        EngineError: the query is not answered.
    """
    began = time.perf_counter()
    snapshot, parameters = pinned(environ), Parameters(asked.parameters)
    is_plain = asked.path == QUERY_PATH and "query" in parameters and responses.is_plain(environ)
    if not is_plain or snapshot.asynchronous is None:
        return None
    query_id = responses.query_id(environ.get("HTTP_X_QUERY_ID", ""))
    try:
        plan = endpoint.planned(snapshot, parameters, environ, query_id)
    except RequestError:
        return None
    may_ask_others = snapshot.settings.service_endpoints
    asks_others = may_ask_others and first_word(plan.query.text, "SERVICE") is not None
    if plan.choice.is_made or asks_others:
        return None
    notes = environ[responses.NOTES]
    notes.text = plan.query.text
    answer = await snapshot.asynchronous.answer(plan.query)
    notes.kind = answer.kind
    if snapshot.graph.unmatched(plan.query, answer):  # the app tells of them
        environ[delegation.ANSWER] = answer
        return None
    timings = {"queue": answer.waited, "run": answer.seconds}
    content = answer.content
    headers = [
        *plan.headers(answer),
        ("Content-Length", str(len(content))),
        *responses.of_every_response(environ, snapshot.version, query_id, timings, began),
    ]
    return RawResponse(OK, headers, [content] if isinstance(content, bytes) else content)
