"""The description of a resource: what it holds, and that every statement leads to its source."""

from __future__ import annotations

import gc
import json
import weakref
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import RdfFormat, parse, serialize
from rdflib import RDF, RDFS, Graph, URIRef

import kg
from kg import results
from kg.engine import Answer, Format, Query, ResultKind
from kg.engine.dataset import DefaultGraph
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf import formats
from kg.rdf.namespaces import BASE, DG, DGD, GRAPH, ONTOLOGY, PREFIXES, expand
from kg.releases.dataset_spec import DatasetSpec
from kg.resources import lookup
from kg.resources.lookup import Found
from kg.resources.neighbourhood import Neighbourhood, Node
from kg.results import Rows

CONCEPT: Final = DG + "CO2LaserResurfacing"
CLAIM: Final = DGD + "claim/B0001"


@cache
def shipped() -> kg.KnowledgeGraph:
    """Return the shipped knowledge; generated examples share it, as they cannot have fixtures."""
    return kg.load()


@pytest.fixture
def graph() -> kg.KnowledgeGraph:
    """Return the shipped knowledge."""
    return shipped()


def rows(graph: kg.KnowledgeGraph, text: str) -> Rows:
    """Ask the graph for rows."""
    found = graph.query(results.prologue() + text)
    assert isinstance(found, Rows)
    return found


def described(graph: kg.KnowledgeGraph, iri: str, written: Format = formats.NTRIPLES) -> Graph:
    """Return the description of a resource."""
    answer = lookup.describe(graph.engine, Found(iri), written)
    return Graph().parse(data=answer.body, format=answer.format.media_type)


def term(short: str) -> URIRef:
    """Return the IRI for a short form."""
    return URIRef(expand(short))


def test_every_triple_about_the_resource_is_in_its_description(graph: kg.KnowledgeGraph) -> None:
    """Nothing that is stated with the resource as subject, in whatever graph, is left out."""
    for iri in (CONCEPT, CLAIM, ONTOLOGY, DG + "hasRisk", DGD + "extraction-confidence/low"):
        stated = rows(graph, f"SELECT DISTINCT ?p ?o WHERE {{ GRAPH ?g {{ <{iri}> ?p ?o }} }}")
        assert len(list(described(graph, iri).triples((URIRef(iri), None, None)))) == len(stated)


def test_what_a_resource_points_to_is_named(graph: kg.KnowledgeGraph) -> None:
    """Each thing of ours that a concept or a claim points to comes with kind and name."""
    for iri in (CONCEPT, CLAIM):
        description = described(graph, iri)
        for _, property_, value in description.triples((URIRef(iri), None, None)):
            if property_ != RDF.type and str(value).startswith(BASE):
                assert (value, RDF.type, None) in description
                names = (RDFS.label, term("dcterms:title"))
                assert any((value, name, None) in description for name in names), value


def test_every_claim_about_a_concept_comes_with_its_source(graph: kg.KnowledgeGraph) -> None:
    """All claims about a concept are there, and each leads to the title of its source."""
    description = described(graph, CONCEPT)
    claims = {str(each) for each in description.subjects(term("dg:subject"), URIRef(CONCEPT))}
    stated = rows(graph, f"SELECT ?claim WHERE {{ ?claim dg:subject <{CONCEPT}> }}")
    assert claims == {str(row["claim"]) for row in stated}
    for claim in claims:
        (source, *_) = description.objects(URIRef(claim), term("prov:wasDerivedFrom"))
        assert description.value(source, term("dcterms:title"))


def test_every_plain_edge_leads_to_its_rule_and_sources(graph: kg.KnowledgeGraph) -> None:
    """For each risk there is a derivation that names the rule and claims, and these their source."""
    description = described(graph, CONCEPT)
    risks = set(description.objects(URIRef(CONCEPT), term("dg:hasRisk")))
    assert risks
    for risk in risks:
        derivations = [
            each
            for each in description.subjects(term("rdf:object"), risk)
            if (each, term("rdf:predicate"), term("dg:hasRisk")) in description
        ]
        assert derivations
        for derivation in derivations:
            assert description.value(derivation, term("dg:rule"))
            for claim in description.objects(derivation, term("prov:wasDerivedFrom")):
                source = description.value(claim, term("prov:wasDerivedFrom"))
                assert description.value(source, term("dcterms:title"))


def test_a_source_lists_what_was_taken_from_it(graph: kg.KnowledgeGraph) -> None:
    """The description of a source has all claims that cite it."""
    (row,) = rows(
        graph,
        "SELECT ?source (COUNT(?claim) AS ?number) WHERE "
        "{ ?claim dg:predicate ?p ; prov:wasDerivedFrom ?source } "
        "GROUP BY ?source ORDER BY DESC(?number) LIMIT 1",
    )
    description = described(graph, str(row["source"]))
    taken = description.subjects(term("prov:wasDerivedFrom"), URIRef(str(row["source"])))
    claims = [each for each in taken if (each, term("dg:predicate"), None) in description]
    assert len(claims) == row["number"]


def test_a_spectrum_has_its_points(graph: kg.KnowledgeGraph) -> None:
    """The description of a spectrum has each of its points, with its wavelength."""
    spectrum = DGD + "spectrum/water-hale-querry-1973"
    description = described(graph, spectrum)
    points = list(description.subjects(term("dg:spectrum"), URIRef(spectrum)))
    stated = rows(graph, f"SELECT ?point WHERE {{ ?point dg:spectrum <{spectrum}> }}")
    assert len(points) == len(stated) > 100
    assert all(description.value(each, term("dg:wavelengthInNanometre")) for each in points)


def test_a_concept_has_its_direct_subclasses_only(graph: kg.KnowledgeGraph) -> None:
    """A wide concept does not drag in everything below it."""
    top = DG + "Procedure"
    below = set(described(graph, top).subjects(RDFS.subClassOf, URIRef(top)))
    assert term("dg:SkinResurfacing") in below
    assert term("dg:CO2LaserResurfacing") not in below


@pytest.mark.parametrize(
    "written",
    [formats.TURTLE, formats.NQUADS, formats.TRIG, formats.RDFXML, formats.JSONLD],
    ids=lambda written: str(written.name),
)
def test_all_formats_carry_the_same_triples(graph: kg.KnowledgeGraph, written: Format) -> None:
    """A description is the same graph whatever it is written in."""
    expected = described(graph, CONCEPT)
    answer = lookup.describe(graph.engine, Found(CONCEPT), written)
    assert set(read(answer.body, answer.format)) == set(expected)


def read(body: bytes, written: Format) -> Graph:
    """Read any RDF format; rdflib has no reader of its own for a graph in N-Quads or TriG."""
    kind = RdfFormat.from_media_type(written.media_type)
    ntriples = serialize((quad.triple for quad in parse(body, format=kind)), format=_NTRIPLES)
    assert ntriples is not None
    return Graph().parse(data=ntriples, format="nt")


_NTRIPLES: Final = RdfFormat.N_TRIPLES


def test_a_description_is_the_same_bytes_every_time(graph: kg.KnowledgeGraph) -> None:
    """Asking twice gives the same document."""
    first, second = (
        lookup.describe(graph.engine, Found(CONCEPT), formats.TURTLE).body for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("iri", [ONTOLOGY, DG, ONTOLOGY + "/0.1.0"])
def test_the_ontology_is_found_in_every_spelling(graph: kg.KnowledgeGraph, iri: str) -> None:
    """Its IRI with and without slash, and its version IRI, stand for the whole ontology."""
    assert lookup.find(graph.engine, iri) == Found(ONTOLOGY, GRAPH + "ontology")


def test_graphs_and_records_are_found_and_nothing_else(graph: kg.KnowledgeGraph) -> None:
    """A named graph stands for its triples, a record for its description, a guess for nothing."""
    engine = graph.engine
    assert lookup.find(engine, GRAPH + "claims") == Found(GRAPH + "claims", GRAPH + "claims")
    assert lookup.find(engine, CLAIM) == Found(CLAIM)
    assert lookup.find(engine, CLAIM + "/") is None
    assert lookup.find(engine, GRAPH + "nothing") is None
    assert lookup.find(engine, ONTOLOGY + "/0.0.9") is None


def test_the_whole_graph_is_given_for_the_ontology(graph: kg.KnowledgeGraph) -> None:
    """The document of the ontology has every triple of its named graph."""
    found = lookup.find(graph.engine, ONTOLOGY)
    assert found is not None
    answer = lookup.describe(graph.engine, found, formats.NTRIPLES)
    (row,) = rows(
        graph, f"SELECT (COUNT(*) AS ?n) WHERE {{ GRAPH <{GRAPH}ontology> {{ ?s ?p ?o }} }}"
    )
    assert answer.body.count(b"\n") == row["n"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (DG + "Erythma", DG + "Erythema"),
        (DG + "erythema", DG + "Erythema"),
        (DG + "co2_laser_resurfacing", DG + "CO2LaserResurfacing"),
        (DGD + "Hyperpigmentation", DG + "Hyperpigmentation"),
        (DGD + "source/NANI1998", DGD + "source/NANNI1998"),
        (DGD + "claim/B0001/", CLAIM),
    ],
)
def test_a_misspelt_iri_leads_to_the_one_that_is_meant(
    graph: kg.KnowledgeGraph, asked: str, meant: str
) -> None:
    """Case, separators, a letter or the wrong folder do not hide what is meant."""
    assert graph.names.near(asked)[0].iri == meant


def test_a_number_that_nothing_has_leads_nowhere(graph: kg.KnowledgeGraph) -> None:
    """A number of a claim that does not exist is no misspelling of a wavelength with such digits."""
    assert graph.names.near(DGD + "claim/B9999") == []
    assert {each.iri for each in graph.names.near(DGD + "claim/375")} == {
        DGD + "claim/A0375",
        DGD + "claim/B0375",
    }


class Counting(InProcessEngine):
    """An engine that counts what it is asked."""

    asked = 0

    def run(self, query: Query) -> Answer:
        """Count, and answer."""
        self.asked += 1
        return super().run(query)


@pytest.mark.parametrize("default_graph", DefaultGraph)
def test_names_are_asked_for_once(tmp_path: Path, default_graph: DefaultGraph) -> None:
    """Whatever the default graph is; and an engine is held by nobody when its graph is gone."""
    path = tmp_path / "names.trig"
    path.write_text(f'<urn:g> {{ <{DG}Erythema> <{RDFS.label}> "erythema" }}')
    spec = DatasetSpec.of_files([path], default_graph)
    engine = Counting(spec.data)
    served = spec.over(engine)
    for _ in range(3):
        assert [each.label for each in served.names.near(DG + "Eritema")] == ["erythema"]
    asked = engine.asked
    gone = weakref.ref(engine)
    del served, engine
    gc.collect()

    assert gone() is None
    assert asked == 4  # the release, the names, what they are names of, and where IRIs stand


def test_an_empty_answer_of_other_data_asks_nothing_more(tmp_path: Path) -> None:
    """Whatever it names: to make an index of all names there may take very long."""
    path = tmp_path / "names.ttl"
    path.write_text(f'<{DG}Erythema> <{RDFS.label}> "erythema" .')
    spec = DatasetSpec.of_files([path], DefaultGraph.UNION)
    engine = Counting(spec.data)
    served = spec.over(engine)
    before = engine.asked

    rows = served.query(f"SELECT * {{ ?s <{DG}hasRiskk> ?o }}")

    assert isinstance(rows, kg.Rows)
    assert (list(rows), rows.notes) == ([], ())
    assert engine.asked == before + 1


@settings(max_examples=settings().max_examples // 4)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=80))
def test_any_name_can_be_looked_for(text: str) -> None:
    """Whatever is asked for, similar names are a short list of what there is."""
    graph = shipped()
    near = graph.names.near(DG + text)
    assert len(near) <= 5
    assert all(lookup.find(graph.engine, name.iri) for name in near)


def test_a_node_reads_its_surroundings(graph: kg.KnowledgeGraph) -> None:
    """Values, names and what points back are read in short forms."""
    claim = lookup.look_up(graph.engine, CLAIM)
    assert claim.is_a("dg:ClassificationClaim")
    assert claim.text("dcterms:identifier") == "B0001"
    (subject,) = claim.nodes("dg:subject")
    assert subject.name == "ablative laser resurfacing"
    assert claim in subject.back("dg:subject")
    assert claim.one("dg:value") is None
    assert claim["dg:value"] == []
    assert Node("https://elsewhere.example/x", claim.around).name == "https://elsewhere.example/x"


def test_the_json_of_an_answer_is_what_a_node_is_read_from() -> None:
    """Language tags and datatypes of literals are kept."""
    row = {
        "subject": {"type": "uri", "value": DG + "x"},
        "property": {"type": "uri", "value": PREFIXES["rdfs"] + "label"},
        "value": {"type": "literal", "value": "water", "xml:lang": "en"},
    }
    body = json.dumps({"head": {"vars": list(row)}, "results": {"bindings": [row]}}).encode()
    answer = Answer(ResultKind.SOLUTIONS, formats.JSON, body, "1", repeatable=True, seconds=0.0)
    (label,) = Node(DG + "x", Neighbourhood.read(answer))["rdfs:label"]
    assert label.n3() == '"water"@en'  # type: ignore[union-attr]
