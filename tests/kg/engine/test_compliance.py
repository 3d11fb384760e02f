"""What every engine has to do, asked of each of them, wherever it runs: in this process, in others, elsewhere."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from rdflib import XSD, Dataset, Graph, Literal, URIRef

from kg.engine import (
    CSV,
    JSONLD,
    NTRIPLES,
    RDFXML,
    TSV,
    XML,
    BindingError,
    Engine,
    FederationRefused,
    Format,
    FormatNotAvailable,
    Query,
    QueryError,
    QuerySyntaxError,
    ResultKind,
    ResultTooLarge,
    UnsupportedFunction,
    UpdateNotAllowed,
)
from kg.engine.dataset import Data, Source
from kg.engine.endpoint_client import Endpoint, EndpointClient
from kg.engine.isolated.engine import IsolatedEngine
from kg.engine.oxigraph.engine import InProcessEngine
from kg.engine.remote.engine import HEADERS, RemoteEngine
from kg.rdf.formats import NQUADS
from tests.processes import eventually, free_port

QUADS: Final = b"""\
<http://e/a> <http://e/knows> <http://e/b> <http://e/g1> .
<http://e/b> <http://e/knows> <http://e/c> <http://e/g1> .
<http://e/a> <http://e/name> "Ann \\"A\\"\\n"@en <http://e/g1> .
<http://e/a> <http://e/size> "7"^^<http://www.w3.org/2001/XMLSchema#integer> <http://e/g1> .
<http://e/a> <http://e/twice> <http://e/b> <http://e/g1> .
<http://e/a> <http://e/twice> <http://e/b> <http://e/g2> .
<http://e/b> <http://e/size> "2.5"^^<http://www.w3.org/2001/XMLSchema#decimal> <http://e/g2> .
<http://e/b> <http://e/since> "2001-02-03"^^<http://www.w3.org/2001/XMLSchema#date> <http://e/g2> .
<http://e/z> <http://e/size> "1"^^<http://www.w3.org/2001/XMLSchema#integer> <http://e/apart> .
"""
DATA: Final = Data((Source(QUADS, NQUADS),), apart=("http://e/apart",))
PROLOGUE: Final = "PREFIX e: <http://e/> PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>\n"

Kind = Callable[[Path], Iterator[Engine]]
Started = tuple[str, Engine]


def in_process(_: Path) -> Iterator[Engine]:
    """Yield the engine in this process."""
    yield InProcessEngine(DATA)


def isolated(_: Path) -> Iterator[Engine]:
    """Yield the engine in processes of its own."""
    engine = IsolatedEngine(DATA, processes=2)
    yield engine
    engine.close()


def behind(
    path: str,
    command: Callable[[int, Path], list[str]],
    load: Callable[[int, Path], None] | None = None,
) -> Kind:
    """Return what yields a server on loopback as the engine.

    Args:
        path: of its endpoint.
        command: starts it, given a port and a file with the data.
        load: puts the data into it, where it does not start with them.
    """

    def started(folder: Path) -> Iterator[Engine]:
        port = free_port()
        file = folder / "data.nq"
        file.write_bytes(QUADS)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            command(port, file),
            env=environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process:
            try:
                assert eventually(lambda: listens(port) or process.poll() is not None, 300)
                assert process.poll() is None
                if load:
                    load(port, file)
                engine = remote(f"http://127.0.0.1:{port}{path}")
                yield engine
                engine.close()
            finally:
                process.terminate()

    return started


def listens(port: int) -> bool:
    """Tell whether there is a server."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def put(port: int, file: Path) -> None:
    """Put the data into a server by the Graph Store Protocol."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/store", file.read_bytes(), {"Content-Type": "application/n-quads"})
    assert connection.getresponse().status == 204
    connection.close()


def remote(iri: str) -> RemoteEngine:
    """Return an endpoint as the engine."""
    client = EndpointClient(Endpoint.named(iri, private=True), HEADERS, 4)
    return RemoteEngine(client, InProcessEngine(Data()), DATA, {}, (60, 60))


def dermograph(port: int, file: Path) -> list[str]:
    """Return the command that serves a file by this service."""
    serve = "from server.cli import main; main()"
    return [sys.executable, "-c", serve, "serve", "--port", str(port), "--data", str(file)]


def program(name: str) -> str:
    """Return a program of another server; without it the tests of that server are left out."""
    found = shutil.which(
        name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    return found or pytest.skip(f"{name} is not there, which `make tools` gets")


def oxigraph(port: int, _: Path) -> list[str]:
    """Return the command that starts `oxigraph serve`, with nothing in it."""
    return [program("oxigraph"), "serve", "--bind", f"127.0.0.1:{port}"]


VIRTUOSO: Final = """\
[Database]
DatabaseFile = {folder}/virtuoso.db
ErrorLogFile = {folder}/virtuoso.log
LockFile = {folder}/virtuoso.lck
TransactionFile = {folder}/virtuoso.trx
xa_persistent_file = {folder}/virtuoso.pxa
[TempDatabase]
DatabaseFile = {folder}/virtuoso-temp.db
TransactionFile = {folder}/virtuoso-temp.trx
[Parameters]
ServerPort = 127.0.0.1:{sql}
DirsAllowed = {folder}
[HTTPServer]
ServerPort = 127.0.0.1:{http}
"""
LOADED: Final = "ld_dir('{folder}', '{name}', 'urn:none'); rdf_loader_run(); checkpoint;"
HIDDEN: Final = "DB.DBA.RDF_DEFAULT_USER_PERMS_SET('nobody', 0);"
SHOWN: Final = "DB.DBA.RDF_GRAPH_USER_PERMS_SET('{graph}', 'nobody', 1);"
"""How Virtuoso loads N-Quads, and shows their graphs but not its own, as docs/engines.md has it."""


def virtuoso(port: int, file: Path) -> list[str]:
    """Return the command that starts Virtuoso with a database of its own, and nothing in it."""
    settings = file.with_name("virtuoso.ini")
    settings.write_text(VIRTUOSO.format(folder=file.parent, http=port, sql=free_port()))
    return [program("virtuoso-t"), "+foreground", "+configfile", str(settings)]


def bulk_load(_: int, file: Path) -> None:
    """Have Virtuoso load a file, and show its graphs alone."""
    settings = ConfigParser()
    settings.read(file.with_name("virtuoso.ini"))
    asked = [LOADED.format(folder=file.parent, name=file.name), HIDDEN]
    asked += [SHOWN.format(graph=graph) for graph in GRAPHS]
    asked += ["SELECT ll_state, ll_error FROM load_list;"]
    isql = [program("isql-vt"), settings["Parameters"]["ServerPort"], "dba", "dba", "BANNER=OFF"]
    options = ["ERRORS=STDOUT", "VERBOSE=OFF", f"exec={' '.join(asked)}"]
    said = subprocess.check_output([*isql, *options], text=True)
    assert said.split() == ["2", "NULL"], said


ENGINES: Final[Mapping[str, Kind]] = {
    "in process": in_process,
    "isolated": isolated,
    "dermograph serve": behind("/sparql", dermograph),
    "oxigraph serve 0.5.13": behind("/query", oxigraph, put),
    "Virtuoso 7.2.5": behind("/sparql", virtuoso, bulk_load),
}
LATER: Final = ("oxigraph serve 0.5.13", "Virtuoso 7.2.5")
"""Those that need more than Python."""

LACKING: Final[Mapping[str, frozenset[str]]] = {
    "oxigraph serve 0.5.13": frozenset(
        {
            "a triple of several graphs is one",
            "property paths, of length zero too",
            "GRAPH around VALUES, MINUS, SELECT",
        }
    ),
    "Virtuoso 7.2.5": frozenset(
        {
            "a triple of several graphs is one",
            "property paths that lead back",
            "MINUS of VALUES",
            "UNION of a group that ends in BIND",
            "division of integers",
            "GRAPH around VALUES, MINUS, SELECT",
        }
    ),
}
"""What engines elsewhere answer wrongly, by the names of CHECKS; see docs/engines.md."""


def rows(engine: Engine, text: str, **asked: Any) -> list[tuple[str, ...]]:
    """Return the values of a SELECT query, in an order of their own; what has no value is empty."""
    document = json.loads(engine.run(Query(PROLOGUE + text, **asked)).body)
    return sorted(
        tuple(row.get(name, {}).get("value", "") for name in document["head"]["vars"])
        for row in document["results"]["bindings"]
    )


def written(engine: Engine, text: str, wanted: Format) -> str:
    """Return an answer in a format."""
    formats = dict.fromkeys(ResultKind, wanted)
    return engine.run(Query(PROLOGUE + text, formats=formats)).body.decode()


def is_refused(engine: Engine, error: type[QueryError], text: str, **asked: Any) -> bool:
    """Tell whether a query is refused by an error of exactly this class."""
    try:
        engine.run(Query(PROLOGUE + text, **asked))
    except QueryError as refused:
        return type(refused) is error
    return False


GRAPHS: Final = ["http://e/apart", "http://e/g1", "http://e/g2"]
SIZES: Final = "SELECT ?s ?size { ?s e:size ?size }"
NAMES: Final = "SELECT ?s ?name { ?s e:name ?name }"
TRIPLES: Final = "CONSTRUCT { ?s e:is ?size } { ?s e:size ?size }"
MADE: Final = {
    (URIRef("http://e/a"), URIRef("http://e/is"), Literal(7)),
    (URIRef("http://e/b"), URIRef("http://e/is"), Literal("2.5", datatype=XSD.decimal)),
}

CHECKS: Final[Mapping[str, Callable[[Engine], bool]]] = {
    "SELECT, with language, datatype and escapes": lambda engine: (
        json.loads(engine.run(Query(PROLOGUE + NAMES)).body)["results"]["bindings"]
        == [
            {
                "s": {"type": "uri", "value": "http://e/a"},
                "name": {"type": "literal", "value": 'Ann "A"\n', "xml:lang": "en"},
            }
        ]
    ),
    "ASK": lambda engine: (
        json.loads(engine.run(Query("ASK { ?s <http://e/size> 7 }")).body)["boolean"] is True
        and json.loads(engine.run(Query("ASK { ?s <http://e/size> 8 }")).body)["boolean"] is False
    ),
    "CONSTRUCT": lambda engine: set(Graph().parse(data=written(engine, TRIPLES, NTRIPLES))) == MADE,
    "DESCRIBE": lambda engine: (
        URIRef("http://e/b")
        in set(Graph().parse(data=written(engine, "DESCRIBE e:a", NTRIPLES), format="nt").objects())
    ),
    "a triple of several graphs is one": lambda engine: (
        rows(engine, "SELECT ?o { ?s e:twice ?o }") == [("http://e/b",)]
        and engine.contents.triples == 7
    ),
    "a graph that is apart is outside the union": lambda engine: (
        rows(engine, "SELECT ?o { e:z ?p ?o }") == []
        and rows(engine, "SELECT ?o { GRAPH e:apart { e:z ?p ?o } }") == [("1",)]
    ),
    "named graphs": lambda engine: (
        [name for (name,) in rows(engine, "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }")] == GRAPHS
    ),
    "FROM and FROM NAMED": lambda engine: (
        rows(engine, "SELECT ?s FROM e:g2 { ?s ?p ?o }")
        == [("http://e/a",), *[("http://e/b",)] * 2]
        and rows(engine, "SELECT DISTINCT ?g FROM NAMED e:g2 { GRAPH ?g { ?s ?p ?o } }")
        == [("http://e/g2",)]
        and rows(engine, "SELECT ?s FROM NAMED e:g2 { ?s ?p ?o }") == []
    ),
    "the dataset of the protocol comes before FROM": lambda engine: (
        rows(engine, "SELECT ?o FROM e:g1 { ?s e:since ?o }", default_graphs=("http://e/g2",))
        == [("2001-02-03",)]
    ),
    "a graph that is not there is empty": lambda engine: (
        rows(engine, "SELECT ?s { ?s ?p ?o }", default_graphs=("http://e/none",)) == []
    ),
    "no graph at all": lambda engine: (
        rows(engine, "SELECT ?s { ?s ?p ?o }", default_graphs=(), named_graphs=()) == []
    ),
    "contents by graph": lambda engine: (
        (dict(engine.contents.graphs), engine.contents.apart)
        == ({"http://e/apart": 1, "http://e/g1": 5, "http://e/g2": 3}, ("http://e/apart",))
    ),
    "values that are bound": lambda engine: (
        rows(engine, "SELECT ?s ?o { ?s e:size ?o }", bindings={"s": URIRef("http://e/a")})
        == [("http://e/a", "7")]
        and rows(engine, NAMES, bindings={"name": Literal('Ann "A"\n', lang="en")})
        == [("http://e/a", 'Ann "A"\n')]
    ),
    "relative IRIs": lambda engine: (
        rows(engine, "SELECT ?o { <a> <size> ?o }", base_iri="http://e/") == [("7",)]
    ),
    "OPTIONAL, MINUS, FILTER, UNION, EXISTS": lambda engine: (
        rows(engine, "SELECT ?s ?d { ?s e:size ?x OPTIONAL { ?s e:since ?d } }")
        == [("http://e/a", ""), ("http://e/b", "2001-02-03")]
        and rows(engine, "SELECT ?s { ?s e:size ?x MINUS { ?s e:since ?d } }") == [("http://e/a",)]
        and rows(engine, "SELECT ?s { { ?s e:since ?x } UNION { ?s e:name ?x } FILTER(?s != e:a) }")
        == [("http://e/b",)]
        and rows(engine, "SELECT ?s { ?s e:size ?x FILTER EXISTS { ?s e:name ?n } }")
        == [("http://e/a",)]
    ),
    "VALUES, BIND, subqueries, aggregates": lambda engine: (
        rows(engine, "SELECT ?x ?y { VALUES ?x { 1 2 } BIND(?x * 2 AS ?y) }")
        == [("1", "2"), ("2", "4")]
        and rows(engine, "SELECT (SUM(?x) AS ?n) { { SELECT ?x { ?s e:size ?x } } }") == [("9.5",)]
        and rows(engine, "SELECT ?s (COUNT(?o) AS ?n) { ?s e:size ?o } GROUP BY ?s")
        == [("http://e/a", "1"), ("http://e/b", "1")]
    ),
    "property paths, of length zero too": lambda engine: (
        rows(engine, "SELECT ?o { e:a e:knows+ ?o }") == [("http://e/b",), ("http://e/c",)]
        and rows(engine, "SELECT ?o { e:absent e:knows* ?o }") == [("http://e/absent",)]
    ),
    "property paths that lead back": lambda engine: (
        rows(engine, "SELECT ?o { e:b (e:knows|^e:knows)+ ?o }")
        == [("http://e/a",), ("http://e/b",), ("http://e/c",)]
    ),
    "MINUS of VALUES": lambda engine: (
        rows(engine, "SELECT ?s { ?s e:size ?x MINUS { VALUES ?s { e:a } } }") == [("http://e/b",)]
    ),
    "UNION of a group that ends in BIND": lambda engine: (
        rows(
            engine,
            "SELECT ?x { { OPTIONAL { ?s e:no ?o } BIND(1 AS ?x) } UNION { VALUES ?x { 2 } } }",
        )
        == [("1",), ("2",)]
    ),
    "division of integers": lambda engine: (
        rows(engine, "SELECT ?half { ?s e:size ?x BIND(?x / 2 AS ?half) }") == [("1.25",), ("3.5",)]
    ),
    "GRAPH around VALUES, MINUS, SELECT": lambda engine: (
        rows(engine, "SELECT ?s { GRAPH e:g1 { ?s e:size ?x MINUS { ?s e:since ?d } } }")
        == [("http://e/a",)]
        and rows(engine, "SELECT ?g ?n { GRAPH ?g { SELECT (COUNT(*) AS ?n) { ?s e:size ?o } } }")
        == [("http://e/apart", "1"), ("http://e/g1", "1"), ("http://e/g2", "1")]
    ),
    "ORDER BY": lambda engine: (
        json.loads(engine.run(Query(PROLOGUE + SIZES + " ORDER BY ?size")).body)["results"][
            "bindings"
        ][0]["size"]["value"]
        == "2.5"
    ),
    "the same bytes each time": lambda engine: (
        len({engine.run(Query("SELECT * { ?s ?p ?o }")).body for _ in range(5)}) == 1
    ),
    "rows in XML, CSV and TSV": lambda engine: (
        "<uri>http://e/a</uri>" in written(engine, SIZES, XML)
        and written(engine, f"{SIZES} ORDER BY ?size", CSV)
        == "s,size\r\nhttp://e/b,2.5\r\nhttp://e/a,7\r\n"
        and written(engine, f"{SIZES} ORDER BY ?size", TSV)
        == "?s\t?size\n<http://e/b>\t2.5\n<http://e/a>\t7\n"
    ),
    "graphs in RDF/XML and JSON-LD": lambda engine: (
        set(Graph().parse(data=written(engine, TRIPLES, RDFXML), format="xml")) == MADE
        and {
            quad[:3]
            for quad in Dataset()
            .parse(data=written(engine, TRIPLES, JSONLD), format="json-ld")
            .quads()
        }
        == MADE
    ),
    "errors of syntax, with their places": lambda engine: (
        is_refused(engine, QuerySyntaxError, "SELECT * {")
        and is_refused(engine, UpdateNotAllowed, "INSERT DATA { e:a e:b e:c }")
        and is_refused(engine, BindingError, "ASK { ?s ?p ?o }", bindings={"p": Literal(1)})
    ),
    "SERVICE is refused": lambda engine: is_refused(
        engine, FederationRefused, "ASK { SERVICE SILENT <http://127.0.0.1:9/> {} }"
    ),
    "what is unknown is refused": lambda engine: (
        is_refused(engine, UnsupportedFunction, "ASK { FILTER(e:unknown(1)) }")
        and is_refused(
            engine, FormatNotAvailable, "ASK {}", formats=dict.fromkeys(ResultKind, NTRIPLES)
        )
    ),
    "answers are no larger than they may be": lambda engine: is_refused(
        engine, ResultTooLarge, "SELECT * { ?s ?p ?o }", max_bytes=50
    ),
}


@contextmanager
def running(name: str, folder: Path) -> Iterator[Engine]:
    """Start an engine, and end it."""
    yield from ENGINES[name](folder)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.long] * (name in LATER)) for name in ENGINES],
)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    """Yield the name of each engine, and the engine with the same data in it."""
    with running(request.param, tmp_path_factory.mktemp("engine")) as engine:
        yield request.param, engine


@pytest.mark.parametrize("check", CHECKS)
def test_every_engine_complies(started: Started, check: str) -> None:
    """It answers as SPARQL says, or refuses as this service does, but for what is known."""
    name, engine = started

    assert CHECKS[check](engine) is (check not in LACKING.get(name, ()))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "command"),
    [*zip(LATER, (["oxigraph", "--version"], ["virtuoso-t", "-?"]), strict=True)],
)
def test_the_version_that_the_table_names_is_the_one_that_is_asked(
    name: str, command: list[str]
) -> None:
    """Another version may do more or less, so its name and what it lacks are to be written anew."""
    done = subprocess.run(
        [program(command[0]), *command[1:]], capture_output=True, text=True, check=False
    )

    assert re.search(rf"\b{re.escape(name.rpartition(' ')[2])}\b", done.stdout + done.stderr)


def test_the_table_of_engines_is_that_of_these_checks() -> None:
    """docs/engines.md has it; `python tests/kg/engine/compare_engines.py` writes it anew."""
    page = (Path(__file__).parents[3] / "docs" / "engines.md").read_text(encoding="utf-8")

    assert table({name: set(LACKING.get(name, ())) for name in ENGINES}) in page


def table(lacking: Mapping[str, set[str]]) -> str:
    """Write what each engine does and does not, in Markdown."""
    lines = [["what is asked for", *lacking], ["---"] * (len(lacking) + 1)]
    lines += [
        [check, *("no" if check in failed else "yes" for failed in lacking.values())]
        for check in CHECKS
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
