"""Whatever a request says, it is answered whole or refused with a problem document, cached or not."""

from __future__ import annotations

import functools
import gzip
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import brotli
import pytest
from flask import Flask, request_started
from flask import request as current
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from werkzeug.datastructures import Headers
from werkzeug.test import Client, TestResponse

from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import Limits
from kg.releases.bundled import spec
from server import create_app
from server.protocol.endpoints import ENDPOINTS
from server.sparql.endpoint import EXAMPLES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.skipif(
    sandbox.lacking() is not None, reason="this platform cannot isolate"
)

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 1.0
SMALL: Final = {"MAX_URL_BYTES": 20_000, "MAX_BODY_BYTES": 18_000, "MAX_QUERY_BYTES": 16_000}
"""Limits that generated requests exceed now and then."""

FORM: Final = "application/x-www-form-urlencoded"
DIRECT: Final = "application/sparql-query"
WAYS: Final = ("GET", "HEAD", "POST form", "POST direct", "QUERY form", "QUERY direct")

OF_ONE_REQUEST: Final = {"x-query-id", "server-timing", "age", "date"}
OF_A_CODING: Final = {"etag", "content-length", "content-encoding"}
DECODERS: Final[Mapping[str | None, Callable[[bytes], bytes]]] = {
    None: bytes,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
}


def fuzz(examples: int) -> settings:
    """Return the settings of a property: so many examples in a hundred of what the profile says."""
    return settings(
        max_examples=settings().max_examples * examples // 100,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# Sending


class Request(NamedTuple):
    """A request as a server passes it on.

    Attributes:
        query_string: as on the wire.
        headers: by name; values as strings of WSGI.
    """

    method: str = "GET"
    path: str = "/sparql"
    query_string: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def environ(self) -> dict[str, str]:
        """Return what this adds to an environment of WSGI."""
        keys = {name: name.upper().replace("-", "_") for name in self.headers}
        named = {
            key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}": self.headers[name]
            for name, key in keys.items()
        }
        return {"QUERY_STRING": self.query_string, **named}


def sent(client: Client, request: Request) -> TestResponse:
    """Send a request, and give the whole response."""
    return client.open(
        request.path,
        method=request.method,
        data=request.body,
        environ_overrides=request.environ(),
        buffered=True,
    )


def asking(way: str, query: str, more: Mapping[str, str] | None = None) -> Request:
    """Put a query in one of the ways of the protocol, with more parameters in the URL."""
    method, _, kind = way.partition(" ")
    in_url = encoded(more or {})
    if not kind:
        return Request(method, query_string=encoded({"query": query, **(more or {})}))
    body = query.encode("utf-8", "surrogatepass") if kind == "direct" else b""
    return Request(
        method,
        query_string=in_url,
        headers={"Content-Type": DIRECT if kind == "direct" else FORM},
        body=body or encoded({"query": query}).encode(),
    )


def encoded(pairs: Mapping[str, str] | list[tuple[str, str]]) -> str:
    """Encode parameters; lone surrogates become the bytes that UTF-8 would have for them."""
    return urlencode(pairs, errors="surrogatepass")


OF_ANY: Final = ENDPOINTS["sparql.void"].problems
"""What can be wrong with any request: that endpoint has no problems of its own."""


class Service:
    """The service with its cache and without.

    Attributes:
        cached: a client of the service.
        bare: a client of the app behind the cache.
        endpoint: which the app was asked for last, explanations apart; None: there was none.
    """

    def __init__(self, app: Flask) -> None:
        self.endpoint: str | None = None
        request_started.connect(self._note, app)
        self.cached = Client(app, use_cookies=False)
        self.bare = Client(functools.partial(Flask.wsgi_app, app), use_cookies=False)
        self.explanation = functools.cache(self._explanation)
        self.plain = functools.cache(self._plain)

    def _note(self, _: Flask) -> None:
        self.endpoint = current.endpoint

    def _explanation(self, slug: str) -> dict[str, Any]:
        asked = self.endpoint
        response = self.cached.get(f"/problems/{slug}", headers={"Accept": "application/json"})
        self.endpoint = asked
        assert response.status_code == 200
        return dict(response.get_json())

    def _plain(self, path: str, query_string: str, encoding: str) -> TestResponse:
        headers = {"Accept-Encoding": encoding} if encoding else {}
        return holds(self, Request("GET", path, query_string, headers))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Serve the knowledge with the engine that stops queries, and small limits."""
    yield from _served(SECONDS)


@pytest.fixture(scope="module")
def unhurried() -> Iterator[Service]:
    """Serve it for queries that are known to end, even on a loaded machine."""
    yield from _served(60.0)


def _served(seconds: float) -> Iterator[Service]:
    knowledge = spec()
    limits = Limits(seconds=seconds, most_seconds=seconds, memory=256 << 20, patience=60.0)
    with closing(knowledge.isolated_engine(limits)) as engine:
        yield Service(create_app(SMALL, knowledge.over(engine)))


# What holds for every response


def documented() -> set[int]:
    """Return the statuses that the documentation allows, but for those of broken servers."""
    rows = re.findall(r"^\| (\d{3}) \|", (ROOT / "docs/protocol.md").read_text(), re.MULTILINE)
    return {int(status) for status in rows} - {500, 502, 504}


DOCUMENTED: Final = documented()


def holds(service: Service, request: Request) -> TestResponse:
    """Check what every response promises, with the cache and without, and give the response."""
    # HEAD has the headers of GET.
    got = request._replace(method="GET") if request.method == "HEAD" else request
    bare = sent(service.bare, got)
    first, second = sent(service.cached, request), sent(service.cached, request)
    sound(service, got, bare)
    for response in (first, second):
        sound(service, request, response)
    # What is stopped at its limit may be done in time when it is asked again.
    if all(response.status_code != 503 for response in (bare, first, second)):
        same(bare, first, bodies=request is got)
        same(first, second, told)
    return first


def sound(service: Service, request: Request, response: TestResponse) -> None:
    """Check one response by itself."""
    assert response.status_code in DOCUMENTED, response.data
    if request.method != "HEAD":
        complete(response)
        if response.status_code >= 400:
            is_problem(service, request, response)
        elif response.mimetype == "application/sparql-results+json":
            is_result(json.loads(decoded(response)))


def complete(response: TestResponse) -> None:
    """Check that a response has the length that it declares."""
    length = response.headers.get("Content-Length")
    if response.status_code in (204, 304):
        assert not response.data
    else:
        assert length == str(len(response.data))


def is_problem(service: Service, request: Request, response: TestResponse) -> None:
    """Check that a response tells a problem, as a document unless something else is preferred."""
    assert "no-store" in response.headers["Cache-Control"]
    if response.mimetype != "application/problem+json":
        assert response.mimetype in ("text/html", "text/plain")
        assert re.search(r"text/|html|\*", request.headers["Accept"], re.IGNORECASE)
        assert str(response.status_code) in response.text
        return
    problem = json.loads(response.data)
    assert problem["status"] == response.status_code
    assert problem["detail"]
    if problem["type"] == "about:blank":
        assert problem["title"]
        return
    slug = urlsplit(problem["type"]).path.removeprefix("/problems/")
    explained = service.explanation(slug)
    assert (explained["status"], explained["title"]) == (response.status_code, problem["title"])
    named = ENDPOINTS[service.endpoint].problems if service.endpoint else [*OF_ANY, "not-found"]
    assert slug in named, service.endpoint


def is_result(document: dict[str, Any]) -> None:
    """Check that a document is a whole result: every row has terms, for variables of the head."""
    if "boolean" in document:
        assert document["boolean"] in (True, False)
        return
    variables = set(document["head"]["vars"])
    for row in document["results"]["bindings"]:
        assert set(row) <= variables
        assert all(term["type"] and "value" in term for term in row.values())


def told(headers: Headers) -> dict[str, str]:
    """Return the headers that tell of the answer."""
    return {name.lower(): value for name, value in headers if name.lower() not in OF_ONE_REQUEST}


def told_by_any(headers: Headers) -> dict[str, str]:
    """Return the headers that tell of the answer in any coding, and with or without a cache."""
    found = told(headers)
    return {name: found[name] for name in found if name not in OF_A_CODING | {"vary"}}


def same(
    one: TestResponse,
    other: TestResponse,
    headers: Callable[[Headers], Any] = told_by_any,
    *,
    bodies: bool = True,
) -> None:
    """Check that two responses say the same, bytes included unless it may change at any time."""
    assert one.status == other.status
    compared = told_by_any if volatile(one) else headers
    assert compared(one.headers) == compared(other.headers)
    assert one.vary.as_set() ^ other.vary.as_set() <= {"accept-encoding"}
    if volatile(one):
        return
    if bodies:
        assert decoded(one) == decoded(other)
    if one.headers.get("Content-Encoding") == other.headers.get("Content-Encoding"):
        assert one.headers.get("ETag") == other.headers.get("ETag")
        assert one.headers.get("Content-Length") == other.headers.get("Content-Length")


def volatile(response: TestResponse) -> bool:
    """Tell whether the answer may be another one next time."""
    return response.status_code < 400 and "no-store" in response.headers.get("Cache-Control", "")


def decoded(response: TestResponse) -> bytes:
    """Return the body without its content coding."""
    return DECODERS[response.headers.get("Content-Encoding")](response.data)


# Queries


def words(text: str) -> list[str]:
    """Return what stands between spaces."""
    return text.split()


CANNED: Final = {path.stem: path.read_text() for path in sorted((ROOT / "queries").glob("*.rq"))}
REAL: Final = (
    *(query for _, query in EXAMPLES),
    *(re.sub(r"(?m)^#\+.*\n", "", text) for text in CANNED.values()),
)
NAME: Final = re.compile(r"[?$]\w+|\w+:\w+")
TOKEN: Final = re.compile(r"\s+|<[^<>\s]*>|\"[^\"\n]*\"|[?$]?[\w:-]+|.", re.DOTALL)
WORDS: Final = words("""
    SELECT ASK CONSTRUCT DESCRIBE WHERE FROM NAMED GRAPH OPTIONAL UNION MINUS FILTER EXISTS NOT BIND AS
    VALUES UNDEF SERVICE SILENT ORDER BY ASC DESC GROUP HAVING LIMIT OFFSET DISTINCT REDUCED BASE PREFIX
    COUNT SUM MIN MAX AVG SAMPLE GROUP_CONCAT SEPARATOR STR LANG IRI BNODE RAND NOW UUID STRUUID REGEX
    REPLACE IF COALESCE IN TRUE false a dg: dg:Laser rdfs:label x:y _:b [] () ?s ?p ?o ?x $y * + / | ^ ! = !=
    < > <= && || - , ; . { } ( ) [ ] @en ^^ << >> <<( )>> {| |} 'a' "b" ''' '' \\ 1 2.5 -3e9 99999999999999999999
    <http://e/> <a b> <> <\\u0041> # LOAD INSERT DELETE DROP CLEAR DATA TRIPLE LATERAL VERSION \u00e9 \u200d \U0001f4a9
""")
PIECES: Final = st.sampled_from([*WORDS, "\n", "\t", " ", "\0", "\ufeff", "\ud800", "\udfff", '"'])
TEXT: Final = st.text(st.characters(), max_size=60)
"""Any characters, lone surrogates and NUL included."""

OVERLONG: Final = st.builds(
    lambda piece, times: f"ASK {{ {piece * times} }}",
    PIECES,
    st.integers(400, 8_000),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a real query with some of its tokens deleted, doubled, exchanged or replaced."""
    pieces = TOKEN.findall(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        place = st.integers(0, len(pieces) - 1)
        change = draw(st.sampled_from(CHANGES))
        pieces = change(pieces, draw(place), draw(place), draw(PIECES)) or [""]
    return "".join(pieces)


def renamed(pieces: list[str], at: int, other: int) -> list[str]:
    """Put one variable or name in the place of another, which leaves the grammar mostly intact."""
    names = [place for place, piece in enumerate(pieces) if NAME.fullmatch(piece)]
    changed = pieces.copy()
    if names:
        changed[names[at % len(names)]] = pieces[names[other % len(names)]]
    return changed


Change = Callable[[list[str], int, int, str], list[str]]
CHANGES: Final[tuple[Change, ...]] = (
    lambda pieces, at, _, __: pieces[:at] + pieces[at + 1 :],
    lambda pieces, at, _, __: pieces[: at + 1] + pieces[at:],
    lambda pieces, at, other, _: [*pieces[:at], pieces[other], *pieces[at:]],
    lambda pieces, at, other, _: [*pieces[:at], pieces[other], *pieces[at + 1 :]],
    lambda pieces, at, _, new: [*pieces[:at], new, *pieces[at + 1 :]],
    lambda pieces, at, _, __: pieces[: at + 1],
    *[lambda pieces, at, other, _: renamed(pieces, at, other)] * 4,
)
"""Ways to spoil the tokens of a query at one place or two, some with a new token."""


BROKEN: Final = st.builds(
    lambda query, at, brackets: query[: at % len(query)] + brackets + query[at % len(query) :],
    st.sampled_from(REAL),
    st.integers(0, 2_000),
    st.text("{}()[]<>\"'\\.;#", min_size=1, max_size=12),
)
"""Real queries with brackets and quotes put into them."""

PROLOGUE: Final = """PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX dgf: <https://w3id.org/dermograph/function/>
"""
FUNCTIONS: Final[Mapping[int, list[str]]] = {
    0: words("NOW RAND UUID STRUUID BNODE"),
    1: words("""
        STR LANG DATATYPE IRI BNODE ABS CEIL FLOOR ROUND STRLEN UCASE LCASE ENCODE_FOR_URI YEAR MONTH DAY
        HOURS MINUTES SECONDS TIMEZONE TZ MD5 SHA1 SHA512 ISIRI ISBLANK ISLITERAL ISNUMERIC COALESCE ! -
        SUBJECT ISTRIPLE xsd:integer xsd:decimal xsd:double xsd:float xsd:boolean xsd:string xsd:dateTime
        xsd:date xsd:duration dgf:none CONCAT
    """),
    2: words("""
        CONTAINS STRSTARTS STRENDS STRBEFORE STRAFTER SUBSTR REGEX STRLANG STRDT SAMETERM LANGMATCHES CONCAT
        ADJUST COALESCE dgf:convert
    """),
    3: words("""
        SUBSTR REPLACE REGEX IF TRIPLE CONCAT dgf:convert dgf:absorptionAt dgf:reducedScatteringAt
        dgf:isInterpolated
    """),
    4: words("REPLACE dgf:effectivePenetrationDepth dgf:absorptionRatio"),
    6: ["dgf:thermalRelaxationTime"],
}
"""Functions by how many arguments they take."""

OPERATORS: Final = words("+ - * / = != < > <= >= && || IN")
TERMS: Final = words(r"""
    ?p ?o ?none true 1 0 -1 1.5 1e400 -0.0e0 9223372036854775807 1e-400
    9999999999999999999999999999999999999999 0.3333333333333333333333333333333333333333
    'x' '' '(a+)+$' '[' '\\1' '$9' 'i' 'xyz' 'a'@en '\u0000' '\uFFFF' '💩' 'nm' 'cm-1' 'um' 'm2/s'
    'NaN'^^xsd:double 'INF'^^xsd:float 'x'^^xsd:integer '2024-02-30'^^xsd:date 'x'^^<a:b> <http://e/> <rel>
    '99999-12-31T24:00:00Z'^^xsd:dateTime '-P9999999999Y'^^xsd:duration
    <https://w3id.org/dermograph/id/spectrum/water-hale-querry-1973>
""")
EXPRESSIONS: Final = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: (
        st.builds(
            lambda function, given: f"{function[0]}({', '.join(given[: function[1]])})",
            st.sampled_from([(name, n) for n, names in FUNCTIONS.items() for name in names]),
            st.lists(inner, min_size=6, max_size=6),
        )
        | st.builds(
            lambda one, sign, other: f"({one} {sign} ({other}))",
            inner,
            st.sampled_from(OPERATORS),
            inner,
        )
    ),
    max_leaves=20,
)
COMPUTED: Final = st.builds(
    lambda frame, expression, other: PROLOGUE + frame.replace("X", expression).replace("Y", other),
    st.sampled_from(
        [
            "SELECT (X AS ?x) {}",
            "SELECT (X AS ?x) (Y AS ?y) { VALUES ?o { 1 'a' <a:b> UNDEF } }",
            "SELECT ?p (COUNT(X) AS ?n) (GROUP_CONCAT(Y) AS ?c) { <a:b> ?p ?o } GROUP BY ?p",
            "SELECT (SUM(X) AS ?n) (AVG(Y) AS ?m) (MIN(X) AS ?l) { VALUES (?p ?o) { (1 2) (3 'a') } }",
            "ASK { VALUES ?o { 1 2 } FILTER(X) }",
            "CONSTRUCT { ?o <p:> ?x . [] <q:> ?y } { VALUES ?o { <a:b> } BIND(X AS ?x) BIND(Y AS ?y) }",
            "SELECT * { VALUES ?o { 1 'a' } } ORDER BY X DESC(Y) LIMIT 3",
        ]
    ),
    EXPRESSIONS,
    EXPRESSIONS,
)
"""Queries that compute something, mostly of what it cannot be computed of."""

MIXED: Final = st.lists(PIECES, max_size=25).map(" ".join)


@fuzz(16)
@given(st.one_of(TEXT, MIXED, OVERLONG), st.sampled_from(WAYS))
def test_any_text_may_be_asked(service: Service, query: str, way: str) -> None:
    """Whatever text the query is, in whatever way it is put, the promises hold."""
    response = holds(service, asking(way, query))

    assert response.status_code in (200, 400, 403, 406, 413, 414, 503)


@fuzz(10)
@given(mutated() | BROKEN, st.sampled_from(WAYS), st.sampled_from(["", "json", "html", "ttl"]))
def test_real_queries_may_be_spoilt(service: Service, query: str, way: str, format_: str) -> None:
    """A query that is nearly right is answered, or told what is wrong with it, or stopped."""
    response = holds(service, asking(way, query, {"format": format_} if format_ else None))

    assert response.status_code in (200, 400, 403, 413, 414, 503)


@fuzz(24)
@given(
    COMPUTED, st.sampled_from(["GET", "POST direct"]), st.sampled_from(["", "csv", "xml", "ttl"])
)
def test_anything_may_be_computed(service: Service, query: str, way: str, format_: str) -> None:
    """Whatever is called or compared with whatever, the query is answered or the misuse told."""
    response = holds(service, asking(way, query, {"format": format_} if format_ else None))

    not_xml = [406] if format_ == "xml" else []
    assert response.status_code in (200, 400, 503, *not_xml)


# Parameters

NUMBERS: Final = st.one_of(
    *(kind.map(str) for kind in (st.integers(), st.floats(), st.decimals())),
    st.sampled_from(["\u0663", "1_0"]),
)
IRIS: Final = st.one_of(
    st.sampled_from(["https://w3id.org/dermograph/graph/claims", "urn:x", "", "a", "a:", "a:b c"]),
    st.text(max_size=20).map("http://e/{}".format),
    st.text('ab:/#?%<>"{}|\\^`\n\x7f\u00e9\ud800', max_size=12).map("x:{}".format),
)
NAMES: Final = st.lists(
    st.sampled_from(
        [
            *("json", "csv", "html", "xml", "turtle", "text/turtle", "application/ld json", "JSON"),
            *(",", "+", " ", "/", "none", "\x00", "é"),
        ]
    ),
    max_size=3,
).map("".join)
VALUES: Final[Mapping[str, SearchStrategy[str]]] = {
    "query": st.sampled_from(
        ["ASK {}", "SELECT * { ?s ?p ?o } LIMIT 2", "DESCRIBE <x:>", "", "oops"]
    ),
    "format": NAMES,
    "output": NAMES,
    "results": NAMES,
    "default-graph-uri": IRIS,
    "named-graph-uri": IRIS,
    "version": st.sampled_from(["1.1", "1.2", "1.2-basic", "1.3", "1.1 ", "", "\u0661.1"]),
    "timeout": NUMBERS,
    "callback": TEXT,
    "debug": TEXT,
    "update": st.just("DROP ALL"),
}


@st.composite
def parameters(draw: st.DrawFn, values: Mapping[str, SearchStrategy[str]]) -> list[tuple[str, str]]:
    """Return names and values: mostly of parameters that there are, in any number and order."""
    names = st.lists(st.sampled_from(sorted(values)) | TEXT, max_size=5)
    return [(name, draw(values.get(name, TEXT) | TEXT)) for name in draw(names)]


@fuzz(32)
@given(
    parameters(VALUES),
    parameters(VALUES),
    st.sampled_from(["GET", "HEAD", "POST", "QUERY"]),
    st.sampled_from([None, "ASK {}", "SELECT * { GRAPH ?g { ?s ?p 1 } }"]),
)
def test_any_parameters_may_be_given(
    service: Service,
    in_url: list[tuple[str, str]],
    in_form: list[tuple[str, str]],
    method: str,
    query: str | None,
) -> None:
    """Whatever parameters stand in the URL and in a form, the promises hold."""
    if query is not None:
        in_url = [*in_url, ("query", query)]
    body = encoded(in_form).encode() if method in ("POST", "QUERY") else b""
    headers = {"Content-Type": FORM} if body else {}

    holds(service, Request(method, "/sparql", encoded(in_url), headers, body))


@fuzz(16)
@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from(["GET", "POST", "QUERY"]))
def test_any_bytes_may_be_parameters(
    service: Service, in_url: bytes, in_form: bytes, method: str
) -> None:
    """Whatever bytes stand where parameters should, the promises hold."""
    body = in_form if method in ("POST", "QUERY") else b""
    query_string = (b"query=ASK{}&" + in_url).decode("latin-1")
    for text in (query_string, in_url.decode("latin-1")):
        holds(service, Request(method, "/sparql", text, {"Content-Type": FORM}, body))


OF_PARAMETERS: Final = r"""
    dg:CO2Laser CO2Laser dg: <x:> true TRUE 1 2020-02-30 2020-01-01 0000-00-00 99999-01-01 high " \ '''
"""
CANNED_VALUES: Final = st.one_of(
    TEXT,
    NUMBERS,
    IRIS,
    st.sampled_from(["dg:x y", "x> ?p ?o } #", *words(OF_PARAMETERS)]),
)
PARAMETERS: Final = {
    name: re.findall(r"\$([a-z][a-z0-9_]*)", text) or ["none"] for name, text in CANNED.items()
}


@fuzz(20)
@given(st.data(), st.sampled_from(sorted(CANNED)), st.sampled_from(["", "/answer"]))
def test_canned_queries_take_any_values(
    service: Service, data: st.DataObject, name: str, what: str
) -> None:
    """Whatever the parameters of a canned query are, the promises hold."""
    pairs = data.draw(
        st.lists(
            st.tuples(st.sampled_from([*PARAMETERS[name], "format", "x"]), CANNED_VALUES),
            max_size=4,
        )
    )
    accept = data.draw(st.sampled_from(["*/*", "text/html", "text/csv", "application/json"]))

    holds(service, Request("GET", f"/queries/{name}{what}", encoded(pairs), {"Accept": accept}))


# Headers


def near(*pieces: str) -> SearchStrategy[str]:
    """Return values that are made of what the grammar of a header is made of."""
    return st.lists(st.sampled_from(pieces), max_size=9).map("".join)


ANY_LINE: Final = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f") | st.just("\t"),
    max_size=50,
)
UNREADABLE: Final = st.just("\ufffd")
"""What stands for a value that is not ASCII, see server.dispatcher."""

TAGS: Final = near('"a"', 'W/"b"', '"', "W/", "w/", "*", ",", ", ", "c", " ", "\xe9", "-gzip")
DATES: Final = near(
    *("Mon, ", "01 Jan 2024 ", "00:00:00 GMT", "Monday, ", "-1", "9999", "31 Feb ", "+9999", ":"),
    *("0" * 30, "Jan", " "),
)
MEDIA: Final = r"""
    application/sparql-results+json text/csv text/html application/ld+json */* text/* * text/plain
    application/problem+json application/xhtml+xml ; , q=0 ;q=0.5 ;q=1 ;q=1.0000000000001 ;q=-1 ;q=.2
    ;profile=" " charset= utf-8 \ = header=absent a/b /
"""
CODINGS: Final = "gzip x-gzip br zstd identity * ;q=0 ;q=1 ;q=0.5 ;q=2 ,"
HEADERS: Final[Mapping[str, SearchStrategy[str]]] = {
    "Accept": near(" ", *words(MEDIA)),
    "Accept-Encoding": near(" ", *words(CODINGS)),
    "Accept-Profile": near("<http://www.w3.org/ns/json-ld#expanded>", ";q=0", ",", "<", ">"),
    "Accept-Language": near("en", "de", "*", ";q=0", ",", "-"),
    "If-Match": TAGS,
    "If-None-Match": TAGS,
    "If-Modified-Since": DATES,
    "If-Unmodified-Since": DATES,
    "If-Range": TAGS | DATES,
    "Range": near(" ", *words("bytes = 0- -1 5-3 99999999999999999999- , lines 0-0")),
    "Host": near(" ", *words(r"localhost : 80 99999999 [ ::1 ] @ / e.example \ ,")),
    "Prefer": near("wait", "=", "1", "0", '"', ",", ";", "9" * 20, "\u0663", "return=minimal", " "),
    "X-Query-Id": near("a", "~", ".", ":", "-" * 30, "é", " ", "<", "\\"),
    "Authorization": near("Basic ", "Bearer ", "//==", "YTpi", ":", ","),
    "Forwarded": near("for=", "host=", "e.example", ";", '"', "proto=https", ","),
    "X-Forwarded-Host": near("e.example", ",", ":", "80"),
    "Cookie": near("a", "=", ";", " ", '"', "\\"),
    "Cache-Control": near("no-cache", "max-age=0", "only-if-cached", ",", "="),
    "Origin": near("null", "https://", "e.example", ":"),
    "Content-Type": near(FORM, DIRECT, "; ", "charset=", "utf-8", '"'),
    "Content-Encoding": near("gzip", "identity", ",", " "),
    "Transfer-Encoding": near("chunked", "gzip", ","),
    "Expect": near("100-continue", ","),
    "Connection": near("close", "keep-alive", "upgrade", ","),
    "X-HTTP-Method-Override": near("DELETE", "PUT"),
}
SELECTED: Final = encoded(
    {"query": "SELECT * { <https://w3id.org/dermograph/ontology/CO2Laser> ?p ?o } ORDER BY ?p ?o"}
)
ADDRESSES: Final = (
    ("/sparql", SELECTED),
    ("/sparql", encoded({"query": "ASK {}"})),
    (
        "/sparql",
        encoded({"query": "CONSTRUCT WHERE { ?s <http://www.w3.org/2002/07/owl#oneOf> ?o }"}),
    ),
    ("/sparql", encoded({"query": "oops"})),
    ("/sparql", ""),
    ("/queries/skin-layers/answer", ""),
    ("/queries/lasers", ""),
    ("/id/claim/B0375", ""),
    ("/ontology/Nothing", ""),
    ("/mappings", ""),
    ("/problems/overloaded", ""),
    ("/nowhere", ""),
)


@st.composite
def headers(draw: st.DrawFn, known: Mapping[str, SearchStrategy[str]]) -> dict[str, str]:
    """Return some headers with values that are near their grammar, or not."""
    names = st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=4, unique=True)
    return {
        name: draw(known[name] | known[name] | ANY_LINE | UNREADABLE).strip()
        for name in draw(names)
    }


@fuzz(60)
@given(
    headers(HEADERS),
    st.sampled_from(ADDRESSES),
    st.sampled_from(["GET", "GET", "HEAD", "OPTIONS", "DELETE", "BREW"]),
)
def test_any_headers_may_be_sent(
    unhurried: Service, named: dict[str, str], address: tuple[str, str], method: str
) -> None:
    """Whatever headers a request has, the promises hold."""
    response = holds(unhurried, Request(method, *address, named))

    assert response.status_code not in (413, 414, 415, 503)
    assert re.fullmatch(r"[A-Za-z0-9._~:-]{1,64}", response.headers["X-Query-Id"])


TYPES: Final = """
    application/sparql-update application/json text/plain charset= utf-8 UTF8 latin-1 " version=1.2 = * '' %
"""


@fuzz(24)
@given(
    headers(
        {
            **{name: HEADERS[name] for name in ("Accept", "Prefer", "X-Query-Id", "Authorization")},
            "Content-Type": near(FORM, DIRECT, "; ", *words(TYPES)),
            "Content-Encoding": near("identity", "gzip", "Identity", "x", ",", " ", "deflate"),
            "Content-Length": near("0", "1", "-", "+", "9" * 30, " ", "x", "\u0663", "_", "."),
        }
    ),
    st.sampled_from(["POST", "QUERY", "PUT", "GET"]),
    st.sampled_from([b"", b"ASK {}", b"query=ASK+%7B%7D", b"\xff", b"query=%FF", b"a" * 19_000]),
    st.sampled_from([FORM, DIRECT]),
)
def test_any_headers_may_describe_a_body(
    service: Service, named: dict[str, str], method: str, body: bytes, kind: str
) -> None:
    """Whatever headers say of a body, the promises hold."""
    holds(service, Request(method, "/sparql", "", {"Content-Type": kind, **named}, body))


MEANINGLESS: Final[Mapping[str, SearchStrategy[str]]] = {
    "Accept-Language": st.sampled_from(["de", "en;q=0.1, *;q=0", "x-klingon"]),
    "Accept-Charset": st.sampled_from(["utf-8", "latin-1"]),
    "Cookie": st.sampled_from(["session=1", "a=b; c=d"]),
    "Prefer": st.sampled_from(["return=minimal", "respond-async", "handling=strict;x=y", "wait=1"]),
    "Forwarded": st.just("for=1.2.3.4;host=e.example;proto=https"),
    "X-Forwarded-Host": st.just("e.example"),
    "X-Forwarded-Proto": st.just("https"),
    "X-Forwarded-Prefix": st.just("/prefix"),
    "X-HTTP-Method-Override": st.sampled_from(["DELETE", "PUT"]),
    "X-Original-URL": st.just("/nowhere"),
    "Cache-Control": st.sampled_from(["no-cache", "max-age=0", "no-store"]),
    "Pragma": st.just("no-cache"),
    "Range": st.sampled_from(["bytes=0-3", "bytes=99999-", "bytes=5-1", "rows=1-2"]),
    "If-Range": st.sampled_from(['"a"', "Mon, 01 Jan 2024 00:00:00 GMT"]),
    "If-Modified-Since": st.just("Mon, 01 Jan 2035 00:00:00 GMT"),
    "If-None-Match": st.sampled_from(['"a"', 'W/"a", "b"']),
    "Origin": st.sampled_from(["null", "https://e.example"]),
    "Referer": st.just("https://e.example/"),
    "User-Agent": st.just("Mozilla/5.0"),
    "DNT": st.just("1"),
    "Upgrade-Insecure-Requests": st.just("1"),
    "Content-Type": st.just("application/json"),
    "X-Fuzz": ANY_LINE,
}


@fuzz(24)
@given(
    st.lists(st.sampled_from(sorted(MEANINGLESS)), min_size=1, max_size=4, unique=True),
    st.data(),
    st.sampled_from(ADDRESSES),
)
def test_headers_that_mean_nothing_here_change_nothing(
    service: Service, names: list[str], data: st.DataObject, address: tuple[str, str]
) -> None:
    """A legal header that the service has no use for leaves the response as it is without it."""
    plain = service.plain(*address, "")
    named = {name: data.draw(MEANINGLESS[name]) for name in names}

    response = holds(service, Request("GET", *address, named))

    same(plain, response, told)


LEGAL_JUNK: Final = st.one_of(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=255, exclude_characters='"\x7f'), max_size=9
    ).map('"{}"'.format),
    st.sampled_from(['W/"a"', "", " ", '"a,b"', '""', '","']),
    st.text(
        st.characters(min_codepoint=32, max_codepoint=255, exclude_characters='"*\x7f'), max_size=9
    ),
)
"""Elements of If-None-Match beside the one that counts: other tags, none, and what is no tag."""


@fuzz(24)
@given(
    before=st.lists(LEGAL_JUNK, max_size=3),
    after=st.lists(LEGAL_JUNK, max_size=3),
    weak=st.booleans(),
    encoding=st.sampled_from(["", "gzip", "br", "zstd", "identity"]),
    address=st.sampled_from(
        [each for each in ADDRESSES if "oops" not in each[1] and "/no" not in each[0].lower()]
    ),
)
def test_whoever_knows_the_entity_tag_gets_304(
    unhurried: Service,
    *,
    before: list[str],
    after: list[str],
    weak: bool,
    encoding: str,
    address: tuple[str, str],
) -> None:
    """An answer that the client has is not sent again, whatever else is in the list of its tags."""
    accepted = {"Accept-Encoding": encoding} if encoding else {}
    plain = unhurried.plain(*address, encoding)
    known = f"{'W/' * weak}{plain.headers['ETag'].removeprefix('W/')}"
    condition = ", ".join([*before, known, *after])

    request = Request("GET", *address, {**accepted, "If-None-Match": condition})
    response = sent(unhurried.cached, request)

    sound(unhurried, request, response)
    assert response.status_code == 304
    assert response.headers["ETag"] == plain.headers["ETag"]
    assert response.headers.get("Vary") == plain.headers.get("Vary")
    assert response.headers.get("Cache-Control") == plain.headers.get("Cache-Control")


# On the wire

LINE: Final = st.binary(max_size=40).map(lambda value: re.sub(rb"[\r\n]", b"", value))


@fuzz(32)
@given(
    lines=st.lists(st.tuples(st.sampled_from(sorted(HEADERS)), LINE), max_size=4),
    in_url=st.binary(max_size=30).map(lambda value: re.sub(rb"[\s#]", b"", value)),
    method=st.sampled_from([b"GET", b"POST", b"QUERY", b"HEAD", b"DELETE"]),
    body=st.sampled_from([b"", b"ASK {}", b"query=ASK{}", b"\xff"]),
    ends=st.booleans(),
)
def test_any_bytes_may_come_over_the_wire(
    live_url: str,
    *,
    lines: list[tuple[str, bytes]],
    in_url: bytes,
    method: bytes,
    body: bytes,
    ends: bool,
) -> None:
    """Whatever bytes are in headers, the URL and the body, a whole response comes, and no failure."""
    unframed = [
        each for each in lines if each[0] not in ("Transfer-Encoding", "Connection", "Expect")
    ]
    head = [
        b"%s /sparql?query=ASK{}&%s HTTP/1.1" % (method, in_url),
        b"Host: localhost",
        b"Connection: close",
        b"Content-Length: %d" % len(body),
        *(name.encode() + b": " + value for name, value in unframed),
    ]

    received = exchanged(live_url, b"\r\n".join(head) + b"\r\n\r\n" + body, ends=ends)

    # Who sends no more may be asked whether it still reads.
    received = re.sub(rb"\A(?:HTTP/1\.1 100 Continue\r\n\r\n)+", b"", received)
    begin, _, content = received.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 ([24]\d\d) ", begin)
    assert status, received
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", begin)
    assert length, received
    assert method == b"HEAD" or int(length[1]) == len(content)
    if b"application/problem+json" in begin and content:
        assert json.loads(content)["status"] == int(status[1])


def test_a_url_has_characters_beyond_ascii_escaped(live_url: str) -> None:
    """Others are no URL, and the problem says what to do."""
    received = exchanged(live_url, plain_head("GET /sparql?query=SELECT('é'AS?x){} HTTP/1.1"))

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"percent-encoded" in received


def test_a_url_may_name_the_host(live_url: str) -> None:
    """The host in an absolute URL comes before the one in the header, as RFC 9112 has it."""
    line = "GET http://e.example/problems/overloaded HTTP/1.1"

    assert b'"http://e.example/problems/overloaded"' in exchanged(live_url, plain_head(line))


def test_a_header_with_an_underscore_is_no_other_header(live_url: str) -> None:
    """What is spelt with an underscore does not count as what is spelt with a hyphen."""
    line = "GET /context.jsonld HTTP/1.1\r\nAccept_Encoding: gzip\r\nIf_None_Match: *"
    begin, _, _ = exchanged(live_url, plain_head(line)).partition(b"\r\n\r\n")

    assert begin.startswith(b"HTTP/1.1 200 ")
    assert b"content-encoding" not in begin.lower()


def test_a_body_that_breaks_off_is_not_answered(live_url: str) -> None:
    """A query of which only a part came is not taken for the whole, even if it is a legal one."""
    line = f"POST /sparql HTTP/1.1\r\nContent-Type: {DIRECT}\r\nContent-Length: 60"
    received = exchanged(live_url, plain_head(line) + b"ASK {}", ends=True)

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"malformed-request" in received


def plain_head(line: str) -> bytes:
    """Return the head of a request that begins with a line."""
    rest = "Host: localhost\r\nAccept: text/csv, application/json\r\nConnection: close"
    return f"{line}\r\n{rest}\r\n\r\n".encode()


def exchanged(url: str, content: bytes, *, ends: bool = False) -> bytes:
    """Send bytes to a server, and no more if it ends, and give what comes until it closes."""
    received = b""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=120) as connection:
        connection.sendall(content)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):  # closed with something left to read
            while piece := connection.recv(65536):
                received += piece
    return received
