"""The endpoint describes itself in RDF, and what it says is true."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from rdflib import RDF, RDFS, SH, VOID, Graph, Literal, Namespace, URIRef

import kg
from kg.engine import FunctionMisused
from kg.physics.functions import functions_over
from kg.rdf.namespaces import WIDER
from server import create_app
from server.protocol.negotiation import RDF as RDF_OFFERS
from server.protocol.negotiation import REPRESENTATIONS, Representation

SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
ENDPOINT = URIRef("http://localhost/sparql")


@pytest.fixture
def description(client: FlaskClient) -> Graph:
    """Return the description that a bare GET yields."""
    return Graph().parse(data=client.get("/sparql").text, format="turtle")


def test_it_names_the_endpoint_and_what_it_does(description: Graph) -> None:
    """The service, its address, language and features are stated."""
    assert (ENDPOINT, RDF.type, SD.Service) in description
    assert (ENDPOINT, SD.endpoint, ENDPOINT) in description
    assert (ENDPOINT, SD.supportedLanguage, SD.SPARQL11Query) in description
    assert not list(description.objects(ENDPOINT, SD.feature))  # a graph is outside the union
    assert not list(description.objects(None, SD.inputFormat))


def test_it_names_every_format_of_results(description: Graph) -> None:
    """Each format that the engine writes is stated, and no other."""
    written = [each for each in REPRESENTATIONS if each.format is not None]

    stated = set(description.objects(ENDPOINT, SD.resultFormat))

    assert len(written) == len(stated)
    assert all(str(iri).startswith("http://www.w3.org/ns/formats/") for iri in stated)


def test_it_counts_the_triples_of_every_graph(description: Graph, graph: kg.KnowledgeGraph) -> None:
    """The named graphs and their sizes are those of the dataset."""
    rows: Any = graph.query("SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g")
    [dataset] = description.objects(ENDPOINT, SD.defaultDataset)

    stated = {
        description.value(node, SD.name): description.value(
            description.value(node, SD.graph), VOID.triples
        )
        for node in description.objects(dataset, SD.namedGraph)
    }

    assert {row["g"]: Literal(row["n"]) for row in rows} == stated
    default = description.value(dataset, SD.defaultGraph)
    total_rows: Any = graph.query("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    [total] = total_rows
    assert Literal(total["n"]) == description.value(default, VOID.triples)
    apart: Any = stated[URIRef(WIDER)]
    assert Literal(total["n"] + apart.toPython()) == description.value(dataset, VOID.triples)
    said = description.value(default, RDFS.comment)
    assert str(said) == f"The union of all graphs but {WIDER}."


def test_it_declares_prefixes_for_editors(description: Graph) -> None:
    """Query editors find prefix and namespace as `sh:declare` has them."""
    declared = {
        str(description.value(node, SH.prefix)): str(description.value(node, SH.namespace))
        for node in description.objects(ENDPOINT, SH.declare)
    }

    assert declared["dg"] == "https://w3id.org/dermograph/ontology/"


def test_it_names_every_function_that_can_be_called(
    description: Graph, graph: kg.KnowledgeGraph
) -> None:
    """The extension functions are stated with label and comment, and can be called."""
    stated = set(description.objects(ENDPOINT, SD.extensionFunction))

    assert {str(function) for function in stated} == set(functions_over(graph.engine))
    for function in stated:
        assert (function, RDF.type, SD.Function) in description
        assert description.value(function, RDFS.label)
        assert description.value(function, RDFS.comment)
        with pytest.raises(FunctionMisused, match="arguments"):
            graph.query(f"SELECT (<{function}>() AS ?x) {{}}")


@pytest.mark.parametrize("offer", RDF_OFFERS, ids=lambda offer: offer.name)
def test_it_is_the_same_graph_in_every_format(
    client: FlaskClient, description: Graph, offer: Representation
) -> None:
    """Each RDF format holds the same triples, without blank nodes."""
    response = client.get("/sparql", headers={"Accept": offer.media_type})
    by_name = client.get(f"/sparql?format={offer.name}")

    parsed = Graph()
    names = {"ntriples": "nt", "rdfxml": "xml", "jsonld": "json-ld"}
    parsed.parse(data=response.text, format=names.get(offer.name, offer.name))
    assert set(description) == set(parsed)
    assert response.data == by_name.data


def test_it_gives_the_public_address(graph: kg.KnowledgeGraph) -> None:
    """Behind a proxy the endpoint is where clients reach it."""
    client = create_app({"PUBLIC_URL": "https://dermograph.example"}, graph).test_client()

    text = client.get("/sparql", headers={"Accept": "application/n-triples"}).text

    assert "<https://dermograph.example/sparql>" in text
    assert "localhost" not in text


def test_the_page_carries_the_description(client: FlaskClient) -> None:
    """A browser gets a form, and programs that read pages get the description as JSON-LD."""
    page = client.get("/sparql", headers={"Accept": "text/html"}).text
    _, _, rest = page.partition('<script type="application/ld+json">')

    embedded = Graph().parse(data=rest.partition("</script>")[0], format="json-ld")

    assert (ENDPOINT, RDF.type, SD.Service) in embedded
    assert '<textarea id="query" name="query"' in page


def test_the_well_known_address_of_void_leads_to_the_dataset(client: FlaskClient) -> None:
    """`/.well-known/void` redirects to the description of the dataset."""
    response = client.get("/.well-known/void")

    assert (response.status_code, response.location) == (303, "http://localhost/id/dataset")
