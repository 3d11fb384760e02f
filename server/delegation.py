"""Having requests answered where queries run, so that the process that speaks HTTP computes nothing.

A view that asks several things and makes a document of the answers is marked as ``delegated``. Its
requests are handed to a worker, in which the same app answers them over the engine that is
there, within the limits of a query: time, memory, the queue, and a client that may hang up. Where
queries run in this process there is nowhere else to go, and the view answers at once.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Final, NamedTuple

from flask import Flask, Response, g, request

from kg.engine import Answer, ResultTooLarge, Task, TaskEngine, TaskResult
from kg.engine.spool import Spool, SpooledFile
from server.context import current_snapshot
from server.protocol import responses
from server.protocol.parameters import body_of

ANSWER: Final = "dermograph.answer"
"""Key in the WSGI environment: the answer that a page is to be made of, as it is known already."""

_IN_PARTS: Final = "Ask for it in parts at /sparql, by queries with ORDER BY, LIMIT and OFFSET."


class HandedOver(NamedTuple):
    """A request on its way to a worker.

    Attributes:
        environ: what of the WSGI environment is text, which is all that the app looks at.
        body: of the request.
        answer: that a page is to be made of; None: the views find out what they need.
    """

    environ: Mapping[str, str]
    body: bytes
    answer: Answer | None


class _Head(NamedTuple):
    """A response without its body.

    Attributes:
        status, headers: of the response.
        timings: how long the parts of the work took, see ``responses.timed``.
        text: of the query that it answers, if it answers one; see ``responses.Notes``.
    """

    status: str
    headers: list[tuple[str, str]]
    timings: Mapping[str, float]
    text: str | None


def delegated(view: Callable[..., Response]) -> Callable[..., Response]:
    """Answer a view in a worker, if there are any, and bound what it answers."""

    @wraps(view)
    def answered(**named: str) -> Response:
        response = elsewhere()
        if response is not None:
            return response
        try:
            return _bounded(view(**named))
        except ResultTooLarge as error:
            error.hint = _IN_PARTS
            raise

    return answered


def elsewhere(answer: Answer | None = None) -> Response | None:
    """Return the response to this request that the app makes in a worker.

    Args:
        answer: that a page is to be made of, if it is known.

    Returns:
        The response; None if this process is where it has to be made.

    Raises:
        EngineUnavailable: it could not be made within the limits.
    """
    engine = current_snapshot().graph.engine
    if not isinstance(engine, TaskEngine):
        return None
    most = current_snapshot().settings.max_body_bytes
    body = body_of(request, most) if request.method in ("POST", "QUERY") else b""
    environ = {name: value for name, value in request.environ.items() if isinstance(value, str)}
    environ["HTTP_X_QUERY_ID"] = g.query_id
    whole = replace(answer, content=answer.body) if answer else None
    task = Task(HandedOver(environ, body, whole), names=(g.query_id,))
    result = engine.call(task)
    if result is None:
        return None
    head: _Head = result.about
    responses.timed("queue", result.waited)
    if responses.NOTES in request.environ:
        request.environ[responses.NOTES].text = head.text
    for name, seconds in head.timings.items():
        responses.timed(name, seconds)
    return responses.response_of(result.content, status=head.status, headers=head.headers)


def respond(app: Flask, handed: HandedOver) -> TaskResult:
    """Answer a request that was handed over."""
    notes = responses.Notes(time.perf_counter())
    environ = {
        **handed.environ,
        "CONTENT_LENGTH": str(len(handed.body)),
        "wsgi.input": io.BytesIO(handed.body),
        "wsgi.errors": sys.stderr,
        responses.NOTES: notes,
        ANSWER: handed.answer,
    }
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    with app.request_context(environ):
        try:
            response = app.full_dispatch_request()
        except MemoryError:  # ends the process, by which its limit is known
            raise
        except Exception as error:  # noqa: BLE001 - as Flask's own wsgi_app
            response = app.handle_exception(error)
        head = _Head(response.status, list(response.headers), g.timings, notes.text)
        if isinstance(response.response, SpooledFile):
            return TaskResult(response.response, head)
        spool = Spool(None)
        spool.write(response.get_data())
        return TaskResult(spool.content(), head)


def _bounded(response: Response) -> Response:
    """Return a response that is no larger than the limit of answers.

    Raises:
        ResultTooLarge: it is larger.
    """
    most = current_snapshot().settings.max_result_bytes
    length = response.content_length or response.calculate_content_length() or 0
    if length > most:
        raise ResultTooLarge(most)
    return response
