"""Finished answers, ready to be sent in each content coding."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from server.cache.codings import IDENTITY, Preference, compressed, is_text
from server.http1.wsgi import OK, Headers, head_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Fields = Mapping[str, str]
"""Headers by their names in lower case, the values of repeated ones joined by commas."""

OF_ONE_REQUEST: Final = frozenset({"x-query-id", "server-timing"})
"""Headers that tell of the request rather than of the answer."""

_OF_THE_MOMENT: Final = OF_ONE_REQUEST | {"age", "connection", "date", "keep-alive"}
_OF_ONE_CODING: Final = frozenset({"content-length", "etag", "vary"})
_OF_A_BODY: Final = frozenset(
    {"allow", "content-encoding", "content-language", "content-range", "content-type"}
)
_NEVER_KEPT: Final = frozenset({"no-store", "private", "no-cache"})

# A page leads to the same answer in other formats, with the parameters as they were written.
_AS_WRITTEN: Final = ("QUERY_STRING", "REQUEST_METHOD")

# What is kept is what the app would say now, so it counts as just validated at its origin, see
# https://www.rfc-editor.org/rfc/rfc9111#section-5.1; were it told its years, no other cache could
# keep it for the time that Cache-Control grants.
_AGE: Final = ("Age", "0")

LONG_TO_COMPRESS: Final = 256 << 10
"""Bytes of a body from which compressing it takes so long that an event loop should not do it."""

_HEADER_BYTES: Final = 160
_ENTRY_BYTES: Final = 1500
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in one content coding.

    Attributes:
        headers: of the whole answer.
        headers_of_304: of the response to a client that has it already.
        tag: the entity tag with its quotes, without the mark of weakness; empty if there is none.
        body: in that coding.
        head: ``headers`` after the status line, as they are sent.
    """

    headers: Headers
    headers_of_304: Headers
    tag: str
    body: bytes
    head: bytes

    def is_known(self, condition: str) -> bool:
        """Tell whether a value of If-None-Match says that the client has this, compared weakly."""
        return condition.strip() == "*" or self.tag in opaque_tags(condition)


class Entry:
    """An answer that is kept.

    Args:
        headers: as the app made them.
        fields: the same by name.
        body: without a content coding.

    Attributes:
        varying: the keys in the WSGI environment of what in a request made the answer this one.
        cost: about how many bytes of memory this takes; it grows with the replies that are made.
    """

    def __init__(self, headers: Headers, fields: Fields, body: bytes) -> None:
        changing = _OF_THE_MOMENT | _OF_ONE_CODING
        content_type = fields.get("content-type", "")
        self._headers = [pair for pair in headers if pair[0].lower() not in changing]
        self._tag = fields.get("etag", "")
        self._vary = fields.get("vary", "")
        self._body = body
        self._codable = is_text(content_type) and "content-encoding" not in fields
        self._replies: dict[Preference, Reply] = {}
        self._compressing = threading.Lock()
        self.varying = varying(fields) + (
            _AS_WRITTEN if content_type.startswith("text/html") else ()
        )
        self.cost = _ENTRY_BYTES + _HEADER_BYTES * len(self._headers) + len(body)

    def takes_long(self, preference: Preference) -> bool:
        """Tell whether the answer has to be compressed first for a client, and is large."""
        is_small = len(self._body) < LONG_TO_COMPRESS
        return not (is_small or preference in self._replies) and self._codable

    def reply(self, preference: Preference) -> Reply:
        """Return the answer in the coding that a client prefers, where that is worthwhile."""
        reply = self._replies.get(preference)
        if reply is not None:
            return reply
        # One at a time, as compressing is the work that those who wait want to share.
        with self._compressing:
            reply = self._replies.get(preference)
            if reply is None:
                reply = self._replies[preference] = self._made(preference)
                coded = 0 if reply.body is self._body else len(reply.body)
                self.cost += coded + _HEADER_BYTES * (
                    len(reply.headers) + len(reply.headers_of_304)
                )
        return reply

    def _made(self, preference: Preference) -> Reply:
        coded = compressed(self._body, preference) if self._codable else None
        coding, body = (IDENTITY, self._body) if coded is None else (preference.coding, coded)
        tag = coded_tag(self._tag, coding)
        lasting = [_AGE]
        if tag:
            lasting.append(("ETag", tag))
        vary = with_encoding(self._vary) if self._codable else self._vary
        if vary:
            lasting.append(("Vary", vary))
        headers = [*self._headers, ("Content-Length", str(len(body))), *lasting]
        if coding != IDENTITY:
            headers.append(("Content-Encoding", coding))
        of_304 = [pair for pair in self._headers if pair[0].lower() not in _OF_A_BODY]
        tag = tag.removeprefix("W/")
        return Reply(headers, of_304 + lasting, tag, body, head_of(OK, headers))


def fields_of(headers: Headers) -> Fields:
    """Return headers by name."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


def is_public(status: str, fields: Fields) -> bool:
    """Tell whether an answer is the same for everyone who asks, whenever they ask."""
    return (
        status.startswith("200")
        and "public" in (directives := directives_of(fields))
        and directives.isdisjoint(_NEVER_KEPT)
        and "set-cookie" not in fields
        and "*" not in fields.get("vary", "")
    )


def directives_of(fields: Fields) -> set[str]:
    """Return the names of the directives of Cache-Control."""
    elements = fields.get("cache-control", "").lower().split(",")
    return {element.partition("=")[0].strip() for element in elements}


def varying(fields: Fields) -> tuple[str, ...]:
    """Return the keys in the WSGI environment of the request headers that had a say in an answer.

    Accept-Encoding is not among them: an entry has its answer in every coding.
    """
    names = fields.get("vary", "").upper().replace("-", "_").split(",")
    keys = {f"HTTP_{name.strip()}" for name in names if name.strip()}
    return tuple(sorted(keys - {"HTTP_ACCEPT_ENCODING"}))


def with_encoding(vary: str) -> str:
    """Return the value of Vary when Accept-Encoding has a say too."""
    return vary if "accept-encoding" in vary.lower() else f"{vary}, Accept-Encoding".lstrip(", ")


def values_of(environ: WSGIEnvironment, names: Iterable[str]) -> tuple[str | None, ...]:
    """Return what a request says under some keys of its WSGI environment."""
    return tuple(map(environ.get, names))


def coded_tag(tag: str, coding: str) -> str:
    """Return the entity tag of an answer in a content coding, made from that of the answer."""
    return f'{tag[:-1]}-{coding}"' if tag and coding != IDENTITY else tag


def uncoded_tag(tag: str, coding: str) -> str:
    """Return the entity tag that one for a content coding was made from, or else the tag itself."""
    suffix = f'-{coding}"'
    return f'{tag.removesuffix(suffix)}"' if tag.endswith(suffix) else tag


def opaque_tags(condition: str) -> Sequence[str]:
    """Return the entity tags in a condition, with quotes and without marks of weakness."""
    return _TAG.findall(condition)
