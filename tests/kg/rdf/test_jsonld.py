"""JSON-LD: readable objects that read back as exactly the same triples."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import RdfFormat, parse
from rdflib import XSD, Literal, URIRef

import kg
from kg import results
from kg.rdf import formats, jsonld
from kg.rdf.namespaces import BASE, DG, GRAPH, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER
from kg.resources import lookup
from kg.resources.lookup import Found
from kg.results import Rows
from kg.sparql.bind import canonical

PUBLISHED = "https://dermograph.example"
THING = "https://dermograph.example/thing"


@pytest.fixture(scope="module")
def context() -> jsonld.Context:
    """Return the context, as published at an example address."""
    return jsonld.Context.load(ONTOLOGY_FOLDER / "context.jsonld", PUBLISHED)


def rows(graph: kg.KnowledgeGraph, text: str) -> Rows:
    """Ask the graph for rows."""
    found = graph.query(results.prologue() + text)
    assert isinstance(found, Rows)
    return found


def lines(ntriples: bytes) -> list[str]:
    """Return the triples of a document in N-Triples, sorted."""
    return sorted(line for line in ntriples.decode().split("\n") if line)


def framed(graph: kg.KnowledgeGraph, context: jsonld.Context, iri: str) -> dict[str, Any]:
    """Describe a resource as an object."""
    answer = lookup.describe(graph.engine, Found(iri), formats.NTRIPLES)
    document: dict[str, Any] = json.loads(jsonld.write(answer.body, context, root=iri))
    return document


def sample(graph: kg.KnowledgeGraph, first: int, step: int) -> list[str]:
    """Choose resources: of every class the first ones, and of all every one that a step leads to."""
    by_class: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows(graph, "SELECT ?class ?iri WHERE { ?iri a ?class } ORDER BY ?class ?iri"):
        by_class[str(row["class"])].append(str(row["iri"]))
    everything = sorted({iri for iris in by_class.values() for iri in iris})
    chosen = {iri for iris in by_class.values() for iri in iris[:first]}
    return sorted(chosen | set(everything[::step]))


@pytest.mark.parametrize(
    ("first", "step", "least"), [(1, 400, 50), pytest.param(5, 8, 1000, marks=pytest.mark.long)]
)
def test_every_resource_reads_back_as_the_same_triples(
    graph: kg.KnowledgeGraph, context: jsonld.Context, first: int, step: int, least: int
) -> None:
    """What is written as JSON-LD about a resource is the same triples as its N-Triples."""
    chosen = sample(graph, first, step)
    assert len(chosen) > least
    for iri in chosen:
        answer = lookup.describe(graph.engine, Found(iri), formats.NTRIPLES)
        document = jsonld.write(answer.body, context, root=iri)
        assert lines(jsonld.read(document, context)) == lines(answer.body), iri


@pytest.mark.parametrize("name", ["ontology", "sources", "shapes", "dataset"])
def test_a_whole_graph_reads_back_as_the_same_triples(
    graph: kg.KnowledgeGraph, context: jsonld.Context, name: str
) -> None:
    """A named graph as JSON-LD is the same triples as its N-Triples."""
    found = Found(GRAPH + name, GRAPH + name)
    answer = lookup.describe(graph.engine, found, formats.NTRIPLES)
    document = jsonld.write(answer.body, context, root=None)
    assert lines(jsonld.read(document, context)) == lines(answer.body)


@pytest.mark.parametrize("form", jsonld.FORMS)
def test_every_form_holds_the_same_triples(
    graph: kg.KnowledgeGraph, context: jsonld.Context, form: str
) -> None:
    """Framed, compacted, flattened and expanded JSON-LD of a claim differ in form only."""
    iri = BASE + "id/claim/B0001"
    answer = lookup.describe(graph.engine, Found(iri), formats.NTRIPLES)
    document = jsonld.write(answer.body, context, root=iri, form=form)
    assert lines(jsonld.read(document, context)) == lines(answer.body)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
literals = st.one_of(
    texts.map(Literal),
    texts.map(lambda text: Literal(text, lang="en")),
    texts.map(lambda text: Literal(text, lang="pt-br")),
    st.integers().map(lambda number: Literal(str(number), datatype=XSD.integer)),
    st.booleans().map(lambda truth: Literal(str(truth).lower(), datatype=XSD.boolean)),
    st.decimals(allow_nan=False, allow_infinity=False, places=6).map(
        lambda number: Literal(f"{number:f}", datatype=XSD.decimal)
    ),
    st.sampled_from(["007", "-0", "+1", "not a number"]).map(
        lambda text: Literal(text, datatype=XSD.integer, normalize=False)
    ),
    st.dates().map(lambda day: Literal(day.isoformat(), datatype=XSD.date)),
)
properties = st.sampled_from(
    [
        PREFIXES["rdfs"] + "label",
        PREFIXES["skos"] + "altLabel",
        PREFIXES["dcterms"] + "issued",
        DG + "value",
        DG + "sampleSize",
        DG + "derivesEdge",
        DG + "locator",
        DG + "subject",
        "https://elsewhere.example/property",
    ]
)


@given(st.lists(st.tuples(properties, literals), min_size=1, max_size=6, unique=True))
def test_any_literal_reads_back_as_it_was(statements: list[tuple[str, Literal]]) -> None:
    """Text with any characters, and values of any datatype, survive whatever the term expects."""
    context = jsonld.Context.load(ONTOLOGY_FOLDER / "context.jsonld", PUBLISHED)
    written = {
        f"{canonical(URIRef(THING))} {canonical(URIRef(name))} {canonical(value)} ."
        for name, value in statements
    }
    # Without datatype and with xsd:string are the same literal.
    plain = {line.replace("^^<http://www.w3.org/2001/XMLSchema#string>", "") for line in written}
    document = jsonld.write("\n".join(sorted(plain)).encode(), context, root=THING)
    read = jsonld.read(document, context)
    assert {_parsed(line) for line in lines(read)} == {_parsed(line) for line in plain}


def _parsed(line: str) -> tuple[str, ...]:
    """Read a line with PyLD-independent means, so that differences of escaping do not count."""
    (quad,) = parse(line.encode(), format=RdfFormat.N_TRIPLES)
    return str(quad.subject), str(quad.predicate), str(quad.object)


def test_a_concept_is_one_object_with_claims_and_their_sources(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """An app finds label, parents, plain edges, and claims down to the titles of sources."""
    concept = framed(graph, context, DG + "CO2LaserResurfacing")
    assert concept["@context"] == context.iri
    assert concept["id"] == DG + "CO2LaserResurfacing"
    assert concept["label"] == "CO2 laser resurfacing"
    assert "ablative laser resurfacing" in [each["label"] for each in concept["subClassOf"]]
    assert "hyperpigmentation" in [each["label"] for each in concept["hasRisk"]]
    assert concept["claims"]
    for claim in concept["claims"]:
        assert claim["predicate"]["label"]
        assert all(source["title"] for source in claim["source"])


def test_a_claim_has_typed_figures_that_are_exact(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """Counts are JSON numbers; decimals are strings, exact to the digit."""
    (row,) = rows(
        graph,
        "SELECT ?claim ?size ?share WHERE { ?claim dg:sampleSize ?size ; dg:proportion ?share }"
        " ORDER BY ?claim LIMIT 1",
    )
    claim = framed(graph, context, str(row["claim"]))
    assert claim["sampleSize"] == row["size"]
    assert isinstance(claim["sampleSize"], int)
    assert claim["proportion"] == str(row["share"])


def test_a_claim_has_its_settings_inside(graph: kg.KnowledgeGraph, context: jsonld.Context) -> None:
    """A setting is an object in its claim, with parameter, value and unit."""
    claim = framed(graph, context, BASE + "id/claim/A0002")

    (setting,) = claim["setting"]
    assert setting["type"] == ["Setting"]
    assert setting["parameter"]["label"] == "pulse duration"
    assert (setting["value"], setting["unitCode"]) == (["200"], "us")
    assert [each["label"] for each in claim["specimen"]] == ["animal tissue outside the body"]


def test_a_concept_has_its_mappings_and_gaps_inside(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """A concept names its counterparts in other ontologies, and what is not known of it."""
    concept = framed(graph, context, DG + "AcneScar")

    assert {"id": "http://id.nlm.nih.gov/mesh/D002921", "label": "Cicatrix"} in concept[
        "broadMatch"
    ]
    assert any("Cochrane" in gap["gapStatement"] for gap in concept["evidenceGaps"])


def test_shapes_of_objects_are_reliable(graph: kg.KnowledgeGraph, context: jsonld.Context) -> None:
    """What may have several values is an array even of one, and every link is an object."""
    claim = framed(graph, context, BASE + "id/claim/B0001")
    assert isinstance(claim["type"], list)
    assert isinstance(claim["object"], list)
    assert isinstance(claim["source"], list)
    for term, value in claim.items():
        definition = context.terms.get(term)
        if isinstance(definition, dict) and definition.get("@type") == "@id":
            links = value if isinstance(value, list) else [value]
            assert all("id" in link for link in links), term


def test_keys_follow_the_order_of_the_context(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """Keys stand in the order that the context lists its terms, at every depth."""
    places = {term: place for place, term in enumerate(context.terms)}

    def check(value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                check(each)
        elif isinstance(value, dict):
            keys = [places[key] for key in value if key in places]
            assert keys == sorted(keys)
            for each in value.values():
                check(each)

    check(framed(graph, context, DG + "CO2LaserResurfacing"))


def test_nothing_is_fetched_for_a_foreign_context(context: jsonld.Context) -> None:
    """A document with any other context is refused with the address of ours."""
    document = json.dumps({"@context": "https://schema.org/", "@id": THING}).encode()
    with pytest.raises(jsonld.JsonLdError, match=re.escape(PUBLISHED)):
        jsonld.read(document, context)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"\xff",
        b'{"@id": 5}',
        b'{"@context": {"a": {"@id": 5}}, "a": 1}',
        b'"https://elsewhere.example/document"',
        b"[" * 100_000,
        b'{"@id": "urn:a", "urn:b": NaN}',
        b'{"@id": "urn:a", "urn:b": 1, "urn:b": 2}',
        b'{"@id": "urn:a", "urn:b": "\\ud800"}',
        b'{"@id": "urn:a", "sampleSiez": 3}',
        b'{"@id": "urn:a", "@typ": "urn:b"}',
        b'{"@id": "urn:a", "@type": "AdverseEventCliam"}',
        b'{"@id": "claim/Z9999", "urn:b": 1}',
        b'{"@context": "c.jsonld", "urn:b": 1}',
        b'{"@context": {"a": {"@id": "urn:a", "@type": "@id"}}, "a": "no iri"}',
        b'{"@id": "urn:a", "urn:b": {"@value": "x", "@language": "e n"}}',
        b'{"@context": {"a": "urn:a"}, "a": [{"@list": [{"@type": null}]}], "@type": [null]}',
        b'{"@id": "urn:graph", "@graph": {"@id": "urn:a", "urn:b": "c"}, "urn:d": 1}',
    ],
    ids=lambda document: ascii(document[-30:].decode(errors="replace")),
)
def test_what_is_no_jsonld_is_refused(document: bytes, context: jsonld.Context) -> None:
    """A document that is not JSON, or not JSON-LD, is an error that says so."""
    with pytest.raises(jsonld.JsonLdError, match=r"."):
        jsonld.read(document, context)


def test_relative_names_are_resolved_against_the_address_of_the_document(
    context: jsonld.Context,
) -> None:
    """As in Turtle; there is no made-up address."""
    read = jsonld.read(b'{"@id": "b", "urn:p": {"@id": "../c"}}', context, "file:///x/y/a.jsonld")

    assert read == b"<file:///x/y/b> <urn:p> <file:///x/c> .\n"


@pytest.mark.parametrize("digest", ["present", *jsonld.RELEASED])
@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1:1/kg", PUBLISHED])
def test_a_document_of_any_service_is_known_by_the_digest_of_its_context(
    url: str, digest: str
) -> None:
    """Wherever the copy is that a document names, nothing is fetched; former ones are known too."""
    name = jsonld.Context.published().digest if digest == "present" else digest
    iri = f"{url}/context/{name}.jsonld"
    document = json.dumps({"@context": iri, "id": "urn:a", "identifier": "A"}).encode()
    expected = f'<urn:a> <{PREFIXES["dcterms"]}identifier> "A" .\n'.encode()

    assert jsonld.read(document, jsonld.Context.published()) == expected
    assert iri.encode() not in jsonld.Context.published().known.put_into(document)


@pytest.mark.parametrize("name", ["context/0123456789abcdef.jsonld", "context.jsonld"])
def test_another_context_is_not_taken_for_ours(name: str) -> None:
    """Without a digest that is known, the terms may mean anything."""
    document = json.dumps({"@context": f"{PUBLISHED}/{name}", "id": "urn:a", "identifier": "A"})

    with pytest.raises(jsonld.JsonLdError, match="nothing is fetched"):
        jsonld.read(document.encode(), jsonld.Context.published())


def properties_in_use(graph: kg.KnowledgeGraph) -> set[str]:
    """Return the properties that the data use; shapes speak SHACL's own language."""
    text = f"""SELECT DISTINCT ?property WHERE {{
        GRAPH ?graph {{ ?s ?property ?o }} FILTER (?graph != <{GRAPH}shapes>) }}"""
    return {str(row["property"]) for row in rows(graph, text)} - {PREFIXES["rdf"] + "type"}


def named(context: jsonld.Context) -> set[str]:
    """Return the IRIs that the context has terms for."""
    return {
        definition if isinstance(definition, str) else definition["@id"]
        for term, definition in context.terms.items()
        if not term.startswith("@") and "@reverse" not in definition
    }


def test_the_context_names_every_property_that_data_use(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """No key of our JSON-LD is a bare IRI."""
    assert properties_in_use(graph) - named(context) == set()


def test_the_context_names_every_class_of_records(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """No type in our JSON-LD is a bare IRI."""
    text = f"""SELECT DISTINCT ?class WHERE {{
        GRAPH ?graph {{ ?s a ?class }} FILTER (?graph != <{GRAPH}shapes>) }}"""
    assert {str(row["class"]) for row in rows(graph, text)} - named(context) == set()


def test_the_context_names_nothing_that_is_undeclared(
    graph: kg.KnowledgeGraph, context: jsonld.Context
) -> None:
    """Each term for something of ours is declared in the ontology, as what it is used for."""
    declared = {
        str(row["term"])
        for row in rows(
            graph,
            f"SELECT ?term WHERE {{ GRAPH <{GRAPH}ontology> {{ ?term a ?kind }} VALUES ?kind {{"
            " owl:Class owl:ObjectProperty owl:DatatypeProperty owl:AnnotationProperty } }",
        )
    }
    ours = {iri for iri in named(context) if iri.startswith(DG)}
    assert ours - declared == set()
    properties = {iri for iri in declared if iri.startswith(DG) and iri[len(DG)].islower()}
    assert properties - named(context) == set()


def test_the_context_file_must_be_a_context(tmp_path: Path) -> None:
    """A file that is broken, or holds no context, is refused with its path."""
    path = tmp_path / "context.jsonld"
    for text in ("{", "[]", '{"context": {}}'):
        path.write_text(text)
        with pytest.raises(jsonld.JsonLdError, match=r"context\.jsonld"):
            jsonld.Context.load(path, PUBLISHED)
