"""Answers of canned queries as plain JSON, which an app shows without knowing RDF."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

import kg
from kg.rdf.namespaces import DG, DGD
from tests.queries.test_golden_answers import CASES, Case

ADDRESS = "/queries/indications/answer?condition=wrinkles"


def get(client: FlaskClient, address: str) -> Any:
    """Return the document at an address, which may be whole."""
    parts = urlsplit(address)
    response = client.get(f"{parts.path}?{parts.query}")
    assert response.status_code == 200, response.text
    return response.get_json()


def test_an_answer_says_what_it_is(client: FlaskClient, graph: kg.KnowledgeGraph) -> None:
    """Query, parameters as understood, version, licence, citation, notice, links."""
    document = get(client, ADDRESS)

    assert document["query"]["name"] == "indications"
    assert document["parameters"] == {"condition": {"id": f"{DG}Rhytid", "label": "rhytides"}}
    assert document["version"] == graph.version
    assert document["licence"].startswith("https://creativecommons.org/")
    assert graph.version in document["citation"]
    assert document["count"] == len(document["rows"]) > 5
    assert document["links"]["next"] is None
    assert get(client, document["links"]["self"]) == document


def test_cells_are_what_they_mean(client: FlaskClient) -> None:
    """Terms are id and label, several are lists, numbers are numbers, and what is not there is null."""
    row = next(
        each for each in get(client, ADDRESS)["rows"] if each["claim"]["id"].endswith("A2846")
    )
    rates = get(client, "/queries/adverse-event-incidence/answer?event=PIH")["rows"]

    assert row["treatment"] == {"id": f"{DG}DiodeLaser1450", "label": "1450 nm diode laser"}
    assert [each["label"] for each in row["compared_with"]] == ["cryogen spray cooling"]
    assert row["disagreements"] == []
    assert row["note"] is None
    assert row["source"]["label"].startswith("Non-ablative laser treatment")
    assert {type(each["proportion"]) for each in rates} == {float, type(None)}
    assert {type(each["event_count"]) for each in rates} == {int, type(None)}


def test_gaps_stand_apart(client: FlaskClient) -> None:
    """A gap that is recorded has its IRI; rows are facts only, and may be none."""
    document = get(client, "/queries/indications/answer?condition=SaggingSkin")

    assert not any("gap" in row for row in document["rows"])
    recorded = [gap for gap in document["gaps"] if gap["id"]]
    assert all(gap["id"].startswith(f"{DGD}gap/G") for gap in recorded)
    assert all(gap["text"] for gap in document["gaps"])


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(each, marks=[pytest.mark.long] if number % 9 else [])
        for number, each in enumerate(CASES)
    ],
    ids=lambda case: case.file.stem,
)
def test_nothing_is_lost(client: FlaskClient, case: Case) -> None:
    """Rows and gaps are together the rows of the table, and each cell says the same."""
    with case.file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    response = client.get(f"/queries/{case.query.name}/answer.json", query_string=case.values)
    document = response.get_json()

    assert len(document["rows"]) == sum(not row.get("gap") for row in rows)
    assert len(document["gaps"]) == sum(bool(row.get("gap")) for row in rows)
    assert document["count"] == len(document["rows"])
    facts = [row for row in rows if not row.get("gap")]
    for told, row in zip(facts, document["rows"], strict=True):
        assert {name: cell for name, cell in told.items() if cell} == written(told, row)


def written(told: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of the table that a row in JSON says, by their columns, but for empty ones."""
    cells: dict[str, Any] = {}
    for name, text in told.items():
        stem, _, part = name.rpartition("_")
        if part == "iris" and stem in row:
            cells[name] = "; ".join(each["id"] for each in row[stem])
        elif part in ("iri", "label", "title") and isinstance(row.get(stem), dict):
            cells[name] = row[stem]["id" if part == "iri" else "label"]
        elif isinstance(row.get(name), list):
            parts = (each["label"] if isinstance(each, dict) else each for each in row[name])
            cells[name] = "; ".join(parts)
        elif isinstance(row.get(name), dict):
            cells[name] = row[name]["id"]
        elif isinstance(row.get(name), bool):
            cells[name] = str(row[name]).lower()
        elif isinstance(row.get(name), int | float):
            cells[name] = text if float(text) == row[name] else repr(row[name])
        else:
            cells[name] = row.get(name)
    return {name: cell for name, cell in cells.items() if cell}


def test_pages_follow_one_another(client: FlaskClient) -> None:
    """Each links to the next, and together they are the whole, as sorted and with the fields asked."""
    whole = get(client, f"{ADDRESS}&sort=-source_year,treatment&fields=treatment,source_year")
    page = get(
        client, f"{ADDRESS}&sort=-source_year,treatment&fields=treatment,source_year&limit=20"
    )
    rows = page["rows"]
    while page["links"]["next"]:
        page = get(client, page["links"]["next"])
        rows += page["rows"]

    assert rows == whole["rows"]
    assert list(rows[0]) == ["treatment", "source_year"]
    years = [row["source_year"] for row in rows if row["source_year"]]
    assert years == sorted(years, reverse=True)
    assert [row["source_year"] for row in rows] == [*years, *[None] * (len(rows) - len(years))]
    assert len(years) < len(rows)


def test_a_cursor_is_of_its_version(client: FlaskClient) -> None:
    """After a change of the data it leads nowhere, and the first page is named."""
    response = client.get(f"{ADDRESS}&limit=5&cursor=0123456789abcdef.5")

    assert response.status_code == 410
    hint = response.get_json()["hint"]
    assert get(client, hint.partition(": ")[2])["rows"]


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1e3", "limit"),
        ("cursor=5", "cursor"),
        ("sort=colour", "sort"),
        ("fields=treatment,colour", "fields"),
        ("fields=-treatment", "fields"),
        ("limit=5&format=csv", "limit"),
    ],
)
def test_paging_that_means_nothing_is_refused(
    client: FlaskClient, given: str, parameter: str
) -> None:
    """And the parameter is named."""
    response = client.get(f"{ADDRESS}&{given}")

    assert response.status_code == 400
    assert response.get_json()["parameter"] == parameter


def test_a_suffix_fixes_the_format(client: FlaskClient) -> None:
    """Whatever is accepted; one that is none has nothing there."""
    table = client.get("/queries/lasers/answer.csv", headers={"Accept": "application/json"})

    assert table.mimetype == "text/csv"
    assert len(list(csv.DictReader(io.StringIO(table.text)))) > 50
    assert client.get("/queries/lasers/answer.tsv").mimetype == "text/tab-separated-values"
    assert client.get("/queries/lasers/answer.docx").status_code == 404
    assert client.get("/queries/lasers/answer.csv?format=json").status_code == 400


@pytest.mark.parametrize("address", [f"{ADDRESS}&format=html", ADDRESS.replace("?", ".html?")])
def test_the_page_of_an_answer_leads_to_each_format(client: FlaskClient, address: str) -> None:
    """Plain JSON and SPARQL JSON, which share a suffix of files, have an address each."""
    page = client.get(address).text
    links = re.findall(r'href="([^"]+format=[^"]+)"', page)
    types = {client.get(html.unescape(each)).mimetype for each in links}

    assert types >= {"application/json", "application/sparql-results+json", "text/csv"}


def test_a_page_without_rows_has_its_fields(client: FlaskClient) -> None:
    """As one with rows would have them."""
    whole = get(client, f"{ADDRESS}&fields=treatment")
    beyond = f"{ADDRESS}&fields=treatment&cursor={whole['version']}.{whole['count']}"

    assert (get(client, beyond)["rows"], get(client, beyond)["columns"]) == ([], ["treatment"])


def test_a_form_shows_the_value_however_it_was_named(client: FlaskClient) -> None:
    """A link to the form of a query may give a lay word."""
    for name in ("wrinkles", "dg:rhytid", "Rhytid"):
        page = client.get(f"/queries/indications?condition={name}&format=html").text

        assert re.search(r'value="dg:Rhytid" selected', page)


def test_links_lead_to_what_they_say_whoever_follows_them(client: FlaskClient) -> None:
    """A browser gets the next page too, and the name of a host changes no path."""
    address = f"{ADDRESS}&limit=2"
    links = client.get(address, headers={"Host": "answers.example"}).get_json()["links"]
    following = client.get(links["next"], headers={"Accept": "text/html"})

    assert following.get_json()["rows"]
    assert links["sparql"].startswith("http://answers.example/queries/indications?")
    odd = client.get(address, headers={"Host": "my_service:8080"}).get_json()["links"]
    assert odd["query"] == "/queries/indications"


def test_samples_have_no_parameters_but_those_of_the_query(client: FlaskClient) -> None:
    """What a link brings into the page of an error is not offered to be run."""
    page = client.get(
        "/queries/lay-terms/answer?word=pain&x';id;'=2", headers={"Accept": "text/html"}
    )

    assert page.status_code == 400
    samples = page.text.partition('id="programs"')[2].partition("<h2")[0]
    assert "word=pain" in samples
    assert "id;" not in samples


def test_what_campaigns_add_is_no_parameter(client: FlaskClient) -> None:
    """The answer is the same, and comes from the cache."""
    plain = client.get(ADDRESS)
    tracked = client.get(f"{ADDRESS}&utm_source=x&_=123&gclid=y&fbclid=z")

    assert tracked.data == plain.data
    assert "cache;desc=hit" in tracked.headers["Server-Timing"]


def test_a_number_with_a_unit_is_told_as_it_was_understood(client: FlaskClient) -> None:
    """Whoever writes micrometres sees what they were taken for."""
    document = get(client, "/queries/safety-limits/answer?wavelength=1.064+%C2%B5m&limit=1")

    assert document["parameters"] == {"wavelength": {"value": 1064, "unit": "nm"}}
    assert "1064 nm" in client.get(
        "/queries/safety-limits/answer?wavelength=1.064+um&format=html"
    ).get_data(as_text=True)


def test_a_form_and_its_description_tell_unit_and_bounds(client: FlaskClient) -> None:
    """What a bare number means is said where it is asked for."""
    described = client.get("/queries/adverse-event-incidence").get_json()["parameters"]
    (share,) = (each for each in described if each["name"] == "minimum_percentage")
    page = client.get("/queries/adverse-event-incidence?format=html").get_data(as_text=True)

    assert (share["unit"], share["minimum"], share["maximum"]) == ("%", 0, 100)
    assert "In %, or with a unit of its own." in page
    assert "At least 0 and at most 100." in page


def test_what_a_word_may_mean_is_listed_in_the_error(client: FlaskClient) -> None:
    """A program offers the candidates to choose from."""
    response = client.get("/queries/laser-modes/answer?mode=hybrd")

    assert response.status_code == 400
    similar = {"id": "https://w3id.org/dermograph/id/delivery-mode/hybrid", "label": "hybrid"}
    assert response.get_json()["similar"] == [similar]


@pytest.mark.parametrize(
    ("query", "asked", "meant"),
    [
        ("skin-type-evidence", {"skin_type": "4"}, "Fitzpatrick skin type IV"),
        ("skin-type-evidence", {"skin_type": "type 4"}, "Fitzpatrick skin type IV"),
        ("care", {"phase": "aftercare"}, "after the procedure"),
        ("care", {"phase": "befre"}, "before the procedure"),
        ("laser-modes", {"mode": "fraxional"}, "fractional"),
        ("downtime", {"relation_stated": "healing"}, "time to healing"),
        (
            "claims-by-evidence",
            {"confidence_stated": "high", "evidence": "curator"},
            "curator inference used in manual assertion",
        ),
    ],
)
def test_what_is_near_a_listed_value_is_told_by_its_name(
    client: FlaskClient, query: str, asked: dict[str, str], meant: str
) -> None:
    """By label, name and number, the likeliest first; all values are told with their labels."""
    problem = client.get(f"/queries/{query}/answer", query_string=asked).get_json()
    described = next(each for each in problem["parameters"] if each["name"] == problem["parameter"])

    assert problem["status"] == 400
    assert problem["similar"][0]["label"] == meant
    assert len(described["labels"]) == len(described["values"])
    for value, label in zip(described["values"], described["labels"], strict=True):
        assert f"{value} ({label})" in problem["hint"]


@pytest.mark.parametrize(
    ("query", "asked", "iri"),
    [
        ("skin-type-evidence", {"skin_type": "IV"}, "fitzpatrick-skin-type/IV"),
        ("skin-type-evidence", {"skin_type": "Fitzpatrick IV"}, "fitzpatrick-skin-type/IV"),
        ("care", {"phase": "AFTER"}, "phase/after"),
        (
            "claims-by-evidence",
            {
                "confidence_stated": "high",
                "evidence": "Curator inference used in manual assertion",
            },
            "ECO_0000305",
        ),
    ],
)
def test_a_listed_value_is_taken_by_any_of_its_names(
    client: FlaskClient, query: str, asked: dict[str, str], iri: str
) -> None:
    """Terms of other vocabularies too, of which the index of names knows nothing."""
    answer = client.get(f"/queries/{query}/answer", query_string=asked).get_json()
    given = list(asked)[-1]

    assert answer["parameters"][given]["id"].endswith(iri)


def test_the_catalogue_tells_labels_of_listed_values(client: FlaskClient) -> None:
    """In the list of queries, in the order of the values."""
    listed = client.get("/queries").get_json()["queries"]
    [evidence] = [
        each
        for query in listed
        for each in query["parameters"]
        if (query["name"], each["name"]) == ("claims-by-evidence", "evidence")
    ]

    assert dict(zip(evidence["values"], evidence["labels"], strict=True))["obo:ECO_0000305"] == (
        "curator inference used in manual assertion"
    )
