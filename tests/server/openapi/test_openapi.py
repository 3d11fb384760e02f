"""The description of the API: it is legal OpenAPI, says what the tables say, and what it says is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

import kg
from server import create_app
from server.protocol.endpoints import ENDPOINTS
from server.protocol.problems import PROBLEM_TYPES
from tests.server.conftest import Start

_SCHEMA: Final = json.loads(Path(__file__).with_name("openapi-3.1.schema.json").read_bytes())
_HOST: Final = "http://x.example"


@pytest.fixture(scope="module")
def document(app: Flask) -> Any:
    """Return the description."""
    return app.test_client().get("/openapi.json", base_url=_HOST).get_json()


def references(part: Any) -> Iterator[str]:
    """Yield what a part of a document refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from references(each)


def schemas(part: Any) -> Iterator[Any]:
    """Yield the schemas of JSON Schema in a part of a document."""
    if isinstance(part, dict):
        if "schema" in part:
            yield part["schema"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from schemas(each)


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield path, method and description of each operation."""
    for path, described in document["paths"].items():
        for method, operation in described.items():
            yield path, method, operation


def test_it_is_legal(document: Any) -> None:
    """The document has the form of OpenAPI 3.1, its schemas that of JSON Schema, and no name leads nowhere."""
    Draft202012Validator(_SCHEMA).validate(document)
    for each in (*document["components"]["schemas"].values(), *schemas(document)):
        Draft202012Validator.check_schema(each)
    resolver = Registry().with_resource("", Resource.opaque(document)).resolver()
    for each in set(references(document)):
        assert resolver.lookup(each).contents is not None
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def arrays(part: Any) -> Iterator[Any]:
    """Yield the schemas of arrays in a part of a document."""
    if isinstance(part, dict):
        if part.get("type") == "array":
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from arrays(each)


def test_a_client_can_be_generated(document: Any) -> None:
    """What arrays hold is told, without which generators leave out all that has such an array."""
    found = list(arrays(document["components"]["schemas"]))

    assert len(found) > 50
    assert [each for each in found if "items" not in each] == []


def test_it_is_not_too_large(app: Flask) -> None:
    """A client reads it in one go."""
    assert len(app.test_client().get("/openapi.json").data) < 1_200_000


def test_each_route_is_there(document: Any, graph: kg.KnowledgeGraph) -> None:
    """Each path of the table, with its methods, and each canned query at a path of its own."""
    known = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    for name, row in ENDPOINTS.items():
        for path in row.paths:
            described = document["paths"][re.sub(r"<(?:path:)?(\w+)>", r"{\1}", path)]
            assert {each.upper() for each in described} == set(row.methods) & known
            for operation in described.values():
                assert operation["tags"] == [name.partition(".")[0]]
                assert operation["summary"] == row.purpose
    for query in graph.catalogue.values():
        operation = document["paths"][f"/queries/{query.name}/answer"]["get"]
        assert operation["summary"] == query.title
        own = [each for each in operation["parameters"] if "$ref" not in each]
        assert [each["name"] for each in own][-len(query.parameters) :] == [
            each.name for each in query.parameters
        ] or not query.parameters
    assert {each["name"] for each in document["tags"]} == {
        tag for _, _, operation in operations(document) for tag in operation["tags"]
    }


def test_parameters_have_their_types(document: Any) -> None:
    """Values to choose from, defaults, bounds and examples are those of the canned query."""
    operation = document["paths"]["/queries/adverse-event-incidence/answer"]["get"]
    parameters = {each["name"]: each for each in operation["parameters"] if "name" in each}

    assert parameters["procedure"]["required"] is False
    assert parameters["skin_type"]["schema"]["anyOf"][3] == {
        "const": "dgd:fitzpatrick-skin-type/IV",
        "title": "Fitzpatrick skin type IV",
    }
    assert parameters["event"]["schema"]["default"] == "dg:ClinicalCondition"
    examples = [each["value"] for each in parameters["event"]["examples"].values()]
    assert "dg:Ectropion" in examples


@pytest.mark.parametrize("name", ENDPOINTS)
def test_each_problem_is_told_by_its_status(document: Any, name: str) -> None:
    """The statuses of an operation are those of the problems that the table lists for it."""
    row = ENDPOINTS[name]
    path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", row.paths[0])
    for operation in document["paths"][path].values():
        for slug in row.problems:
            response = operation["responses"][str(PROBLEM_TYPES[slug].status)]
            assert slug in response["description"].split(", ")
            component = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
            examples = component["content"]["application/problem+json"]["examples"]
            assert examples[slug]["value"]["type"] == f"{_HOST}/problems/{slug}"


def faults(document: Any, schema: Any, value: Any) -> list[str]:
    """Return in what a value does not fit a schema of the document."""
    whole = {**schema, "components": document["components"]}
    return [each.message for each in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.parametrize(
    "address",
    [
        "/queries",
        "/queries/why",
        "/search?q=wrinkles",
        "/suggest?q=hyperp",
        "/resolve?name=PIH&name=dg:improvement&name=erythma",
        "/sources",
        "/problems/not-found",
        "/health",
        "/openapi.json",
        "/ontology/CO2Laser?format=jsonld",
    ],
)
def test_answers_are_as_described(document: Any, client: FlaskClient, address: str) -> None:
    """What is answered fits the schema of its media type."""
    response = client.get(address, headers={"Accept": "application/json"})
    path = address.partition("?")[0]
    path = path.replace("/why", "/{name}").replace("/not-found", "/{slug}")
    described = document["paths"][path.replace("/CO2Laser", "/{name}")]["get"]["responses"]["200"]

    assert response.status_code == 200
    schema = described["content"][response.mimetype]["schema"]
    assert faults(document, schema, json.loads(response.data)) == []
    for name, header in described["headers"].items():
        key = header["$ref"].rpartition("/")[2]
        is_required = document["components"]["headers"][key].get("required")
        assert name in response.headers or not is_required


def test_each_answer_is_as_described(
    document: Any, client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """So are the answers of canned queries to their first examples."""
    for query in list(graph.catalogue.values())[::6]:
        given = query.examples[0] if query.examples else {}
        answered = client.get(f"/queries/{query.name}/answer", query_string=given)
        operation = document["paths"][f"/queries/{query.name}/answer"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert faults(document, schema, answered.get_json()) == []


def test_examples_are_as_described(document: Any, graph: kg.KnowledgeGraph) -> None:
    """What is shown of the answer of each canned query fits its schema, and is of this version."""
    for query in graph.catalogue.values():
        operation = document["paths"][f"/queries/{query.name}/answer"]["get"]
        shown = operation["responses"]["200"]["content"]["application/json"]
        assert faults(document, shown["schema"], shown["example"]) == []
        assert shown["example"]["version"] == graph.version
        assert shown["example"]["rows"] or shown["example"]["gaps"]


Requested = tuple[str, str, dict[str, Any]]
"""Path, method, and what the client is given."""

UNREAL: Final = {"/queries-running/{query_id}", "/.well-known/genid/{name}"}
"""Where there is nothing, unless a query of that name runs, or the data have a blank node."""


def exampled(document: Any, path: str, method: str, operation: Any) -> Iterator[Requested]:
    """Yield the requests that the examples of an operation show, each as a client sends it."""
    own = [
        document["components"]["parameters"][each["$ref"].rpartition("/")[2]]
        if "$ref" in each
        else each
        for each in operation.get("parameters", ())
    ]
    suffixes = [each["schema"]["enum"] for each in own if each["name"] == "suffix"]
    places = {each["name"]: each.get("example") for each in own if each["in"] == "path"}
    shown: dict[str, list[Any]] = {
        each["name"]: [one["value"] for one in each.get("examples", {}).values()]
        for each in own
        if each["in"] == "query"
    }
    required = {
        each["name"]: shown[each["name"]][0]
        for each in own
        if each.get("required") and each["in"] == "query"
    }
    for suffix in suffixes[0] if suffixes else [""]:
        at = path.format(**{**places, "suffix": suffix})
        if method == "post":
            for media, body in operation["requestBody"]["content"].items():
                given = [each["value"] for each in body.get("examples", {}).values()]
                for each in given or [body["example"]] if "example" in body else given:
                    as_json = media == "application/json"
                    data = json.dumps(each) if as_json else each
                    yield at, method, {"data": data, "content_type": media}
        else:
            others = [each.get("example") for each in own if each["name"] == "parameters"]
            yield at, method, {"query_string": {**required, **(others or [{}])[0]}}
            for name, values in shown.items():
                for each in values:
                    with_text = {"q": "skin"} if name in ("kind", "limit") and "q" in shown else {}
                    with_query = {"query": "ASK {}"} if "query" in shown else {}
                    asked = {**with_text, **with_query, **required, name: each}
                    yield at, method, {"query_string": asked}


def fits(document: Any, client: FlaskClient, path: str, method: str) -> int:
    """Ask what the examples of an operation show; each is answered, as described. Return how many."""
    operation = document["paths"][path][method]
    asked = list(exampled(document, path, method, operation))
    for at, _, given in asked:
        response = client.open(at, method=method.upper(), buffered=True, **given)
        assert response.status_code in (200, 303), (at, given, response.text[:300])
        described = operation["responses"][str(response.status_code)]
        content = described["content"][response.mimetype]
        if str(response.mimetype).endswith("json") and response.status_code == 200:
            assert faults(document, content["schema"], json.loads(response.data)) == []
    return len(asked)


def test_examples_of_each_operation_are_answered(document: Any, client: FlaskClient) -> None:
    """Those of addresses, parameters and bodies: what they show is real."""
    for path, method, _ in operations(document):
        if path not in UNREAL and not re.fullmatch("/queries/[a-z-]+/answer", path):
            assert fits(document, client, path, method) > 0, path


@pytest.mark.long
def test_examples_of_each_canned_query_are_answered(
    document: Any, client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """Each way to write a value, and each body; and each parameter has an example."""
    for query in graph.catalogue.values():
        for method, operation in document["paths"][f"/queries/{query.name}/answer"].items():
            fits(document, client, f"/queries/{query.name}/answer", method)
            own = {each.name for each in query.parameters}
            for each in operation["parameters"]:
                assert each.get("name") not in own or each["examples"], (query.name, each)


def test_examples_show_each_way_to_write_a_value(document: Any) -> None:
    """A term whole, short, by label and synonym; a number alone and with its unit; a text beside a list."""
    answers = document["paths"]

    def shown(query: str, parameter: str) -> set[Any]:
        own = answers[f"/queries/{query}/answer"]["get"]["parameters"]
        [found] = [each for each in own if each.get("name") == parameter]
        values = {each["value"] for each in found["examples"].values()}
        assert all(faults(document, found["schema"], each) == [] for each in values)
        return values

    assert {"dg:AcneScar", "acne scar", "acne scarring"} < shown("skin-type-evidence", "condition")
    assert {"V", "Fitzpatrick skin type V"} < shown("skin-type-evidence", "skin_type")
    assert {1064, "1064 nm"} < shown("safety-limits", "wavelength")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"wavelength": 1064}, 200),
        ({"wavelength": "1064"}, 200),
        ({"wavelength": "1.064 µm", "organ": "eye"}, 200),
        ({"wavelength": "1064nanometers"}, 200),
        ({"wavelength": "nm 1064"}, 400),
        ({"wavelength": -1}, 400),
    ],
)
def test_the_schema_takes_what_the_service_takes(
    document: Any, client: FlaskClient, given: dict[str, Any], status: int
) -> None:
    """Numbers with units, and texts beside listed values; the service and the schema agree."""
    content = document["paths"]["/queries/safety-limits/answer"]["post"]["requestBody"]["content"]
    response = client.post("/queries/safety-limits/answer", json=given)

    is_legal = faults(document, content["application/json"]["schema"], given) == []
    assert (response.status_code, is_legal) == (status, status == 200)


def test_a_problem_is_as_described(document: Any, client: FlaskClient) -> None:
    """Errors fit their schema, whose members are all that errors have."""
    problem = document["components"]["schemas"]["Problem"]
    told = [
        client.get("/queries/lasers/answer?colour=red"),
        client.get("/sparql?query=SELECT"),
        client.get("/sources?key=none"),
        client.get("/id/none"),
        client.get("/sparql?query=ASK{}", headers={"Accept": "image/png"}),
    ]
    for response in told:
        found = response.get_json()
        assert faults(document, problem, found) == []
        assert set(found) <= set(problem["properties"])


def test_samples_run(document: Any, start: Start, graph: kg.KnowledgeGraph) -> None:
    """What a page shows to programs is legal Python, and gives rows; curl is given the same address."""
    with start() as (_, port):
        url = f"http://127.0.0.1:{port}"
        page = create_app({"PUBLIC_URL": url}, graph).test_client()
        text = page.get("/openapi.json").get_json()
        samples = text["paths"]["/queries/lay-terms/answer"]["get"]["x-codeSamples"]
        sources = {each["lang"]: each["source"] for each in samples}
        run = subprocess.run(
            [sys.executable, "-c", sources["Python"]], capture_output=True, text=True, check=True
        )

    assert "lay_term" in run.stdout
    address = re.search(r'urlopen\("(.+?)"\)', sources["Python"])
    assert address
    assert sources["Shell"] == f"curl '{address[1]}'"
    assert address[1] in sources["JavaScript"]
    for _, _, operation in operations(document):
        for sample in operation.get("x-codeSamples", []):
            if sample["lang"] == "Python":
                compile(sample["source"], "sample", "exec")


def test_the_page_shows_it(document: Any, client: FlaskClient) -> None:
    """Each operation is on the page, which the front page, like all others, leads to."""
    page = client.get("/api", headers={"Accept": "text/html"}, base_url=_HOST)

    assert page.status_code == 200
    for path, method, operation in operations(document):
        assert f'id="{operation["operationId"]}"' in page.text
        assert f"<code>{method.upper()} {path}</code>" in page.text
    rows = document["components"]["schemas"]["LayTermsRow"]["properties"]
    assert rows
    assert all(f"<dt><code>{key}</code></dt>" in page.text for key in rows)
    front = client.get("/", headers={"Accept": "text/html"}, base_url=_HOST)
    assert 'href="/api"' in front.text
    assert f'<{_HOST}/openapi.json>; rel="service-desc"' in front.headers["Link"]


def test_other_data_have_no_canned_queries() -> None:
    """The generic routes are described whatever is served."""
    from kg.engine.dataset import DefaultGraph
    from kg.releases.dataset_spec import DatasetSpec

    spec = DatasetSpec.of_files([], DefaultGraph.UNION)
    other = create_app({}, spec.over(spec.engine())).test_client().get("/openapi.json").get_json()

    Draft202012Validator(_SCHEMA).validate(other)
    assert not [path for path in other["paths"] if path.startswith("/queries/lasers")]
