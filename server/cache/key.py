"""Which question a request puts, whatever the method and the order of parameters it is put in."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple
from wsgiref.types import WSGIEnvironment

from kg.sparql.lexer import is_repeatable
from server.http1.errors import MalformedRequest, RequestError
from server.http1.hosts import is_host
from server.protocol.endpoints import ENDPOINTS
from server.protocol.parameters import BODIES, VALUES, Parameters, of_form, with_body

READS: Final = frozenset({"GET", "HEAD"})
"""Methods that put a question in the URL alone."""

VERSION: Final = "dermograph.version"
"""Key in the WSGI environment: the version of the data that a request sees."""

QUERY_PATH: Final = ENDPOINTS["sparql.endpoint"].paths[0]
"""Where a query is asked: by a GET, or by a POST or QUERY that has it in its body."""

Line = tuple[str | None, ...]
"""A reading request as it came, without what makes no difference to its answer."""

_IN_LINE: Final = (
    *(VERSION, "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING"),
    *("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "SCRIPT_NAME"),
    *("HTTP_AUTHORIZATION", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"),
)
TOLD_BY_LINE: Final = frozenset({"HTTP_ACCEPT", "QUERY_STRING", "REQUEST_METHOD"})
"""What may have had a say in an answer that a line leads to."""

_NAME: Final = itemgetter(0)
_ASKING: Final = {QUERY_PATH: ("POST", "QUERY")}
_POSTED: Final = re.compile(
    "|".join(
        re.sub("<[^>]+>", "[^/]+", re.escape(path))
        for row in ENDPOINTS.values()
        for path in row.paths
        if "POST" in row.methods
    )
)
"""Where a POST asks what a GET with the same parameters asks."""

_PERSONAL: Final = frozenset({"HTTP_AUTHORIZATION", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"})


class CacheKey(NamedTuple):
    """What is asked; requests with equal questions and negotiated headers get equal answers.

    Attributes:
        service: version of the data; and scheme, host and prefix of the URL, of which the addresses
            in answers are made.
        path: below the prefix.
        parameters: names and decoded values, sorted by name; repeated ones stay in order.
    """

    service: tuple[str | None, ...]
    path: str
    parameters: tuple[tuple[str, str], ...]


def line_of(environ: WSGIEnvironment) -> Line:
    """Return the line of a GET or HEAD, by which an answer is found at once if it was asked before.

    Requests that have to be left to the app have lines that no entry has.
    """
    return tuple(map(environ.get, _IN_LINE))


@dataclass(frozen=True, slots=True)
class KeyReader:
    """Reads the questions out of requests.

    Attributes:
        any_host: whether answers are the same whatever host the request names.
        max_url_bytes: longer URLs are left to the app.
        max_body_bytes: larger bodies are left to the app.
    """

    any_host: bool = False
    max_url_bytes: int = 60_000
    max_body_bytes: int = 1_000_000

    def question(self, environ: WSGIEnvironment) -> CacheKey | None:
        """Return the question of a request, or None if the app has to see to the request itself.

        A body that is read is put back in its place.
        """
        if not (_PERSONAL.isdisjoint(environ) and is_host(environ.get("HTTP_HOST"))):
            return None
        parameters = self._parameters(environ)
        if parameters is None:
            return None
        pairs = tuple(sorted(parameters, key=_NAME))
        return CacheKey(self._service(environ), environ.get("PATH_INFO", ""), pairs)

    def is_repeatable(self, question: CacheKey) -> bool:
        """Tell whether a question may have the same answer for all who ask it at the same time."""
        if question.path != QUERY_PATH:
            return True
        return all(is_repeatable(text) for name, text in question.parameters if name == "query")

    def _service(self, environ: WSGIEnvironment) -> tuple[str | None, ...]:
        seen = (environ.get(VERSION), environ.get("SCRIPT_NAME", ""))
        if self.any_host:
            return seen
        host = environ.get("HTTP_HOST")
        # Without the header, the app makes addresses of the name that the server goes by.
        named = (environ["SERVER_NAME"], environ["SERVER_PORT"]) if not host else ()
        return (*seen, environ["wsgi.url_scheme"], host, *named)

    def _parameters(self, environ: WSGIEnvironment) -> Parameters | None:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        query_string = environ.get("QUERY_STRING", "")
        if len(path) + 1 + len(query_string) > self.max_url_bytes:
            return None
        try:
            parameters = of_form(query_string.encode("latin-1"))
            if method in READS:
                return parameters
            bodies = BODIES if path == QUERY_PATH else VALUES
            if method not in _ASKING.get(path, ("POST",) if _POSTED.fullmatch(path) else ()):
                return None
            body = partial(_taken, environ, self.max_body_bytes)
            parameters = with_body(parameters, environ, body, bodies)
        except RequestError:
            return None
        # Without a query the methods of /sparql mean different things.
        return parameters if "query" in parameters or path != QUERY_PATH else None


def _taken(environ: WSGIEnvironment, limit: int) -> bytes:
    """Read a body of known length that is not too large, and put it back.

    Raises:
        MalformedRequest: it is none, or is not whole, as the app will find out.
    """
    declared = environ.get("CONTENT_LENGTH", "")
    known = declared.isascii() and declared.isdigit() and len(declared) <= len(str(limit))
    if known and int(declared) <= limit:
        with suppress(OSError, ValueError):
            body: bytes = environ["wsgi.input"].read(int(declared))
            environ["wsgi.input"] = io.BytesIO(body)
            if len(body) == int(declared):
                return body
    raise MalformedRequest("The body cannot be read here.")
