"""Which question a request puts, whatever the method and the order of parameters it is put in."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from werkzeug.http import parse_options_header

from kg.engine.tokens import is_repeatable
from server.errors import MalformedRequest
from server.hosts import is_host
from server.parameters import Parameters, of_form

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

READS: Final = frozenset({"GET", "HEAD"})
"""Methods that put a question in the URL alone."""

_WITH_BODY: Final = frozenset({"POST", "QUERY"})
_FORM: Final = "application/x-www-form-urlencoded"
_DIRECT: Final = "application/sparql-query"
_PERSONAL: Final = ("HTTP_AUTHORIZATION", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")


class Question(NamedTuple):
    """What is asked; requests with equal questions and negotiated headers get equal answers.

    Attributes:
        service: scheme, host and prefix of the URL, of which the addresses in answers are made.
        path: below the prefix.
        parameters: names and decoded values, sorted by name; repeated ones stay in order.
    """

    service: tuple[str | None, ...]
    path: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the questions out of requests.

    Attributes:
        query_paths: paths that take the parameters of a GET in the body of a POST or QUERY, or
            the parameter `query` as the body itself.
        any_host: whether answers are the same whatever host the request names.
        max_url_bytes: longer URLs are left to the app.
        max_body_bytes: larger bodies are left to the app.
    """

    query_paths: frozenset[str]
    any_host: bool
    max_url_bytes: int
    max_body_bytes: int

    def question(self, environ: WSGIEnvironment) -> Question | None:
        """Return the question of a request, or None if the app has to see to the request itself.

        A body that is read is put back in its place.
        """
        if not is_host(environ.get("HTTP_HOST")):
            return None
        parameters = self._parameters(environ)
        if parameters is None:
            return None
        pairs = tuple(sorted(parameters, key=lambda pair: pair[0]))
        return Question(self._service(environ), environ.get("PATH_INFO", ""), pairs)

    def is_repeatable(self, question: Question) -> bool:
        """Tell whether a question may have the same answer for all who ask it at the same time."""
        if question.path not in self.query_paths:
            return True
        return all(is_repeatable(text) for name, text in question.parameters if name == "query")

    def _service(self, environ: WSGIEnvironment) -> tuple[str | None, ...]:
        prefix = environ.get("SCRIPT_NAME", "")
        if self.any_host:
            return (prefix,)
        host = environ.get("HTTP_HOST")
        # Without the header, the app makes addresses of the name that the server goes by.
        named = (environ["SERVER_NAME"], environ["SERVER_PORT"]) if not host else ()
        return (prefix, environ["wsgi.url_scheme"], host, *named)

    def _parameters(self, environ: WSGIEnvironment) -> Parameters | None:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        query_string = environ.get("QUERY_STRING", "")
        if any(name in environ for name in _PERSONAL):
            return None
        if len(path) + 1 + len(query_string) > self.max_url_bytes:
            return None
        in_url = _parsed(query_string.encode("latin-1"))
        if in_url is None or method in READS:
            return in_url
        if method not in _WITH_BODY or path not in self.query_paths:
            return None
        in_body = self._in_body(environ)
        # Without a query the methods mean different things.
        if in_body is None or "query" not in (both := in_url + in_body):
            return None
        return both

    def _in_body(self, environ: WSGIEnvironment) -> Parameters | None:
        media_type, options = parse_options_header(environ.get("CONTENT_TYPE", ""))
        media_type = media_type.lower()
        if media_type not in (_FORM, _DIRECT) or "HTTP_CONTENT_ENCODING" in environ:
            return None
        if options.get("charset", "utf-8").lower() != "utf-8":
            return None
        body = _taken(environ, self.max_body_bytes)
        found = None if body is None else _READERS[media_type](body)
        if found is None or "version" not in options:
            return found
        return found + Parameters([("version", options["version"])])


def _taken(environ: WSGIEnvironment, limit: int) -> bytes | None:
    """Read a body of known length that is not too large, and put it back."""
    declared = environ.get("CONTENT_LENGTH", "")
    if not (declared.isascii() and declared.isdigit()) or len(declared) > len(str(limit)):
        return None
    length = int(declared)
    if length > limit:
        return None
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ValueError):
        # The client is gone, as the app will find out.
        return None
    environ["wsgi.input"] = io.BytesIO(body)
    return body if len(body) == length else None


def _parsed(form: bytes) -> Parameters | None:
    try:
        return of_form(form)
    except MalformedRequest:
        return None


def _text(body: bytes) -> Parameters | None:
    try:
        return Parameters([("query", body.decode())])
    except UnicodeDecodeError:
        return None


_READERS: Final = {_FORM: _parsed, _DIRECT: _text}
