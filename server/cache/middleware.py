"""The cache as a WSGI application in front of the app: hits, misses, and misses that coincide."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from kg.engine.spool import SpooledFile
from server.cache.codings import Preference, preferred
from server.cache.entries import (
    OF_ONE_REQUEST,
    Entry,
    Fields,
    Reply,
    coded_tag,
    directives_of,
    fields_of,
    is_public,
    opaque_tags,
    uncoded_tag,
    values_of,
    varying,
    with_encoding,
)
from server.cache.key import READS, VERSION, CacheKey, KeyReader
from server.cache.store import Store, line_of
from server.http1.wsgi import (
    LARGE,
    OK,
    REFUSAL,
    Headers,
    RawResponse,
    close,
    length_of,
    lines_of,
    run,
    whole,
)
from server.protocol.responses import CONTENT, query_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULT_BUDGET: Final = 64 * 1024 * 1024
"""Bytes that the entries of a cache may take."""

_FIRST_ERROR: Final = 400
_NOT_MODIFIED: Final = 304

# Requests that differ in these may get different responses, even before the app has said so.
_TOLD_APART_BY: Final = (
    *("HTTP_ACCEPT", "HTTP_PREFER", "HTTP_IF_NONE_MATCH"),
    *("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_RANGE", "HTTP_RANGE"),
)
_FlightKey = tuple[CacheKey, tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class _CachedRequest:
    """A request that the cache sees to.

    Attributes:
        environ: as the app is to get it: GET instead of HEAD, and If-None-Match with the entity
            tags that the app gave.
        question: what it asks.
        preference: its content coding.
        condition: its If-None-Match, as it came; None if there is none that counts.
        bodiless: whether it is a HEAD.
        began: when it came.
    """

    environ: WSGIEnvironment
    question: CacheKey
    preference: Preference
    condition: str | None
    bodiless: bool
    began: float

    @property
    def flight_key(self) -> _FlightKey:
        """What requests have in common that may wait for each other's response."""
        return self.question, values_of(self.environ, _TOLD_APART_BY)


@dataclass(slots=True)
class _Response:
    """What the app said.

    Attributes:
        status, headers: as the app gave them.
        fields: the headers by name.
        body: whole, or what the app goes on writing.
        entry: the answer, if everyone who asks gets the same.
    """

    status: str
    headers: Headers
    fields: Fields
    body: Iterable[bytes]
    entry: Entry | None = None

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status[:3])

    @property
    def may_be_shared(self) -> bool:
        """Whether those who asked the same meanwhile get this too.

        An error ends the wait of them all, so that a query that is too hard is run once for
        everyone who sent it at that time. The app marks as private what concerns one of them.
        """
        if self.entry is not None:
            return True
        if isinstance(self.body, SpooledFile):
            return is_public(self.status, self.fields)
        concluded = self.code >= _FIRST_ERROR or self.code == _NOT_MODIFIED
        return concluded and "private" not in directives_of(self.fields)


@dataclass(slots=True)
class _Flight:
    """A question that the app is answering, for those who ask it meanwhile.

    Attributes:
        environ: of the request that the app got.
        landed: is set when the app has answered or failed.
        response: what everyone may have of it, if anything.
        is_personal: whether the app answered what nobody else may have, as it would do for others.
    """

    environ: WSGIEnvironment
    landed: threading.Event = field(default_factory=threading.Event)
    response: _Response | None = None
    is_personal: bool = False

    def response_to(self, environ: WSGIEnvironment) -> _Response | None:
        """Return the response, if there is one and it is right for another request."""
        if self.response is None:
            return None
        entry = self.response.entry
        names = entry.varying if entry else varying(self.response.fields)
        same = values_of(self.environ, names) == values_of(environ, names)
        return self.response if same else None


class Pending(NamedTuple):
    """A request whose answer is being found out, or has still to be compressed.

    Attributes:
        request: the request.
        found: what finds it out; or the answer, which is large.
    """

    request: _CachedRequest
    found: _Flight | Entry

    @property
    def leads(self) -> bool:
        """Whether it is for this request that it is being found out, and not for another."""
        return isinstance(self.found, _Flight) and self.found.environ is self.request.environ

    @property
    def kind(self) -> str:
        """What the cache had for it: "hit", "miss", or "shared", the answer to another request."""
        return "hit" if isinstance(self.found, Entry) else "miss" if self.leads else "shared"

    @property
    def environ(self) -> WSGIEnvironment:
        """The request as the app is to get it."""
        return self.request.environ

    @property
    def question(self) -> CacheKey:
        """What it asks."""
        return self.request.question


class Cache:
    """The app with an exact cache before it.

    Args:
        app: what answers new questions; it has begun its response when it returns, as Flask does.
        pin: has a request keep the version of the data that there is now, and returns which it is;
            an answer is for requests of its version only.
        budget: how many bytes the entries may take together; one alone may take an eighth of it.
        prefix: the path that clients reach the app at, whether or not requests come with it; see
            ``mount``.
        any_host: whether answers are the same whatever host the request names.
        max_url_bytes: requests with longer URLs are left to the app.
        max_body_bytes: requests with larger bodies are left to the app.
        passed_paths: paths whose requests are left to the app, each by itself.

    Attributes:
        misses: how many times the app was asked a question.
        waiting: how many requests wait for the response to another at the moment.
        shared: how many got the response that they waited for.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        pin: Callable[[WSGIEnvironment], str] = lambda _: "",
        budget: int = DEFAULT_BUDGET,
        prefix: str = "",
        any_host: bool = False,
        max_url_bytes: int = 60_000,
        max_body_bytes: int = 1_000_000,
        passed_paths: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._pin = pin
        self._prefix = prefix
        self._passed = frozenset(passed_paths)
        self._reader = KeyReader(any_host, max_url_bytes, max_body_bytes)
        self._store = Store(budget)
        self._flights: dict[_FlightKey, _Flight] = {}
        self._lock = threading.Lock()
        self.misses = 0
        self.waiting = 0
        self.shared = 0

    @property
    def entries(self) -> int:
        """How many answers are kept."""
        return len(self._store)

    @property
    def hits(self) -> int:
        """How many times an entry was found."""
        return self._store.hits

    @property
    def evictions(self) -> int:
        """How many entries gave way to others."""
        return self._store.evictions

    @property
    def size(self) -> int:
        """About how many bytes of memory the entries take."""
        return self._store.size

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as a WSGI application."""
        self.mount(environ)
        said = self.recalled(environ) or self.asked(environ)
        start_response(said.status, said.headers)
        return said.body

    def mount(self, environ: WSGIEnvironment) -> None:
        """Have a request see the app where clients see it: below the prefix.

        A proxy may send the whole path or what is below the prefix; both are answered. From here on
        the request sees one version of the data.
        """
        environ[VERSION] = self._pin(environ)
        if not self._prefix:
            return
        path = environ.get("PATH_INFO", "")
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            environ["PATH_INFO"] = path[len(self._prefix) :] or "/"
        environ["SCRIPT_NAME"] = self._prefix

    def asked(self, environ: WSGIEnvironment) -> RawResponse:
        """Answer a request that cannot be recalled."""
        begun = self.begun(environ)
        if begun is None:
            return self.passed_on(environ)
        return begun if isinstance(begun, RawResponse) else self.ended(begun)

    def passed_on(self, environ: WSGIEnvironment) -> RawResponse:
        """Have the app answer a request that is not for a cache."""
        return run(self._app, environ)

    def begun(self, environ: WSGIEnvironment) -> RawResponse | Pending | None:
        """Find the answer to a request, or begin to find it out; None: it is not for a cache.

        What was begun has to be ended by ``ended``, ``landed`` or ``given_up``.
        """
        began = time.perf_counter()
        passed = REFUSAL in environ or environ.get("PATH_INFO") in self._passed
        question = None if passed else self._reader.question(environ)
        if question is None:
            return None
        request = _request(environ, question, began)
        found = self._entry_or_flight(request)
        if isinstance(found, Entry) and not found.takes_long(request.preference):
            return self._of_hit(found, request)
        return Pending(request, found)

    def recalled(self, environ: WSGIEnvironment) -> RawResponse | None:
        """Answer a request at once that was put in just this way before; None: it was not."""
        began = time.perf_counter()
        if environ["REQUEST_METHOD"] not in READS:
            return None
        reply = self._store.recall(line_of(environ))
        if reply is None:
            return None
        return _said(
            reply,
            _of_hit(environ, began),
            condition=environ.get("HTTP_IF_NONE_MATCH"),
            bodiless=environ["REQUEST_METHOD"] == "HEAD",
        )

    def _awaited(self, flight: _Flight, request: _CachedRequest) -> _Response | None:
        """Wait for the response to another request; None if it is not right for this one."""
        flight.landed.wait()
        response = flight.response_to(request.environ)
        with self._lock:
            self.waiting -= 1
            self.shared += response is not None
        return response

    def _entry_or_flight(self, request: _CachedRequest) -> Entry | _Flight:
        """Return the entry, or the flight to wait for, or a new flight for this request to lead."""
        entry = self._store.find(request.question, request.environ)
        if entry is not None:
            return entry
        key = request.flight_key
        if not self._reader.is_repeatable(request.question):
            return _Flight(request.environ)  # for this request alone
        # In one step, as a flight has its entry kept before it ends.
        with self._lock:
            entry = self._store.find(request.question, request.environ)
            if entry is not None:
                return entry
            flight = self._flights.setdefault(key, _Flight(request.environ))
            self.waiting += flight.environ is not request.environ
            return flight

    def ended(self, begun: Pending) -> RawResponse:
        """Answer what was begun: have the app asked, or wait until it has been."""
        request, found = begun
        while isinstance(found, _Flight):
            if found.environ is request.environ:
                return self._land(request, found, partial(self._ask, request))
            response = self._awaited(found, request)
            if response is not None:
                return self._sent(response, request, _of_hit(request.environ, request.began))
            if found.is_personal:
                return self._own(self._ask(request), request)
            # Who led has gone, or failed alone. One of those who waited leads now.
            found = self._entry_or_flight(request)
        return self._of_hit(found, request)

    def landed(self, begun: Pending, said: RawResponse) -> RawResponse:
        """Answer what was begun, and leads, with what the app would say."""
        request, flight = begun
        assert isinstance(flight, _Flight), "it leads"
        return self._land(request, flight, lambda: self._kept(request, said))

    def given_up(self, begun: Pending) -> None:
        """Leave what was begun; one of those who wait for it finds it out instead."""
        if not isinstance(begun.found, _Flight):
            return
        if begun.leads:
            self._end(begun.request, begun.found)
            return
        with self._lock:
            self.waiting -= 1

    def _land(
        self, request: _CachedRequest, flight: _Flight, answer: Callable[[], _Response]
    ) -> RawResponse:
        try:
            response = answer()
            if response.may_be_shared:
                flight.response = response
            flight.is_personal = response.code < _FIRST_ERROR
        finally:
            self._end(request, flight)
        return self._own(response, request)

    def _end(self, request: _CachedRequest, flight: _Flight) -> None:
        with self._lock:
            if self._flights.get(request.flight_key) is flight:
                del self._flights[request.flight_key]
        flight.landed.set()

    def _ask(self, request: _CachedRequest) -> _Response:
        with self._lock:
            self.misses += 1
        said = run(self._app, request.environ)
        content = request.environ.get(CONTENT)
        if content is not None and said.status == OK:
            close(said.body)
            said = said._replace(body=content)
        return self._kept(request, said)

    def _kept(self, request: _CachedRequest, said: RawResponse) -> _Response:
        """Keep what the app said, if everyone who asks gets the same."""
        response = _Response(said.status, said.headers, fields_of(said.headers), said.body)
        small = length_of(response.headers) < LARGE
        if small and is_public(response.status, response.fields):
            response.entry = Entry(response.headers, response.fields, whole(response.body))
            self._store.put(request.question, request.environ, response.entry)
        elif isinstance(response.body, SpooledFile):
            pass  # which may be read by many, each at its own speed
        elif response.may_be_shared or request.bodiless:
            response.body = [whole(response.body)]
        return response

    def _own(self, response: _Response, request: _CachedRequest) -> RawResponse:
        """Send what the app said to this request."""
        timing = response.fields.get("server-timing")
        own = [("Server-Timing", f"cache;desc=miss, {timing}" if timing else "cache;desc=miss")]
        if "x-query-id" in response.fields:
            own.append(("X-Query-Id", response.fields["x-query-id"]))
        return self._sent(response, request, own)

    def _sent(self, response: _Response, request: _CachedRequest, own: Headers) -> RawResponse:
        if response.entry is not None:
            return self._of_entry(response.entry, request, own)
        return _rest(response, request, own)

    def _of_hit(self, entry: Entry, request: _CachedRequest) -> RawResponse:
        return self._of_entry(entry, request, _of_hit(request.environ, request.began))

    def _of_entry(self, entry: Entry, request: _CachedRequest, own: Headers) -> RawResponse:
        reply = entry.reply(request.preference)
        self._store.note(request.question, request.environ, entry, reply)
        return _said(reply, own, condition=request.condition, bodiless=request.bodiless)


def _request(environ: WSGIEnvironment, question: CacheKey, began: float) -> _CachedRequest:
    preference = preferred(environ.get("HTTP_ACCEPT_ENCODING"))
    method = environ["REQUEST_METHOD"]
    condition = environ.get("HTTP_IF_NONE_MATCH") if method in READS else None
    changed = {**environ, "REQUEST_METHOD": "GET" if method in READS else method}
    changed.pop("HTTP_IF_NONE_MATCH", None)
    tags = [uncoded_tag(tag, preference.coding) for tag in opaque_tags(condition or "")]
    # `*` is met by any answer, so there has to be one.
    if tags:
        changed["HTTP_IF_NONE_MATCH"] = ", ".join(tags)
    return _CachedRequest(
        environ=changed,
        question=question,
        preference=preference,
        condition=condition,
        bodiless=method == "HEAD",
        began=began,
    )


def _of_hit(environ: WSGIEnvironment, began: float) -> Headers:
    """Return the headers that tell of a request that the app was not asked."""
    milliseconds = (time.perf_counter() - began) * 1000
    return [
        ("X-Query-Id", query_id(environ.get("HTTP_X_QUERY_ID", ""))),
        ("Server-Timing", f"cache;desc=hit, total;dur={milliseconds:.2f}"),
    ]


def _said(reply: Reply, own: Headers, *, condition: str | None, bodiless: bool) -> RawResponse:
    if condition is not None and reply.is_known(condition):
        return RawResponse("304 NOT MODIFIED", reply.headers_of_304 + own, [])
    body = [] if bodiless else [reply.body]
    return RawResponse(OK, reply.headers + own, body, reply.head + lines_of(own))


def _rest(response: _Response, request: _CachedRequest, own: Headers) -> RawResponse:
    """Send what is no entry: an error, what the client has, or what is not the same for all."""
    replaced = OF_ONE_REQUEST
    if response.code == _NOT_MODIFIED and request.condition is not None:
        replaced |= {"etag", "vary"}
        own = own + _as_known(response.fields, request)
    headers = [pair for pair in response.headers if pair[0].lower() not in replaced]
    return RawResponse(response.status, headers + own, [] if request.bodiless else response.body)


def _as_known(fields: Fields, request: _CachedRequest) -> Headers:
    """Return the headers of a 304 that name the answer as the client knows it."""
    tag = fields.get("etag", "")
    if tag not in opaque_tags(request.condition or ""):
        tag = coded_tag(tag, request.preference.coding)
    return [("ETag", tag), ("Vary", with_encoding(fields.get("vary", "")))]
