"""Search over HTTP and on the command line."""

from __future__ import annotations

import csv
import io

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from kg.rdf.namespaces import DG
from server.cli import main


def test_a_search_tells_what_was_found_and_by_which_name(client: FlaskClient) -> None:
    """With the kinds that there are, which narrow it down."""
    found = client.get("/search?q=wrinkles").get_json()

    first = found["results"][0]
    assert first["id"] == f"{DG}Rhytid"
    assert (first["name"], first["field"], first["highlights"]) == ("wrinkle", "lay word", [[0, 7]])
    assert first["url"].endswith("/ontology/Rhytid")
    assert client.get(first["url"]).status_code == 200
    assert found["count"] == sum(found["kinds"].values()) >= len(found["results"]) == 20
    outcomes = client.get("/search?q=wrinkles&kind=outcome&limit=500").get_json()
    assert {each["kind"] for each in outcomes["results"]} == {"outcome"}
    assert len(outcomes["results"]) == outcomes["count"] == found["kinds"]["outcome"]


def test_a_search_is_a_table_and_a_page_too(client: FlaskClient) -> None:
    """With the same things in the same order; what is not found says what to do."""
    wanted = [each["id"] for each in client.get("/search?q=CO2").get_json()["results"]]
    table = csv.DictReader(io.StringIO(client.get("/search?q=CO2&format=csv").text))
    page = client.get("/search?q=brown+spots&format=html").text

    assert [row["id"] for row in table] == wanted
    assert '<a href="http://localhost/ontology/SolarLentigo">solar lentigo</a>' in page
    assert "<mark>brown</mark> <mark>spots</mark>" in page
    assert "Nothing here is called" in client.get("/search?q=zzzz&format=html").text
    assert "&lt;b&gt;" in client.get("/search?q=<b>&format=html").text


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("/search?q=co2&limit=0", "limit"),
        ("/search?q=co2&limit=501", "limit"),
        ("/search?q=co2&limit=ten", "limit"),
        ("/search?q=co2&limit=0000000000501", "limit"),
        ("/search?q=co2&kind=planet", "kind"),
        ("/suggest?q=co2&limit=51", "limit"),
    ],
)
def test_what_no_search_has_is_refused(client: FlaskClient, address: str, parameter: str) -> None:
    """A limit out of range, or a kind that there is not, is an error that says so."""
    response = client.get(address)

    assert response.status_code == 400
    assert response.get_json()["parameter"] == parameter


def test_a_kind_of_which_nothing_was_found_has_no_results(client: FlaskClient) -> None:
    """It is a kind all the same."""
    response = client.get("/search?q=co2&kind=retraction+status")

    assert response.get_json()["count"] == 0


def test_suggestions_come_as_one_types(client: FlaskClient) -> None:
    """The beginning of a word is enough, and only names are suggested, no text."""
    found = client.get("/suggest?q=hyperpig").get_json()["suggestions"]

    assert found[0]["label"] == "hyperpigmentation"
    assert len(found) == 8
    assert not {each["field"] for each in found} & {"definition", "title", "author"}
    assert client.get("/suggest?q=").get_json()["suggestions"] == []


def test_the_command_line_searches() -> None:
    """A line for each thing, with the name that was found."""
    result = CliRunner().invoke(main, ["search", "brown", "spots"])

    assert result.exit_code == 0
    assert result.stdout.startswith(
        "dg:SolarLentigo  solar lentigo (clinical condition, other word: brown spots)\n"
    )
    assert "0 of 0" in CliRunner().invoke(main, ["search", "zzzz"]).stderr
