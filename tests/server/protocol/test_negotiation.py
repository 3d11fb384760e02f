"""Every client gets the representation that it asks for, by one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from kg.engine import ResultKind
from server.protocol.endpoints import RESULTS
from server.protocol.errors import MalformedHeader, NotAcceptable
from server.protocol.negotiation import (
    CSV,
    HTML,
    JSON,
    JSONLD,
    NQUADS,
    NTRIPLES,
    PROBLEM,
    RDF,
    RDFXML,
    REPRESENTATIONS,
    TRIG,
    TSV,
    TURTLE,
    XML,
    Representation,
    best,
    choose,
    named,
    parse_accept,
)

ROWS = RESULTS[ResultKind.SOLUTIONS]
TRUTH = RESULTS[ResultKind.BOOLEAN]
GRAPH = RESULTS[ResultKind.GRAPH]

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
RDFLIB = (
    "application/rdf+xml, text/n3, text/turtle, application/n-triples, application/ld+json, "
    "application/n-quads, application/trix, application/trig"
)
COMUNICA = (
    "application/n-quads,application/trig;q=0.95,application/ld+json;q=0.9,"
    "application/n-triples;q=0.8,text/turtle;q=0.6,application/rdf+xml;q=0.5,text/html;q=0.2"
)

CHOICES: list[tuple[str | None, Sequence[Representation], Representation | None]] = [
    # Nothing said, or nothing in particular: the default.
    (None, ROWS, JSON),
    ("", ROWS, JSON),
    ("  ", ROWS, JSON),
    (" , ,", GRAPH, TURTLE),
    ("*/*", ROWS, JSON),
    ("*/*", GRAPH, TURTLE),
    ("text/*", ROWS, CSV),
    ("application/*", GRAPH, NTRIPLES),
    # Each type by its name, in any case.
    ("text/csv", ROWS, CSV),
    ("TEXT/Tab-Separated-Values", ROWS, TSV),
    ("application/sparql-results+xml", TRUTH, XML),
    ("application/ld+json", GRAPH, JSONLD),
    # Quality.
    ("text/csv;q=0.5, text/tab-separated-values;q=0.6", ROWS, TSV),
    ("text/csv;q=0.999, text/tab-separated-values;q=1.000", ROWS, TSV),
    ("text/csv;q=0.3, */*;q=0.2", ROWS, CSV),
    ("text/csv;q=0.1, */*;q=0.2", ROWS, JSON),
    ("text/csv ; Q=0.1 , text/html ; q=0.2", ROWS, HTML),
    # q=0 excludes, and the more specific range decides.
    ("application/sparql-results+json;q=0, */*;q=0.1", ROWS, XML),
    ("text/*;q=0, */*", GRAPH, NTRIPLES),
    ("text/csv, text/*;q=0", ROWS, CSV),
    ("text/csv;q=0", ROWS, None),
    ("*/*;q=0", ROWS, None),
    ("text/turtle;q=0.0, text/*", GRAPH, HTML),
    # Equal quality: what is named, then HTML, then the order of the service.
    ("text/csv, */*", ROWS, CSV),
    ("text/tab-separated-values, text/csv", ROWS, CSV),
    ("text/csv, text/html", ROWS, HTML),
    (RDFLIB, GRAPH, TURTLE),
    # Aliases.
    ("application/json", ROWS, JSON),
    ("application/json", GRAPH, JSONLD),
    ("text/xml", TRUTH, XML),
    ("application/xml", GRAPH, RDFXML),
    ("application/x-turtle", GRAPH, TURTLE),
    ("text/n3", GRAPH, TURTLE),
    ("text/plain", GRAPH, NTRIPLES),
    ("text/plain, text/turtle", GRAPH, TURTLE),
    ("application/rdf+xml,text/rdf+n3;q=0.9,application/xhtml+xml;q=0.5, */*;q=0.1", ROWS, JSON),
    ("application/rdf+xml;q=1.0, text/turtle;q=0.9, application/xhtml+xml;q=0.5", ROWS, HTML),
    ("application/xhtml+xml", GRAPH, HTML),
    ("application/xhtml+xml;q=0", GRAPH, None),
    ("application/xhtml+xml, text/csv;q=0.1", ROWS, CSV),
    ("text/turtle;q=0.3333, text/csv", GRAPH, TURTLE),
    ("text/plain;q=0.9, */*;q=0.1", GRAPH, NTRIPLES),
    ("application/json, text/plain, */*", GRAPH, JSONLD),
    ("application/json, text/plain, */*", ROWS, JSON),
    ("application/sparql-results+json;q=0, application/json", ROWS, None),
    ("*/*;q=0, application/json", ROWS, JSON),
    ("text/plain", ROWS, None),
    # Parameters.
    ("application/sparql-results+json;charset=utf-8", ROWS, JSON),
    ('application/sparql-results+json; charset="UTF-8"', ROWS, JSON),
    ("text/csv;header=present", ROWS, CSV),
    ("text/csv;header=absent", ROWS, None),
    ("text/csv;header=absent, */*;q=0.1", ROWS, JSON),
    ("text/csv;header=present;q=0.1, text/csv;q=0.9, text/html;q=0.5", ROWS, HTML),
    ("text/turtle;charset=iso-8859-1", GRAPH, None),
    ("text/turtle;version=1.2", GRAPH, TURTLE),
    ('application/ld+json;profile="http://www.w3.org/ns/json-ld#framed, x"', GRAPH, JSONLD),
    ("text/csv;q=0.5;level=1, text/html;q=0.4", ROWS, CSV),
    # What there is not.
    ("text/csv", GRAPH, None),
    ("text/turtle", ROWS, None),
    ("text/csv", TRUTH, None),
    ("image/png", ROWS, None),
    # Clients as they are.
    (BROWSER, ROWS, HTML),
    (BROWSER, TRUTH, HTML),
    (BROWSER, GRAPH, HTML),
    (COMUNICA, GRAPH, NQUADS),
    ("application/n-quads;q=0.1, application/trig", GRAPH, TRIG),
    ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", ROWS, HTML),
]


@pytest.mark.parametrize(("accept", "offers", "expected"), CHOICES)
def test_the_preferred_offer_is_chosen(
    accept: str | None, offers: Sequence[Representation], expected: Representation | None
) -> None:
    """The Accept header chooses among the offers by quality, specificity and order."""
    assert best(accept, offers) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text",
        "text/",
        "/csv",
        "*/csv",
        "text/csv/x",
        "text/csv;q=2",
        "text/csv;q=-1",
        "text/csv;q=",
        "text/csv;q=abc",
        "text/csv;q=nan",
        "text/csv;charset",
        'text/csv;x="open',
        "te xt/csv",
        "text/html, text csv",
        "text/csv;;=",
    ],
)
def test_a_malformed_accept_header_is_refused_by_name(client: FlaskClient, accept: str) -> None:
    """A header that does not follow the grammar is 400, and the malformed element is quoted."""
    with pytest.raises(MalformedHeader):
        parse_accept(accept)

    response = client.get("/sparql?query=ASK{}", headers={"Accept": accept})

    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert response.get_json()["header"] == "Accept"
    assert accept.rpartition(",")[2].strip() in response.get_json()["detail"]


def test_what_is_not_acceptable_names_what_there_is() -> None:
    """The error lists the media types of all offers."""
    with pytest.raises(NotAcceptable) as caught:
        choose("image/png", RDF)

    assert [offer.media_type for offer in RDF] == caught.value.members["available"]


FIRST_OF_THEIR_TYPE = {each.media_type: each for each in reversed(REPRESENTATIONS)}.values()
"""Those that share a media type are never offered together."""


@pytest.mark.parametrize("offer", FIRST_OF_THEIR_TYPE, ids=lambda offer: offer.media_type)
def test_every_representation_is_given_for_what_it_says_it_is(offer: Representation) -> None:
    """The value of its Content-Type, sent as Accept, selects a representation."""
    assert offer == best(offer.content_type, (PROBLEM, *REPRESENTATIONS))


@pytest.mark.parametrize("kind", list(ResultKind))
def test_every_result_format_has_a_name(kind: ResultKind) -> None:
    """Each offer for a kind of result is found by its name, suffix, media type and aliases."""
    for offer in RESULTS[kind]:
        assert offer == named(offer.name, RESULTS[kind])
        assert {offer} == {named(name, RESULTS[kind]) for name in offer.all_names}
        assert offer == named(offer.media_type.replace("+", " ").upper(), RESULTS[kind])


_ANYTHING = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            ["text/csv", "*/*", "text/*", "a/b", ";", ",", "q=0", "q=0.5", '"', "\\", "=", " "]
        )
    ).map("".join),
)


@given(_ANYTHING)
def test_any_header_is_read_or_refused(accept: str) -> None:
    """No header whatever leads to anything but a choice, none, or the error for it."""
    try:
        chosen = best(accept, ROWS)
    except MalformedHeader:
        chosen = None

    assert chosen is None or chosen in ROWS


_QUALITIES = st.integers(0, 1000).map(lambda number: number / 1000)


@given(st.dictionaries(st.sampled_from([offer.media_type for offer in ROWS]), _QUALITIES))
def test_the_highest_quality_wins_and_zero_never_does(wanted: dict[str, float]) -> None:
    """Of named types the one with the highest quality is chosen; none if all have zero."""
    accept = ", ".join(f"{name};q={quality:.3f}" for name, quality in wanted.items())

    chosen = best(accept, ROWS)

    highest = max(wanted.values(), default=1.0)
    if highest == 0:
        assert chosen is None
    else:
        assert chosen is not None
        assert highest == wanted.get(chosen.media_type, 1.0 if not wanted else 0.0)


SELECT = "/sparql?query=SELECT * {?s ?p ?o} LIMIT 1"
ASK = "/sparql?query=ASK {?s ?p ?o}"
CONSTRUCT = "/sparql?query=CONSTRUCT WHERE {?s ?p ?o} LIMIT 1"


@pytest.mark.parametrize(
    ("address", "accept", "status", "content_type"),
    [
        (SELECT, None, 200, "application/sparql-results+json"),
        (SELECT, "text/csv", 200, "text/csv; charset=utf-8; header=present"),
        (SELECT, "text/tab-separated-values", 200, "text/tab-separated-values; charset=utf-8"),
        (SELECT, BROWSER, 200, "text/html; charset=utf-8"),
        (SELECT, "text/turtle", 406, "application/problem+json"),
        (ASK, "application/xml", 200, "application/sparql-results+xml"),
        (ASK, "text/csv", 406, "application/problem+json"),
        (ASK, BROWSER, 200, "text/html; charset=utf-8"),
        (CONSTRUCT, None, 200, "text/turtle; charset=utf-8"),
        (CONSTRUCT, "application/json", 200, "application/ld+json"),
        (CONSTRUCT, BROWSER, 200, "text/html; charset=utf-8"),
        (CONSTRUCT, "text/csv", 406, "application/problem+json"),
        ("/sparql", None, 200, "text/turtle; charset=utf-8"),
        ("/sparql", COMUNICA, 200, "application/n-quads"),
        ("/sparql", BROWSER, 200, "text/html; charset=utf-8"),
        ("/sparql", "text/csv", 406, "application/problem+json"),
        ("/", None, 200, "text/html; charset=utf-8"),
        ("/", "text/turtle", 406, "application/problem+json"),
        ("/queries", None, 200, "application/json"),
        ("/queries", BROWSER, 200, "text/html; charset=utf-8"),
        ("/queries", "text/turtle", 200, "text/turtle; charset=utf-8"),
        ("/queries", "text/csv", 406, "application/problem+json"),
        ("/queries/lasers", None, 200, "application/json"),
        (
            "/queries/lasers",
            "application/sparql-query",
            200,
            "application/sparql-query; charset=utf-8",
        ),
        ("/queries/lasers/answer", None, 200, "application/json"),
        ("/queries/lasers/answer", BROWSER, 200, "text/html; charset=utf-8"),
        ("/problems/syntax-error", BROWSER, 200, "text/html; charset=utf-8"),
        ("/problems/syntax-error", "application/json", 200, "application/json"),
        ("/problems/syntax-error", "text/plain", 200, "text/plain; charset=utf-8"),
        ("/nowhere", None, 404, "application/problem+json"),
        ("/nowhere", BROWSER, 404, "text/html; charset=utf-8"),
        ("/nowhere", "text/plain", 404, "text/plain; charset=utf-8"),
        ("/nowhere", "text/csv", 404, "application/problem+json"),
    ],
)
def test_every_resource_negotiates(
    client: FlaskClient, address: str, accept: str | None, status: int, content_type: str
) -> None:
    """Each address gives what its offers and the Accept header agree on, and varies by it."""
    response = client.get(address, headers={"Accept": accept} if accept else {})

    assert (status, content_type) == (response.status_code, response.content_type)
    assert "Accept" in response.vary


@pytest.mark.parametrize("kind", list(ResultKind))
def test_every_result_format_is_given_by_its_name(
    ask: Callable[..., TestResponse], kind: ResultKind
) -> None:
    """The parameter `format` chooses, whatever the Accept header says."""
    query = {
        ResultKind.SOLUTIONS: "SELECT * {?s ?p ?o} LIMIT 1",
        ResultKind.BOOLEAN: "ASK {?s ?p ?o}",
        ResultKind.GRAPH: "CONSTRUCT WHERE {?s ?p ?o} LIMIT 1",
    }[kind]
    for offer in RESULTS[kind]:
        response = ask(query, accept="image/png", format=offer.name)

        assert (200, offer.content_type) == (response.status_code, response.content_type)
