"""The collections: all things of a kind, each once, to filter, to page through, and as JSON-LD."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any, Final

import pytest
from flask.testing import FlaskClient
from pyld.jsonld import to_rdf
from pyoxigraph import RdfFormat, parse

import kg
from kg.rdf import jsonld
from kg.results import prologue, select
from server import create_app

NAMES: Final = tuple(kg.load().catalogue.collections)


@pytest.fixture(scope="module")
def client(graph: kg.KnowledgeGraph) -> FlaskClient:
    """Return a client of the service."""
    return create_app({}, graph).test_client()


def got(client: FlaskClient, address: str) -> Any:
    """Return a document in plain JSON."""
    response = client.get(address)
    assert response.status_code == 200, response.text
    return response.get_json()


def all_rows(client: FlaskClient, address: str) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    rows: list[dict[str, Any]] = []
    while address:
        page = got(client, address)
        rows += page["rows"]
        address = page["links"]["next"]
    assert len(rows) == page["count"]
    return rows


def test_each_collection_is_listed_with_its_filters(client: FlaskClient) -> None:
    """The list leads to each, says what it holds, and by what it is filtered."""
    listed = got(client, "/collections")["collections"]
    assert [each["name"] for each in listed] == list(NAMES)
    for each in listed:
        assert each["description"]
        assert got(client, each["answer"])["rows"]
    page = client.get("/collections", headers={"Accept": "text/html"})
    assert 'href="/collections/procedures"' in page.text


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_has_each_thing_once_in_every_format(client: FlaskClient, name: str) -> None:
    """Pages of plain JSON have together what the table has, and each page is light."""
    rows = all_rows(client, f"/collections/{name}")
    assert max(Counter(row["id"] for row in rows).values()) == 1
    table = list(csv.DictReader(io.StringIO(client.get(f"/collections/{name}.csv").text)))
    assert [row["id"] for row in table] == [row["id"] for row in rows]
    assert len(client.get(f"/collections/{name}").data) < 80_000
    assert client.get(f"/collections/{name}.html").status_code == 200


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("procedures", "?id rdfs:subClassOf dg:Procedure"),
        ("conditions", "?id dg:usedAsIndication true"),
        ("adverse-events", "?id dg:usedAsAdverseEvent true"),
        ("energy-sources", "?id rdfs:subClassOf dg:EnergySource"),
        ("devices", "?id rdfs:subClassOf dg:Device"),
        ("care-measures", "?id rdfs:subClassOf dg:CareMeasure"),
        ("tissues", "?id rdfs:subClassOf dg:AnatomicalEntity"),
        ("substances", "?id rdfs:subClassOf dg:BodyConstituent"),
        ("scales", "?id rdfs:subClassOf dg:AssessmentScale"),
        ("studies", "?id a dg:Study"),
        ("sources", "?id a dg:Source"),
        ("claims", "?id dg:subject ?of FILTER NOT EXISTS { ?id a dg:FoundingTextStatement }"),
        ("disagreements", "?id a dg:Disagreement"),
        ("gaps", "?id a dg:EvidenceGap"),
    ],
)
def test_a_collection_leaves_nothing_out(
    client: FlaskClient, graph: kg.KnowledgeGraph, name: str, pattern: str
) -> None:
    """It has all that the graph has of its kind; of claims the founding text makes none."""
    there = select(graph.engine, prologue() + f"SELECT DISTINCT ?id {{ {pattern} }}")
    listed = {row["id"] for row in all_rows(client, f"/collections/{name}?limit=5000")}
    assert listed == {str(row["id"]) for row in there}


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_is_json_ld_that_says_what_the_graph_says(
    client: FlaskClient, graph: kg.KnowledgeGraph, name: str
) -> None:
    """What its rows state as JSON-LD is in the graph, and a label or identifier is among it."""
    document = got(client, f"/collections/{name}?limit=20")
    context = jsonld.Context.published("http://localhost")
    assert document["@context"][0] == context.iri
    read = to_rdf(document, {**context.options, "format": "application/n-quads"})
    triples = [quad.triple for quad in parse(read.encode(), format=RdfFormat.N_QUADS)]
    assert {str(each.subject)[1:-1] for each in triples} >= {row["id"] for row in document["rows"]}
    values = " ".join(f"({each.subject} {each.predicate} {each.object})" for each in triples)
    text = f"SELECT * {{ VALUES (?s ?p ?o) {{ {values} }} FILTER NOT EXISTS {{ ?s ?p ?o }} }}"
    assert select(graph.engine, text) == []


@pytest.mark.parametrize(
    ("address", "has", "lacks"),
    [
        ("procedures?condition=melasma", "FractionalCO2LaserResurfacing", "Dermabrasion"),
        ("procedures?energy_source=CO2+laser", "FractionalCO2LaserResurfacing", "Dermabrasion"),
        ("adverse-events?procedure=FractionalCO2LaserResurfacing", "Erythema", "Paradoxical"),
        ("energy-sources?chromophore=water", "CO2Laser", "AlexandriteLaser"),
        ("studies?condition=melasma", "study/", "study/WARD2008"),
        ("claims?source=WARD2008", "claim/B0407", "claim/B0406"),
        ("claims?about=hypopigmentation", "claim/B0406", "claim/A0001"),
        ("disagreements?about=hypopigmentation", "disagreement/C02", "disagreement/C01"),
        ("gaps?about=laser+skin+resurfacing", "gap/G05", "gap/G01"),
    ],
)
def test_a_collection_is_filtered_by_what_its_rows_hold(
    client: FlaskClient, address: str, has: str, lacks: str
) -> None:
    """Parameters take names as those of canned queries do."""
    iris = " ".join(row["id"] for row in all_rows(client, f"/collections/{address}"))
    assert has in iris
    assert lacks not in iris


def test_a_collection_is_sorted_and_cut(client: FlaskClient) -> None:
    """As every answer in plain JSON."""
    rows = got(client, "/collections/procedures?sort=-claim_count&fields=id,claim_count&limit=3")
    numbers = [row["claim_count"] for row in rows["rows"]]
    assert numbers == sorted(numbers, reverse=True)
    assert set(rows["rows"][0]) == {"id", "claim_count"}


def test_what_is_no_collection_is_not_found(client: FlaskClient) -> None:
    """Nor is a format that there is none of."""
    for path in ("/collections/lasers", "/collections/devices.xlsx"):
        assert client.get(path).status_code == 404
    assert client.get("/collections/device").get_json()["near"] == ["/collections/devices"]


def test_programs_find_what_there_is_from_the_front_door(client: FlaskClient) -> None:
    """A catalogue of the API, at the front door and where clients look for it; all leads somewhere."""
    catalogue = got(client, "/.well-known/api-catalog")
    front = client.get("/", headers={"Accept": "application/json"})
    assert front.get_json() == catalogue
    assert front.content_type.startswith("application/linkset+json")
    assert 'rel="api-catalog"' in client.get("/").headers["Link"]
    links = [
        link["href"]
        for context in catalogue["linkset"]
        for relation, targets in context.items()
        if relation not in ("anchor", "license")
        for link in targets
    ]
    assert "http://localhost/collections" in links
    for each in links:
        assert client.get(each, headers={"Accept": "*/*"}).status_code == 200, each


def test_json_of_a_collection_is_what_the_api_document_says(client: FlaskClient) -> None:
    """Each collection is described with its rows, its filters and its pages."""
    paths = got(client, "/openapi.json")["paths"]
    for name in NAMES:
        operation = json.dumps(paths[f"/collections/{name}"]["get"])
        assert "page.cursor" in operation
        assert "Answer" in operation
