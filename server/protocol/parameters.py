"""The parameters of a request, with the cardinalities that the protocol speaks of."""

from __future__ import annotations

import json
import re
from binascii import a2b_qp
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request

from server.http1.errors import MalformedRequest
from server.protocol.errors import BodyTooLarge, ParameterRefused, ReadOnly, UnsupportedMediaType

_FORM: Final = "application/x-www-form-urlencoded"
_QUERY: Final = "application/sparql-query"
BODIES: Final = (_QUERY, _FORM)
"""The media types of bodies that hold a query."""

VALUES: Final = (_FORM, "application/json")
"""The media types of bodies that hold the values of parameters and no query."""

_UPDATE: Final = "application/sparql-update"
_PERCENT_ENCODED: Final = re.compile(rb"(?:[^%]++|%[0-9A-Fa-f]{2})*+")
_TRACKERS: Final = re.compile(r"_|utm_\w+|gclid|fbclid")
_MAX_PARAMETERS: Final = 200
"""A judgement: no operation has ten, and each costs memory."""


class Parameters:
    """Names and values as the client sent them, in order.

    Args:
        pairs: names and values; space around names is dropped, as Yasqe sends it, and so is what
            scripts and campaigns add to any URL.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        named = [(name.strip(), value) for name, value in pairs]
        self._pairs = [pair for pair in named if not _TRACKERS.fullmatch(pair[0])]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Go through names and values in the order of the request."""
        return iter(self._pairs)

    def __add__(self, other: Parameters) -> Parameters:
        """Return these parameters followed by those of another part of the request."""
        return Parameters([*self, *other])

    def __contains__(self, name: str) -> bool:
        """Tell whether a parameter is given at all."""
        return any(each == name for each, _ in self._pairs)

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter that may be repeated."""
        return tuple(value for each, value in self._pairs if each == name)

    def at_most_once(self, name: str) -> str | None:
        """Return the value of an optional parameter, or None.

        Raises:
            ParameterRefused: it is given more than once.
        """
        values = self.all(name)
        if len(values) > 1:
            raise ParameterRefused(
                name, f"{name} is given {len(values)} times.", hint="Give it at most once."
            )
        return values[0] if values else None

    def number(self, name: str, most: int) -> int | None:
        """Return the value of an optional parameter that is a whole number above 0, or None.

        Raises:
            ParameterRefused: it is given more than once, is no such number, or above the most.
        """
        given = self.at_most_once(name)
        if not given:
            return None
        if not re.fullmatch(r"[1-9]\d{0,8}", given, re.ASCII) or int(given) > most:
            raise ParameterRefused(
                name, f"{name}: {given[:40]!r} is no whole number from 1 to {most}."
            )
        return int(given)

    def refuse_others(self, allowed: Collection[str]) -> None:
        """Refuse parameters that mean nothing here.

        Raises:
            ParameterRefused: there is one; names it and those that are allowed.
        """
        for name, _ in self._pairs:
            if name not in allowed:
                raise ParameterRefused(
                    name,
                    f"There is no parameter {name[:80]!r} here.",
                    hint=f"The parameters are {', '.join(sorted(allowed))}.",
                    allowed=sorted(allowed),
                )


def of_form(encoded: bytes, where: str = "query string of the URL") -> Parameters:
    """Read the parameters in a URL, or in a body of type application/x-www-form-urlencoded.

    Raises:
        MalformedRequest: they are not UTF-8, or too many; says where they stand.
    """
    return Parameters(_decoded(encoded, where))


def with_body(
    in_url: Parameters,
    environ: WSGIEnvironment,
    body: Callable[[], bytes],
    bodies: Collection[str] = BODIES,
) -> Parameters:
    """Return the parameters of an operation, of which some are in the body of the request.

    A body that is the query itself is the parameter `query`. The media type may have `version`,
    unless that is a parameter already.

    Args:
        in_url: the parameters in the URL.
        environ: the request, of which only headers are looked at.
        body: reads the body.
        bodies: the media types that are read.

    Raises:
        ReadOnly: the body is an update.
        UnsupportedMediaType: it is not of a kind, or not encoded in a way, that is read here.
        MalformedRequest: it is not UTF-8, has too many parameters, or is JSON that names none.
        ParameterRefused: the query is in the URL too.
    """
    media_type, options = parse_options_header(environ.get("CONTENT_TYPE", ""))
    media_type = media_type.lower()  # Werkzeug keeps the case, which means nothing
    if media_type == _UPDATE and _QUERY in bodies:
        raise ReadOnly
    if media_type not in bodies:
        what = f"has the media type {media_type[:80]}" if media_type else "has no media type"
        raise UnsupportedMediaType(f"The body {what}.", supported=tuple(bodies))
    charset = options.get("charset", "utf-8").lower()
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").lower()
    if charset not in ("utf-8", "utf8") or encoding != "identity":
        raise UnsupportedMediaType(
            f"The body is encoded as {charset[:40]}, {encoding[:40]}.", supported=tuple(bodies)
        )
    read = {_FORM: _of_body, _QUERY: _of_query}.get(media_type, _of_json)
    parameters = in_url + read(body())
    if media_type == _QUERY and "query" in in_url:
        raise ParameterRefused(
            "query", "The query is given in the URL and in the body.", hint="Give it once."
        )
    if "version" in options and "version" not in parameters:
        parameters += Parameters([("version", options["version"])])
    return parameters


def _of_body(body: bytes) -> Parameters:
    return of_form(body, "body")


def _of_query(body: bytes) -> Parameters:
    try:
        return Parameters([("query", body.decode())])
    except UnicodeDecodeError as error:
        raise _not_utf8("body") from error


def _of_json(body: bytes) -> Parameters:
    """Read the parameters in a JSON object, whose members are values or arrays of them."""
    try:
        members = json.loads(body, parse_float=str, parse_int=str, object_pairs_hook=MultiDict)
        json.dumps(members, ensure_ascii=False).encode()  # half a character can be escaped
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise MalformedRequest(f"The body is not JSON: {error}.") from error
    lists = members.items(multi=True) if isinstance(members, MultiDict) else ()
    pairs = [(name, each) for name, of in lists for each in (of if isinstance(of, list) else [of])]
    if not isinstance(members, MultiDict) or not all(isinstance(each, str) for _, each in pairs):
        raise MalformedRequest(
            "The body is not the values of parameters.",
            hint='Send an object of texts, numbers and arrays of them, as {"name": ["PIH", "CO2"]}.',
        )
    if len(pairs) > _MAX_PARAMETERS:
        raise MalformedRequest(f"The body has more than {_MAX_PARAMETERS} parameters.")
    return Parameters(pairs)


def _decoded(encoded: bytes, where: str) -> list[tuple[str, str]]:
    fields = encoded.split(b"&")
    if len(fields) > _MAX_PARAMETERS:
        raise MalformedRequest(f"The {where} has more than {_MAX_PARAMETERS} parameters.")
    try:
        encoded.decode()  # a character is encoded as a whole, or not
        pairs = [field.replace(b"+", b" ").partition(b"=") for field in fields if field]
        return [(_unquoted(name).decode(), _unquoted(value).decode()) for name, _, value in pairs]
    except UnicodeDecodeError as error:
        raise _not_utf8(where) from error


def _unquoted(text: bytes) -> bytes:
    """Decode percent-encoding; what is none of it stays."""
    if not _PERCENT_ENCODED.fullmatch(text):
        return unquote_to_bytes(text)
    # Quoted-printable has another sign before the same digits, and its decoder is in C: a query is
    # read in a fourth of the time.
    return a2b_qp(text.replace(b"=", b"=3D").replace(b"%", b"="))


def _not_utf8(where: str) -> MalformedRequest:
    return MalformedRequest(f"The {where} is not UTF-8.", hint="Encode it in UTF-8.")


def body_of(request: Request, limit: int) -> bytes:
    """Read the whole body of a request.

    Raises:
        BodyTooLarge: it has more bytes than the limit.
    """
    # Werkzeug cuts a chunked body off at its limit in silence, so it may read one byte more.
    request.max_content_length = limit + 1
    with suppress(RequestEntityTooLarge):
        body = request.get_data()
        if len(body) <= limit:
            return body
    raise BodyTooLarge(f"The body is larger than {limit} bytes.", limit)
