"""The canned queries are listed, explained and answered."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from rdflib import RDF, RDFS, SH, Graph, Namespace, URIRef

import kg
from kg.catalogue.canned_queries import Catalogue, read_queries
from kg.rdf.namespaces import DG
from kg.results import Rows
from server import create_app

HTML = {"Accept": "text/html"}

OWN = """#+ title: Own
#+ description: For the tests of forms.
#+ params:
#+   - name: event
#+     type: iri
#+     classes: [dg:ClinicalCondition]
#+     default: dg:ClinicalCondition
#+     description: An event.
#+   - name: name
#+     type: string
#+     values: [a, b]
#+     description: A name.
#+ columns:
#+   - {name: e, type: record, description: An event.}
#+   - {name: n, type: text, description: A name.}
SELECT ($event AS ?e) ($name AS ?n) {}
"""


@pytest.fixture
def client_of_own(graph: kg.KnowledgeGraph, tmp_path: Path) -> FlaskClient:
    """Return a client of a service with one canned query of the tests' own."""
    (tmp_path / "own.rq").write_text(OWN)
    own = kg.KnowledgeGraph(
        engine=graph.engine,
        catalogue=Catalogue(read_queries(tmp_path), graph.engine),
        release=graph.release,
        nquads=b"",
    )
    return create_app({}, own).test_client()


def test_the_catalogue_lists_every_query(client: FlaskClient, graph: kg.KnowledgeGraph) -> None:
    """JSON, page and RDF name all queries."""
    listed = client.get("/queries").get_json()["queries"]
    page = client.get("/queries", headers=HTML).text
    described = Graph().parse(data=client.get("/queries?format=turtle").text, format="turtle")

    assert list(graph.catalogue) == [each["name"] for each in listed]
    for name in graph.catalogue:
        assert f'href="/queries/{name}"' in page
        assert described.value(URIRef(f"http://localhost/queries/{name}"), RDFS.label)


def test_every_query_is_described(client: FlaskClient, graph: kg.KnowledgeGraph) -> None:
    """Each has title, description, parameters and text, as JSON, SPARQL and page."""
    for name, query in graph.catalogue.items():
        described = client.get(f"/queries/{name}").get_json()
        text = client.get(f"/queries/{name}", headers={"Accept": "application/sparql-query"}).text
        page = client.get(f"/queries/{name}", headers=HTML).text

        assert query.title == described["title"]
        assert query.text == described["query"]
        if all(parameter.default is None for parameter in query.parameters):
            assert query.text == text
        assert [each.name for each in query.parameters] == [
            each["name"] for each in described["parameters"]
        ]
        for parameter in query.parameters:
            assert f'name="{parameter.name}"' in page


def test_every_query_is_described_as_an_executable(
    client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """Editors that look for `sh:SPARQLExecutable` find the text."""
    for name, query in graph.catalogue.items():
        node = URIRef(f"http://localhost/queries/{name}")
        text = client.get(f"/queries/{name}", headers={"Accept": "text/turtle"}).text

        described = Graph().parse(data=text, format="turtle")

        assert (node, RDF.type, SH.SPARQLExecutable) in described
        stated = described.value(node, SH.select) or described.value(node, SH.construct)
        assert query.text == str(stated)


@pytest.mark.long
def test_every_query_has_a_page_of_its_answer(
    client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """The rows of a query, asked as its first example says if it has any, are shown to a reader."""
    for name, query in graph.catalogue.items():
        example = next(iter(query.examples), {})
        page = client.get(f"/queries/{name}/answer", query_string=example, headers=HTML)

        assert page.status_code == 200, (name, example)
        assert "The answer has no rows" not in page.text, (name, example)


def test_a_page_is_narrower_than_the_answer_and_says_so(client: FlaskClient) -> None:
    """Names lead to what they name, columns without a value are named below; downloads have all."""
    answer = client.get("/queries/isotretinoin/answer", headers={"Accept": "text/csv"}).text
    rows = list(csv.DictReader(io.StringIO(answer)))
    page = client.get("/queries/isotretinoin/answer", headers=HTML).text

    shown = re.findall(r'<th scope="col">(.*?)</th>', page)
    empty = [name for name in rows[0] if not any(row[name] for row in rows)]
    apart = {*empty, "procedure_label", "objects_iris", "disagreements_iris", "source_title"}
    names = [name for name in rows[0] if name not in {*apart, "claim_says", "gap"}]
    names[2:2] = ["claim_says", "gap"]
    assert empty
    assert f"has a value: {', '.join(empty)}." in page
    assert shown == [name.removesuffix("_iri") for name in names]
    for row in rows:
        if row["procedure_iri"]:
            path = row["procedure_iri"].removeprefix("https://w3id.org/dermograph")
            title = f'href="{path}" title="{row["procedure_iri"]}"'
            assert f"<a {title}>{row['procedure_label']}</a>" in page
        if row["source"]:
            assert f'title="{row["source"]}">{html.escape(row["source_title"])}</a>' in page
    assert all(f">{html.escape(row['recommendation'])}<" in page for row in rows)


def test_the_answer_is_that_of_the_library(client: FlaskClient, graph: kg.KnowledgeGraph) -> None:
    """The service gives the rows that `graph.query` gives."""
    expected = graph.query("lay-terms")
    assert isinstance(expected, Rows)

    text = client.get("/queries/lay-terms/answer?format=csv").text

    answered = list(csv.DictReader(io.StringIO(text)))
    assert len(expected) == len(answered) > 10
    assert tuple(answered[0]) == expected.columns


@pytest.mark.parametrize(
    "given",
    [
        "dg:CO2Laser",
        "CO2Laser",
        "https://w3id.org/dermograph/ontology/CO2Laser",
    ],
)
def test_a_term_may_be_given_short_or_whole(client: FlaskClient, given: str) -> None:
    """A parameter that names a term takes its name, its short form and its IRI."""
    answers = client.get("/queries/why/answer", query_string={"subject": given})

    assert answers.status_code == 200
    assert answers.get_json()["rows"]


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("/queries/why/answer", "subject"),
        ("/queries/why/answer?subject=", "subject"),
        ("/queries/why/answer?subject=a b", "subject"),
        ("/queries/why/answer?subject=zz:CO2Laser", "subject"),
        ("/queries/why/answer?subject=CO2Laser&subject=CO2Laser", "subject"),
        ("/queries/why/answer?subject=CO2Laser&colour=red", "colour"),
        ("/queries/why/answer?subject=CO2Laser&format=banana", "format"),
        ("/queries/lasers?format=banana", "format"),
        ("/queries?format=banana", "format"),
    ],
)
def test_a_parameter_that_is_unfit_is_named(
    client: FlaskClient, address: str, parameter: str
) -> None:
    """A missing, repeated, unknown or ill-typed parameter is 400, and says which."""
    response = client.get(address)

    assert response.status_code == 400
    assert parameter == response.get_json()["parameter"]
    assert response.get_json()["hint"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("lowest=700&highest=600", "lowest: 700 is greater than highest, which is 600."),
        ("lowest=0.7 um&highest=600", "lowest: 700 is greater than highest, which is 600."),
        ("lowest=600&highest=600", ""),
    ],
)
@pytest.mark.parametrize("name", ["spectrum", "laser-modes"])
def test_a_range_that_ends_below_its_beginning_is_refused(
    client: FlaskClient, name: str, values: str, said: str
) -> None:
    """It would find nothing, which would look like an answer; both parameters are named."""
    response = client.get(f"/queries/{name}/answer?{values}")

    assert response.status_code == (400 if said else 200)
    assert said in response.get_json().get("detail", "")


def test_a_missing_parameter_comes_with_the_schema(client: FlaskClient) -> None:
    """A program learns what the parameters are; a person sees the form and the message."""
    problem = client.get("/queries/why/answer").get_json()
    page = client.get("/queries/why/answer", headers=HTML)

    assert [each["name"] for each in problem["parameters"]] == ["subject", "property", "object"]
    assert problem["parameters"][0]["required"] is True
    assert page.status_code == 400
    assert "subject: A value is required." in page.text
    assert '<input type="text" id="subject" name="subject"' in page.text


def test_the_form_keeps_what_was_given(client: FlaskClient) -> None:
    """When one value is unfit, the others need not be typed again."""
    page = client.get("/queries/why/answer?subject=a b&property=dg:acts", headers=HTML).text

    assert 'value="a b"' in page
    assert 'value="dg:acts"' in page


def test_a_form_offers_the_concepts_of_a_class(
    client_of_own: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """A parameter with a class has a list of its concepts, its default chosen."""
    page = client_of_own.get("/queries/own", headers=HTML).text
    rows: Any = graph.query(
        "PREFIX dg: <https://w3id.org/dermograph/ontology/> "
        "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
        "SELECT (COUNT(DISTINCT ?c) AS ?n) { ?c rdfs:subClassOf* dg:ClinicalCondition ; rdfs:label ?l }"
    )
    [counted] = rows
    options = page.partition('<select id="event"')[2].partition("</select>")[0]

    assert options.count('<option value="dg:') == counted["n"]
    assert '<option value="dg:ClinicalCondition" selected>clinical condition</option>' in options
    assert options.count(" selected") == 1


def test_a_form_offers_the_values_of_an_enumeration(client_of_own: FlaskClient) -> None:
    """A parameter with a list of values offers them; without a default, none is chosen."""
    page = client_of_own.get("/queries/own", headers=HTML).text
    options = page.partition('<select id="name"')[2].partition("</select>")[0]

    assert options.count("<option") == 3
    assert '<option value="">any</option>' in options
    assert "selected" not in options


@pytest.mark.parametrize(
    "given",
    ["Hypopigmentation", "dg:Hypopigmentation", f"{DG}Hypopigmentation"],
)
def test_a_form_can_be_prefilled(client_of_own: FlaskClient, given: str) -> None:
    """Values in the address of a query's page are chosen in its form."""
    page = client_of_own.get(f"/queries/own?event={given}&name=a", headers=HTML).text

    assert '<option value="dg:Hypopigmentation" selected>' in page
    assert '<option value="a" selected>' in page


def test_values_reach_the_query_and_come_back_to_the_form(client_of_own: FlaskClient) -> None:
    """An answer is that for the values; its page leads back to the form with them."""
    address = "/queries/own/answer?event=Erythema&name=a"

    [row] = client_of_own.get(address).get_json()["rows"]
    page = client_of_own.get(address, headers=HTML).text

    assert (row["e"], row["n"]) == ({"id": f"{DG}Erythema", "label": "erythema"}, "a")
    assert 'href="/queries/own?event=Erythema&amp;name=a"' in page


def test_an_answer_page_links_terms_and_downloads(client: FlaskClient) -> None:
    """Cells with our IRIs lead to our pages; downloads keep the values of the parameters."""
    page = client.get("/queries/why/answer?subject=CO2Laser", headers=HTML).text

    assert 'href="/id/claim/' in page
    assert 'href="/queries/why/answer?subject=CO2Laser&amp;format=csv"' in page


def test_an_answer_page_begins_with_the_answer(client: FlaskClient) -> None:
    """Before the rows stand one sentence and what was asked, in words; the rest is for who asks for it."""
    name, asked = "contraindications", "procedure=dg:CO2LaserResurfacing"
    described = client.get(f"/queries/{name}?format=json").get_json()["description"]
    page = client.get(f"/queries/{name}/answer?{asked}", headers=HTML).text

    before, _, rows = page.partition("<tbody>")
    shown = re.sub(
        r"<[^>]+>|\s+", " ", re.sub(r"<details>.*?</details>", "", before, flags=re.DOTALL)
    )
    first, _, rest = described.strip().partition(". ")
    assert f"{first}." in html.unescape(shown)
    assert rest not in html.unescape(shown)
    assert rest in html.unescape(before)
    assert "CO2 laser resurfacing" in shown
    assert '<td data-label="advice">' in rows


def test_a_page_shows_a_part_and_says_so(client: FlaskClient) -> None:
    """A long answer is shown in part, with the number of all rows; downloads have them all."""
    query = "SELECT * { ?s ?p ?o } LIMIT 1234"
    for text, rows in ((query, 1000), (query.replace("SELECT *", "CONSTRUCT WHERE"), 1000)):
        page = client.get("/sparql", query_string={"query": text}, headers=HTML).text

        assert rows + 1 == page.count("<tr>")
        assert "Showing 1,000 of 1,2" in page

    document = client.get("/sparql", query_string={"query": query}).get_json()
    assert len(document["results"]["bindings"]) == 1234


def test_every_kind_of_term_is_shown(client: FlaskClient) -> None:
    """IRIs, literals with language or datatype, blank nodes and unbound variables have cells."""
    query = """SELECT * { VALUES (?a ?b ?c ?d ?e ?f) {
        (<https://w3id.org/dermograph/id/claim/B0375> <http://x.test/a> <javascript:alert(1)>
         "Haut"@de 7 UNDEF) } BIND(BNODE() AS ?g) }"""

    page = client.get("/sparql", query_string={"query": query}, headers=HTML).text

    assert '<a href="/id/claim/B0375" title="https://w3id.org/dermograph/id/claim/B0375">' in page
    assert '<a href="http://x.test/a"' in page
    assert 'href="javascript' not in page
    assert '<span title="de">Haut</span>' in page
    assert '<td data-label="e" class="number"><span title="xsd:integer">7</span></td>' in page
    assert "_:" in page


@pytest.mark.parametrize(("text", "shown"), [("ASK {}", "true"), ("ASK {<a:> ?p 1}", "false")])
def test_a_truth_value_is_shown(client: FlaskClient, text: str, shown: str) -> None:
    """The page for ASK says true or false."""
    page = client.get("/sparql", query_string={"query": text}, headers=HTML).text

    assert f"<strong>{shown}</strong>" in page


def test_an_empty_answer_is_said_to_be_empty(client: FlaskClient) -> None:
    """The page says that there are no rows."""
    page = client.get("/sparql?query=SELECT * {<a:> ?p 1}", headers=HTML).text

    assert "The answer has no rows." in page


def test_a_role_is_not_offered_as_one_of_its_own_values(client: FlaskClient) -> None:
    """What is used as an indication is offered, the words for the role are not."""
    page = client.get("/queries/indications", headers=HTML).text
    options = page.partition('<select id="condition"')[2].partition("</select>")[0]

    assert '<option value="dg:AcneScar">acne scar</option>' in options
    assert "usedAs" not in options


def test_a_query_tells_its_columns(client: FlaskClient, graph: kg.KnowledgeGraph) -> None:
    """As JSON, on its page and in RDF: name, key, type, unit, and what each holds."""
    told = client.get("/queries/layer-thickness").get_json()["columns"]
    page = client.get("/queries/layer-thickness", headers=HTML).text
    described = Graph().parse(
        data=client.get("/queries/layer-thickness?format=turtle").text, format="turtle"
    )
    csvw = Namespace("http://www.w3.org/ns/csvw#")

    columns = graph.catalogue["layer-thickness"].columns
    assert [each["name"] for each in told] == [each.name for each in columns]
    assert {"name": "value_um", "key": "value_um", "type": "decimal", "unit": "um"}.items() <= {
        each["name"]: each for each in told
    }["value_um"].items()
    assert {each["key"] for each in told if each["name"].startswith("layer_")} == {"layer"}
    assert {str(name) for name in described.objects(None, csvw.name)} == {
        each.name for each in columns
    }
    for column in columns:
        assert f"<code>{column.name}</code>" in page
        assert str(escape(column.description)) in page


def _page_of_a_refusal(client: FlaskClient, how: str) -> str:
    address, accept = "/queries/adverse-event-incidence/answer", {"Accept": "text/html"}
    sent = {"event": "erythma", "procedure": "CO2 laser resurfacing"}
    if how == "url":
        refused = client.get(address, query_string=sent, headers=accept)
    else:
        refused = client.post(address, data=sent, headers=accept)
    assert refused.status_code == 400
    return refused.text


@pytest.mark.parametrize("how", ["url", "form"])
def test_the_page_of_a_refusal_keeps_values_and_leads_to_candidates(
    client: FlaskClient, how: str
) -> None:
    """The value that failed stands in the form, beside the others, however they were sent."""
    page = _page_of_a_refusal(client, how)
    asked = re.search(r'href="(/queries/[^"]*event=dg%3AErythema[^"]*)"', page)

    assert '<option value="erythma" selected>' in page
    assert asked
    assert "procedure=CO2" in asked[1]
    assert client.get(asked[1].replace("&amp;", "&")).status_code == 200
    assert 'href="/ontology/Erythema"' in page


def test_the_page_of_a_query_leads_to_its_text_with_values(client: FlaskClient) -> None:
    """As the page itself shows it."""
    page = client.get("/queries/care?phase=before&format=html").text
    filled, plain = (
        client.get(f"/queries/care?format=sparql{each}").text for each in ("&phase=before", "")
    )

    (address,) = re.findall(r'<a href="([^"]*format=sparql[^"]*)"', page)
    assert client.get(address.replace("&amp;", "&")).text == filled != plain
