"""Answers in XML are XML that says the same, or are refused."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import Graph, Literal, URIRef
from rdflib.compare import isomorphic

from kg.engine import JSON, NTRIPLES, RDFXML, XML, FormatNotAvailable, Query, ResultKind
from kg.engine.oxigraph.engine import InProcessEngine

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IN_XML = {ResultKind.SOLUTIONS: XML, ResultKind.BOOLEAN: XML, ResultKind.GRAPH: RDFXML}


@pytest.fixture(scope="module")
def engine() -> InProcessEngine:
    """Return an engine whose prefixes are those of the terms below."""
    return InProcessEngine(b"", prefixes={"e": "http://e/", "rdf": RDF})


def graph(engine: InProcessEngine, triples: str) -> Graph:
    """Construct triples in RDF/XML, and read them."""
    answer = engine.run(Query(f"CONSTRUCT {{ {triples} }} {{}}", formats=IN_XML))
    return Graph().parse(data=answer.body, format="xml")


@pytest.mark.parametrize(
    "predicate",
    [
        "http://e/123",
        "http://e/",
        "http://e/p?q=1",
        "http://e/%41",
        "http://e/p/7",
        "http://e/.",
        "urn:",
        f"{RDF}li",
        f"{RDF}Description",
        f"{RDF}aboutEach",
        f"{RDF}bagID",
        "http://www.w3.org/2000/xmlns/foo",
    ],
)
def test_a_predicate_that_is_no_xml_name_is_refused(
    engine: InProcessEngine, predicate: str
) -> None:
    """RDF/XML writes predicates as names of elements, so the other formats are named."""
    for triples in (f"<x:s> <{predicate}> 1", f"<x:s> <x:p> <<( <x:s> <{predicate}> 1 )>>"):
        with pytest.raises(FormatNotAvailable) as caught:
            engine.run(Query(f"CONSTRUCT {{ {triples} }} {{}}", formats=IN_XML))

        assert NTRIPLES in caught.value.available
        assert RDFXML not in caught.value.available


def test_a_class_that_is_no_xml_name_is_a_property(engine: InProcessEngine) -> None:
    """It is written as rdf:type, which the text of a literal that looks like an element leaves."""
    triples = '<x:s> a <http://snomed.info/id/1>, <x:C> ; <x:p> "<e:>", ": rdf:" . <x:t> a <x:D>'

    answered = graph(engine, triples)

    assert isomorphic(answered, Graph().parse(data=f"{triples} .", format="turtle"))


def test_a_class_that_cannot_be_written_is_refused(engine: InProcessEngine) -> None:
    """The class of what has no other property would have to be the name of an element."""
    for triples in ("<x:s> a <http://e/1>", "<x:s> a <http://e/1> . <x:t> <x:p> 1"):
        with pytest.raises(FormatNotAvailable, match="class <http://e/1>"):
            graph(engine, triples)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_every_text_comes_back_or_is_refused(engine: InProcessEngine, text: str) -> None:
    """What XML cannot hold is refused, and all else is read as it was, carriage returns too."""
    literal = Literal(text).n3() if "\x00" not in text else '"\\u0000"'
    able = all(each in "\t\n\r" or (each >= " " and each not in "\ufffe\uffff") for each in text)
    select = Query(f"SELECT ({literal} AS ?x) {{}}", formats=IN_XML)
    if not able:
        with pytest.raises(FormatNotAvailable):
            graph(engine, f"<x:s> <x:p> {literal}")
        with pytest.raises(FormatNotAvailable):
            engine.run(select)
        return
    triples = graph(engine, f"<x:s> <x:p> {literal}")
    solutions = engine.run(select).body
    assert triples.value(URIRef("x:s"), URIRef("x:p")) == Literal(text)
    written = ET.fromstring(solutions).find(".//{*}literal")  # noqa: S314 - our own
    assert written is not None
    assert (written.text or "") == text


def test_characters_are_found_across_pieces(engine: InProcessEngine) -> None:
    """What is written in pieces is looked at where they meet, too."""
    for length in range(8000, 8200):
        text = "x" * length + "\\uFFFE"
        with pytest.raises(FormatNotAvailable) as caught:
            engine.run(Query(f'SELECT ("{text}" AS ?x) {{}}', formats=IN_XML))
        assert JSON in caught.value.available
