"""The cache gives exactly what the app would give, without asking it twice."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import re
import string
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import brotli
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, EnvironBuilder, TestResponse

import kg
from server import create_app
from server.cache import Cache
from server.cache.key import KeyReader

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")

ROWS = "SELECT ?s ?p ?o WHERE { ?s ?p ?o } LIMIT 200"
ONE = "SELECT (1 AS ?n) {}"
CO2 = "/ontology/CO2Laser"
DECODERS: dict[str | None, Callable[[bytes], bytes]] = {
    None: lambda body: body,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
}
CODINGS = [name for name in DECODERS if name]

REQUESTS = [
    *[
        ("/sparql", query, accept)
        for query, accepts in {
            ROWS: (None, "application/sparql-results+xml", "text/csv", "text/tab-separated-values"),
            "ASK {}": (None, "application/sparql-results+xml", "text/html"),
            "CONSTRUCT WHERE { ?s ?p ?o } LIMIT 9": ("text/turtle", "application/n-triples"),
            "DESCRIBE <https://w3id.org/dermograph/ontology>": ("application/ld+json", "text/html"),
        }.items()
        for accept in accepts
    ],
    ("/sparql", None, "text/turtle"),
    ("/sparql", None, "text/html"),
    ("/", None, "text/html"),
    ("/queries", None, None),
    ("/queries/lasers", None, "text/html"),
    ("/queries/lasers/answer", None, "text/csv"),
    ("/queries/lasers/answer", None, "text/html"),
    (CO2, None, "text/turtle"),
    (CO2, None, 'application/ld+json;profile="http://www.w3.org/ns/json-ld#expanded"'),
    (CO2, None, "text/html"),
    (f"{CO2}.rdf", None, None),
    ("/context.jsonld", None, None),
    ("/problems/syntax-error", None, None),
]
ERRORS = [
    ("/sparql", "oops", None),
    ("/sparql", ONE, "image/png"),
    ("/sparql", ONE, "a b"),
    ("/nowhere", None, None),
    ("/ontology/Nowhere", None, "text/html"),
    ("/queries/nowhere/answer", None, None),
]


class Counted:
    """An app that counts how often it is called, and can be held up.

    Attributes:
        calls: how often it was called.
        gate: it answers when this is set.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._lock = threading.Lock()
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Count, wait for the gate, answer."""
        with self._lock:
            self.calls += 1
        assert self.gate.wait(120)
        return self._app(environ, start_response)


class Service:
    """The service with a cache of its own, and without."""

    def __init__(self, app: WSGIApplication, **options: Any) -> None:
        self.app = Counted(app)
        self.cache = Cache(self.app, **options)
        self.client = Client(self.cache, use_cookies=False)
        self.bare = Client(app, use_cookies=False)


def uncached(app: Flask) -> WSGIApplication:
    """Return a Flask app without the middleware that stands before it."""
    return functools.partial(Flask.wsgi_app, app)


@pytest.fixture(scope="module")
def bare(graph: kg.KnowledgeGraph) -> WSGIApplication:
    """Return the service without a cache."""
    return uncached(create_app({}, graph))


@pytest.fixture
def service(bare: WSGIApplication) -> Service:
    """Return the service with an empty cache."""
    return Service(bare)


def ask(client: Client, query: str | None, path: str = "/sparql", **options: Any) -> TestResponse:
    """Put a query, or none, by GET."""
    accept = options.pop("accept", None)
    headers = {**({} if accept is None else {"Accept": accept}), **options.pop("headers", {})}
    return client.open(
        path,
        query_string=options.pop("query_string", {} if query is None else {"query": query}),
        headers=headers,
        buffered=True,
        **options,
    )


def told(response: TestResponse) -> dict[str, str]:
    """Return the headers that tell of the answer, without what the cache is there to add."""
    apart = {"age", "date", "server-timing", "x-query-id", "vary"}
    return {name.lower(): value for name, value in response.headers if name.lower() not in apart}


# What is answered


@pytest.mark.parametrize(("path", "query", "accept"), [*REQUESTS, *ERRORS])
def test_nothing_but_the_cache_tells_that_there_is_one(
    service: Service, path: str, query: str | None, accept: str | None
) -> None:
    """First and later responses are those of the app, byte for byte and header for header."""
    expected = ask(service.bare, query, path, accept=accept)

    for _ in range(3):
        response = ask(service.client, query, path, accept=accept)
        assert (response.status, response.data) == (expected.status, expected.data)
        assert told(response) == told(expected)
        assert response.vary.as_set() - expected.vary.as_set() <= {"accept-encoding"}


@pytest.mark.parametrize(("path", "query", "accept"), REQUESTS)
def test_an_answer_is_made_once(
    service: Service, path: str, query: str | None, accept: str | None
) -> None:
    """Pages, resources, canned queries and results come from the cache from the second time on."""
    for method in ("GET", "GET", "HEAD", "GET"):
        ask(service.client, query, path, accept=accept, method=method)

    assert service.app.calls == 1
    assert len(service.cache.store) == 1


@pytest.mark.parametrize(("path", "query", "accept"), ERRORS)
def test_errors_are_not_kept(
    service: Service, path: str, query: str | None, accept: str | None
) -> None:
    """Whatever failed is tried again."""
    for _ in range(2):
        assert ask(service.client, query, path, accept=accept).status_code >= 400

    assert (service.app.calls, len(service.cache.store)) == (2, 0)


@pytest.mark.parametrize("call", ["NOW()", "RAND()", "UUID()", "STRUUID()", "BNODE()"])
@pytest.mark.parametrize("method", ["GET", "POST", "QUERY"])
def test_what_differs_from_time_to_time_is_asked_each_time(
    service: Service, call: str, method: str
) -> None:
    """Queries without a fixed value are never kept."""
    for _ in range(2):
        response = _send(service.client, f"SELECT ({call} AS ?x) {{}}", method, "direct")
        assert (response.status_code, response.cache_control.no_store) == (200, True)

    assert (service.app.calls, len(service.cache.store)) == (2, 0)


@pytest.mark.parametrize("call", ["# NOW()\n", '("NOW()" AS ?x)', "(<urn:RAND()> AS ?x)"])
def test_names_of_functions_in_other_places_do_not_matter(service: Service, call: str) -> None:
    """Comments, strings and IRIs are no calls."""
    for _ in range(2):
        assert ask(service.client, f"SELECT {call} (2 AS ?y) {{}}").status_code == 200

    assert service.app.calls == 1


# How it is asked


def _send(client: Client, query: str, method: str, how: str = "form", **more: Any) -> TestResponse:
    """Put a query in the URL, in a form, or as the body itself."""
    headers = {"Accept": "text/csv", **more.pop("headers", {})}
    if method in ("GET", "HEAD"):
        return ask(client, query, method=method, headers=headers, **more)
    if how == "form":
        more = {"data": {"query": query}, **more}
        more.setdefault("content_type", "application/x-www-form-urlencoded")
    else:
        more = {"data": query.encode(), "content_type": "application/sparql-query", **more}
    return client.open("/sparql", method=method, headers=headers, buffered=True, **more)


WAYS = [
    ("GET", "url"),
    ("HEAD", "url"),
    ("POST", "form"),
    ("POST", "direct"),
    ("QUERY", "form"),
    ("QUERY", "direct"),
]


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("then", WAYS)
def test_one_question_has_one_entry_however_it_is_sent(
    service: Service, first: tuple[str, str], then: tuple[str, str]
) -> None:
    """GET, HEAD, POST and QUERY of a query share the answer and its entity tag."""
    one, other = (_send(service.client, ROWS, *way) for way in (first, then))

    assert service.app.calls == 1
    assert one.status_code == other.status_code == 200
    assert told(one) == told(other)
    expected = _send(service.bare, ROWS, "GET").data
    for way, response in ((first, one), (then, other)):
        assert response.data == (b"" if way[0] == "HEAD" else expected)


def test_what_a_canned_query_is_asked_by_post_is_asked_once(service: Service) -> None:
    """Its values may be in the URL, in a form or in JSON: the question is the same."""
    path = "/queries/lay-terms/answer"
    sent: list[dict[str, Any]] = [
        {"method": "GET", "query_string": {"word": "bump", "limit": "2"}},
        {"method": "POST", "data": {"word": "bump", "limit": "2"}},
        {"method": "POST", "json": {"limit": 2, "word": "bump"}},
        {"method": "POST", "json": {"limit": 2}, "query_string": {"word": "bump"}},
    ]
    answers = [service.client.open(path, **each) for each in sent]

    assert {each.status_code for each in answers} == {200}
    assert {each.data for each in answers} == {service.bare.open(path, **sent[1]).data}
    assert service.app.calls == 1
    other = service.client.post(path, json={"limit": 3, "word": "bump"})
    assert other.data != answers[0].data


@pytest.mark.parametrize(
    "line",
    [
        "query=ASK%7B%7D&format=json&default-graph-uri=urn:a&default-graph-uri=urn:b",
        "format=json&default-graph-uri=urn%3aa&default-graph-uri=urn:b&query=ASK{}",
        "default-graph-uri=urn:a&format%20=json&query=ASK%7b}&default-graph-uri=urn:b",
    ],
)
def test_order_and_escapes_of_parameters_make_no_difference(service: Service, line: str) -> None:
    """The question is what the parameters say when they are decoded."""
    ask(
        service.client,
        None,
        query_string={
            "query": "ASK{}",
            "default-graph-uri": ["urn:a", "urn:b"],
            "format": "json",
        },
    )

    response = ask(service.client, None, query_string=line)

    assert (response.status_code, service.app.calls) == (200, 1)


def test_a_question_may_be_divided_between_url_and_body(service: Service) -> None:
    """Parameters count the same in both, and the version in the media type is one of them."""
    ask(service.client, None, query_string={"query": ONE, "format": "csv", "version": "1.2"})

    response = service.client.post(
        "/sparql?format=csv",
        data=ONE,
        content_type="application/sparql-query; charset=utf-8; version=1.2",
    )

    assert (response.status_code, response.mimetype) == (200, "text/csv")
    assert service.app.calls == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"default-graph-uri": ["urn:b", "urn:a"]},
        {"default-graph-uri": ["urn:a"], "named-graph-uri": ["urn:b"]},
        {"format": "xml"},
        {"version": "1.1"},
        {"format": " csv"},
        {"query": [" ASK {}"]},
    ],
)
def test_other_questions_have_other_entries(service: Service, parameters: dict[str, Any]) -> None:
    """Order of repeated parameters, names and values all matter."""
    first = {"query": ["ASK {}"], "default-graph-uri": ["urn:a", "urn:b"]}
    for each in (first, {**first, **parameters}):
        ask(service.client, None, query_string=each)

    assert service.app.calls == 2


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/sparql", {"method": "POST", "data": {"format": "ttl"}}, 400),
        ("/sparql?query=ASK{}", {"method": "POST", "data": {"query": "ASK{}"}}, 400),
        ("/sparql?query=ASK{}", {"method": "POST"}, 415),
        ("/sparql", {"method": "POST", "data": {"query": "ASK{}", "update": "CLEAR ALL"}}, 400),
        ("/queries", {"method": "POST", "data": {"query": "ASK{}"}}, 405),
        ("/resolve?q=PIH", {"method": "POST", "data": {"name": "PIH"}}, 400),
        (CO2, {"method": "POST", "data": {}}, 405),
        ("/queries", {"method": "DELETE"}, 405),
        ("/queries", {"method": "OPTIONS"}, 204),
        (CO2, {"method": "QUERY", "data": {"query": "ASK{}"}}, 405),
    ],
)
def test_a_method_that_means_something_else_does_not_get_the_answer_to_a_get(
    service: Service, path: str, options: dict[str, Any], status: int
) -> None:
    """Only queries are shared with POST and QUERY, and only where they are answered."""
    known = ("/sparql?format=ttl", "/sparql?query=ASK{}", "/queries", "/queries?query=ASK{}", CO2)
    for address in known:
        assert service.client.get(address).status_code == 200

    response = service.client.open(path, **options)

    assert response.status_code == status == service.bare.open(path, **options).status_code


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content_type": "application/sparql-query; charset=latin-1"}, 415),
        ({"content_type": "application/sparql-query; version=9"}, 400),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": ""}, 415),
        ({"headers": {"Content-Encoding": "gzip"}}, 415),
        ({"data": b"ASK{} # \xff"}, 400),
        ({"query_string": "query=ASK{}&x=%ff"}, 400),
        ({"query_string": "callback=" + "x" * 70_000}, 414),
        ({"query_string": "format=csv&" * 300}, 400),
    ],
)
def test_a_body_that_the_app_refuses_does_not_get_an_answer(
    service: Service, options: dict[str, Any], status: int
) -> None:
    """What is wrong with a request stays wrong when the answer is at hand."""
    _send(service.client, "ASK{}", "GET")

    response = _send(service.client, "ASK{}", "POST", "direct", **options)

    assert response.status_code == status


def test_a_url_that_is_too_long_stays_so_when_the_answer_is_known(service: Service) -> None:
    """What POST may ask is not answered to a GET beyond the limit."""
    query = f"ASK {{}} # {'x' * 70_000}"
    assert _send(service.client, query, "POST", headers={"Accept": "*/*"}).status_code == 200

    assert ask(service.client, query, accept="*/*").status_code == 414


@pytest.mark.parametrize("size", [0, 1, 999_000, 1_000_000, 1_000_001, 3_000_000])
def test_bodies_reach_the_app_whole(service: Service, size: int) -> None:
    """Whether it is read for its question or left alone, the body is there for the app."""
    body = b"ASK{}".ljust(size)
    responses = [
        client.post("/sparql", data=body, content_type="application/sparql-query")
        for client in (service.bare, service.client)
    ]

    assert responses[0].status == responses[1].status
    assert responses[0].data == responses[1].data


def test_large_bodies_are_not_read_for_their_question(bare: WSGIApplication) -> None:
    """Beyond its limit the cache leaves a body to the app."""
    service = Service(bare, reader=KeyReader(max_body_bytes=len(ROWS)))
    for query in (ROWS, ROWS, f"{ROWS} ", f"{ROWS} "):
        assert _send(service.client, query, "POST", "direct").status_code == 200

    assert (service.app.calls, len(service.cache.store)) == (3, 1)


@pytest.mark.parametrize(("length", "status"), [("9", 400), ("4", 400), ("x", 400), ("-1", 400)])
def test_a_body_of_another_length_than_declared_is_left_to_the_app(
    service: Service, length: str, status: int
) -> None:
    """A length that is too great, too small or none at all does no harm."""
    options: dict[str, Any] = {
        "method": "POST",
        "content_type": "application/sparql-query",
        "environ_overrides": {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"ASK{}")},
    }
    response = service.client.open("/sparql", **options)
    options["environ_overrides"]["wsgi.input"] = io.BytesIO(b"ASK{}")

    assert status == response.status_code == service.bare.open("/sparql", **options).status_code


def test_a_body_that_breaks_off_is_left_to_the_app(service: Service) -> None:
    """A client that is gone is the app's concern."""

    class Gone(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise OSError

    response = service.client.post(
        "/sparql",
        content_type="application/sparql-query",
        environ_overrides={"CONTENT_LENGTH": "5", "wsgi.input": Gone()},
    )

    assert response.status_code == 400


def test_pages_are_kept_as_they_were_asked_for(service: Service) -> None:
    """A page has links made of the request, so other ways to ask have pages of their own."""
    lines = ["query=ASK{}&version=1.1", "version=1.1&query=ASK{}"]
    sent: list[dict[str, Any]] = [{"path": "/sparql", "query_string": line} for line in lines]
    form = {"query": "ASK{}", "version": "1.1"}
    sent += [{"path": "/sparql", "method": "POST", "data": form}] * 2
    for options in sent:
        pages = [
            client.open(**options, headers={"Accept": "text/html"}).data
            for client in (service.client, service.bare, service.client)
        ]
        assert pages[0] == pages[1] == pages[2]

    assert service.app.calls == 3


def test_a_page_does_not_hide_that_data_may_be_shared(service: Service) -> None:
    """After a browser has had the page, data of the same question is one entry again."""
    ask(service.client, ONE, accept="text/html")

    for way in WAYS:
        _send(service.client, ONE, *way)

    assert service.app.calls == 2


# What the answer depends on


def test_each_representation_has_an_entry(service: Service) -> None:
    """The Accept header is part of the question where it had a say."""
    accepts = ["text/csv", "application/json", "text/html", None]
    types = [
        [ask(service.client, ONE, accept=accept).mimetype for accept in accepts] for _ in range(2)
    ]

    assert types[0] == types[1]
    assert len(set(types[0])) == 3
    assert service.app.calls == 4


def test_headers_that_had_no_say_make_no_difference(service: Service) -> None:
    """Where the suffix fixes the format, Accept is disregarded, and always what nobody looks at."""
    for headers in (
        {"Accept": "text/csv"},
        {"Accept": "image/png"},
        {"User-Agent": "x", "Cookie": "a=b", "Cache-Control": "no-cache", "Pragma": "no-cache"},
    ):
        response = ask(service.client, None, f"{CO2}.ttl", headers=headers)
        assert (response.status_code, response.mimetype) == (200, "text/turtle")

    assert service.app.calls == 1


@pytest.mark.parametrize("header", ["Prefer", "Accept-Profile", "X-Anything"])
def test_any_header_may_have_a_say(header: str) -> None:
    """What Vary names is told apart, absence included."""
    service = Service(_app({"Vary": f"Accept,{header.lower()}"}, header))
    values = [None, "a", "b", "", "a"]

    said = [
        ask(service.client, None, "/", headers={} if value is None else {header: value}).text
        for value in values
    ]

    assert said == ["None", "a", "b", "", "a"]
    assert service.app.calls == 4


def test_addresses_in_answers_are_those_that_the_client_uses(service: Service) -> None:
    """Each host and scheme has entries of its own."""
    hosts = ["http://a.test", "http://b.test", "https://a.test", "http://a.test:81"]
    for _ in range(2):
        for host in hosts:
            response = ask(service.client, None, "/queries", base_url=host)
            assert response.json is not None
            assert response.json["queries"][0]["url"].startswith(f"{host}/queries/")

    assert service.app.calls == len(hosts)


def test_a_host_that_is_none_does_not_get_an_answer(service: Service) -> None:
    """An illegal Host header is refused each time."""
    for host in ("localhost", "a b", "a b"):
        response = ask(service.client, None, "/queries", headers={"Host": host})
        assert response.status_code == (200 if host == "localhost" else 400)


def test_with_a_fixed_address_hosts_share_their_entries(graph: kg.KnowledgeGraph) -> None:
    """Where PUBLIC_URL is set, the host of a request makes no difference."""
    app = create_app({"PUBLIC_URL": "https://dermograph.test"}, graph)
    service = Service(uncached(app), reader=KeyReader(any_host=True))
    for host in ("http://a.test", "https://b.test"):
        assert b"https://dermograph.test" in ask(service.client, None, "/", base_url=host).data

    assert service.app.calls == 1


@pytest.mark.parametrize("header", ["Authorization", "If-Match", "If-Unmodified-Since"])
def test_requests_of_one_person_or_with_preconditions_go_to_the_app(
    service: Service, header: str
) -> None:
    """They neither get what is kept nor leave anything behind."""
    for value in ("Basic YTpi", "Basic YTpj"):
        ask(service.client, ONE, headers={header: value})
    ask(service.client, ONE)
    ask(service.client, ONE, headers={header: "Basic YTpi"})

    assert (service.app.calls, len(service.cache.store)) == (4, 1)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK", {"Cache-Control": "no-store"}),
        ("200 OK", {"Cache-Control": "public, no-store"}),
        ("200 OK", {"Cache-Control": "Private, max-age=60"}),
        ("200 OK", {"Cache-Control": "public, no-cache"}),
        ("200 OK", {"Cache-Control": "max-age=60"}),
        ("200 OK", {"Cache-Control": 'x="public"'}),
        ("200 OK", {"Cache-Control": ""}),
        ("200 OK", {"Set-Cookie": "a=b"}),
        ("200 OK", {"Vary": "Accept, *"}),
        ("206 Partial Content", {}),
        ("303 See Other", {"Location": "/x"}),
        ("404 Not Found", {}),
        ("500 Internal Server Error", {}),
    ],
)
def test_what_is_not_whole_and_for_everyone_is_not_kept(
    status: str, headers: dict[str, str]
) -> None:
    """Only 200 with `Cache-Control: public` is, without cookies, and never with `Vary: *`."""
    service = Service(_app(headers, status=status))
    responses = [ask(service.client, None, "/", headers=headers) for _ in range(2)]

    assert (service.app.calls, len(service.cache.store)) == (2, 0)
    assert [response.status for response in responses] == [status, status]
    for name, value in headers.items():
        assert [response.headers.get(name, "") for response in responses] == [value, value]


# What the client has


CONDITIONS = ["{}", "W/{}", '"x", {}', '"x",W/{} , "y"', "*", " * "]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(
    service: Service, condition: str, method: str
) -> None:
    """If-None-Match is answered 304 without the app, compared weakly, in a list, and for `*`."""
    whole = ask(service.client, ROWS)

    known = condition.format(whole.headers["ETag"])
    response = ask(service.client, ROWS, method=method, headers={"If-None-Match": known})

    assert (response.status_code, response.data) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control", "Access-Control-Allow-Origin", "Age"):
        assert response.headers[name] == whole.headers[name]
    assert not {"content-type", "content-length", "content-encoding"} & told(response).keys()
    assert service.app.calls == 1


@pytest.mark.parametrize("condition", ['"x"', "x", "", '"', "W/", '"{}', "{}x"])
def test_what_the_client_has_not_is_sent(service: Service, condition: str) -> None:
    """Other tags, and what is none, get the whole answer."""
    tag = ask(service.client, ONE).headers["ETag"]

    response = ask(service.client, ONE, headers={"If-None-Match": condition.format(tag[1:-1])})

    assert (response.status_code, service.app.calls) == (200, 1)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("coding", [None, *CODINGS])
def test_nothing_is_run_to_find_that_the_client_has_the_answer(
    bare: WSGIApplication, service: Service, condition: str, coding: str | None
) -> None:
    """An empty cache leaves it to the app, which compares tags before it asks the engine."""
    headers = {} if coding is None else {"Accept-Encoding": coding}
    tag = ask(Service(bare).client, ROWS, headers=headers).headers["ETag"]

    headers["If-None-Match"] = condition.format(tag)
    response = ask(service.client, ROWS, headers=headers)

    assert (response.status_code, response.data) == (304, b"")
    assert tag == response.headers["ETag"]
    assert response.vary.as_set() == {"accept", "accept-encoding"}
    # For `*` there has to be an answer.
    assert ("run;" in response.headers["Server-Timing"]) == ("*" in condition)


def test_a_client_that_has_an_answer_gets_other_answers_whole(
    bare: WSGIApplication, service: Service
) -> None:
    """A 304 to one is not given to another."""
    tag = ask(Service(bare).client, ROWS).headers["ETag"]
    ask(service.client, ROWS, headers={"If-None-Match": tag})

    assert ask(service.client, ROWS).status_code == 200
    assert ask(service.client, ROWS, headers={"If-None-Match": '"x"'}).status_code == 200
    assert service.app.calls == 2


def test_conditions_count_for_reading_only(service: Service) -> None:
    """A POST gets its answer whatever it has, as from the app."""
    tag = _send(service.client, ONE, "GET").headers["ETag"]

    for client in (service.client, service.bare):
        assert _send(client, ONE, "POST", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("span", ["bytes=0-3", "bytes=-1", "bytes=5-1", "x"])
def test_ranges_are_disregarded(service: Service, span: str) -> None:
    """An answer is given whole."""
    for _ in range(2):
        response = ask(service.client, ROWS, headers={"Range": span, "If-Range": '"x"'})
        assert (response.status_code, response.data) == (200, ask(service.bare, ROWS).data)

    assert service.app.calls == 1


# Content codings


@pytest.mark.parametrize(("path", "query", "accept"), REQUESTS)
@pytest.mark.parametrize("coding", CODINGS)
def test_a_compressed_answer_is_the_same_answer(
    service: Service, path: str, query: str | None, accept: str | None, coding: str
) -> None:
    """Decompressed it has the same bytes, and its length and tag are its own."""
    plain = ask(service.bare, query, path, accept=accept)
    responses = [
        ask(service.client, query, path, accept=accept, headers={"Accept-Encoding": coding})
        for _ in range(2)
    ]

    for response in responses:
        used = response.headers.get("Content-Encoding")
        assert used == (coding if len(plain.data) >= 1024 else None)
        assert DECODERS[used](response.data) == plain.data
        assert len(response.data) == int(response.headers["Content-Length"]) <= len(plain.data)
        assert "accept-encoding" in response.vary.as_set()
        tag = plain.headers["ETag"]
        assert (f'{tag[:-1]}-{used}"' if used else tag) == response.headers["ETag"]
        assert response.content_type == plain.content_type
    assert responses[0].data == responses[1].data
    assert service.app.calls == 1


def test_all_codings_are_of_one_entry_with_a_tag_for_each(service: Service) -> None:
    """The app is asked once, and each variant can be validated."""
    tags = {}
    for coding in DECODERS:
        headers = {"Accept-Encoding": coding or "identity"}
        tags[coding] = ask(service.client, ROWS, headers=headers).headers["ETag"]
    for coding, tag in tags.items():
        for other in DECODERS:
            headers = {"Accept-Encoding": other or "identity", "If-None-Match": tag}
            status = ask(service.client, ROWS, headers=headers).status_code
            assert status == (304 if other == coding else 200)

    assert len(set(tags.values())) == len(DECODERS)
    assert (service.app.calls, len(service.cache.store)) == (1, 1)


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.9, gzip;q=1.0", "gzip"),
        ("br ; q=0.9,gzip;q=0.8", "br"),
        ("zstd;q=0, br;q=0, gzip;q=0.001", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *", "br"),
        ("gzip;q=0.5, *;q=0.1", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("deflate, compress", None),
        ("", None),
        (",,;q=1, gzip;q=x, =", None),
        (",, gzip", "gzip"),
        ("gzip;q=1.5", None),
        ("gzip;q=1.000", "gzip"),
        ("gzip;q=0.1234", "gzip"),
        ("gzip, " + "x" * 1000, None),
    ],
)
def test_the_coding_is_the_one_that_the_client_prefers(
    service: Service, header: str, coding: str | None
) -> None:
    """Qualities, wildcards and refusals count as RFC 9110 says; there is always an answer."""
    response = ask(service.client, ROWS, headers={"Accept-Encoding": header})

    assert (response.status_code, response.headers.get("Content-Encoding")) == (200, coding)


@pytest.mark.parametrize(
    ("header", "coding"),
    [("gzip, br", None), ("gzip, identity;q=0", "gzip"), ("br, *;q=0", "br")],
)
def test_small_answers_are_compressed_only_if_they_have_to_be(
    service: Service, header: str, coding: str | None
) -> None:
    """Below a kibibyte nothing is gained, but a client may insist."""
    response = ask(service.client, ONE, headers={"Accept-Encoding": header})

    assert response.headers.get("Content-Encoding") == coding
    assert DECODERS[coding](response.data) == ask(service.bare, ONE).data


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "image/png"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Encoding": "gzip"},
        {"Cache-Control": "no-store"},
    ],
)
def test_other_bodies_are_sent_as_the_app_made_them(headers: dict[str, str]) -> None:
    """What is no text, has a coding, or is not kept is not compressed."""
    service = Service(_app(headers, body=b"x" * 5000))

    response = ask(service.client, None, "/", headers={"Accept-Encoding": "gzip, br"})

    assert response.data == b"x" * 5000
    assert response.headers.get("Content-Encoding") == headers.get("Content-Encoding")
    assert "accept-encoding" not in response.vary.as_set()


@pytest.mark.parametrize(("header", "coding"), [("gzip", None), ("gzip, identity;q=0", "gzip")])
def test_a_body_that_does_not_shrink_is_sent_as_it_is(header: str, coding: str | None) -> None:
    """Compressed is never larger, unless the client insists."""
    noise = hashlib.shake_128(b"noise").digest(2000)
    service = Service(_app({}, body=noise))

    response = ask(service.client, None, "/", headers={"Accept-Encoding": header})

    assert response.headers.get("Content-Encoding") == coding
    assert DECODERS[coding](response.data) == noise


# Questions that coincide


def _together(service: Service, requests: Sequence[Callable[[], T]], waiting: int) -> list[T]:
    """Send requests at once, holding the app up until so many wait for another's response."""
    service.app.gate.clear()
    with ThreadPoolExecutor(len(requests)) as pool:
        sent = [pool.submit(request) for request in requests]
        deadline = time.monotonic() + 120
        while service.cache.waiting < waiting or service.app.calls == 0:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        service.app.gate.set()
        return [each.result(120) for each in sent]


@pytest.mark.parametrize("budget", [64_000_000, 100_000], ids=["kept", "too-large-to-keep"])
def test_questions_that_coincide_are_asked_once(bare: WSGIApplication, budget: int) -> None:
    """Everyone who asks meanwhile gets the answer, however and in whatever coding they ask."""
    service = Service(bare, budget=budget)
    expected = _send(service.bare, ROWS, "GET").data
    ways = [(way, coding) for way in WAYS for coding in (None, "gzip", "br")]

    responses = _together(
        service,
        [
            functools.partial(
                _send, service.client, ROWS, *way, headers={"Accept-Encoding": coding or ""}
            )
            for way, coding in ways
        ],
        waiting=len(ways) - 1,
    )

    assert (service.app.calls, service.cache.waiting) == (1, 0)
    for (way, coding), response in zip(ways, responses, strict=True):
        assert response.headers.get("Content-Encoding") == coding
        if way[0] == "HEAD":
            assert response.data == b""
        else:
            assert DECODERS[coding](response.data) == expected
    assert len({response.headers["X-Query-Id"] for response in responses}) == len(ways)
    assert len(service.cache.store) == (1 if budget > 1_000_000 else 0)


def test_different_questions_do_not_wait_for_each_other(service: Service) -> None:
    """Each query and each format is on its own."""
    asked = [(query, accept) for query in (ONE, ROWS) for accept in ("text/csv", "text/html")]
    service.app.gate.clear()
    with ThreadPoolExecutor(len(asked)) as pool:
        sent = [pool.submit(ask, service.client, query, accept=accept) for query, accept in asked]
        deadline = time.monotonic() + 120
        while service.app.calls < len(asked):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert service.cache.waiting == 0
        service.app.gate.set()

        assert [each.result(120).status_code for each in sent] == [200] * len(asked)


def test_who_has_the_answer_and_who_has_not_do_not_wait_for_each_other(
    bare: WSGIApplication, service: Service
) -> None:
    """A 304 that is being made is nothing for those who need the whole."""
    tag = ask(Service(bare).client, ROWS).headers["ETag"]
    service.app.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        sent = []
        for n, condition in enumerate((tag, '"x"'), start=1):
            headers = {"If-None-Match": condition}
            sent.append(pool.submit(ask, service.client, ROWS, headers=headers))
            while service.app.calls + service.cache.waiting < n:
                time.sleep(0.001)
        service.app.gate.set()

        assert [each.result(120).status_code for each in sent] == [304, 200]


def test_an_error_ends_the_wait_of_everyone(service: Service) -> None:
    """A query that fails is run once for all who sent it at that time, and again later."""
    query = "SELECT * { broken"

    responses = _together(service, [lambda: ask(service.client, query)] * 4, waiting=3)

    assert service.app.calls == 1
    assert [response.status_code for response in responses] == [400] * 4
    assert len({response.data for response in responses}) == 1
    assert len({response.headers["X-Query-Id"] for response in responses}) == 4
    ask(service.client, query)
    assert service.app.calls == 2


@pytest.mark.parametrize(
    ("status", "control"),
    [("200 OK", "no-store"), ("200 OK", "private"), ("503 Unavailable", "private, no-store")],
)
def test_what_is_not_for_everyone_is_asked_by_each(status: str, control: str) -> None:
    """Those who waited in vain ask the app themselves."""
    service = Service(_app({"Cache-Control": control}, status=status))

    responses = _together(service, [lambda: ask(service.client, None, "/")] * 4, waiting=3)

    assert [response.status for response in responses] == [status] * 4
    assert (service.app.calls, service.cache.waiting) == (4, 0)


@pytest.mark.parametrize("ways_out", [["503 Unavailable"], ["503 Unavailable"] * 3])
def test_when_who_was_asked_for_has_gone_one_of_the_others_is_asked_for(
    ways_out: list[str],
) -> None:
    """A query is stopped when its client hangs up; those who wait do not all run it instead."""
    statuses = iter([*ways_out, "200 OK"])

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = next(statuses)
        control = "public" if status == "200 OK" else "private, no-store"
        return _app({"Cache-Control": control}, status=status)(environ, start_response)

    service = Service(app)

    responses = _together(service, [lambda: ask(service.client, None, "/")] * 8, waiting=7)

    assert service.app.calls == len(ways_out) + 1
    assert sorted(response.status for response in responses) == (
        ["200 OK"] * (8 - len(ways_out)) + ways_out
    )
    assert service.cache.waiting == 0


@pytest.mark.parametrize("way", WAYS)
def test_what_differs_from_time_to_time_is_not_waited_for(
    service: Service, way: tuple[str, str]
) -> None:
    """Nobody waits for an answer that is not theirs."""
    query = "SELECT (NOW() AS ?now) {}"
    service.app.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(_send, service.client, query, *way) for _ in range(3)]
        deadline = time.monotonic() + 20
        while service.app.calls < len(sent):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        service.app.gate.set()

        assert [each.result(20).status_code for each in sent] == [200] * 3


def test_an_answer_that_is_too_large_to_keep_is_shared_all_the_same(service: Service) -> None:
    """It lies in a file, which all who asked meanwhile are sent."""
    query = "SELECT * { ?s ?p ?o . ?s ?q ?v } LIMIT 25000"

    responses = _together(service, [lambda: ask(service.client, query)] * 4, waiting=3)

    assert service.app.calls == 1
    assert len({response.data for response in responses}) == 1
    assert len(responses[0].data) > 4 << 20
    assert len(service.cache.store) == 0


def test_a_header_that_has_a_say_is_respected_among_those_who_wait() -> None:
    """Who turns out to have asked for something else gets it."""
    service = Service(_app({"Vary": "X-Anything"}, "X-Anything"))
    requests = [
        functools.partial(ask, service.client, None, "/", headers={"X-Anything": value})
        for value in "aabb"
    ]

    responses = _together(service, requests, waiting=3)

    assert [response.text for response in responses] == list("aabb")


@pytest.mark.parametrize("late", [False, True], ids=["at-once", "while-it-writes"])
def test_an_exception_is_met_by_each(*, late: bool) -> None:
    """Nobody waits forever when the app raises, and nothing of it is kept."""
    service = Service(_raising(late=late))

    def request() -> str:
        with pytest.raises(ZeroDivisionError) as raised:
            ask(service.client, None, "/")
        return str(raised.value)

    assert len(set(_together(service, [request] * 3, waiting=2))) == 1
    assert (service.app.calls, service.cache.waiting, len(service.cache.store)) == (3, 0, 0)


def test_many_threads_leave_the_books_in_order(bare: WSGIApplication) -> None:
    """Hits, misses and evictions at once end in a cache that works and adds up."""
    service = Service(bare, budget=150_000)
    expected = {n: _send(service.bare, f"SELECT ({n} AS ?n) {{}}", "GET").data for n in range(30)}

    def worker(seed: int) -> bool:
        right = True
        for step in range(120):
            n = (seed * 7 + step * step) % 30
            way = WAYS[(seed + step) % len(WAYS)]
            response = _send(service.client, f"SELECT ({n} AS ?n) {{}}", *way)
            right &= response.data == (b"" if way[0] == "HEAD" else expected[n])
        return right

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(worker, range(6)))

    cache = service.cache
    assert service.app.calls < 6 * 120
    assert 0 < cache.store.size <= 150_000
    assert cache.waiting == 0


# Memory


def test_memory_is_bounded(bare: WSGIApplication) -> None:
    """Whatever is asked, the entries stay within the budget; the newest are there."""
    service = Service(bare, budget=200_000)
    for n in range(150):
        headers = {"Accept-Encoding": "gzip", "X-Forwarded-For": str(n)}
        ask(service.client, f"SELECT ({n} AS ?n) {{}}", headers=headers)
        assert service.cache.store.size <= 200_000
    calls = service.app.calls

    ask(service.client, "SELECT (149 AS ?n) {}", headers={"Accept-Encoding": "gzip"})
    ask(service.client, "SELECT (0 AS ?n) {}", headers={"Accept-Encoding": "gzip"})

    assert service.app.calls == calls + 1
    assert 10 < len(service.cache.store) < 150


@pytest.mark.parametrize(
    ("body", "parameter"), [(b"x", 1), (b"x" * 3000, 1), (b"x", 5000)], ids=str
)
def test_the_budget_is_kept_in_real_memory(body: bytes, parameter: int) -> None:
    """Python allocates no more for the entries than the budget says, small or large."""
    budget = 2_000_000
    cache = Cache(_app({}, body=body), budget=budget)
    environ = EnvironBuilder("/").get_environ()
    tracemalloc.start()
    try:
        for n in range(2000):
            for coding in ("", "gzip"):
                line = f"{'x' * parameter}={n}"
                asked = {**environ, "QUERY_STRING": line, "HTTP_ACCEPT_ENCODING": coding}
                assert b"".join(cache(asked, lambda *_: lambda _: None))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert budget * 0.9 < cache.store.size <= budget
    # The standard library remembers some of the strings that it has parsed.
    assert taken < budget * 1.05 + 500_000


def test_many_ways_to_ask_do_not_take_more_memory(bare: WSGIApplication) -> None:
    """Spellings of one question cost no more than a few of them."""
    service = Service(bare, budget=1_000_000)
    for n in range(300):
        service.client.get(
            "/sparql?query=ASK{}", headers={"Accept": "*/*", "Accept-Encoding": "x" * n}
        )

    assert (service.app.calls, len(service.cache.store)) == (1, 1)
    assert service.cache.store.size < 100_000


def test_what_has_been_asked_for_stays(bare: WSGIApplication) -> None:
    """Those entries give way that have not been asked for longest, in whatever way."""
    service = Service(bare, budget=200_000)
    for n in range(100):
        ask(service.client, "SELECT ('old' AS ?n) {}", accept="text/csv")
        _send(service.client, "SELECT ('posted' AS ?n) {}", "POST")
        ask(service.client, f"SELECT ({n} AS ?n) {{}}")

    assert service.app.calls == 102


def test_one_answer_does_not_drive_out_all_others(bare: WSGIApplication) -> None:
    """What is larger than an eighth of the budget is not kept."""
    large = len(ask(Client(bare), ROWS).data)
    service = Service(bare, budget=8 * large)
    for _ in range(2):
        ask(service.client, ONE)
        ask(service.client, ROWS)

    assert (service.app.calls, len(service.cache.store)) == (3, 1)


# What tells of the request


def test_every_response_has_an_id_of_its_own(service: Service) -> None:
    """An id is never replayed; a legal one that the client gives is echoed."""
    given = [None, None, "mine", "mine-too", "<b>", "x" * 65, None]
    ids = []
    for each in given:
        headers = {} if each is None else {"X-Query-Id": each}
        ids.append(ask(service.client, ONE, headers=headers).headers["X-Query-Id"])

    assert service.app.calls == 1
    assert ids[2:4] == ["mine", "mine-too"]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in [*ids[:2], *ids[4:]])


def test_server_timing_tells_hits_from_misses(service: Service) -> None:
    """The first to ask sees what the engine took, the others that nothing was run."""
    timings = [ask(service.client, ONE).headers["Server-Timing"] for _ in range(3)]

    number = r"\d+\.\d\d"
    miss = rf"cache;desc=miss, queue;dur={number}, run;dur={number}, total;dur={number}"
    assert re.fullmatch(miss, timings[0])
    assert all(re.fullmatch(rf"cache;desc=hit, total;dur={number}", each) for each in timings[1:])


def test_answers_are_as_fresh_as_from_the_app(service: Service) -> None:
    """Age does not use up the time for which other caches may keep an answer."""
    for _ in range(2):
        response = ask(service.client, ONE)
        assert response.headers["Age"] == "0"
        assert response.cache_control.max_age == 60

    assert "Date" not in response.headers


# Hostile requests


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
LIKELY = st.lists(
    st.sampled_from(
        ["gzip", "br", "*", ";q=0", ";q=1", ",", '"', "W/", "text/csv", "bytes=0-", "=", " ", "é"]
    ),
    max_size=8,
).map("".join)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Accept", "Accept-Encoding", "If-None-Match", "If-Modified-Since", "If-Range"),
            *("Range", "X-Query-Id", "Prefer", "Cookie", "Cache-Control", "Content-Type"),
            *("Content-Encoding", "Vary", "Age", "Connection", "Expect", "Origin"),
        ]
    ),
    TEXT | LIKELY,
    max_size=6,
)


@pytest.fixture(scope="module")
def lasting(bare: WSGIApplication) -> Service:
    """Return a service that generated examples share, with a small cache."""
    return Service(bare, budget=1_000_000)


@given(headers=HEADERS, way=st.sampled_from(WAYS), query=st.sampled_from([ROWS, ONE, "oops"]))
def test_no_header_makes_the_cache_answer_otherwise_than_the_app(
    lasting: Service, headers: dict[str, str], way: tuple[str, str], query: str
) -> None:
    """Any headers get the app's status and bytes, from the cache or not."""
    options: dict[str, Any] = {}
    if way[0] not in ("GET", "HEAD") and "Content-Type" in headers:
        options["content_type"] = headers["Content-Type"]
    sent = {name: value for name, value in headers.items() if name != "Content-Type"}
    expected = _send(lasting.bare, query, *way, headers=sent, **options)

    for _ in range(2):
        response = _send(lasting.client, query, *way, headers=sent, **options)
        assert response.status_code == expected.status_code < 500
        coding = response.headers.get("Content-Encoding")
        if response.data:
            assert DECODERS[coding](response.data) == expected.data


@given(line=st.text(string.printable, max_size=40) | LIKELY, path=TEXT)
def test_no_address_makes_the_cache_answer_otherwise_than_the_app(
    lasting: Service, line: str, path: str
) -> None:
    """Any path and query string get the app's status and bytes, from the cache or not."""
    environ = {
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": line.encode().decode("latin-1"),
    }
    expected = lasting.bare.open("/", environ_overrides=environ)
    for _ in range(2):
        response = lasting.client.open("/", environ_overrides=environ)
        assert (response.status, response.data) == (expected.status, expected.data)
        assert response.status_code < 500


@pytest.mark.parametrize("header", ["Accept-Encoding", "If-None-Match", "X-Query-Id", "Accept"])
@pytest.mark.parametrize("piece", ['"a,', "gzip;q=1,", 'W/"', ";", " ", "x", "*,"])
def test_long_headers_take_no_time(service: Service, header: str, piece: str) -> None:
    """Headers of any make are read in linear time."""
    began = time.process_time()

    for _ in range(2):
        response = ask(service.client, ONE, headers={header: piece * (60_000 // len(piece))})
        assert response.status_code < 500

    assert time.process_time() - began < 2


def _app(
    headers: dict[str, str],
    shown: str = "",
    *,
    status: str = "200 OK",
    body: bytes | None = None,
) -> WSGIApplication:
    """Return an app whose body is the value of a request header."""
    named = {
        "Content-Type": "text/plain",
        "Cache-Control": "public, max-age=60",
        "ETag": '"e"',
        **headers,
    }

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [(name, value) for name, value in named.items() if value])
        value = environ.get(f"HTTP_{shown.upper().replace('-', '_')}")
        return [str(value).encode() if body is None else body]

    return app


def _raising(*, late: bool) -> WSGIApplication:
    """Return an app that raises, before its response or in the middle of it."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Cache-Control", "public")])
        return broken() if late else [str(1 // 0).encode()]

    def broken() -> Iterator[bytes]:
        yield b"half"
        yield str(1 // 0).encode()

    return app
