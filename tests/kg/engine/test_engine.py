"""What every engine promises: forms, formats, datasets, isolation, determinism, errors."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import RDF, Dataset, Graph, Literal, URIRef

import kg
from kg import engine as engines
from kg.engine import (
    CSV,
    DEFAULT_FORMATS,
    FORMATS,
    JSON,
    NTRIPLES,
    TSV,
    TURTLE,
    XML,
    BindingError,
    DataError,
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
    formats_for,
)
from kg.engine.federated.engine import FederatedEngine, Policy
from kg.engine.oxigraph.engine import InProcessEngine
from kg.sparql import errors

_DATA = """\
<http://example.org/a> <http://example.org/knows> <http://example.org/b> <http://example.org/g1> .
<http://example.org/a> <http://example.org/name> "Ann, \\"A\\""@en <http://example.org/g1> .
<http://example.org/b> <http://example.org/age> "7"^^<http://www.w3.org/2001/XMLSchema#integer> <http://example.org/g2> .
<http://example.org/b> <http://example.org/name> "tab\\there" <http://example.org/g2> .
"""
_PROLOGUE = "PREFIX ex: <http://example.org/>\n"
_EX = "http://example.org/"
_G1, _G2 = _EX + "g1", _EX + "g2"


@pytest.fixture(scope="module")
def engine() -> InProcessEngine:
    """Return an engine over four triples in two named graphs."""
    return InProcessEngine(_DATA.encode(), version="v1", prefixes={"ex": _EX})


def _rows(engine: engines.Engine, text: str, **asked: object) -> list[dict[str, str]]:
    """Return the values of a SELECT query."""
    answer = engine.run(Query(_PROLOGUE + text, **asked))  # type: ignore[arg-type]
    return [
        {name: term["value"] for name, term in row.items()}
        for row in json.loads(answer.body)["results"]["bindings"]
    ]


def _in_format(engine: engines.Engine, text: str, wanted: Format) -> bytes:
    wanted_formats = dict.fromkeys(ResultKind, wanted)
    return engine.run(Query(_PROLOGUE + text, formats=wanted_formats)).body


def test_select_gives_rows(engine: InProcessEngine) -> None:
    """SELECT is answered with a table, in SPARQL JSON unless something else is said."""
    answer = engine.run(Query("SELECT ?o { <http://example.org/b> ?p ?o } ORDER BY ?p"))

    assert answer.kind is ResultKind.SOLUTIONS
    assert answer.format is JSON
    assert json.loads(answer.body)["head"]["vars"] == ["o"]
    assert [row["o"]["value"] for row in json.loads(answer.body)["results"]["bindings"]] == [
        "7",
        "tab\there",
    ]


@pytest.mark.parametrize(("name", "expected"), [("a", True), ("nobody", False)])
def test_ask_gives_a_boolean(engine: InProcessEngine, name: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """ASK is answered with true or false."""
    answer = engine.run(Query(f"{_PROLOGUE}ASK {{ ex:{name} ?p ?o }}"))

    assert answer.kind is ResultKind.BOOLEAN
    assert json.loads(answer.body)["boolean"] is expected


@pytest.mark.parametrize("text", ["CONSTRUCT { ?s ex:is ?o } { ?s ex:knows ?o }", "DESCRIBE ex:a"])
def test_construct_and_describe_give_a_graph(engine: InProcessEngine, text: str) -> None:
    """CONSTRUCT and DESCRIBE are answered with triples, in Turtle unless something else is said."""
    answer = engine.run(Query(_PROLOGUE + text))

    assert answer.kind is ResultKind.GRAPH
    assert answer.format is TURTLE
    assert URIRef(_EX + "a") in set(Graph().parse(data=answer.body, format="turtle").subjects())


def test_an_answer_names_the_version_of_the_data(engine: InProcessEngine) -> None:
    """An answer carries the version of the engine that computed it."""
    assert engine.version == "v1"
    assert engine.run(Query("ASK {}")).version == "v1"
    assert engine.run(Query("ASK {}")).seconds >= 0


_NAMES = "SELECT ?s ?name { ?s ex:name ?name } ORDER BY ?s"


def test_rows_in_json(engine: InProcessEngine) -> None:
    """SPARQL JSON keeps language and datatype."""
    rows = json.loads(_in_format(engine, _NAMES, JSON))["results"]["bindings"]

    assert rows[0]["name"] == {"type": "literal", "value": 'Ann, "A"', "xml:lang": "en"}
    assert rows[1] == {
        "s": {"type": "uri", "value": _EX + "b"},
        "name": {"type": "literal", "value": "tab\there"},
    }


def test_rows_in_xml(engine: InProcessEngine) -> None:
    """SPARQL XML has the same cells."""
    root = ET.fromstring(_in_format(engine, _NAMES, XML))  # noqa: S314 - written by our engine
    space = "{http://www.w3.org/2005/sparql-results#}"

    assert [each.get("name") for each in root.iter(f"{space}variable")] == ["s", "name"]
    assert [each.text for each in root.iter(f"{space}literal")] == ['Ann, "A"', "tab\there"]


def test_rows_in_csv(engine: InProcessEngine) -> None:
    """CSV has a header of names and plain values."""
    text = _in_format(engine, _NAMES, CSV).decode()

    assert list(csv.reader(io.StringIO(text))) == [
        ["s", "name"],
        [_EX + "a", 'Ann, "A"'],
        [_EX + "b", "tab\there"],
    ]


def test_rows_in_tsv(engine: InProcessEngine) -> None:
    """TSV has a header of variables and terms as in Turtle."""
    assert _in_format(engine, _NAMES, TSV).decode().splitlines() == [
        "?s\t?name",
        f'<{_EX}a>\t"Ann, \\"A\\""@en',
        f'<{_EX}b>\t"tab\\there"',
    ]


def test_a_boolean_in_json_and_xml(engine: InProcessEngine) -> None:
    """Both formats that carry a boolean say the same."""
    assert json.loads(_in_format(engine, "ASK { ex:a ?p ?o }", JSON)) == {
        "head": {},
        "boolean": True,
    }
    assert b"<boolean>true</boolean>" in _in_format(engine, "ASK { ex:a ?p ?o }", XML)


@pytest.mark.parametrize("wanted", formats_for(ResultKind.GRAPH), ids=lambda each: each.name)
def test_a_graph_is_the_same_in_every_format(engine: InProcessEngine, wanted: Format) -> None:
    """What CONSTRUCT gives reads back as the same triples, whatever it is written in."""
    text = "CONSTRUCT { ?s ?p ?o } { ?s ?p ?o FILTER(isIRI(?o) || lang(?o) != '') }"
    body = _in_format(engine, text, wanted)

    read = Dataset().parse(data=body, format=_RDFLIB[wanted.name])
    assert {(s, p, o) for s, p, o, _ in read.quads()} == {
        (URIRef(_EX + "a"), URIRef(_EX + "knows"), URIRef(_EX + "b")),
        (URIRef(_EX + "a"), URIRef(_EX + "name"), Literal('Ann, "A"', lang="en")),
    }


_RDFLIB = {
    "turtle": "turtle",
    "ntriples": "nt",
    "nquads": "nquads",
    "trig": "trig",
    "rdfxml": "xml",
    "jsonld": "json-ld",
}


def test_turtle_uses_the_prefixes_of_the_engine(engine: InProcessEngine) -> None:
    """Turtle is written for people."""
    body = _in_format(engine, "CONSTRUCT { ex:x ex:y ex:z } {}", TURTLE).decode()

    assert "@prefix ex: <http://example.org/>" in body
    assert "ex:x ex:y ex:z" in body


def test_the_table_of_formats_tells_them_apart() -> None:
    """No two formats share a name, media type or suffix, and every kind has a default."""
    for field in ("name", "media_type", "suffix", "label"):
        assert len({getattr(each, field) for each in FORMATS}) == len(FORMATS)
    assert {kind: each.name for kind, each in DEFAULT_FORMATS.items() if each is not None} == {
        ResultKind.SOLUTIONS: "json",
        ResultKind.BOOLEAN: "json",
        ResultKind.GRAPH: "turtle",
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ASK {}", CSV),
        ("ASK {}", TSV),
        ("ASK {}", TURTLE),
        ("SELECT * { ?s ?p ?o }", TURTLE),
        ("SELECT * { ?s ?p ?o }", NTRIPLES),
        ("DESCRIBE ex:a", JSON),
        ("CONSTRUCT WHERE { ?s ?p ?o }", CSV),
        ("ASK {}", None),
    ],
)
def test_a_format_that_cannot_carry_the_result_is_refused(
    engine: InProcessEngine, text: str, wanted: Format | None
) -> None:
    """A boolean has no CSV and a graph no rows; the error lists what there is."""
    with pytest.raises(FormatNotAvailable) as refusal:
        engine.run(Query(_PROLOGUE + text, formats=dict.fromkeys(ResultKind, wanted)))

    assert refusal.value.available == formats_for(refusal.value.kind)
    for each in refusal.value.available:
        assert each.media_type in str(refusal.value)


def test_the_default_graph_is_the_union_of_all_named_graphs(engine: InProcessEngine) -> None:
    """A pattern outside GRAPH sees all triples, once each, and joins across graphs."""
    assert len(_rows(engine, "SELECT * { ?s ?p ?o }")) == 4
    assert _rows(engine, "SELECT ?age { ex:a ex:knows ?b . ?b ex:age ?age }") == [{"age": "7"}]


def test_graph_tells_the_named_graphs_apart(engine: InProcessEngine) -> None:
    """GRAPH ?g names the graph of each triple."""
    found = _rows(engine, "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } } ORDER BY ?g")

    assert found == [{"g": _G1}, {"g": _G2}]


@pytest.mark.parametrize(
    ("clauses", "default", "named", "seen"),
    [
        ("FROM <http://example.org/g1>", None, None, {"default g1"}),
        ("FROM <http://example.org/g1> FROM ex:g2", None, None, {"default g1", "default g2"}),
        ("FROM NAMED ex:g1", None, None, {"named g1"}),
        ("FROM ex:g2 FROM NAMED ex:g1", None, None, {"default g2", "named g1"}),
        ("FROM ex:absent", None, None, set()),
        ("", None, None, {"default g1", "default g2", "named g1", "named g2"}),
        ("", (_G1,), None, {"default g1"}),
        ("", (_G1, _G2), None, {"default g1", "default g2"}),
        ("", None, (_G2,), {"named g2"}),
        ("", (_G1,), (_G2,), {"default g1", "named g2"}),
        ("FROM ex:g1 FROM NAMED ex:g1", (_G2,), None, {"default g2"}),
        ("FROM ex:g1 FROM NAMED ex:g1", None, (_G2,), {"named g2"}),
        ("FROM ex:g1", (), (), set()),
    ],
)
def test_the_dataset_of_a_query(
    engine: InProcessEngine,
    clauses: str,
    default: tuple[str, ...] | None,
    named: tuple[str, ...] | None,
    seen: set[str],
) -> None:
    """FROM and FROM NAMED choose graphs; a dataset from the protocol takes precedence over both."""
    text = f"""SELECT ?g ?s {clauses} WHERE {{
        {{ VALUES (?s ?p) {{ (ex:a ex:knows) (ex:b ex:age) }} ?s ?p ?o }}
        UNION {{ VALUES (?s ?p) {{ (ex:a ex:knows) (ex:b ex:age) }} GRAPH ?g {{ ?s ?p ?o }} }} }}"""
    rows = _rows(engine, text, default_graphs=default, named_graphs=named)

    graph_of = {_EX + "a": "g1", _EX + "b": "g2"}
    found = {f"{'named' if 'g' in row else 'default'} {graph_of[row['s']]}" for row in rows}
    assert found == seen


def test_a_graph_of_the_protocol_must_be_an_absolute_iri(engine: InProcessEngine) -> None:
    """A relative graph name is an error of the question, not an empty answer."""
    with pytest.raises(BindingError, match="absolute IRI"):
        engine.run(Query("ASK {}", default_graphs=("g1",)))


def test_relative_iris_are_resolved_against_the_base(engine: InProcessEngine) -> None:
    """base_iri applies to the text, and a BASE of the query wins."""
    text = "SELECT ?o { <a> <knows> ?o }"

    assert json.loads(engine.run(Query(text, base_iri=_EX)).body)["results"]["bindings"]
    other = f"BASE <http://example.net/> {text}"
    assert not json.loads(engine.run(Query(other, base_iri=_EX)).body)["results"]["bindings"]


class _Trap:
    """A server on loopback that remembers what was asked of it."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.requestline)
                self.send_error(404)

            do_POST = do_GET  # noqa: N815 - the name that the base class looks for

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.iri = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def trap() -> Iterator[_Trap]:
    """Yield a server that no query may reach."""
    server = _Trap()
    yield server
    server.close()


@pytest.fixture(params=["alone", "federated"])
def guarded(
    request: pytest.FixtureRequest, engine: InProcessEngine, trap: _Trap
) -> InProcessEngine | FederatedEngine:
    """Return the engine alone, and behind one that may ask another endpoint beside the trap."""
    policy = Policy(private_allowed=(f"{trap.iri}allowed",))
    return engine if request.param == "alone" else FederatedEngine(engine, policy)


_FEDERATED = (
    "SELECT * { SERVICE <TRAP> { ?s ?p ?o } }",
    "SELECT * { SERVICE SILENT <TRAP> { ?s ?p ?o } }",
    "SELECT * { service<TRAP>{ ?s ?p ?o } }",
    "SELECT * { OPTIONAL { SERVICE <TRAP> { ?s ?p ?o } } }",
    "PREFIX t: <TRAP> SELECT * { SERVICE t:x { ?s ?p ?o } }",
    "SELECT * { VALUES ?where { <TRAP> } SERVICE ?where { ?s ?p ?o } }",
    "SELECT * { #\n SERVICE#\r\n<TRAP> { ?s ?p ?o } }",
    "SELECT * { ?s ?p '#' . SERVICE <TRAP> { ?s ?p ?o } }",
    "SELECT * { ?s ?p '''\\'''' . SERVICE <TRAP> { ?s ?p ?o } }",
    "SELECT * { ?s <http://example.org/\\u0070#> ?o . SERVICE <TRAP> { ?s ?p ?o } }",
    "SELECT * { FILTER(1<<http://example.org/#>) SERVICE <TRAP> { ?s ?p ?o } }",
    "SELECT * { FILTER EXISTS { SERVICE <TRAP> { ?s ?p ?o } } }",
    "ASK { SERVICE <TRAP> { ?s ?p ?o } }",
    "DESCRIBE ?s { SERVICE <TRAP> { ?s ?p ?o } }",
    "CONSTRUCT { ?s ?p ?o } { SERVICE <TRAP> { ?s ?p ?o } }",
)


@pytest.mark.parametrize("text", _FEDERATED)
def test_service_is_refused_and_nothing_is_fetched(
    guarded: InProcessEngine | FederatedEngine, trap: _Trap, text: str
) -> None:
    """SERVICE is an error, SILENT or not, wherever it stands, and says where."""
    with pytest.raises(FederationRefused, match=r"line \d+, column \d+"):
        guarded.run(Query(text.replace("TRAP", trap.iri)))

    assert trap.asked == []


def test_the_place_of_service_is_told(engine: InProcessEngine) -> None:
    """Line and column count from 1 and point at the keyword."""
    with pytest.raises(FederationRefused, match="line 2, column 4"):
        engine.run(Query("SELECT * {\n   SERVICE <http://example.org/> {} }"))


_DISGUISED = (
    "PREFIX : <TRAP> SELECT * { SERVICE:x { ?s ?p ?o } }",
    "PREFIX : <TRAP> PREFIX SERVICE: <TRAP> SELECT * { SERVICE:x { ?s ?p ?o } }",
    "PREFIX x: <TRAP> SELECT * { SERVICEx:y { ?s ?p ?o } }",
    "SELECT * { SERVICESILENT<TRAP>{ ?s ?p ?o } }",
    "SELECT * { ?s ?p trueSERVICE<TRAP>{ ?s ?p ?o } }",
    "PREFIX ex: <http://example.org/> SELECT * { ?s ?p ex:a.b.SERVICE<TRAP>{ ?s ?p ?o } }",
    "SELECT * { ?s ?p _:a.b.SERVICE<TRAP>{ ?s ?p ?o } }",
    "SELECT * { S\\u0045RVICE <TRAP> { ?s ?p ?o } }",
    "SELECT * { FILTER(1<2)SERVICE#>\n<TRAP> { ?s ?p ?o } }",
    "SELECT * { FILTER(1<2)#>'''\nSERVICE <TRAP> { ?s ?p ?o } #'''\n }",
    "SELECT * { FILTER('b'<'>') SERVICE <TRAP> { ?s ?p ?o } #'\n }",
    (
        "PREFIX ex: <http://example.org/> "
        "SELECT * { OPTIONAL { ?s ?p ex:a\u0300\\#. } SERVICE <TRAP> { ?s ?p ?o } }"
    ),
)


@pytest.mark.parametrize("text", _DISGUISED)
def test_no_disguise_of_service_reaches_the_network(
    guarded: InProcessEngine | FederatedEngine, trap: _Trap, text: str
) -> None:
    """What a lenient parser would take for SERVICE is refused and fetches nothing."""
    with pytest.raises(QueryError):
        guarded.run(Query(text.replace("TRAP", trap.iri)))

    assert trap.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "# SERVICE <http://example.org/>\nASK {}",
        "ASK { ?s ?p 'SERVICE <http://example.org/> {}' }",
        'ASK { ?s ?p """\nSERVICE <http://example.org/> {}""" }',
        "ASK { <http://example.org/SERVICE> ?p ?o }",
        "ASK { <http://example.org/x#SERVICE> ?p ?o }",
        "PREFIX SERVICE: <http://example.org/service/> ASK { SERVICE:x SERVICE:y SERVICE:z.b }",
        "PREFIX ex: <http://example.org/> ASK { ex:SERVICE ex:service ex:service\\/x }",
        "ASK { ?SERVICE $service ?o }",
        "ASK { _:SERVICE ?p ?o }",
        "ASK { ?s ?p 'x'@service }",
        "ASK { ?s ?p 'it\\'s SERVICE' }",
    ],
)
def test_service_is_not_seen_where_it_is_no_keyword(engine: InProcessEngine, text: str) -> None:
    """Comments, strings, IRIs, names and variables may have the letters of SERVICE."""
    assert engine.run(Query(text)).kind is ResultKind.BOOLEAN


def test_names_and_strings_with_the_letters_of_service_mean_themselves() -> None:
    """A query about such a resource finds it, by IRI, by prefixed name and by its text."""
    data = b'<http://e/Customer.Service/a> <http://e/is> "our SERVICE" <http://e/g> .\n'
    engine = InProcessEngine(data, version="v1")
    text = """PREFIX service: <http://e/Customer.Service/> PREFIX e: <http://e/>
        SELECT ?by { { service:a e:is "our SERVICE" BIND("name" AS ?by) }
        UNION { e:Customer.Service\\/a e:is 'our SERVICE' BIND("escaped" AS ?by) }
        UNION { <http://e/Customer.Service/a> e:is '''our SERVICE''' BIND("IRI" AS ?by) } }"""

    assert {row["by"] for row in _rows(engine, text)} == {"name", "escaped", "IRI"}


_FRAGMENTS = st.sampled_from(
    [
        "SERVICE",
        "service",
        "SILENT",
        "<TRAP>",
        "t:x",
        ":x",
        "?v",
        "{?s ?p ?o}",
        "{",
        "}",
        "FILTER(1<2)",
        "FILTER('a'<'b')",
        "<",
        ">",
        "#",
        "\n",
        "\r",
        " ",
        ".",
        "'",
        '"',
        "'''",
        "\\",
        "\\u0053",
        "true",
        "ex:a.b",
        "_:a.b",
        "?s ?p ",
        "1",
        "@en",
        "^^",
        "OPTIONAL",
        "UNION",
    ]
)


@given(fragments=st.lists(_FRAGMENTS, min_size=1, max_size=8))
def test_no_text_reaches_the_network(trap: _Trap, fragments: list[str]) -> None:
    """Whatever is put together from pieces of federated queries, nothing is fetched."""
    engine = InProcessEngine(_DATA.encode(), version="v1")
    prologue = "PREFIX t: <TRAP> PREFIX : <TRAP> PREFIX ex: <http://example.org/> "
    text = prologue + "SELECT * {" + "".join(fragments) + "SERVICE<TRAP>{?s ?p ?o}\n}"
    with contextlib.suppress(QueryError):
        engine.run(Query(text.replace("TRAP", trap.iri)))

    assert trap.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM <TRAP> { ?s ?p ?o }",
        "SELECT * FROM NAMED <TRAP> { GRAPH ?g { ?s ?p ?o } }",
        "SELECT * { GRAPH <TRAP> { ?s ?p ?o } }",
        "DESCRIBE <TRAP>",
        "SELECT * FROM <FILE> { ?s ?p ?o }",
        "SELECT * FROM NAMED <FILE> { GRAPH ?g { ?s ?p ?o } }",
    ],
)
def test_a_graph_that_is_not_there_is_empty_and_is_not_fetched(
    engine: InProcessEngine, trap: _Trap, tmp_path: Path, text: str
) -> None:
    """FROM names graphs of the dataset, never documents of the web or of the disk."""
    file = tmp_path / "data.ttl"
    file.write_text("<http://example.org/x> <http://example.org/y> 1 .", encoding="utf-8")
    asked = text.replace("TRAP", trap.iri).replace("FILE", file.as_uri())

    assert b"http://example.org/x" not in engine.run(Query(asked)).body
    assert trap.asked == []


@pytest.mark.parametrize("iri", ["TRAP", "FILE"])
def test_a_dataset_of_the_protocol_is_not_fetched(
    engine: InProcessEngine, trap: _Trap, tmp_path: Path, iri: str
) -> None:
    """default-graph-uri and named-graph-uri name graphs of the dataset only."""
    file = tmp_path / "data.ttl"
    file.write_text("<http://example.org/x> <http://example.org/y> 1 .", encoding="utf-8")
    named = {"TRAP": trap.iri, "FILE": file.as_uri()}[iri]
    text = "SELECT * { { ?s ?p ?o } UNION { GRAPH ?g { ?s ?p ?o } } }"

    assert _rows(engine, text, default_graphs=(named,), named_graphs=(named,)) == []
    assert trap.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "LOAD <TRAP>",
        "LOAD SILENT <TRAP> INTO GRAPH <http://example.org/g1>",
        "INSERT DATA { ex:x ex:y ex:z }",
        "DELETE WHERE { ?s ?p ?o }",
        "INSERT { ?s ex:y ?o } WHERE { { SELECT * { ?s ?p ?o } } }",
        "WITH ex:g1 DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }",
        "CLEAR ALL",
        "DROP ALL",
        "CREATE GRAPH ex:g3",
        "COPY ex:g1 TO ex:g2",
        "MOVE ex:g1 TO ex:g2",
        "ADD ex:g1 TO ex:g2",
        "CLEAR ALL ; LOAD <TRAP>",
    ],
)
def test_an_update_is_refused_and_changes_nothing(
    engine: InProcessEngine, trap: _Trap, text: str
) -> None:
    """An update is told from a query with a mistake, and neither writes nor fetches."""
    with pytest.raises(UpdateNotAllowed):
        engine.run(Query(_PROLOGUE + text.replace("TRAP", trap.iri)))

    assert len(_rows(engine, "SELECT * { ?s ?p ?o }")) == 4
    assert trap.asked == []


@pytest.mark.parametrize(
    "text",
    ["PREFIX ex: <http://example.org/> SELECT * { ?s ?p ?o COPY }", "SELECT ?x { ADD }", "insrt"],
)
def test_a_query_with_a_mistake_is_no_update(engine: InProcessEngine, text: str) -> None:
    """Words of SPARQL Update inside a query make it no update."""
    with pytest.raises(QuerySyntaxError):
        engine.run(Query(text))


def test_an_extension_function_is_refused_by_name(engine: InProcessEngine) -> None:
    """An error names the function that the engine does not have."""
    with pytest.raises(UnsupportedFunction, match=r"http://example\.org/f"):
        engine.run(Query("SELECT (<http://example.org/f>(1) AS ?x) {}"))


def test_the_size_of_an_answer_is_limited(engine: InProcessEngine) -> None:
    """An answer of exactly the limit is given, one byte more is an error that says the limit."""
    size = len(engine.run(Query("SELECT * { ?s ?p ?o }")).body)

    assert len(engine.run(Query("SELECT * { ?s ?p ?o }", max_bytes=size)).body) == size
    with pytest.raises(ResultTooLarge, match=str(size - 1)) as refusal:
        engine.run(Query("SELECT * { ?s ?p ?o }", max_bytes=size - 1))
    assert refusal.value.limit == size - 1


def test_data_that_do_not_parse_are_refused() -> None:
    """An engine does not begin with half of its data."""
    with pytest.raises(DataError, match="line 1, column 47: "):
        InProcessEngine(b"<http://example.org/a> <http://example.org/b> .\n", version="v1")


def test_an_engine_reads_a_file_as_it_reads_bytes(tmp_path: Path) -> None:
    """N-Quads may come from a file."""
    file = tmp_path / "data.nq"
    file.write_text(_DATA, encoding="utf-8")

    assert len(_rows(InProcessEngine(file, version="v1"), "SELECT * { ?s ?p ?o }")) == 4


def test_check_parses_without_answering(engine: InProcessEngine) -> None:
    """A query is checked as it would be refused."""
    engine.check("SELECT * { ?s ?p ?o }")
    for text, refusal in (
        ("SELECT * { ?s ?p }", QuerySyntaxError),
        ("SELECT * { SERVICE <http://example.org/> {} }", FederationRefused),
        ("CLEAR ALL", UpdateNotAllowed),
    ):
        with pytest.raises(refusal):
            engine.check(text)


@pytest.mark.parametrize(
    ("text", "repeatable"),
    [
        ("SELECT * { ?s ?p ?o }", True),
        ("SELECT (NOW() AS ?x) {}", False),
        ("SELECT (now() AS ?x) {}", False),
        ("SELECT (RAND() AS ?x) {}", False),
        ("SELECT (UUID() AS ?x) {}", False),
        ("SELECT (STRUUID() AS ?x) {}", False),
        ("SELECT (BNODE() AS ?x) {}", False),
        ("SELECT * { BIND(RAND() AS ?x) }", False),
        ("SELECT ('NOW()' AS ?x) {} # RAND()", True),
        ("SELECT ?now ?rand { <http://example.org/UUID> ?now ?rand }", True),
        ("SELECT (isBlank(<http://example.org/BNODE>) AS ?x) {}", True),
        ("CONSTRUCT { <a:s> <a:p> ?o {| <a:q> 2 |} } { ?s ?p ?o }", False),
        ("CONSTRUCT { <a:s> <a:p> ?o ~ } { ?s ?p ?o }", False),
        ("CONSTRUCT { << <a:s> <a:p> ?o >> <a:q> 2 } { ?s ?p ?o }", False),
        ("CONSTRUCT { <a:s> <a:p> << <a:s> <a:p> ?o >> } { ?s ?p ?o }", False),
        ("CONSTRUCT { << <a:s> <a:p> ?o >> } { ?s ?p ?o }", False),
        ("CONSTRUCT { <a:s> <a:p> <<( <a:s> <a:p> ?o )>> } { ?s ?p ?o }", True),
    ],
)
def test_an_answer_says_whether_it_is_repeatable(
    engine: InProcessEngine, text: str, *, repeatable: bool
) -> None:
    """Only functions that change from call to call, and new blank nodes, make it unrepeatable."""
    assert engine.run(Query(text)).repeatable is repeatable


_TWICE = """
import hashlib, sys
import kg
from kg.engine import FORMATS, Query, ResultKind

graph = kg.load()
for text in sys.stdin.read().split("\\0"):
    for wanted in FORMATS:
        try:
            answer = graph.engine.run(Query(text, formats=dict.fromkeys(ResultKind, wanted)))
        except kg.EngineError:
            continue
        print(wanted.name, hashlib.sha256(answer.body).hexdigest())
"""
_UNORDERED = (
    "SELECT * { ?s ?p ?o } LIMIT 5000",
    "SELECT ?g ?s { GRAPH ?g { ?s a ?class } } LIMIT 3000",
    "SELECT ?class (COUNT(*) AS ?n) { ?s a ?class } GROUP BY ?class",
    "SELECT DISTINCT ?p { ?s ?p ?o }",
    "SELECT (SAMPLE(?s) AS ?one) (GROUP_CONCAT(?o) AS ?all) { ?s a ?o } GROUP BY ?o",
    # no types, as RDF/XML holds no class whose name begins with a digit
    f"CONSTRUCT {{ ?o ?p ?s }} {{ ?s ?p ?o FILTER(isIRI(?o) && ?p != <{RDF.type}>) }} LIMIT 2000",
    "DESCRIBE <https://w3id.org/dermograph/ontology/CO2Laser>",
    "ASK { ?s ?p ?o }",
)


def test_the_same_query_gives_the_same_bytes_in_every_process(graph: kg.KnowledgeGraph) -> None:
    """Rows without ORDER BY, groups and graphs come in the same order in separate processes."""
    digests = [
        subprocess.run(
            [sys.executable, "-c", _TWICE],
            input="\0".join(_UNORDERED),
            env={**_environment(), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert len(digests[0].splitlines()) == 5 * 4 + 2 * 6 + 2
    assert digests[0] == digests[1]
    first = graph.engine.run(Query(_UNORDERED[0])).body
    assert graph.engine.run(Query(_UNORDERED[0])).body == first


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(kg.__file__).parents[1])}


def test_all_exceptions_are_for_others() -> None:
    """Whatever an engine raises can be caught by its name."""
    raised = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, Exception)
    }

    assert "Overloaded" in raised
    assert raised <= set(engines.__all__)
