"""What all responses have in common: CORS, security and cache headers, limits, OPTIONS, identity."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, g, request
from werkzeug.exceptions import NotFound, PreconditionFailed
from werkzeug.routing import RequestRedirect

from kg.engine import ResultKind
from kg.engine.spool import Content, SpooledFile
from server.context import current_snapshot, public_url
from server.data import rows
from server.http1.hosts import is_host
from server.http1.wsgi import REFUSAL, Headers
from server.protocol.errors import MalformedHeader, UrlTooLong
from server.protocol.negotiation import Representation

CACHEABLE: Final = "public, max-age=60, stale-while-revalidate=600"
"""Cache-Control of what stays the same as long as the data does."""

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Cache-Control of what never changes, as its address has a digest of it: a year is for ever."""

UNCACHEABLE: Final = "no-store"
"""Cache-Control of errors and of what differs from one time to the next."""

PERSONAL: Final = "private, no-store"
"""Cache-Control of what concerns one request only, even among requests that ask the same."""

CONTENT: Final = "dermograph.content"
"""Key in the WSGI environment: the file that the body of the response lies in, if it does."""

NOTES: Final = "dermograph.notes"
"""Key in the WSGI environment: the Notes on a request."""


@dataclass(slots=True)
class Notes:
    """What is found out about a request while it is answered, for those who operate the service.

    Attributes:
        began: when it came.
        cache: what the cache had: "hit", "miss", "shared" (the response to an equal request) or
            "none" (it does not see to such requests).
        text: of the query that it puts to the engine.
        kind: of the result, once the engine has answered.
        timings: how long parts of the work took, in seconds, as in Server-Timing.
    """

    began: float
    cache: str = "none"
    text: str | None = None
    kind: ResultKind | None = None
    timings: Mapping[str, float] = field(default_factory=dict)


EVERY_RESPONSE, _OF_OPTIONS = (
    {row["name"]: row["value"] for row in rows("headers") if row["responses"] == each}
    for each in ("every", "options")
)
_CONDITIONS: Final = frozenset(
    {"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_RANGE"}
)
_LONGEST_REDIRECTION: Final = 2000  # characters that every client takes
_ID_BYTES: Final = 16  # nobody guesses one
_QUERY_ID: Final = re.compile(r"[A-Za-z0-9._~:-]{1,64}")


def init_app(app: Flask) -> None:
    """Add the headers that all responses of an app have in common, and bound its URLs."""
    for step in (_begin, _refuse, _bound_url, _answer_options, _redirect):
        app.before_request(step)
    app.after_request(_finish)
    app.teardown_request(_let_go)


def digest(*parts: bytes | str) -> str:
    """Return a short fingerprint of a sequence of parts, for an ETag."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        pieces += (len(data).to_bytes(8, "big"), data)
    return hashlib.sha256(b"".join(pieces)).hexdigest()[:32]


def reply(
    body: Content | str,
    representation: Representation,
    *,
    etag: str | None = None,
    cache: str = CACHEABLE,
    negotiated: bool = True,
) -> Response:
    """Make the response to a request that succeeded; 304 if the client has it already.

    Args:
        body: the whole of it; one that lies in a file has to come with its entity tag.
        representation: what the body is.
        etag: strong entity tag, without quotes; computed from the body if None.
        cache: the value of Cache-Control; with UNCACHEABLE there is no entity tag.
        negotiated: whether the Accept header had a say.
    """
    if etag is None and cache != UNCACHEABLE:
        assert not isinstance(body, SpooledFile), "a file comes with its entity tag"
        etag = digest(body)
    return conditional(body, headers_of(representation, etag, cache, negotiated=negotiated))


def conditional(body: Content | str, headers: Headers) -> Response:
    """Make the response to a request that succeeded, or to its conditions, of its headers.

    Raises:
        PreconditionFailed: the client wants another entity.
    """
    response = response_of(body, headers=headers)
    tag, _ = response.get_etag()
    if tag is not None:
        wanted = request.if_match
        if wanted and not (wanted.star_tag or wanted.is_strong(tag)):
            raise PreconditionFailed("The entity has none of the tags in If-Match.")
        request.environ.pop("HTTP_IF_MATCH", None)  # what is no condition is none
        if not is_plain(request.environ):
            response.make_conditional(request)
    return response


def as_json(value: object) -> str:
    """Return a document as it is sent."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def headers_of(
    representation: Representation | None, etag: str | None, cache: str, *, negotiated: bool = True
) -> Headers:
    """Return the headers of an answer, but its length and those of every response.

    Args:
        representation: what it is; None: the response has no body.
        etag: strong entity tag, without quotes.
        cache: the value of Cache-Control; with UNCACHEABLE there is no entity tag.
        negotiated: whether the Accept header had a say.
    """
    headers = [("Content-Type", representation.content_type)] if representation else []
    headers.append(("Cache-Control", cache))
    if negotiated:
        headers.append(("Vary", "Accept"))
    if etag is not None and cache != UNCACHEABLE:
        headers.append(("ETag", f'"{etag}"'))
    return headers


def response_of(
    body: Content | str, *, status: str | None = None, headers: Headers | None = None
) -> Response:
    """Return a response with a body that is whole, wherever it lies."""
    response = Response(body, status, headers)
    if isinstance(body, SpooledFile):
        request.environ[CONTENT] = body
        response.content_length = len(body)
    return response


def not_modified(etag: str) -> Response | None:
    """Return the 304 for a reading request whose client has the entity with this tag, else None.

    `If-None-Match: *` is left to the response itself, as it asks whether there is any.
    """
    known = request.if_none_match
    if request.method not in ("GET", "HEAD") or known.star_tag or etag not in known:
        return None
    return Response(status=304, headers=headers_of(None, etag, CACHEABLE))


def query_id(given: str) -> str:
    """Return the id of a query: what the client gave, if that is legal, or else a new one."""
    is_legal = given and _QUERY_ID.fullmatch(given)
    return given if is_legal else secrets.token_hex(_ID_BYTES)


def timed(name: str, seconds: float) -> None:
    """Note how long a part of the work on this request took, for Server-Timing.

    What is noted more than once, as by the process that speaks HTTP and another, is added up.
    """
    g.timings[name] = g.timings.get(name, 0.0) + seconds


@contextmanager
def serialising() -> Iterator[None]:
    """Note how long the app itself takes to write an answer, for Server-Timing."""
    began = time.perf_counter()
    yield
    timed("serialise", time.perf_counter() - began)


def _begin() -> None:
    g.query_id = query_id(request.headers.get("X-Query-Id", ""))
    g.began = time.perf_counter()
    g.timings = {}


def _refuse() -> None:
    """Raise the error that the server found before it handed the request over.

    An illegal Host header is one too, as the addresses in answers would be made from it.
    """
    if REFUSAL in request.environ:
        raise request.environ.pop(REFUSAL)  # held by nobody, see _let_go
    if not is_host(request.environ.get("HTTP_HOST")):
        raise MalformedHeader("Host", "The Host header does not name a host.")


def _let_go(_: BaseException | None) -> None:
    """Break the circle in which Flask leaves a request that no rule fits.

    The exception leads by its traceback to the request, and the request to the exception. Garbage in
    circles is collected seldom here, and each would hold a body and headers of any length till then.
    """
    request.routing_exception = None


def _bound_url() -> None:
    limit = current_snapshot().settings.max_url_bytes
    if len(request.path.encode()) + 1 + len(request.query_string) > limit:
        raise UrlTooLong(
            f"The URL is longer than {limit} bytes.",
            limit,
            hint="Send the query in the body of a POST.",
        )


def _redirect() -> Response | None:
    """Lead to the address without repeated slashes, below the URL that clients know.

    Raises:
        NotFound: it is very long. It is split on its way, and the standard library remembers the
            last 128 URLs that it split, of any length.
    """
    to = request.routing_exception
    if not isinstance(to, RequestRedirect):
        return None
    if len(to.new_url) > _LONGEST_REDIRECTION:
        raise NotFound
    parts = urlsplit(to.new_url)
    path = parts.path.removeprefix(request.script_root)
    response = Response(status=to.code)
    del response.headers["Content-Type"]
    response.location = f"{public_url()}{path}{'?' if parts.query else ''}{parts.query}"
    return response


def _answer_options() -> Response | None:
    """Answer OPTIONS, preflight or not, for every address that an endpoint has."""
    if request.method != "OPTIONS" or request.url_rule is None:
        return None
    allowed = ", ".join(sorted(request.url_rule.methods or ()))
    response = Response(status=204)
    del response.headers["Content-Type"]
    response.headers["Allow"] = allowed
    response.headers["Access-Control-Allow-Methods"] = allowed
    response.headers.update(_OF_OPTIONS)
    return response


def _finish(response: Response) -> Response:
    version = current_snapshot().version
    told = of_every_response(request.environ, version, g.query_id, g.timings, g.began)
    response.headers.update(told)
    return response


def of_every_response(
    environ: WSGIEnvironment,
    version: str,
    query_id: str,
    timings: Mapping[str, float],
    began: float,
) -> Headers:
    """Return the headers that every response has, and note how long the parts of the work took.

    Args:
        environ: the request.
        version: that of the data.
        query_id: of the request.
        timings: of the parts of the work, in seconds.
        began: when the work began.
    """
    timings = {**timings, "total": time.perf_counter() - began}
    if NOTES in environ:
        environ[NOTES].timings = timings
    parts = [f"{name};dur={seconds * 1000:.2f}" for name, seconds in timings.items()]
    return [
        *EVERY_RESPONSE.items(),
        ("Dataset-Version", version),
        ("X-Query-Id", query_id),
        ("Server-Timing", ", ".join(parts)),
    ]


def is_plain(environ: WSGIEnvironment) -> bool:
    """Tell whether a request has no condition."""
    return _CONDITIONS.isdisjoint(environ)
