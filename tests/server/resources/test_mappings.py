"""The mappings are published at their IRI: as SSSOM, as a page, and described in RDF."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from rdflib import Graph, Literal, URIRef

from kg.builder.read.mappings import TABLE
from kg.builder.read.tables import TableRow, read_table
from kg.rdf.namespaces import DGD, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.cli import main

_FILE = (ONTOLOGY_FOLDER / TABLE).read_bytes()
_BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
_TSV = "text/tab-separated-values"


def _found() -> list[TableRow]:
    """Return the rows that map, which are all but those that tell of a search in vain."""
    rows = read_table(ONTOLOGY_FOLDER, TABLE).rows
    return [row for row in rows if row.cells.get("object_id")]


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/mappings", None, _TSV),
        ("/mappings", "*/*", _TSV),
        ("/mappings", "text/plain", _TSV),
        ("/mappings", _BROWSER, "text/html"),
        ("/mappings?format=sssom", _BROWSER, _TSV),
        ("/mappings?format=html", None, "text/html"),
        ("/id/mappings", None, "text/turtle"),
        ("/id/mappings", "application/ld+json", "application/ld+json"),
        ("/id/mappings", _TSV, _TSV),
        ("/id/mappings", _BROWSER, "text/html"),
        ("/id/mappings?format=tsv", None, _TSV),
        ("/id/mappings.sssom.tsv", _BROWSER, _TSV),
        ("/id/mappings.tsv", None, _TSV),
        ("/id/mappings.ttl", _BROWSER, "text/turtle"),
        ("/id/mappings.html", None, "text/html"),
    ],
)
def test_every_address_gives_what_is_asked_for(
    client: FlaskClient, path: str, accept: str | None, media_type: str
) -> None:
    """By the Accept header, by the parameter `format`, by the suffix of the path."""
    response = client.get(path, headers={"Accept": accept} if accept else {})

    assert (response.status_code, response.mimetype) == (200, media_type)
    assert response.headers["ETag"]


@pytest.mark.parametrize(
    "path", ["/mappings", "/id/mappings.sssom.tsv", "/id/mappings?format=sssom"]
)
def test_the_table_is_the_published_file(client: FlaskClient, path: str) -> None:
    """Byte by byte, under its file name."""
    response = client.get(path)

    assert response.data == _FILE
    assert response.headers["Content-Disposition"] == 'attachment; filename="dermograph.sssom.tsv"'
    assert f'<{DGD}mappings>; rel="canonical"' in response.headers["Link"]


def test_the_identifier_in_the_file_leads_to_the_file(client: FlaskClient) -> None:
    """The IRI of the mapping set is ours, and what is described there is the table as it is."""
    table = read_table(ONTOLOGY_FOLDER, TABLE)
    mapping_set = URIRef(table.metadata["mapping_set_id"])
    response = client.get(f"/{mapping_set.removeprefix('https://w3id.org/dermograph/')}")
    described = Graph().parse(data=response.text, format="turtle")

    number = described.value(mapping_set, URIRef(PREFIXES["void"] + "triples"))
    assert number == Literal(len(_found()))
    licence = URIRef(table.metadata["license"])
    assert (mapping_set, URIRef(PREFIXES["dcterms"] + "license"), licence) in described
    assert '/id/mappings.sssom.tsv>; rel="alternate"' in response.headers["Link"]


def test_the_page_shows_every_mapping(client: FlaskClient) -> None:
    """With its number, the licence, the downloads, and links to both sides."""
    page = client.get("/mappings", headers={"Accept": "text/html"}).text
    found = _found()

    assert page.count("<tr><td>") == len(found)
    assert f"{len(found)} relations" in page
    for match in found[:: len(found) // 20]:
        assert f'<a href="{match.triples[0][2]}">{match.cells["object_id"]}</a>' in page
    assert '<a href="/ontology/Erythema">erythema</a>' in page
    assert 'href="https://creativecommons.org/licenses/by/4.0/"' in page
    assert 'href="/id/mappings.sssom.tsv"' in page
    assert 'href="/queries/terms-to-propose/answer"' in page
    assert 'href="/mappings"' in client.get("/").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mappings?format=turtle", 400),
        ("/mappings?concept=Erythema", 400),
        ("/id/mappings.tsv?format=html", 400),
        ("/id/mappings.ttl?format=html", 400),
        ("/id/mappings.pdf", 404),
    ],
)
def test_what_cannot_be_given_is_refused(client: FlaskClient, path: str, status: int) -> None:
    """With a problem document that says what would do."""
    response = client.get(path)

    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert response.get_json()["detail"]


def test_other_manners_are_those_of_the_service(client: FlaskClient) -> None:
    """HEAD, a tag that is known, a type that is not there, a method that is not possible."""
    tag = client.get("/mappings").headers["ETag"]

    head = client.head("/id/mappings", headers={"Accept": _TSV})
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(_FILE))
    assert head.headers["Content-Location"].endswith("/id/mappings.sssom.tsv")
    assert client.get("/mappings", headers={"If-None-Match": tag}).status_code == 304
    refused = client.get("/mappings", headers={"Accept": "application/pdf"})
    assert refused.get_json()["available"] == [_TSV, "text/html"]
    assert client.post("/mappings").status_code == 405


def test_the_command_line_gives_the_same() -> None:
    """`dermograph mappings` prints the file, or lines for reading."""

    def printed(*arguments: str) -> bytes:
        ended = CliRunner().invoke(main, ["mappings", *arguments])
        assert ended.exit_code == 0, ended.output
        return ended.stdout_bytes

    assert printed("--format", "tsv") == _FILE
    lines = printed().decode().splitlines()
    assert len(lines) == len(_found())
    assert "erythema  skos:exactMatch  HP:0010783  Erythema" in lines
