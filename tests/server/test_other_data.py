"""The command serves any RDF files as well as it serves the knowledge, and says what it cannot."""

from __future__ import annotations

import contextlib
import gzip
import html
import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

import pytest
import rdflib
from click.testing import CliRunner
from rdflib import DCTERMS, RDF, VOID, Namespace

import kg
from kg.engine.dataset import DefaultGraph
from kg.rdf.namespaces import DGD
from kg.releases.bundled import spec
from kg.releases.dataset_spec import DatasetSpec
from kg.validate import validate
from server import create_app
from server.cli import main

_ROOT: Final = Path(__file__).parents[2]
_COMMAND: Final = (sys.executable, "-c", "from server.cli import main; main()")
_ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, *sys.path)))}
_SD: Final = Namespace("http://www.w3.org/ns/sparql-service-description#")
_EVERYTHING: Final = "SELECT * { ?s ?p ?o }"

_FOAF: Final = "http://xmlns.com/foaf/0.1/"
_PEOPLE: Final = f"""
@prefix foaf: <{_FOAF}> .
<#ann> a foaf:Person ; foaf:name "Ann" ; foaf:knows [ foaf:name "Bob" ] .
"""
_GRAPHS: Final = """
@prefix e: <http://example.org/> .
e:s e:p e:o .
<urn:example:one> { e:s e:p e:o, <<( e:a e:b e:c )>> }
e:two { e:s e:p e:o . <https://w3id.org/dermograph/id/claim/X> e:p e:o, _:blank, "literal" . }
"""
_PATHS: Final = (
    *("/", "/sparql", "/queries", "/queries/why", "/queries/why/answer", "/sources"),
    *("/sources?key=X", "/ontology", "/ontology.ttl", "/ontology/CO2Laser", "/id/claim/X"),
    *("/id/claim/X.jsonld", "/id/claim/B0375", "/graph/claims", "/function/convert"),
    *("/context.jsonld", "/.well-known/void", "/problems/not-found", "/nowhere"),
)
_ACCEPTED: Final = ("text/html", "text/turtle", "application/ld+json", "application/json", "*/*")


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Site(NamedTuple):
    """A service that runs, by its port."""

    port: int

    def get(self, path: str, accept: str = "*/*") -> Reply:
        """Ask for a path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept": accept})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())

    def rows(self, query: str, **parameters: str) -> list[str]:
        """Return the lines of an answer in CSV, in order, without the head."""
        path = "/sparql?" + urlencode({"query": query, **parameters})
        return sorted(self.get(path, "text/csv").body.decode().split("\r\n")[1:-1])

    def description(self) -> rdflib.Graph:
        """Return what the service says of itself."""
        return rdflib.Graph().parse(data=self.get("/sparql", "text/turtle").body, format="turtle")


@contextmanager
def serving(*arguments: str, cwd: Path | None = None) -> Iterator[Site]:
    """Run the command until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with subprocess.Popen(
        [*_COMMAND, "serve", "--port", str(port), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=_ENVIRONMENT,
        cwd=cwd,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.endswith(f" is served at http://127.0.0.1:{port}\n"), said
        while process.poll() is None:  # it says so just before it listens
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
        yield Site(port)
        process.terminate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files of data."""
    path = tmp_path_factory.mktemp("data")
    (path / "people.ttl").write_text(_PEOPLE, encoding="utf-8")
    (path / "graphs.trig.gz").write_bytes(gzip.compress(_GRAPHS.encode()))
    (path / "broken.ttl").write_text("<#a> <#b> <#c> .\n<#a> <#b> oops .\n", encoding="utf-8")
    os.mkfifo(path / "pipe.ttl")
    return path


@pytest.fixture(scope="module")
def other(folder: Path) -> Iterator[Site]:
    """Serve two files."""
    with serving("--data", "people.ttl", "graphs.trig.gz", cwd=folder) as site:
        yield site


@pytest.fixture(scope="module")
def empty() -> Iterator[Site]:
    """Serve nothing, strictly."""
    with serving("--empty", "--default-graph", "strict") as site:
        yield site


@pytest.fixture(params=["other", "empty"])
def site(request: pytest.FixtureRequest) -> Site:
    """Return each of the services in turn."""
    found: Site = request.getfixturevalue(request.param)
    return found


def test_the_files_are_what_is_asked(other: Site, folder: Path) -> None:
    """Relative IRIs are those of the file, and the union has each triple once."""
    ann = f"{folder.as_uri()}/people.ttl#ann"

    assert other.rows(f"SELECT ?p {{ <{ann}> ?p ?o }}") == [
        str(RDF.type),
        f"{_FOAF}knows",
        f"{_FOAF}name",
    ]
    assert other.rows("SELECT (COUNT(*) AS ?n) { ?s ?p <http://example.org/o> }") == ["2"]
    assert other.rows("SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }") == [
        "http://example.org/two",
        "urn:example:one",
    ]


@pytest.mark.parametrize("accept", _ACCEPTED)
def test_no_page_fails(site: Site, accept: str) -> None:
    """Whatever is asked for, the answer is a page or a refusal that explains itself."""
    for path in _PATHS:
        reply = site.get(path, accept)

        assert reply.status in {200, 303, 400, 404, 406}, path
        assert reply.body or reply.headers["Content-Type"].startswith("text/turtle"), path
        licensed = "license" in reply.headers.get("Link", "") or b"creativecommons" in reply.body
        assert not licensed or path == "/context.jsonld", path


def test_no_link_leads_nowhere(site: Site) -> None:
    """Every link of a page to another page of the service finds it."""
    known, waiting = {"/"}, ["/"]
    while waiting:
        path = waiting.pop()
        reply = site.get(path, "text/html")
        assert reply.status == 200, path
        if "text/html" in reply.headers["Content-Type"]:
            links = re.findall(r'<a[^>]* href="(/[^"]*)"', reply.body.decode())
            found = {urljoin(path, html.unescape(link)) for link in links} - known
            known |= found
            waiting += found

    assert len(known) > 5


def test_the_description_is_that_of_the_data(other: Site, empty: Site) -> None:
    """It counts what there is, and claims neither our name nor our licence for it."""
    described = other.description()
    (dataset,) = described.subjects(RDF.type, VOID.Dataset)

    assert str(dataset) == f"http://127.0.0.1:{other.port}/sparql#dataset"
    assert described.value(dataset, VOID.triples) == rdflib.Literal(9)
    assert {str(each) for each in described.objects(None, _SD.name)} == {
        "http://example.org/two",
        "urn:example:one",
    }
    assert (None, _SD.feature, _SD.UnionDefaultGraph) in described
    assert (None, _SD.feature, _SD.UnionDefaultGraph) not in empty.description()


def test_a_document_about_our_iris_is_given(other: Site) -> None:
    """Data that speak of IRIs of ours are found at their paths."""
    reply = other.get("/id/claim/X", "application/n-triples")

    assert reply.body.count(b"<http://example.org/p>") == 3


def test_no_data_are_data(empty: Site) -> None:
    """An empty service answers with nothing, and computes."""
    assert empty.rows(_EVERYTHING) == []
    assert empty.rows("SELECT (1 + 1 AS ?two) {}") == ["2"]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [*_COMMAND, "serve", "--port", "1", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=_ENVIRONMENT, cwd=cwd, check=False, timeout=120
    )


def test_a_file_that_does_not_parse_is_told(folder: Path) -> None:
    """The service does not start; the file, the place and the remedy are said."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    ended = run("--port", port, "--data", "people.ttl", "broken.ttl", cwd=folder)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "Error: broken.ttl, line 2, column 11: oops is not a valid RDF object.\n"
        "It is read as Turtle, as its name says; mend it or name it otherwise.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "none.ttl"], "File 'none.ttl' does not exist"),
        (["--data", "."], "File '.' is a directory"),
        (["--data", "pipe.ttl"], "pipe.ttl is no regular file"),
        (["--data", __file__], ".ttl, .trig, .nt, .nq, .rdf, .owl, .xml, .jsonld; .gz may follow"),
        (["people.ttl"], "Put --data or --add before the files: --add people.ttl"),
        (
            ["--empty", "--data", "people.ttl"],
            "--data, --add, --empty and --engine exclude each other",
        ),
        (["--default-graph", "none"], "'none' is not one of 'union', 'strict'"),
    ],
)
def test_wrong_use_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """What cannot be served is refused before anything is loaded, with what can be."""
    monkeypatch.chdir(folder)
    ended = CliRunner().invoke(main, ["serve", *arguments])

    assert ended.exit_code == 2
    assert message in " ".join(ended.stderr.split())


def test_strict_is_for_queries_of_clients_only(graph: kg.KnowledgeGraph) -> None:
    """All of the knowledge is in named graphs; pages and canned queries find it there."""
    strict = spec(default_graph=DefaultGraph.STRICT).load()
    client, same = (create_app({}, each).test_client() for each in (strict, graph))
    canned = "/queries/why/answer?subject=dg:CO2Laser&format=csv"

    assert strict.version != graph.version
    assert client.get("/sparql?query=ASK{?s ?p ?o}").get_json()["boolean"] is False
    assert client.get("/sparql?query=ASK{GRAPH ?g {?s ?p ?o}}").get_json()["boolean"] is True
    assert client.get(canned).data == same.get(canned).data
    assert client.get("/ontology/CO2Laser.nt").data == same.get("/ontology/CO2Laser.nt").data


def test_what_a_service_writes_is_validated_and_served(live_url: str, tmp_path: Path) -> None:
    """A document of JSON-LD names the context by the URL of its service, which is known as ours."""
    for name, media_type in (("claim.jsonld", "application/ld+json"), ("claim.ttl", "text/turtle")):
        request = Request(f"{live_url}/id/claim/B0375", headers={"Accept": media_type})
        with urlopen(request) as reply:
            (tmp_path / name).write_bytes(reply.read())

    of_json_ld, of_turtle = (
        validate(tmp_path / name, accelerated=True) for name in ("claim.jsonld", "claim.ttl")
    )
    with serving("--data", "claim.jsonld", cwd=tmp_path) as site:
        found = site.rows(f"SELECT ?id {{ <{DGD}claim/B0375> <{DCTERMS.identifier}> ?id }}")

    assert of_json_ld.checked
    assert {each.record + each.shape for each in of_json_ld.findings} == {
        each.record + each.shape for each in of_turtle.findings
    }
    assert found == ["B0375"]


@pytest.mark.parametrize("name", ["people.ttl", "people.nt", "people.trig", "people.nq"])
def test_a_byte_order_mark_is_read_over(name: str, tmp_path: Path) -> None:
    """Spreadsheets and editors of Windows begin files with one."""
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf<http://e/a> <http://e/b> <http://e/c> .\n")

    assert DatasetSpec.of_files([tmp_path / name]).load().engine.contents.triples == 1
