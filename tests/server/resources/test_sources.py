"""The sources are served as a list for people and as records for reference managers."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

import kg
from kg.curation.citations import as_bibtex, as_csl_json, citations

CSL_JSON = "application/vnd.citationstyles.csl+json"
BIBTEX = "application/x-bibtex"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, CSL_JSON),
        ("*/*", CSL_JSON),
        (CSL_JSON, CSL_JSON),
        ("application/json", CSL_JSON),
        (BIBTEX, BIBTEX),
        ("text/x-bibtex", BIBTEX),
        ("text/plain", BIBTEX),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        (f"{BIBTEX};q=0.5, {CSL_JSON};q=0.4", BIBTEX),
    ],
)
def test_the_accept_header_chooses(
    client: FlaskClient, accept: str | None, media_type: str
) -> None:
    """A client gets the records in the format that it asks for."""
    response = client.get("/sources", headers={"Accept": accept} if accept else {})

    assert response.status_code == 200
    assert response.mimetype == media_type
    assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("csl-json", CSL_JSON),
        ("json", CSL_JSON),
        ("bibtex", BIBTEX),
        ("bib", BIBTEX),
        ("html", "text/html"),
    ],
)
def test_the_format_can_be_named(client: FlaskClient, name: str, media_type: str) -> None:
    """The parameter `format` decides against the Accept header."""
    response = client.get(f"/sources?format={name}", headers={"Accept": "text/turtle"})

    assert response.mimetype == media_type


def test_the_records_are_those_of_the_library(
    client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """Both formats hold every source, as the library writes it."""
    records = citations(graph.engine)

    assert client.get("/sources?format=csl-json").text == as_csl_json(records)
    assert client.get("/sources?format=bibtex").text == as_bibtex(records)


def test_the_page_lists_every_source_and_leads_to_it(
    client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """Each source has a link to its own page, and the downloads are offered."""
    page = client.get("/sources", headers={"Accept": "text/html"}).text

    for record in citations(graph.engine):
        assert f'href="/id/source/{record.key}"' in page
    assert 'href="/sources?format=bibtex"' in page
    assert 'href="/sources?format=csl-json"' in page
    assert 'href="/sources"' in client.get("/").text


def test_single_sources_can_be_asked_for(client: FlaskClient) -> None:
    """The parameter `key`, which may be repeated, names the sources that are wanted."""
    response = client.get("/sources?format=csl-json&key=NANNI1998&key=DERIVED")

    assert [item["id"] for item in json.loads(response.text)] == ["NANNI1998", "DERIVED"]
    page = client.get("/sources?key=NANNI1998", headers={"Accept": "text/html"}).text
    assert 'href="/sources?key=NANNI1998&amp;format=bibtex"' in page


def test_the_page_of_a_source_offers_its_citation(client: FlaskClient) -> None:
    """Who reads about a source can cite it from there."""
    page = client.get("/id/source/NANNI1998", headers={"Accept": "text/html"}).text

    assert 'href="/sources?key=NANNI1998&amp;format=bibtex"' in page
    assert client.get("/sources?key=NANNI1998&format=bibtex").text.count("@") == 1


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("key=NANNI1988", "key"), ("format=ris", "format"), ("author=Nanni", "author")],
)
def test_what_cannot_be_given_is_refused(client: FlaskClient, query: str, parameter: str) -> None:
    """An unknown key, format or parameter is a 400 that names it and what would do."""
    response = client.get(f"/sources?{query}")

    problem = response.get_json()
    assert response.status_code == 400
    assert problem["parameter"] == parameter
    assert problem["hint"]


def test_an_unknown_key_comes_with_what_is_near(client: FlaskClient) -> None:
    """A misspelt key leads to the right one."""
    assert "NANNI1998" in client.get("/sources?key=NANNI1988").get_json()["near"]


def test_nothing_else_is_on_offer(client: FlaskClient) -> None:
    """A type that is not there is a 406 that lists those that are."""
    response = client.get("/sources", headers={"Accept": "application/pdf"})

    assert response.status_code == 406
    assert response.get_json()["available"] == [CSL_JSON, BIBTEX, "text/html"]


def test_what_the_client_has_is_not_sent_again(client: FlaskClient) -> None:
    """The records have an entity tag, by which a client asks for news only."""
    tag = client.get("/sources").headers["ETag"]

    assert client.get("/sources", headers={"If-None-Match": tag}).status_code == 304
    assert client.get("/sources?format=bibtex").headers["ETag"] != tag
