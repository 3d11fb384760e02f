"""What names mean, for many of them at once."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flask.testing import FlaskClient

from kg.rdf.namespaces import DG

_NAMES = ["PIH", "dg:CO2Laser", f"{DG}Melasma", "brown spots", "erythma", "zzzz", "IV", "laser"]


def _asked(client: FlaskClient, how: str, names: list[str]) -> list[dict[str, object]]:
    if how == "url":
        response = client.get("/resolve", query_string={"name": names})
    elif how == "form":
        response = client.post("/resolve", data={"name": names})
    else:
        response = client.post("/resolve", json={"name": names})
    assert response.status_code == 200
    found: list[dict[str, object]] = response.get_json()["results"]
    return found


@pytest.mark.parametrize("how", ["url", "form", "json"])
def test_each_name_is_told_in_its_place(client: FlaskClient, how: str) -> None:
    """One thing, several, or what may be meant; of all names in the order that they were sent in."""
    results = _asked(client, how, _NAMES)

    assert [each["name"] for each in results] == _NAMES
    means = ["one", "one", "one", "one", "nothing", "nothing", "several", "one"]
    assert [each["means"] for each in results] == means
    by_name = {each["name"]: each for each in results}
    iris = {
        "PIH": "PostInflammatoryHyperpigmentation",
        "dg:CO2Laser": "CO2Laser",
        f"{DG}Melasma": "Melasma",
        "brown spots": "SolarLentigo",
        "laser": "Laser",
    }
    for name, local in iris.items():
        assert [each["id"] for each in by_name[name]["things"]] == [DG + local]  # type: ignore[attr-defined]
    assert by_name["erythma"]["candidates"][0]["id"] == f"{DG}Erythema"  # type: ignore[index]
    assert by_name["zzzz"]["things"] == by_name["zzzz"]["candidates"] == []


def test_a_class_decides_between_several(client: FlaskClient) -> None:
    """What means something else alone is told so."""
    address = "/resolve?name=IV&name=CO2+laser&class=Fitzpatrick+skin+type"
    skin_type, laser = client.get(address).get_json()["results"]

    assert [each["id"].rpartition("/")[2] for each in skin_type["things"]] == ["IV"]
    assert laser["means"] == "nothing"
    assert "dg:CO2Laser" in laser["message"]


def test_a_class_is_told_by_the_word_of_errors(client: FlaskClient) -> None:
    """What a parameter is said to take, such as "adverse event", is what class takes."""
    wrong = client.get("/queries/adverse-event-incidence/answer?event=CO2+laser").get_json()
    word = wrong["detail"].rpartition(" is no ")[2].removesuffix(".")
    found = client.get("/resolve", query_string={"name": "PIH", "class": word}).get_json()
    near = client.get("/resolve?name=PIH&class=adverse+evnt").get_json()

    assert word == "adverse event"
    assert [each["means"] for each in found["results"]] == ["one"]
    assert "adverse event" in near["hint"]


def test_it_is_a_table_and_a_page_too(client: FlaskClient) -> None:
    """A row for each thing that is or may be meant, and one for a name that means nothing."""
    sent = {"name": _NAMES}
    table = client.get("/resolve", query_string={**sent, "format": "csv"}).text
    rows = list(csv.DictReader(io.StringIO(table)))
    page = client.get("/resolve", query_string={"name": ["PIH", "<b>"], "format": "html"}).text

    assert list(dict.fromkeys(row["name"] for row in rows)) == _NAMES
    assert len([row for row in rows if row["name"] == "IV"]) > 1
    assert [row["id"] for row in rows if row["name"] == "zzzz"] == [""]
    assert {row["means"] for row in rows if row["name"] == "erythma"} == {"candidate"}
    assert {row["means"] for row in rows if row["name"] == "IV"} == {"several"}
    assert "post-inflammatory hyperpigmentation" in page
    assert "<h2>&lt;b&gt;</h2>" in page


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        ({"name": ["PIH"] * 101}, 400, "name is given 101 times."),
        ({"name": ["PIH"] * 201}, 400, "more than 200 parameters"),
        ({"name": "PIH", "class": "zzzz"}, 400, "'zzzz' is no class"),
        ({"name": "PIH", "class": "claim/B0375"}, 400, "is no class"),
        ({"nam": "PIH"}, 400, "There is no parameter 'nam' here."),
        ({"name": {"is": "PIH"}}, 400, "not the values of parameters"),
        ({"name": [None]}, 400, "not the values of parameters"),
        (["PIH"], 400, "not the values of parameters"),
    ],
)
def test_what_cannot_be_resolved_is_refused(
    client: FlaskClient, sent: object, status: int, told: str
) -> None:
    """With the parameter, or what a body should be."""
    response = client.post("/resolve", json=sent)

    assert response.status_code == status
    assert told in response.get_json()["detail"]


@pytest.mark.parametrize("body", [b'{"name": "PIH"', b'{"name": "\xff"}', b""])
def test_a_body_that_is_no_json_is_refused(client: FlaskClient, body: bytes) -> None:
    """It loses nothing in silence."""
    response = client.post("/resolve", data=body, content_type="application/json")

    assert response.status_code == 400
    assert "The body is not JSON" in response.get_json()["detail"]


def test_a_canned_query_takes_json_too(client: FlaskClient) -> None:
    """The same answer as for the URL; numbers are values as they are written."""
    url = "/queries/adverse-event-incidence/answer"
    by_url = client.get(f"{url}?event=PIH&limit=3").get_json()
    by_body = client.post(
        url, data=json.dumps({"event": "PIH", "limit": 3}), content_type="application/json"
    )

    assert by_body.get_json()["rows"] == by_url["rows"] != []


def test_a_hundred_names_that_mean_nothing_are_looked_for(client: FlaskClient) -> None:
    """Words and phrases, with what may be meant; none takes the time of a query that is too long."""
    phrases = [f"the effect of laser on skin in patients {number}" for number in range(50)]
    words = [f"dg:Nope{number}" for number in range(50)]
    results = _asked(client, "json", [*phrases, *words])

    assert len(results) == 100
    assert {each["means"] for each in results} == {"nothing"}


@pytest.mark.parametrize("name", ["https://w3id.org/dermograph/ontology/é", "dg:a,b"])
def test_odd_names_in_a_query_are_told_at_the_link(client: FlaskClient, name: str) -> None:
    """What the link leads to speaks of the name."""
    written = f"<{name}>" if "://" in name else name.replace(",", "\\,")
    query = f"PREFIX dg: <{DG}> SELECT * {{ ?s {written} ?o }}"
    link = client.get("/sparql", query_string={"query": query}).headers["Link"]
    (told,) = client.get(link[1:].partition(">")[0]).get_json()["results"]

    assert told["message"].endswith("is in no triple.")


def test_names_with_escapes_are_not_told_unknown(client: FlaskClient) -> None:
    """As they may be known."""
    query = "SELECT * { <https://w3id.org/dermograph/ontology/Melasma> <https://w3id.org/dermograph/ontology/has\\u0052isk> ?o }"
    response = client.get("/sparql", query_string={"query": query})

    assert response.status_code == 200
    assert "Link" not in response.headers


def test_a_member_that_is_given_twice_is_two_values(client: FlaskClient) -> None:
    """As in a URL: none is dropped, and what may be given once is refused."""
    twice = client.post(
        "/resolve", data='{"name": "PIH", "name": ["laser", 5]}', content_type="application/json"
    )
    canned = client.post(
        "/queries/downtime/answer",
        data='{"event": "PIH", "event": "redness"}',
        content_type="application/json",
    )

    assert [each["name"] for each in twice.get_json()["results"]] == ["PIH", "laser", "5"]
    assert (canned.status_code, canned.get_json()["parameter"]) == (400, "event")
