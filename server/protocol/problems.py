"""How errors become responses: the only place that knows which error gets which status.

Every error response is a problem document (https://www.rfc-editor.org/rfc/rfc9457), as JSON, as a
page for browsers, or as plain text for clients that accept nothing else. The type of a problem is
an address of this service, `/problems/SLUG`, where the problem is explained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from kg.catalogue.canned_queries import ParameterError, UnknownQueryError
from kg.engine import EngineError, FormatNotAvailable, QueryStopped
from kg.rdf.jsonld import NotInJsonLd
from kg.search.folding import like
from server.context import public_url
from server.data import rows
from server.http1.errors import RequestError
from server.http1.wsgi import RawResponse
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS, RESULTS, near_paths
from server.protocol.errors import MalformedHeader, UnknownResource
from server.protocol.negotiation import (
    HTML,
    PLAIN_JSON,
    PLAIN_TEXT,
    PROBLEM,
    Representation,
    best,
    choose,
)


class ProblemType(NamedTuple):
    """A row of the table of problems.

    Attributes:
        slug: the last part of its address.
        status: the status of the response.
        title: the problem in a few words.
        explanation: what it means and what to do, for those who follow the address.
    """

    slug: str
    status: int
    title: str
    explanation: str


_ROWS: Final = rows("problems")

PROBLEM_TYPES: Final = {
    row["slug"]: ProblemType(row["slug"], int(row["status"]), row["title"], row["explanation"])
    for row in _ROWS
}
"""Every type of problem by its slug."""

_SLUGS: Final = {name: row["slug"] for row in _ROWS for name in row["exceptions"].split()}
"""The type of problem that each exception is; a class that is not listed is what its base is."""

_CANNED_HINT: Final = "Set more parameters, name narrower concepts, or ask a part of it at /sparql."
_SECONDS_TO_RETRY: Final = 5  # by when most queries have ended (a judgement)


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """An error as it is told to the client.

    Attributes:
        slug: the type of problem, or None for what HTTP itself explains.
        status: the status of the response.
        title: the type in words.
        detail: what is wrong this time.
        members: further members of the document; `hint` says what to do.
        headers: headers that the status calls for.
    """

    slug: str | None
    status: int
    title: str
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[ProblemDocument], str]
"""Writes the page for a problem."""

_LOG = logging.getLogger(__name__)


def init_app(app: Flask, pages: Mapping[str, Page]) -> None:
    """Make errors of an app problem documents.

    Args:
        app: the app.
        pages: for blueprints, by name, that show problems in pages of their own: how.
    """

    def handle(error: Exception) -> Response:
        page = pages.get(request.blueprint or "", generic_page)
        return respond(problem_of(error), page)

    for handled in (HTTPException, *_ROOTS):
        app.register_error_handler(handled, handle)


_ROOTS: Final = (RequestError, EngineError, NotInJsonLd, ParameterError, UnknownQueryError)


def problem_of(error: Exception) -> ProblemDocument:
    """Describe an exception as a problem."""
    names = (each.__name__ for each in type(error).__mro__)
    slug = next((_SLUGS[name] for name in names if name in _SLUGS), None)
    if isinstance(error, HTTPException):
        return _http_problem(error, slug)
    assert slug is not None, "the table has all that is handled"
    row = PROBLEM_TYPES[slug]
    headers = dict(error.headers) if isinstance(error, RequestError) else {}
    if isinstance(error, QueryStopped):
        # Others who ask the same have not stopped it.
        headers["Cache-Control"] = responses.PERSONAL
    elif row.status == HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = getattr(error, "seconds_to_retry", None) or _SECONDS_TO_RETRY
        headers["Retry-After"] = str(seconds)
    members = _members(error)
    if request.blueprint == "queries" and slug in ("query-timeout", "memory-limit"):
        members["hint"] = _CANNED_HINT
    is_inside = slug == "engine-failure"  # which is for the log
    detail = row.explanation if is_inside else str(getattr(error, "detail", "") or error)
    return ProblemDocument(slug, row.status, row.title, detail, members, headers)


def _http_problem(error: HTTPException, slug: str | None) -> ProblemDocument:
    status = error.code or 500
    headers = {
        name: value for name, value in error.get_headers() if name not in ("Content-Type", "Date")
    }
    if "Allow" in headers:  # of a set, so in another order after every start
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    if slug is None:
        title = HTTPStatus(status).phrase
        return ProblemDocument(None, status, title, error.description or title, {}, headers)
    row, members = PROBLEM_TYPES[slug], dict[str, Any]()
    detail = error.description or row.explanation
    if slug == "method-not-allowed":
        detail = f"{request.method} is not possible here, only {headers.get('Allow', '')}."
    elif slug == "not-found":
        near = near_paths(request.path)
        word = quote(request.path.rstrip("/").rpartition("/")[2][:80])
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        hint += f"Begin at {request.script_root}/, or look for a name at {request.script_root}/search?q={word}."
        members = {"near": near, "hint": hint}
        detail = "Nothing has this address."
    elif slug == "internal-error":  # what failed inside is for the log
        detail = row.explanation
    return ProblemDocument(slug, status, row.title, detail, members, headers)


def _members(error: Exception) -> dict[str, Any]:
    if isinstance(error, RequestError):
        members = dict(error.members)
    elif isinstance(error, FormatNotAvailable):
        # Of the formats that carry the kind the engine may have tried one that cannot hold this.
        able = {each.media_type for each in error.available} | {HTML.media_type}
        offers = [offer.media_type for offer in RESULTS[error.kind]]
        members = {"available": [each for each in offers if each in able]}
    else:
        names = ("parameter", "line", "column", "excerpt", "limit", "endpoint", "near")
        members = {name: getattr(error, name) for name in names if hasattr(error, name)}
    hint = getattr(error, "hint", None)
    return {**members, "hint": hint} if hint else members


def respond(problem: ProblemDocument, page: Page | None = None) -> Response:
    """Make the response that tells a problem, in the representation that the client prefers.

    Args:
        problem: what to tell.
        page: how it is written for browsers.
    """
    try:
        offers = (PROBLEM, HTML, PLAIN_TEXT)
        representation = best(request.headers.get("Accept"), offers) or PROBLEM
    except MalformedHeader:  # which, as one that admits nothing, must not hide the first error
        representation = PROBLEM
    writers: Mapping[Representation, Page] = {
        PROBLEM: _document,
        HTML: page or generic_page,
        PLAIN_TEXT: _text,
    }
    try:
        body = writers[representation](problem)
    except Exception:  # noqa: BLE001 - whatever it is
        # What fails while an error is told must not hide that error.
        _LOG.exception("The page of a problem of type %s failed.", problem.slug)
        representation, body = PROBLEM, _document(problem)
    response = Response(
        body,
        status=problem.status,
        content_type=representation.content_type,
        headers=dict(problem.headers),
    )
    response.headers.setdefault("Cache-Control", responses.UNCACHEABLE)
    response.vary.add("Accept")
    return response


def last_resort(environ: WSGIEnvironment) -> RawResponse:
    """Return the response where the app itself failed: a problem document, of no type."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = PROBLEM_TYPES["internal-error"].explanation
    body = _document(ProblemDocument(None, status.value, status.phrase, detail)).encode()
    headers = [
        ("Content-Type", PROBLEM.content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", responses.UNCACHEABLE),
        *responses.EVERY_RESPONSE.items(),
    ]
    sent = [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
    return RawResponse(f"{status.value} {status.phrase.upper()}", headers, sent)


def type_iri(slug: str | None) -> str:
    """Return the IRI of a type of problem; for None the one that refers to HTTP."""
    if slug is None:
        return "about:blank"
    return f"{public_url()}/problems/{slug}"


def _document(problem: ProblemDocument) -> str:
    document = {
        "type": type_iri(problem.slug),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return responses.as_json(document)


def _text(problem: ProblemDocument) -> str:
    lines = [f"{problem.status} {problem.title}", problem.detail]
    lines += [str(problem.members[name]) for name in ("excerpt", "hint") if name in problem.members]
    return "\n".join(lines) + "\n"


def generic_page(problem: ProblemDocument) -> str:
    """Write the page for a problem where there is no better one."""
    return render_template("problem.html", problem=problem)


def explanation(slug: str) -> Response:
    """Explain a type of problem, at the address of the type."""
    row = PROBLEM_TYPES.get(slug)
    if row is None:
        detail, near = (
            f"There is no type of problem named {slug[:80]!r}.",
            like(slug, PROBLEM_TYPES),
        )
        hint = f"There are {', '.join(near or PROBLEM_TYPES)}."
        addresses = [f"/problems/{each}" for each in near]
        raise UnknownResource(detail, hint=hint, members={"near": addresses})
    offers = ENDPOINTS["problems.explanation"].representations
    chosen = choose(request.headers.get("Accept"), offers)
    about = {"type": type_iri(slug), **row._asdict()}
    writers: Mapping[Representation, Callable[[], str]] = {
        HTML: lambda: render_template("explanation.html", row=row),
        PLAIN_JSON: lambda: responses.as_json(about),
        PLAIN_TEXT: lambda: f"{row.status} {row.title}\n{row.explanation}\n",
    }
    return responses.reply(writers[chosen](), chosen)
