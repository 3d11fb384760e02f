"""The library as a notebook uses it: load, ask, get Python values."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rdflib import Dataset, Graph, Literal, URIRef

import kg
from kg.catalogue.canned_queries import ParameterError, UnknownQueryError, read_queries
from kg.engine import BindingError, QuerySyntaxError
from kg.graph import KnowledgeGraph
from kg.rdf.namespaces import DG, ONTOLOGY, WIDER

_XSD = "PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>\n"


def _value(graph: KnowledgeGraph, expression: str) -> object:
    rows = graph.query(f"{_XSD}SELECT ({expression} AS ?x) {{}}")
    assert isinstance(rows, kg.Rows)
    return rows[0]["x"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("2.50", Decimal("2.5")),
        ("2.5e0", 2.5),
        ("'1.5'^^xsd:float", 1.5),
        ("true", True),
        ("false", False),
        ("'text'", "text"),
        ("'text'@en", "text"),
        ("''", ""),
        ("'2026-11-22'^^xsd:date", date(2026, 11, 22)),
        ("'2026-11-22T10:30:00Z'^^xsd:dateTime", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("'P6M'^^xsd:duration", "P6M"),
        ("'2026'^^xsd:gYear", "2026"),
        ("'x'^^<http://example.org/own>", "x"),
        ("<http://example.org/a>", URIRef("http://example.org/a")),
        ("1/0", None),
    ],
)
def test_cells_are_python_values(graph: KnowledgeGraph, expression: str, value: object) -> None:
    """Each datatype has its Python type, an IRI is a URIRef, an unbound variable None."""
    found = _value(graph, expression)

    assert found == value
    assert type(found) is type(value)


def test_infinite_numbers_are_floats(graph: KnowledgeGraph) -> None:
    """XML Schema's INF and NaN are Python's."""
    assert _value(graph, "'INF'^^xsd:double") == float("inf")
    assert _value(graph, "'-INF'^^xsd:double") == float("-inf")
    found = _value(graph, "'NaN'^^xsd:double")
    assert found != found  # noqa: PLR0124 - which is true of NaN only


@pytest.mark.parametrize(
    "literal",
    ["'abc'^^xsd:integer", "'2026-02-30'^^xsd:date", "'-2026-01-01'^^xsd:date", "'12345-01-01'^^xsd:date"],
)  # fmt: skip
def test_a_value_that_python_does_not_have_stays_text(graph: KnowledgeGraph, literal: str) -> None:
    """An ill-typed or remote value does not make the whole answer fail."""
    assert _value(graph, literal) == literal.split("'")[1]


def test_rows_are_a_sequence_of_dictionaries(graph: KnowledgeGraph) -> None:
    """Rows have length, order, indices, slices and columns in the order of the query."""
    rows = graph.query("SELECT ?n ?absent ?m { VALUES (?n ?m) { (1 2) (3 4) (5 6) } } ORDER BY ?n")

    assert isinstance(rows, kg.Rows)
    assert rows.columns == ("n", "absent", "m")
    assert len(rows) == 3
    assert rows[0] == {"n": 1, "absent": None, "m": 2}
    assert rows[-1]["n"] == 5
    assert [row["n"] for row in rows] == [1, 3, 5]
    assert [row["m"] for row in rows[1:]] == [4, 6]
    assert rows.version == graph.version


def test_rows_show_themselves(graph: KnowledgeGraph) -> None:
    """In a notebook rows show their shape and the first of them."""
    rows = graph.query("SELECT ?n { VALUES ?n { 1 2 3 4 5 6 7 } } ORDER BY ?n")

    assert repr(rows).startswith("<7 rows of n>\n  {'n': 1}\n")
    assert repr(rows).endswith("... and 2 more")


def test_no_rows_are_false_and_empty(graph: KnowledgeGraph) -> None:
    """An empty answer is empty, with its columns."""
    rows = graph.query("SELECT ?n { VALUES ?n {} }")

    assert isinstance(rows, kg.Rows)
    assert not rows
    assert rows.columns == ("n",)
    assert list(rows.to_pandas().columns) == ["n"]


def test_rows_become_a_data_frame(graph: KnowledgeGraph) -> None:
    """to_pandas gives one column for each variable, in order."""
    rows = graph.query("SELECT ?b ?a { VALUES (?a ?b) { (1 'x') (2 UNDEF) } } ORDER BY ?a")

    assert isinstance(rows, kg.Rows)
    frame = rows.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["b", "a"]
    assert list(frame["a"]) == [1, 2]
    assert frame["b"][0] == "x"
    assert pd.isna(frame["b"][1])


def test_a_data_frame_has_numbers_and_dates_to_reckon_with(graph: KnowledgeGraph) -> None:
    """Decimals become floats and dates those of pandas, unless exact values are asked for."""
    rows = graph.query(
        "SELECT ?n ?day { VALUES (?n ?day) { (0.1 '2026-11-22'^^xsd:date) (2 '0900-01-01'^^xsd:date) (UNDEF UNDEF) } }"
    )

    assert isinstance(rows, kg.Rows)
    frame = rows.to_pandas()
    assert frame["n"].dtype == float
    assert frame["n"].sum() == 2.1
    assert list(frame["day"].dt.year[:2]) == [2026, 900]
    exact = rows.to_pandas(exact=True)
    assert exact["n"][0] == Decimal("0.1")
    assert exact["day"][0] == date(2026, 11, 22)
    assert pd.isna(exact["n"][2])


def test_a_notebook_shows_a_table(graph: KnowledgeGraph) -> None:
    """Cells are escaped, IRIs are links by their short names, and what is not shown is counted."""
    rows = graph.query("SELECT ?x { VALUES ?x { dg:Erythema '<b>' UNDEF } } ORDER BY DESC(?x)")
    many = graph.query(f"SELECT ?n {{ VALUES ?n {{ {' '.join(map(str, range(200)))} }} }}")

    assert isinstance(rows, kg.Rows)
    assert isinstance(many, kg.Rows)
    html = rows._repr_html_()
    assert "<tr><th>x</th></tr>" in html
    assert f'<td><a href="{DG}Erythema">dg:Erythema</a></td>' in html
    assert "<td>&lt;b&gt;</td>" in html
    assert "<td></td>" in html
    assert graph.version in html
    assert "50 of 200 rows" in many._repr_html_()
    assert many._repr_html_().count("<td>") == 50


def test_known_prefixes_need_not_be_declared(graph: KnowledgeGraph) -> None:
    """A query may use ours, declare others or another meaning, and errors keep their place."""
    laser = graph.query("ASK { dg:CO2Laser rdfs:subClassOf dg:Laser }")
    other = graph.query("PREFIX dg: <http://example.org/> SELECT ?x { BIND(dg:a AS ?x) }")

    assert laser is True
    assert isinstance(other, kg.Rows)
    assert other[0]["x"] == URIRef("http://example.org/a")
    with pytest.raises(QuerySyntaxError) as caught:
        graph.query("SELECT ?x {\n  ?x a dg:Laser }}")
    assert (caught.value.line, caught.value.column) == (2, 18)
    assert caught.value.excerpt.startswith("  ?x a dg:Laser }}")
    with pytest.raises(
        QuerySyntaxError, match="line 1, column 14: The prefix nope: is not declared"
    ):
        graph.query("ASK { dg:a a nope:b }")


def test_the_example_of_the_library_works() -> None:
    """What the docstring of the package shows can be typed as it is."""
    names: dict[str, Any] = {}
    exec(str(kg.__doc__).partition("\n\n")[2], names)  # noqa: S102 - our own words

    assert names["graph"].version == kg.load().version
    assert {"laser": URIRef(f"{DG}CO2Laser")} in list(names["rows"])


def test_ask_gives_a_boolean(graph: KnowledgeGraph) -> None:
    """ASK is a Python boolean."""
    assert graph.query("ASK { ?s ?p ?o }") is True
    assert graph.query("ASK { <http://example.org/absent> ?p ?o }") is False


def test_construct_gives_an_rdflib_graph(graph: KnowledgeGraph) -> None:
    """CONSTRUCT and DESCRIBE are rdflib graphs."""
    built = graph.query("CONSTRUCT { ?s <http://example.org/is> 'x'@en } { VALUES ?s { <a:b> } }")

    assert isinstance(built, Graph)
    assert set(built) == {
        (URIRef("a:b"), URIRef("http://example.org/is"), Literal("x", lang="en")),
    }
    described = graph.query(f"DESCRIBE <{DG}CO2Laser>")
    assert isinstance(described, Graph)
    assert len(described) > 5


def test_values_are_bound(graph: KnowledgeGraph) -> None:
    """Bindings give RDF terms to variables."""
    text = "SELECT ?class { ?concept a ?class }"
    rows = graph.query(text, {"concept": URIRef(DG + "CO2Laser")})

    assert isinstance(rows, kg.Rows)
    assert URIRef("http://www.w3.org/2002/07/owl#Class") in [row["class"] for row in rows]
    assert graph.query(text, bindings={"concept": URIRef(DG + "CO2Laser")})
    with pytest.raises(BindingError):
        graph.query(text, {"absent": URIRef(DG + "CO2Laser")})


def test_the_default_graph_is_everything(graph: KnowledgeGraph) -> None:
    """A pattern sees claims, concepts and what is derived at once."""
    assert graph.query(
        f"""PREFIX dg: <{DG}>
        ASK {{ ?claim a dg:AdverseEventClaim ; dg:subject ?procedure ; dg:object ?event .
               ?procedure dg:hasRisk ?event ; <http://www.w3.org/2000/01/rdf-schema#label> ?label }}"""
    )


def test_canned_queries_are_asked_by_name(graph: KnowledgeGraph) -> None:
    """A name and Python values of parameters are enough."""
    everything = graph.query("founding-text")
    assert isinstance(everything, kg.Rows)
    assert len({row["statement"] for row in everything}) == 54

    query = graph.catalogue["adverse-event-incidence"]
    for example in query.examples:
        rows = graph.query(query.name, None, **example)
        same = graph.query(query.text, graph.catalogue.bindings(query.name, example))
        assert isinstance(rows, kg.Rows)
        assert isinstance(same, kg.Rows)
        assert list(rows) == list(same) != []


def test_parameters_may_be_python_values(graph: KnowledgeGraph, tmp_path: Path) -> None:
    """Numbers, booleans, dates and URIRefs need not be written as text."""
    from kg.catalogue.canned_queries import Catalogue

    (tmp_path / "q.rq").write_text(
        "#+ title: x\n#+ description: y\n#+ params:\n"
        "#+   - {name: i, type: integer, description: z}\n"
        "#+   - {name: d, type: decimal, description: z}\n"
        "#+   - {name: b, type: boolean, description: z}\n"
        "#+   - {name: t, type: date, description: z}\n"
        "#+   - {name: u, type: iri, description: z}\n"
        "#+ columns: [{name: i2, type: integer, description: z.}, {name: d2, type: decimal, "
        "description: z.}, {name: b2, type: boolean, description: z.}, {name: t2, type: date, "
        "description: z.}, {name: u2, type: record, description: z.}]\n"
        "SELECT ($i AS ?i2) ($d AS ?d2) ($b AS ?b2) ($t AS ?t2) ($u AS ?u2) {}",
        encoding="utf-8",
    )
    own = KnowledgeGraph(
        engine=graph.engine,
        catalogue=Catalogue(read_queries(tmp_path), graph.engine),
        release="1",
        nquads=b"",
    )
    day, iri = date(2026, 11, 22), URIRef(DG + "Erythema")
    rows = own.query("q", i=7, d=Decimal("1.5"), b=True, t=day, u=iri)

    assert isinstance(rows, kg.Rows)
    assert rows[0] == {"i2": 7, "d2": Decimal("1.5"), "b2": True, "t2": day, "u2": iri}


@pytest.mark.parametrize("text", ["founding-txt", "no-such-query"])
def test_an_unknown_name_is_told_as_such(graph: KnowledgeGraph, text: str) -> None:
    """A misspelt name with parameters is no syntax error."""
    with pytest.raises(UnknownQueryError, match=text):
        graph.query(text, assessment="imprecise")


def test_a_misspelt_name_alone_is_told_as_such(graph: KnowledgeGraph) -> None:
    """One word that looks like the name of a canned query is looked up, not parsed."""
    with pytest.raises(UnknownQueryError, match="founding-text"):
        graph.query("founding-txt")


def test_parameters_of_text_are_refused(graph: KnowledgeGraph) -> None:
    """Only canned queries have parameters; SPARQL has bindings."""
    with pytest.raises(UnknownQueryError):
        graph.query("SELECT * { ?s ?p ?o } LIMIT 1", s="dg:Erythema")


def test_unknown_parameters_are_refused(graph: KnowledgeGraph) -> None:
    """A canned query says which parameters it has."""
    with pytest.raises(ParameterError, match="no such parameter"):
        graph.query("founding-text", colour="red")


def test_terms_that_the_graph_does_not_know_are_refused(graph: KnowledgeGraph) -> None:
    """A misspelt concept is an error that suggests what there is, never an empty answer."""
    name, parameter = next(
        (query.name, parameter.name)
        for query in graph.catalogue.values()
        for parameter in query.parameters
        if parameter.classes == (DG + "usedAsAdverseEvent",)
    )

    with pytest.raises(ParameterError, match="dg:Erythema"):
        graph.query(name, None, **{parameter: "dg:Erythma"})
    with pytest.raises(ParameterError, match=r"energy source.*is no adverse event"):
        graph.query(name, None, **{parameter: "dg:CO2Laser"})


def test_numbers_that_mean_nothing_are_refused(graph: KnowledgeGraph) -> None:
    """A wavelength of nothing is an error, and not a question without an answer."""
    for wavelength in ("0", "-1064"):
        with pytest.raises(ParameterError, match=f"{wavelength} is not above 0"):
            graph.query("safety-limits", None, wavelength=wavelength)


def test_a_concept_of_another_kind_is_refused_wherever_a_kind_is_known(
    graph: KnowledgeGraph,
) -> None:
    """Only what may be anything at all takes any IRI: the parts of a statement."""
    takes_any = {
        (query.name, each.name)
        for query in graph.catalogue.values()
        for each in query.parameters
        if each.type == "iri" and not each.classes and not each.values  # noqa: PD011
    }

    assert takes_any == {("why", "subject"), ("why", "property"), ("why", "object")}
    with pytest.raises(ParameterError, match="no procedure or energy source or device"):
        graph.query("outcomes", None, treatment="dg:Dermis")


def test_rdflib_has_the_same_statements(graph: KnowledgeGraph, dataset: Dataset) -> None:
    """as_rdflib gives every quad; the engine's default graph is the union but for what is apart."""
    quads = {line for line in graph.nquads.decode().split("\n") if line}
    rdflib_quads = {
        f"{s.n3()} {p.n3()} {o.n3()} <{g}> ."
        for s, p, o, g in dataset.quads()
        if not isinstance(o, Literal)
    }

    assert len(list(dataset.quads())) == len(quads)
    assert rdflib_quads == {line for line in quads if not _has_literal(line)}
    counted = graph.query("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    assert isinstance(counted, kg.Rows)
    assert counted[0]["n"] == len(
        {(s, p, o) for s, p, o, g in dataset.quads() if g != URIRef(WIDER)}
    )


def _has_literal(line: str) -> bool:
    return '"' in line


def test_literals_in_rdflib_are_those_of_the_engine(
    graph: KnowledgeGraph, dataset: Dataset
) -> None:
    """Numbers, languages and texts are written alike on both sides."""
    rows = graph.engine.run(
        kg.Query(
            "SELECT ?s ?p ?o { GRAPH <https://w3id.org/dermograph/graph/claims> { ?s ?p ?o } "
            "FILTER(isLiteral(?o)) }"
        )
    )
    import json

    there = {
        (
            row["s"]["value"],
            row["p"]["value"],
            row["o"]["value"],
            row["o"].get("xml:lang"),
            row["o"].get("datatype"),
        )
        for row in json.loads(rows.body)["results"]["bindings"]
    }
    claims = dataset.graph(URIRef("https://w3id.org/dermograph/graph/claims"))
    here = {
        (str(s), str(p), str(o), o.language, str(o.datatype) if o.datatype else None)
        for s, p, o in claims
        if isinstance(o, Literal)
    }
    plain = "http://www.w3.org/2001/XMLSchema#string"
    assert {(*most, None if kind == plain else kind) for *most, kind in here} == there


def test_the_rdflib_copy_is_a_copy(graph: KnowledgeGraph) -> None:
    """Changing it changes nothing else."""
    small = KnowledgeGraph(
        engine=graph.engine,
        catalogue=graph.catalogue,
        release=graph.release,
        nquads=b"<a:s> <a:p> <a:o> <a:g> .\n",
    )
    copy = small.as_rdflib()
    copy.add((URIRef("a:s"), URIRef("a:p"), URIRef("a:more")))

    assert len(small.as_rdflib()) == 1
    assert not graph.query("ASK { <a:s> ?p ?o }")


def test_a_graph_knows_its_version_and_release(graph: KnowledgeGraph) -> None:
    """Version for machines, release for people."""
    assert graph.version == graph.engine.version
    assert len(graph.version) == 16
    assert graph.release == kg.__version__
    assert graph.query("ASK { ?o <http://www.w3.org/2002/07/owl#versionInfo> ?v }", {
        "o": URIRef(ONTOLOGY), "v": Literal(graph.release),
    })  # fmt: skip


_ELSEWHERE = """
import kg

steps = []
graph = kg.load(steps.append)
print(graph.version, "applying rules" in steps)
"""


def test_a_build_is_kept_for_the_next_start(graph: KnowledgeGraph, tmp_path: Path) -> None:
    """From any folder the same knowledge is loaded; once it was built, it is not built again."""
    environment = {**os.environ, "PYTHONPATH": str(Path(kg.__file__).parents[1])}
    output = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert output.split() == [graph.version, "False"]
    assert list(tmp_path.iterdir()) == []


def test_importing_the_library_does_not_import_pandas() -> None:
    """Pandas is optional and is imported only when it is used."""
    code = "import sys, kg; sys.exit('pandas' in sys.modules or 'flask' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(kg.__file__).parents[1])}

    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


def test_what_the_library_offers() -> None:
    """The names that a notebook sees."""
    assert sorted(kg.__all__) == [
        "BuildError",
        "EngineError",
        "InvalidKnowledge",
        "KnowledgeGraph",
        "Query",
        "Row",
        "Rows",
        "load",
    ]
    assert all(hasattr(kg, name) for name in kg.__all__)
