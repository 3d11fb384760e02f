"""The cache as a WSGI application in front of the app: hits, misses, and single flight.

A question that the app is answering is in flight. The request that began the flight leads it, and
equal requests that come meanwhile follow: they wait, and get the response if it is right for them.

    miss ──> in flight ──complete──> a response that all may have: the followers get it
                 │          └──────> a response for the leader alone: each follower asks the app
                 └─abandon─────────> no response: one of the followers leads a new flight
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from kg.engine.spool import SpooledFile
from server.cache.codings import preferred
from server.cache.entries import (
    OF_ONE_REQUEST,
    Entry,
    Reply,
    coded_tag,
    divided,
    opaque_tags,
    uncoded_tag,
    values_of,
    with_encoding,
)
from server.cache.key import READS, VERSION, CacheKey, KeyReader, line_of
from server.cache.store import Store
from server.http1.wsgi import LARGE, OK, REFUSAL, Headers, RawResponse, close, lines_of, run, whole
from server.protocol.responses import CONTENT, query_id

DEFAULT_BUDGET: Final = 64 * 1024 * 1024
"""Bytes that the entries of a cache may take."""

_FIRST_ERROR: Final = 400
_NOT_MODIFIED: Final = 304

# Requests that differ in these may get different responses, even before the app has said so.
_TOLD_APART_BY: Final = (
    *("HTTP_ACCEPT", "HTTP_PREFER", "HTTP_IF_NONE_MATCH"),
    *("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_RANGE", "HTTP_RANGE"),
)


class _Response:
    """A response of the app.

    Attributes:
        status, headers, body: as the app gave them; the body is whole, or still being written.
        lasting, own: the headers that it has in common with others, and those of its own by name.
        code: the status as a number.
        entry: the answer, if everyone who asks gets the same.
    """

    def __init__(self, raw: RawResponse) -> None:
        self.status, self.headers, self.body, _ = raw
        self.lasting, self.own = divided(raw.headers)
        self.code = int(raw.status[:3])
        self.entry: Entry | None = None

    @property
    def may_be_shared(self) -> bool:
        """Whether those who asked the same meanwhile get this too.

        An error ends the wait of them all, so that a query that is too hard is run once for
        everyone who sent it at that time. The app marks as private what concerns one of them.
        """
        if self.entry is not None:
            return True
        if isinstance(self.body, SpooledFile):
            return self.status == OK and self.lasting.is_public
        concluded = self.code >= _FIRST_ERROR or self.code == _NOT_MODIFIED
        return concluded and not self.lasting.is_private


class _Flight:
    """A question that the app is answering, for those who ask it meanwhile.

    Attributes:
        environ: of the leader's request.
        response: what everyone may have of it, if anything.
        is_personal: whether the app answered what nobody else may have, as it would do for others.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.response: _Response | None = None
        self.is_personal = False
        # Not an Event, which takes longer to make than all else that a lookup needs of the cache.
        self._landing = threading.Lock()
        self._landing.acquire()

    def land(self) -> None:
        """End it, once: the followers wait no more."""
        self._landing.release()

    def wait(self) -> None:
        """Return when it has landed."""
        with self._landing:
            pass

    def response_to(self, environ: WSGIEnvironment) -> _Response | None:
        """Return the response, if there is one and it is right for another request."""
        if self.response is None:
            return None
        entry = self.response.entry
        names = entry.varying if entry else self.response.lasting.varying
        same = values_of(self.environ, names) == values_of(environ, names)
        return self.response if same else None


class Lookup:
    """A request whose answer is being found out, or has still to be compressed.

    Attributes:
        environ: the request as the app is to get it: GET instead of HEAD, and If-None-Match with
            the entity tags that the app gave.
        question, began: what it asks, and when it came.
        preference: its content coding.
        condition: its If-None-Match, as it came; None if there is none that counts.
        bodiless: whether it is a HEAD.
        flight_key: what requests have in common that may follow each other.
        found: the flight that it leads or follows; or the answer, which is large.
    """

    found: _Flight | Entry

    def __init__(self, environ: WSGIEnvironment, question: CacheKey, began: float) -> None:
        self.question = question
        self.began = began
        self.preference = preferred(environ.get("HTTP_ACCEPT_ENCODING"))
        method = environ["REQUEST_METHOD"]
        self.condition = environ.get("HTTP_IF_NONE_MATCH") if method in READS else None
        self.bodiless = method == "HEAD"
        self.environ = environ
        if self.bodiless or "HTTP_IF_NONE_MATCH" in environ:
            self.environ = self._for_app(environ)
        self.flight_key = (question, values_of(self.environ, _TOLD_APART_BY))

    def _for_app(self, environ: WSGIEnvironment) -> WSGIEnvironment:
        method = "GET" if self.bodiless else environ["REQUEST_METHOD"]
        changed = {**environ, "REQUEST_METHOD": method}
        changed.pop("HTTP_IF_NONE_MATCH", None)
        coding = self.preference.coding
        tags = [uncoded_tag(tag, coding) for tag in opaque_tags(self.condition or "")]
        # `*` is met by any answer, so there has to be one.
        if tags:
            changed["HTTP_IF_NONE_MATCH"] = ", ".join(tags)
        return changed

    @property
    def is_leader(self) -> bool:
        """Whether it is for this request that the answer is being found out, not for another."""
        return isinstance(self.found, _Flight) and self.found.environ is self.environ

    @property
    def outcome(self) -> str:
        """What the cache had for it: "hit", "miss", or "shared", the answer to another request."""
        return "hit" if isinstance(self.found, Entry) else "miss" if self.is_leader else "shared"


class Cache:
    """The app with an exact cache before it.

    Args:
        app: what answers new questions; it has begun its response when it returns, as Flask does.
        pin: has a request keep the version of the data that there is now, and returns which it is;
            an answer is for requests of its version only.
        budget: how many bytes the entries may take together; one alone may take an eighth of it.
        prefix: the path that clients reach the app at, whether or not requests come with it; see
            ``mount``.
        reader: tells which question a request puts.
        passed_paths: paths whose requests are left to the app, each by itself.

    Attributes:
        store: the answers that are kept.
        waiting: how many requests wait for the response to another at the moment.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        pin: Callable[[WSGIEnvironment], str] = lambda _: "",
        budget: int = DEFAULT_BUDGET,
        prefix: str = "",
        reader: KeyReader | None = None,
        passed_paths: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._pin = pin
        self._prefix = prefix
        self._passed = frozenset(passed_paths)
        self._reader = reader or KeyReader()
        self.store = Store(budget)
        self._flights: dict[tuple[CacheKey, tuple[str | None, ...]], _Flight] = {}
        self._lock = threading.Lock()
        self.waiting = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as a WSGI application."""
        self.mount(environ)
        response = self.recall(environ, time.perf_counter()) or self.answer(environ)
        start_response(response.status, response.headers)
        return response.body

    def mount(self, environ: WSGIEnvironment) -> None:
        """Mount the app for a request where clients see it: below the prefix.

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

    def recall(self, environ: WSGIEnvironment, began: float) -> RawResponse | None:
        """Answer a request, which came then, at once if it was put just so before; None: it was not."""
        method = environ["REQUEST_METHOD"]
        reply = self.store.recall(line_of(environ)) if method in READS else None
        if reply is None:
            return None
        condition = environ.get("HTTP_IF_NONE_MATCH")
        return _sent(reply, _of_hit(environ, began), condition, bodiless=method == "HEAD")

    def answer(self, environ: WSGIEnvironment) -> RawResponse:
        """Answer a request that cannot be recalled."""
        found = self.lookup(environ)
        return self.resolve(found) if isinstance(found, Lookup) else found or self.pass_on(environ)

    def pass_on(self, environ: WSGIEnvironment) -> RawResponse:
        """Pass a request that is not for a cache on to the app."""
        return run(self._app, environ)

    def lookup(self, environ: WSGIEnvironment) -> RawResponse | Lookup | None:
        """Find the answer to a request, or begin to find it out; None: it is not for a cache.

        A ``Lookup`` has to be ended by ``resolve``, ``complete`` or ``abandon``.
        """
        began = time.perf_counter()
        passed = REFUSAL in environ or environ.get("PATH_INFO") in self._passed
        question = None if passed else self._reader.question(environ)
        if question is None:
            return None
        request = Lookup(environ, question, began)
        request.found = found = self._entry_or_flight(request)
        if isinstance(found, Entry) and not found.takes_long(request.preference):
            return self._hit(found, request)
        return request

    def _entry_or_flight(self, request: Lookup) -> Entry | _Flight:
        """Return the entry, or the flight to follow, or a new flight for this request to lead."""
        entry = self.store.find(request.question, request.environ)
        if entry is not None:
            return entry
        flight = _Flight(request.environ)
        if not self._reader.is_repeatable(request.question):
            return flight  # which nobody can follow
        # In one step, as the entry of a flight is kept before the flight ends.
        with self._lock:
            entry = self.store.find(request.question, request.environ)
            if entry is not None:
                return entry
            return self._flights.setdefault(request.flight_key, flight)

    def resolve(self, request: Lookup) -> RawResponse:
        """Answer a request: have the app asked, or wait until it has answered another."""
        while isinstance(flight := request.found, _Flight):
            if request.is_leader:
                return self.complete(request)
            with self._lock:
                self.waiting += 1
            flight.wait()
            with self._lock:
                self.waiting -= 1
            response = flight.response_to(request.environ)
            if response is not None and response.entry is not None:
                return self._hit(response.entry, request)
            if response is not None:
                return _rest(response, request, _of_hit(request.environ, request.began))
            if flight.is_personal:
                return self._own(self._kept(request, self._ask(request)), request)
            # The leader has gone, or failed alone. One of the followers leads now.
            request.found = self._entry_or_flight(request)
        return self._hit(flight, request)

    def complete(self, leader: Lookup, answered: RawResponse | None = None) -> RawResponse:
        """End a flight with the response of the app, or with one that the app would give."""
        flight = leader.found
        assert isinstance(flight, _Flight), "it leads"
        try:
            response = self._kept(leader, answered or self._ask(leader))
            if response.may_be_shared:
                flight.response = response
            flight.is_personal = response.code < _FIRST_ERROR
        finally:
            self._land(leader, flight)
        return self._own(response, leader)

    def abandon(self, request: Lookup) -> None:
        """End a flight that a request leads without a response; one of the followers leads anew."""
        if request.is_leader and isinstance(request.found, _Flight):
            self._land(request, request.found)

    def _land(self, request: Lookup, flight: _Flight) -> None:
        with self._lock:
            if self._flights.get(request.flight_key) is flight:
                del self._flights[request.flight_key]
        flight.land()

    def _ask(self, request: Lookup) -> RawResponse:
        response = run(self._app, request.environ)
        content = request.environ.get(CONTENT)
        if content is not None and response.status == OK:
            close(response.body)
            response = response._replace(body=content)
        return response

    def _kept(self, request: Lookup, raw: RawResponse) -> _Response:
        """Keep what the app answered, if everyone who asks gets the same."""
        response = _Response(raw)
        length = int(response.own.get("content-length", 0))
        if length < LARGE and response.status == OK and response.lasting.is_public:
            tag, body = response.own.get("etag", ""), whole(response.body)
            entry = Entry(request.question, request.environ, response.lasting, tag, body)
            response.entry = entry
            entry.reply(request.preference)  # which is a part of what it costs
            self.store.put(entry)
        elif isinstance(response.body, SpooledFile):
            pass  # which may be read by many, each at its own speed
        elif response.may_be_shared or request.bodiless:
            response.body = [whole(response.body)]
        return response

    def _own(self, response: _Response, request: Lookup) -> RawResponse:
        """Return what the app answered to this request."""
        timing = response.own.get("server-timing")
        own = [("Server-Timing", f"cache;desc=miss, {timing}" if timing else "cache;desc=miss")]
        if "x-query-id" in response.own:
            own.append(("X-Query-Id", response.own["x-query-id"]))
        if response.entry is None:
            return _rest(response, request, own)
        reply = response.entry.reply(request.preference)
        return _sent(reply, own, request.condition, bodiless=request.bodiless)

    def _hit(self, entry: Entry, request: Lookup) -> RawResponse:
        reply = entry.reply(request.preference)
        # Only now, as most questions are never asked again, and a line costs as much as the answer.
        self.store.note(request.environ, entry, reply)
        own = _of_hit(request.environ, request.began)
        return _sent(reply, own, request.condition, bodiless=request.bodiless)


def _of_hit(environ: WSGIEnvironment, began: float) -> Headers:
    """Return the headers that tell of a request that the app was not asked."""
    milliseconds = (time.perf_counter() - began) * 1000
    return [
        ("X-Query-Id", query_id(environ.get("HTTP_X_QUERY_ID", ""))),
        ("Server-Timing", f"cache;desc=hit, total;dur={milliseconds:.2f}"),
    ]


def _sent(reply: Reply, own: Headers, condition: str | None, *, bodiless: bool) -> RawResponse:
    if condition is not None and reply.is_known(condition):
        return RawResponse("304 NOT MODIFIED", reply.headers_of_304 + own, [])
    body = [] if bodiless else [reply.body]
    return RawResponse(OK, reply.headers + own, body, reply.head + lines_of(own))


def _rest(response: _Response, request: Lookup, own: Headers) -> RawResponse:
    """Return what is no entry: an error, what the client has, or what is not the same for all."""
    replaced = OF_ONE_REQUEST
    if response.code == _NOT_MODIFIED and request.condition is not None:
        # The client knows the answer by the tag that it has in its coding.
        tag = response.own.get("etag", "")
        if tag not in opaque_tags(request.condition):
            tag = coded_tag(tag, request.preference.coding)
        replaced |= {"etag", "vary"}
        own = [*own, ("ETag", tag), ("Vary", with_encoding(response.lasting.vary))]
    headers = [pair for pair in response.headers if pair[0].lower() not in replaced]
    return RawResponse(response.status, headers + own, [] if request.bodiless else response.body)
