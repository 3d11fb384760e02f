"""Finished answers, ready to be sent in each content coding."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from wsgiref.types import WSGIEnvironment

from server.cache.codings import IDENTITY, Preference, compressed, is_text
from server.cache.key import CacheKey, Line
from server.http1.wsgi import OK, Headers, head_of, lines_of

OF_ONE_REQUEST: Final = frozenset({"x-query-id", "server-timing"})
"""Headers that tell of the request rather than of the answer."""

_OF_ONE_RESPONSE: Final = OF_ONE_REQUEST | frozenset(
    {"age", "connection", "content-length", "date", "etag", "keep-alive"}
)
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
"""Bytes of a body from which a thread compresses it: for as many gzip takes 5 ms, zstd 1 (measured)."""

# What an entry takes beside its texts; tests hold that the sum is no less than what tracemalloc finds.
_HEADER_BYTES: Final = 160
_ENTRY_BYTES: Final = 1500
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


class Lasting(NamedTuple):
    """The headers that all answers of a kind have, and what follows from them.

    Attributes:
        headers: these, but Vary.
        headers_of_304: those of them that a 304 has too.
        head: ``headers`` after the status line, as they are sent.
        vary: the value of Vary; the content coding has a say where the body may be compressed.
        is_codable: whether the body may be compressed.
        is_public: whether the answer is the same for everyone who asks, whenever they ask.
        is_private: whether it concerns one request only.
        is_page: whether it is a page, for a person.
        varying: the keys in the WSGI environment of the request headers that had a say in it;
            Accept-Encoding is not among them, as an entry has its answer in every coding.
    """

    headers: Headers
    headers_of_304: Headers
    head: bytes
    vary: str
    is_codable: bool
    is_public: bool
    is_private: bool
    is_page: bool
    varying: tuple[str, ...]


def divided(headers: Headers) -> tuple[Lasting, dict[str, str]]:
    """Return what answers of a kind have in common, and the headers of one response by name."""
    lasting, own = [], {}
    for pair in headers:
        name = pair[0].lower()
        if name in _OF_ONE_RESPONSE:
            own[name] = pair[1]
        else:
            lasting.append(pair)
    return _lasting(tuple(lasting)), own


@lru_cache(maxsize=256)  # a few kinds make up nearly all answers
def _lasting(headers: tuple[tuple[str, str], ...]) -> Lasting:
    fields: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    vary, content_type = fields.get("vary", ""), fields.get("content-type", "")
    elements = fields.get("cache-control", "").lower().split(",")
    directives = {element.partition("=")[0].strip() for element in elements}
    names = (name.strip() for name in vary.upper().replace("-", "_").split(","))
    keys = {f"HTTP_{name}" for name in names if name} - {"HTTP_ACCEPT_ENCODING"}
    kept = [pair for pair in headers if pair[0].lower() != "vary"]
    is_codable = is_text(content_type) and "content-encoding" not in fields
    return Lasting(
        headers=kept,
        headers_of_304=[pair for pair in kept if pair[0].lower() not in _OF_A_BODY],
        head=head_of(OK, kept),
        vary=with_encoding(vary) if is_codable else vary,
        is_codable=is_codable,
        is_public="public" in directives
        and directives.isdisjoint(_NEVER_KEPT)
        and "set-cookie" not in fields
        and "*" not in vary,
        is_private="private" in directives,
        is_page=content_type.startswith("text/html"),
        varying=tuple(sorted(keys)),
    )


class Reply(NamedTuple):
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
    """An answer to a question and a request: its body without a content coding, and its headers.

    Attributes:
        key: where it is kept: question, ``varying``, and what the request has there.
        varying: the keys in the WSGI environment of what in a request made the answer this one.
        cost: about how many bytes of memory this takes; it grows with the replies that are made.
        lines: the lines of requests that lead to it, each with the bytes that it takes.
        charged: how many bytes of the budget it has.
    """

    def __init__(
        self, question: CacheKey, environ: WSGIEnvironment, lasting: Lasting, tag: str, body: bytes
    ) -> None:
        self._lasting = lasting
        self._tag = tag
        self._body = body
        self._replies: dict[Preference, Reply] = {}
        self._compressing = threading.Lock()
        self.varying = lasting.varying + (_AS_WRITTEN if lasting.is_page else ())
        self.key = (question, self.varying, values_of(environ, self.varying))
        self.cost = _ENTRY_BYTES + _HEADER_BYTES * len(lasting.headers) + len(body)
        self.lines: dict[Line, int] = {}
        self.charged = 0

    def takes_long(self, preference: Preference) -> bool:
        """Tell whether the answer has to be compressed first for a client, and is large."""
        is_small = len(self._body) < LONG_TO_COMPRESS
        return not (is_small or preference in self._replies) and self._lasting.is_codable

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
        lasting = self._lasting
        coded = compressed(self._body, preference) if lasting.is_codable else None
        coding, body = (IDENTITY, self._body) if coded is None else (preference.coding, coded)
        tag = coded_tag(self._tag, coding)
        own = [_AGE]
        if tag:
            own.append(("ETag", tag))
        if lasting.vary:
            own.append(("Vary", lasting.vary))
        of_304 = lasting.headers_of_304 + own
        own.insert(0, ("Content-Length", str(len(body))))
        if coding != IDENTITY:
            own.append(("Content-Encoding", coding))
        head = lasting.head + lines_of(own)
        return Reply(lasting.headers + own, of_304, tag.removeprefix("W/"), body, head)


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
