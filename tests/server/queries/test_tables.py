"""Answers as CSV on the Web, by POST, as text for /sparql, and under names that queries had."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import pytest
from flask.testing import FlaskClient

import kg
from kg.sparql.lexer import significant
from tests.queries.test_golden_answers import CASES, Case

ADDRESS: Final = "/queries/indications/answer"
_LINK: Final = re.compile(r'<([^>]+)>; rel="describedby"; type="application/csvm\+json"')
_FITS: Final = {
    "anyURI": r"https?://\S+",
    "integer": r"-?\d+",
    "decimal": r"-?\d+(\.\d+)?",
    "double": r"-?\d+(\.\d+)?(E-?\d+)?",
    "gYear": r"\d{4}",
    "date": r"\d{4}-\d\d-\d\d",
    "string": r"(?s).+",
}


def below(address: str) -> str:
    """Return an address without scheme and host."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def metadata_of(client: FlaskClient, response: Any) -> Any:
    """Return the description that an answer in CSV links to."""
    link = _LINK.search(response.headers["Link"])
    assert link is not None
    described = client.get(below(link[1]))
    assert (described.status_code, described.mimetype) == (200, "application/csvm+json")
    return described.get_json()


def test_a_table_has_its_description(client: FlaskClient) -> None:
    """It names the table with its values, its licence, and each column with its datatype."""
    response = client.get("/queries/reached-layers/answer.csv?laser=dg:CO2Laser")
    described = metadata_of(client, response)
    columns = described["tableSchema"]["columns"]
    rows = list(csv.reader(io.StringIO(response.text)))

    assert described["@context"][0] == "http://www.w3.org/ns/csvw"
    assert client.get(below(described["url"])).data == response.data
    assert described["dc:license"]["@id"].startswith("https://creativecommons.org/")
    assert [each["titles"] for each in columns] == rows[0]
    assert all(each["dc:description"] and each["null"] == "" for each in columns)
    for place, column in enumerate(columns):
        cells = [row[place] for row in rows[1:] if row[place]]
        part = column.get("separator")
        values = [each for cell in cells for each in (cell.split(part) if part else [cell])]
        assert all(re.fullmatch(_FITS[column["datatype"]], each) for each in values), column
    assert {each["name"]: each.get("separator") for each in columns}["reach_claims_iris"] == "; "


def test_only_csv_has_such_a_description(client: FlaskClient) -> None:
    """And one with a value that is none is an error, as its answer is."""
    assert "Link" not in client.get(f"{ADDRESS}?condition=wrinkles").headers
    wrong = client.get(f"{ADDRESS}.csv-metadata.json?condition=nonesuch")
    assert (wrong.status_code, wrong.get_json()["parameter"]) == (400, "condition")


@pytest.mark.parametrize("suffix", ["", ".csv", "?format=html"])
def test_a_form_may_have_the_values(client: FlaskClient, suffix: str) -> None:
    """The same answer as to a GET, in each format; some values may stand in the URL."""
    given = {"condition": "dg:AcneScar"}
    got = client.get(f"{ADDRESS}{suffix}{'&' if '?' in suffix else '?'}{urlencode(given)}")
    posted = client.post(f"{ADDRESS}{suffix}", data=given)

    assert (posted.status_code, posted.data) == (200, got.data)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "slug"),
    [
        ("SELECT * {}", "application/sparql-query", 415, "unsupported-media-type"),
        ("INSERT DATA {}", "application/sparql-update", 415, "unsupported-media-type"),
        ("{}", "text/plain", 415, "unsupported-media-type"),
        ("[]", "application/json", 400, "malformed-request"),
        (
            '{"condition": ' + "[" * 5000 + "]" * 5000 + "}",
            "application/json",
            400,
            "malformed-request",
        ),
        (r'{"condition": "\ud800"}', "application/json", 400, "malformed-request"),
        ("colour=red", "application/x-www-form-urlencoded", 400, "bad-parameter"),
        ("condition=%ff", "application/x-www-form-urlencoded", 400, "malformed-request"),
        ("a" * 2_000_000, "application/x-www-form-urlencoded", 413, "body-too-large"),
    ],
)
def test_a_body_that_is_no_such_form_is_refused(
    client: FlaskClient, body: str, media_type: str, status: int, slug: str
) -> None:
    """With the errors that /sparql has."""
    response = client.post(ADDRESS, data=body, content_type=media_type)

    assert (response.status_code, response.get_json()["type"].rpartition("/")[2]) == (status, slug)


@pytest.mark.parametrize(
    "case",
    [pytest.param(each, marks=[pytest.mark.long] if n % 9 else []) for n, each in enumerate(CASES)],
    ids=lambda case: case.file.stem,
)
def test_the_text_gives_the_same_rows_at_the_endpoint(client: FlaskClient, case: Case) -> None:
    """Values and defaults are filled in, so that rows and their order are those of the answer."""
    given = {**case.values, "format": "sparql"}
    text = client.get(f"/queries/{case.query.name}", query_string=given).text
    asked = client.post("/sparql", data={"query": text}, headers={"Accept": "text/csv"})

    assert asked.status_code == 200, asked.text
    assert asked.data == case.file.read_bytes()


def test_pages_and_plain_json_lead_to_the_text(client: FlaskClient) -> None:
    """The page of an answer has a form that opens it at /sparql, and the envelope a link."""
    answered = client.get(f"{ADDRESS}?condition=wrinkles").get_json()
    text = client.get(below(answered["links"]["sparql"])).text
    for page in (
        f"{ADDRESS}?condition=wrinkles&format=html",
        "/queries/indications?condition=wrinkles&format=html",
    ):
        shown = client.get(page).text
        assert 'action="/sparql" method="post"' in shown
        assert "ontology/Rhytid&gt;" in shown
    code = [token.text for token in significant(text.partition("SELECT")[2])]
    assert "$condition" not in code
    rows = client.post("/sparql", data={"query": text}).get_json()["results"]["bindings"]
    assert len(rows) == answered["count"] + len(answered["gaps"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("effect-sizes", "treatment-zone-size"),
        ("feature-shares", "case-characteristics"),
        ("course", "downtime"),
    ],
)
def test_a_former_name_leads_on(
    client: FlaskClient, graph: kg.KnowledgeGraph, old: str, new: str
) -> None:
    """By a redirection that keeps method, suffix and query string, and says until when."""
    for rest in (
        "",
        "?format=sparql",
        "/answer",
        "/answer.csv?event=a%20b",
        "/answer.csv-metadata.json",
    ):
        response = client.get(f"/queries/{old}{rest}")

        assert response.status_code == 308
        assert below(response.headers["Location"]) == f"/queries/{new}{rest}"
        since = int(response.headers["Deprecation"].removeprefix("@"))
        until = parsedate_to_datetime(response.headers["Sunset"])
        assert datetime.fromtimestamp(since, UTC) < until
    assert client.post(f"/queries/{old}/answer").status_code == 308
    odd = client.get(f"/queries/{old}/answer.a%0d%0aX:b%3Fc")
    assert (odd.status_code, odd.location[-16:]) == (308, "answer.a%0D%0AX%3Ab%3Fc"[-16:])
    told = Path("docs/api-changes.md").read_text(encoding="utf-8")
    day = datetime.fromtimestamp(since, UTC).date()
    assert f"| `{old}` | `{new}` | {day} | {until.date()} |" in told
    assert old not in {each["name"] for each in client.get("/queries").get_json()["queries"]}
    assert old not in list(graph.catalogue)
    assert graph.query(old) == graph.query(new)
