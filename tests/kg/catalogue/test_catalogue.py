"""Canned queries: what their headers may say, and what a mistake in one makes the catalogue say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import XSD, Literal, URIRef

import kg
from kg.catalogue.canned_queries import (
    Catalogue,
    Parameter,
    ParameterError,
    UnknownQueryError,
    read_queries,
)
from kg.catalogue.front_matter import CatalogueError
from kg.engine import Query
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, DGD
from kg.releases.bundled import ONTOLOGY_FOLDER, QUERIES_FOLDER

_ENGINE = InProcessEngine(
    b"<http://example.org/a> <http://example.org/n> "
    b'"5"^^<http://www.w3.org/2001/XMLSchema#integer> <http://example.org/g> .\n',
    version="v1",
    prefixes={"dg": DG},
)
_GOOD = """\
#+ title: What is there?
#+ description: All of it.
#+ params:
#+   - name: thing
#+     type: iri
#+     classes: [dg:Procedure]
#+     description: about what
#+     required: true
#+   - name: most
#+     type: integer
#+     values: [1, 5, 10]
#+     default: 5
#+     description: how many at most
#+ examples:
#+   - thing: dg:Erythema
#+   - {thing: http://example.org/a, most: 10}
#+ columns:
#+   - {name: p, type: record, description: A property.}
#+   - name: o
#+     type: decimal
#+     unit: nm
#+     description: A value.

SELECT ?p ?o
WHERE {
  $thing ?p ?o .
  FILTER(?o <= $most)
}
"""


def _load(folder: Path, text: str, name: str = "things") -> Catalogue:
    (folder / f"{name}.rq").write_text(text, encoding="utf-8")
    return Catalogue(read_queries(folder, _ENGINE), _ENGINE)


def test_a_canned_query_is_what_its_file_says(tmp_path: Path) -> None:
    """Name, title, description, parameters, examples and text come from the file."""
    query = _load(tmp_path, _GOOD)["things"]

    assert (query.name, query.title, query.description) == (
        "things",
        "What is there?",
        "All of it.",
    )
    assert query.text == _GOOD
    assert query.parameters == (
        Parameter("thing", "iri", (f"{DG}Procedure",), (), None, required=True, description="about what"),
        Parameter("most", "integer", (), ("1", "5", "10"), "5", required=False, description="how many at most"),
    )  # fmt: skip
    assert query.examples == (
        {"thing": "dg:Erythema"},
        {"thing": "http://example.org/a", "most": "10"},
    )


def test_a_canned_query_is_answered_with_its_parameters(tmp_path: Path) -> None:
    """Given values are bound, and defaults where none are given."""
    query = _load(tmp_path, _GOOD)["things"]
    bindings = query.bindings({"thing": "http://example.org/a"})

    assert bindings == {
        "thing": URIRef("http://example.org/a"),
        "most": Literal("5", datatype=XSD.integer),
    }
    assert b"example.org/n" in _ENGINE.run(Query(query.text, bindings)).body
    less = query.bindings({"thing": "http://example.org/a", "most": "1"})
    assert b"example.org/n" not in _ENGINE.run(Query(query.text, less)).body


def test_a_parameter_without_value_stays_unbound(tmp_path: Path) -> None:
    """An optional parameter without default restricts nothing when it is left out."""
    text = _GOOD.replace("#+     required: true\n", "")
    query = _load(tmp_path, text)["things"]

    assert set(query.bindings({})) == {"most"}
    assert b"example.org/n" in _ENGINE.run(Query(query.text, query.bindings({}))).body


_MISTAKES = (
    # what is replaced, by what, line, what is said
    ("#+ title: What is there?\n", "", 1, "'title' is a required property"),
    ("#+ description: All of it.\n", "", 1, "'description' is a required property"),
    ("#+ title: What is there?", "#+ title: ''", 1, "title: "),
    ("#+ title: What is there?", "#+ title: 7", 1, "title: 7 is not of type 'string'"),
    ("#+ title: What is there?", "#+ title: What: is there?", 1, "not YAML"),
    ("#+ title: What is there?", "#+title: What is there?", 1, "Put a space after #+"),
    ("#+ title: What is there?", "# title: What is there?", 1, "no header"),
    ("#+ description: All of it.", "#+ title: Again", 2, "title is given twice"),
    ("#+ description: All of it.", "#+ description: [All of it.", 3, "not YAML"),
    ("#+ description: All of it.", "#+ descripton: All of it.", 2, "descripton is unknown; did you mean description?"),
    ("#+ params:", "#+ parameters:", 3, "parameters is unknown"),
    ("#+     required: true", "#+     requird: true", 8, "requird is unknown; did you mean required?"),
    ("#+     required: true", "#+     required: maybe", 8, "not of type 'boolean'"),
    ("#+     required: true", "#+     required: true\n#+     default: dg:Erythema", 4, "can have no default"),
    ("#+     description: about what\n", "", 4, "'description' is a required property"),
    ("#+   - name: thing\n#+     type", "#+   - type", 4, "'name' is a required property"),
    ("#+   - name: thing", "#+   - name: Thing", 4, "does not match"),
    ("#+   - name: thing", "#+   - name: most", 9, "most is declared twice"),
    ("#+     type: iri", "#+     type: uri", 5, "'iri' was expected"),
    ("#+     type: iri", "#+     type: string", 5, "params.0.type: 'iri' was expected"),
    ("#+     classes: [dg:Procedure]", "#+     classes: [Procedure]", 6, "does not match"),
    ("#+     classes: [dg:Procedure]", "#+     classes: [zz:Procedure]", 6, "A prefix of zz:Procedure is unknown."),
    ("#+     values: [1, 5, 10]", "#+     above: 5", 9, "5 is not above 5."),
    ("#+     values: [1, 5, 10]", "#+     not_above: least", 9, "There is no parameter least that most is not above."),
    ("#+     type: iri", "#+     type: iri\n#+     not_above: most", 5, "'iri' is not one of ['integer', 'decimal']"),
    ("#+     values: [1, 5, 10]", "#+     unit: furlong", 9, "The unit 'furlong' is not in ontology/units.tsv."),
    ("#+     classes: [dg:Procedure]", "#+     unit: nm", 5, "'iri' is not one of ['integer', 'decimal']"),
    ("#+     classes: [dg:Procedure]", "#+     maximum: 5", 5, "'iri' is not one of ['integer', 'decimal']"),
    ("#+     values: [1, 5, 10]", "#+     values: []", 11, "should be non-empty"),
    ("#+     values: [1, 5, 10]", "#+     values: [one, 5]", 9, "'one' is not a whole number."),
    ("#+     default: 5", "#+     default: 6", 9, "'6' is not accepted. Give one of 1, 5, 10."),
    ("#+     default: 5", "#+     default: five", 9, "'five' is not accepted."),
    ("#+   - thing: dg:Erythema", "#+   - thang: dg:Erythema", 15, "thang: things has no such parameter."),
    ("#+   - thing: dg:Erythema", "#+   - most: 5", 15, "thing: A value is required."),
    ("most: 10}", "most: 11}", 16, "'11' is not accepted."),
    ("#+   - thing: dg:Erythema", "#+   - thing: '<x>'", 15, "is not an IRI."),
    ("  $thing ?p ?o", "  ?other ?p ?o", 4, "does not use its parameter $thing"),
    ("?o <= $most", "?o <= $moost", 9, "does not use its parameter $most"),
    ("?o <= $most", "?o <= $most && $x", 27, "Declare $x among the params, or write ?x."),
    ("WHERE {", "WHRE {", 25, "'WHRE' is not a word of SPARQL. Did you mean WHERE?"),
    ("  $thing ?p ?o .", "  $thing ex:p ?o .", 26, "The prefix ex: is not declared."),
    ("SELECT ?p ?o", "SELECT ?p ?o ?extra", 24, "The column ?extra is not declared. Declare it under columns:"),
    ("SELECT ?p ?o", "SELECT ?p ?o (STR(?p) AS ?extra)", 24, "The column ?extra is not declared."),
    ("SELECT ?p ?o", "SELECT ?p", 19, "The query has no column o. Take it out."),
    ("SELECT ?p ?o", "SELECT *", 1, "Write the query as a SELECT that names its columns."),
    ("#+     type: decimal\n", "", 19, "o needs a type and a description."),
    ("#+     type: decimal", "#+     type: number", 20, "'number' is not one of"),
    ("#+     description: A value.", "#+     description: A value", 22, "does not match"),
    ("?o <= $most)\n}", "?o <= $most)\n", 25, "This { is not closed."),
    ("  FILTER(", "  SERVICE <http://127.0.0.1:1/> {} FILTER(", 1, "SERVICE at line 27"),
    ("  FILTER(?o <= $most)", "  VALUES $most { 1 }", 1, "itself gives ?most a value"),
    ("SELECT ?p ?o\nWHERE {", "INSERT { ?p ?p ?o }\nWHERE {", 1, "SPARQL Update"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [each for each in _MISTAKES if each[3] is not None],
    ids=[f"{n} {each[3]!a}" for n, each in enumerate(_MISTAKES) if each[3] is not None],
)
def test_a_mistake_in_a_canned_query_is_named(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    """Unknown keys, unused or undeclared parameters, bad values and syntax: file, line, and why."""
    assert _GOOD.count(old) == 1

    with pytest.raises(CatalogueError) as failure:
        _load(tmp_path, _GOOD.replace(old, new))
    assert f"things.rq, line {line}: " in str(failure.value)
    assert said in str(failure.value)


def test_the_file_that_the_mistakes_are_made_in_is_good(tmp_path: Path) -> None:
    """Without a mistake it loads, and a parameter may be selected."""
    assert list(_load(tmp_path, _GOOD)) == ["things"]
    selected = _GOOD.replace("SELECT ?p ?o", "SELECT ?p $most").replace("name: o\n", "name: most\n")
    assert _load(tmp_path, selected)


_TABLE = """\
name\ttype\tunit\tdescription
o\tdecimal\tnm\tA value.
"""


def test_what_names_mean_everywhere_stands_in_one_table(tmp_path: Path) -> None:
    """A query need not repeat it, may say otherwise, and what a term, a record or a number is follows."""
    (tmp_path / "columns.tsv").write_text(_TABLE, encoding="utf-8")
    text = _GOOD.replace("#+     type: decimal\n", "").replace(
        "SELECT ?p", "SELECT ?p (?p AS ?p_title)"
    )
    query = _load(tmp_path, text)["things"]

    assert [(each.name, each.type, each.unit, each.key) for each in query.columns] == [
        ("p", "iri", None, "p"),
        ("p_title", "text", None, "p"),
        ("o", "decimal", "nm", "o"),
    ]
    assert [(key, each.name) for key, each in query.keys.items()] == [("p", "p"), ("o", "o")]
    assert query.keys["o"].schema == {"type": ["number", "null"], "description": "A value."}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (f"{_TABLE}x\ttext\t\tA text.\n", "columns.tsv, line 3: No query has a column x."),
        (f"{_TABLE}o\ttext\t\tA text.\n", "columns.tsv, line 3: o is not declared."),
        (_TABLE.replace("decimal", "number"), "columns.tsv, line 2: o is not declared."),
        (_TABLE.replace("A value.", ""), "columns.tsv, line 2: o is not declared."),
        ("", "columns.tsv: The file is empty."),
    ],
)
def test_a_mistake_in_the_table_of_columns_is_named(tmp_path: Path, table: str, said: str) -> None:
    """With file, line and what to do."""
    (tmp_path / "columns.tsv").write_text(table, encoding="utf-8")

    with pytest.raises(CatalogueError) as failure:
        _load(tmp_path, _GOOD)
    assert said in str(failure.value)


@pytest.mark.parametrize("name", ["Things", "my things", "1things", "my_things", "-things", "ä"])
def test_a_name_that_makes_no_address_is_refused(tmp_path: Path, name: str) -> None:
    """Names are lower-case words joined by hyphens, since they stand in URLs."""
    with pytest.raises(CatalogueError, match="lower-case words joined by hyphens"):
        _load(tmp_path, _GOOD, name)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"#+ title: \xff\n", "not UTF-8"), (b"#+ - a\n#+ - b\n", "key: value")],
)
def test_a_file_without_readable_header_is_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """Empty files, other encodings and lists are told as such."""
    (tmp_path / "things.rq").write_bytes(content)

    with pytest.raises(CatalogueError, match=said):
        read_queries(tmp_path, _ENGINE)


def test_a_parameter_may_stand_in_every_place_that_takes_its_type(tmp_path: Path) -> None:
    """Samples of each type are tried, so that a query which would break with a value is refused."""
    text = """\
#+ title: x
#+ description: y
#+ params:
#+   - {name: verb, type: TYPE, description: z}
#+ columns: [{name: s, type: record, description: It.}]
SELECT ?s { ?s $verb ?o }
"""
    assert _load(tmp_path, text.replace("TYPE", "iri"))
    with pytest.raises(CatalogueError, match=r"line 6: .*not legal"):
        _load(tmp_path, text.replace("TYPE", "string"))


_TYPES = (
    ("iri", "dg:Erythema", URIRef(f"{DG}Erythema")),
    ("iri", "Erythema", URIRef(f"{DG}Erythema")),
    ("iri", "dgd:claim/B0375", URIRef(f"{DGD}claim/B0375")),
    ("iri", "https://example.org/a?b=c#d", URIRef("https://example.org/a?b=c#d")),
    ("string", 'any "text" at all }', Literal('any "text" at all }')),
    ("string", "", Literal("")),
    ("integer", "12", Literal("12", datatype=XSD.integer)),
    ("integer", "-3", Literal("-3", datatype=XSD.integer)),
    ("decimal", "0.5", Literal("0.5", datatype=XSD.decimal)),
    ("decimal", "7", Literal("7", datatype=XSD.decimal)),
    ("boolean", "true", Literal(True)),
    ("boolean", "false", Literal(False)),
    ("date", "2026-11-22", Literal("2026-11-22", datatype=XSD.date)),
)  # fmt: skip


def _parameter(kind: str) -> Parameter:
    return Parameter("x", kind, (), (), None, required=False, description="")


@pytest.mark.parametrize(("kind", "text", "term"), _TYPES)
def test_text_becomes_a_term_of_the_type(kind: str, text: str, term: URIRef | Literal) -> None:
    """Each type takes its texts; an IRI may be whole, prefixed, or the name of a term of ours."""
    assert _parameter(kind).term(text) == term


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("iri", ""),
        ("iri", "zz:a"),
        ("iri", "a b"),
        ("iri", "http://a b/"),
        ("iri", "http://a/<b>"),
        ("iri", "javascript:alert(1)"),
        ("iri", "dg:Erythema> ?p ?o } #"),
        ("integer", ""),
        ("integer", "1.5"),
        ("integer", "9223372036854775808"),
        ("integer", "one"),
        ("integer", "\u0661"),
        ("decimal", "1,5"),
        ("decimal", "1e21"),
        ("decimal", "0.0000000000000000001"),
        ("decimal", "9" * 5000),
        ("decimal", "NaN"),
        ("decimal", "\u0663.\u0665"),
        ("boolean", "yes"),
        ("boolean", "True"),
        ("boolean", "1"),
        ("date", "22.11.2026"),
        ("date", "2026-13-01"),
        ("date", "2026-02-30"),
        ("date", "20261122"),
        ("date", "2026-W47-7"),
        ("date", "tomorrow"),
    ],
)
def test_text_of_the_wrong_type_is_refused(kind: str, text: str) -> None:
    """The error names parameter and text, and says how to write it."""
    with pytest.raises(ParameterError) as refusal:
        _parameter(kind).term(text)

    assert refusal.value.parameter == "x"
    assert repr(text) in refusal.value.detail
    assert refusal.value.hint
    assert str(refusal.value) == f"x: {refusal.value.detail} {refusal.value.hint}"


@given(st.sampled_from(["iri", "string", "integer", "decimal", "boolean", "date"]), st.text())
def test_any_text_is_a_term_or_a_parameter_error(kind: str, text: str) -> None:
    """No text makes a parameter fail in any other way."""
    try:
        term = _parameter(kind).term(text)
    except ParameterError:
        return

    assert isinstance(term, URIRef if kind == "iri" else Literal)


def test_values_of_an_enumeration_are_told(tmp_path: Path) -> None:
    """A value that is none of the accepted ones is answered with the list."""
    query = _load(tmp_path, _GOOD)["things"]

    with pytest.raises(ParameterError, match="Give one of 1, 5, 10"):
        query.bindings({"thing": "dg:Erythema", "most": "7"})


@pytest.mark.parametrize(
    ("values", "parameter", "said"),
    [
        ({}, "thing", "A value is required."),
        ({"most": "5"}, "thing", "A value is required."),
        ({"thing": "dg:Erythema", "least": "1"}, "least", "no such parameter"),
        ({"thing": "dg:Erythema", "Most": "5"}, "Most", "Its parameters: thing, most."),
    ],
)
def test_unknown_and_missing_parameters_are_named(
    tmp_path: Path, values: dict[str, str], parameter: str, said: str
) -> None:
    """A misspelt parameter is an error rather than ignored."""
    with pytest.raises(ParameterError, match=said) as refusal:
        _load(tmp_path, _GOOD)["things"].bindings(values)

    assert refusal.value.parameter == parameter


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("CO2 laser", "'CO2 laser' means CO2 laser (energy source), which is no adverse event."),
        ("dg:CO2Laser", "dg:CO2Laser means CO2 laser (energy source), which is no adverse event."),
    ],
)
def test_a_name_of_another_class_is_told_what_it_is(
    graph: kg.KnowledgeGraph, given: str, told: str
) -> None:
    """Whoever knows that it is there learns why it is refused."""
    with pytest.raises(ParameterError) as caught:
        graph.query("adverse-event-incidence", event=given)

    assert caught.value.detail == told


def test_a_name_that_is_nearly_right_is_suggested(graph: kg.KnowledgeGraph) -> None:
    """Whoever misspells a canned query is told what there is."""
    with pytest.raises(UnknownQueryError, match="Did you mean founding-text") as refusal:
        graph.catalogue["founding-txt"]

    assert refusal.value.name == "founding-txt"
    assert refusal.value.near[0] == "founding-text"
    with pytest.raises(UnknownQueryError) as hopeless:
        graph.catalogue["zzzzzz"]
    assert str(hopeless.value) == "There is no canned query named 'zzzzzz'."


def test_the_shipped_catalogue_is_whole_and_in_order(graph: kg.KnowledgeGraph) -> None:
    """Every .rq file is a canned query, at least twelve, sorted by name."""
    files = sorted(path.stem for path in QUERIES_FOLDER.glob("*.rq"))

    assert list(graph.catalogue) == files
    assert len(graph.catalogue) == len(files) >= 12
    assert "founding-text" in graph.catalogue
    assert "absent" not in graph.catalogue


def test_every_shipped_query_can_be_tried(graph: kg.KnowledgeGraph) -> None:
    """It has examples, or can be asked as it stands; what they answer is held by golden answers."""
    for query in graph.catalogue.values():
        as_it_stands = not any(parameter.required for parameter in query.parameters)
        assert query.examples or as_it_stands, query.name
        for example in query.examples:
            graph.catalogue.bindings(query.name, example)


def test_titles_and_descriptions_are_sentences(graph: kg.KnowledgeGraph) -> None:
    """A catalogue reads well: questions as titles, no two alike, descriptions that end."""
    titles = [query.title for query in graph.catalogue.values()]

    assert len(set(titles)) == len(titles)
    for query in graph.catalogue.values():
        assert query.title[0].isupper()
        assert query.title.endswith("?"), query.name
        assert query.description.strip().endswith("."), query.name
        for parameter in query.parameters:
            assert parameter.description, query.name


def test_classes_of_parameters_have_concepts_below_them(graph: kg.KnowledgeGraph) -> None:
    """What a parameter offers to choose from is not empty."""
    text = (
        "SELECT ?concept { { ?concept <http://www.w3.org/2000/01/rdf-schema#subClassOf> ?class }"
        " UNION { ?concept ?class true } UNION { ?concept a ?class }"
        " UNION { ?concept <http://www.w3.org/2004/02/skos/core#inScheme> ?class } }"
    )
    for query in graph.catalogue.values():
        for parameter in query.parameters:
            for each in parameter.classes:
                assert graph.query(text, {"class": URIRef(each)}), query.name


_BOUNDED: dict[str, Any] = {
    "classes": (),
    "values": (),
    "default": None,
    "required": False,
    "description": "how much",
}


@pytest.mark.parametrize(
    ("unit", "text", "number"),
    [
        ("nm", "1064", "1064"),
        ("nm", "1064 nm", "1064"),
        ("nm", "1.064 um", "1064"),
        ("nm", "1.064 µm", "1064"),
        ("nm", "1.064\u03bcm", "1064"),
        ("nm", "1.064\u00a0microns", "1064"),
        ("nm", "1064 nanometers", "1064"),
        ("nm", "0.000000000000000000000000001 m", "0.000000000000000001"),
        ("J/cm2", "6 J/cm2", "6"),
        ("J/cm2", "6J/cm²", "6"),
        ("J/cm2", "6 J·cm⁻²", "6"),
        ("J/cm2", "60000 J/m2", "6"),
        ("wk", "2 weeks", "2"),
        ("d", "2 weeks", "14"),
        ("mo", "1 year", "12"),
        ("%", "0.5 %", "0.5"),
        ("%", ".5 per cent", "0.5"),
        ("mm2/s", "1e-7 m2/s", "0.1"),
        ("K", "37 °C", "310.15"),
    ],
)
def test_a_number_may_have_any_unit_that_measures_the_same(
    unit: str, text: str, number: str
) -> None:
    """It is understood exactly, in the unit of the parameter, to the last digit."""
    parameter = Parameter("amount", "decimal", unit=unit, **_BOUNDED)

    assert parameter.term(text) == Literal(number, datatype=XSD.decimal)


@pytest.mark.parametrize(
    ("unit", "text", "said"),
    [
        ("nm", "5 days", "'days' does not measure the same as nm (nanometre). Take one of [in_i], cm, m, mm, nm, um."),
        ("nm", "5 furlongs", "'furlongs' is no unit like nm (nanometre). Take one of"),
        ("mW", "1 MW", "'MW' is no unit like mW (milliwatt)."),
        ("nm", "10,600 nm", "'10,600 nm' is not a decimal number. Write it with a point"),
        ("wk", "1 d", "'1 d' is not a decimal number."),
        (None, "5 nm", "'5 nm' has a unit. Write the number alone."),
    ],
)  # fmt: skip
def test_a_unit_of_something_else_is_refused_with_those_that_are_taken(
    unit: str | None, text: str, said: str
) -> None:
    """What is no length is never taken for a wavelength, nor what cannot be written exactly rounded."""
    with pytest.raises(ParameterError) as refused:
        Parameter("amount", "decimal", unit=unit, **_BOUNDED).term(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 %", "0 % is not above 0 and at most 100."),
        ("100.1", "100.1 is not above 0"),
        ("100 %", ""),
    ],
)
def test_a_number_out_of_the_range_of_its_parameter_is_refused(text: str, said: str) -> None:
    """It would find nothing, which would look like an answer."""
    parameter = Parameter("share", "decimal", above=0, maximum=100, unit="%", **_BOUNDED)
    if not said:
        assert parameter.term(text) == Literal("100", datatype=XSD.decimal)
        return
    with pytest.raises(ParameterError) as refused:
        parameter.term(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("query", "parameter", "text", "meant"),
    [
        ("why", "subject", f"<{DG}CO2Laser>", f"{DG}CO2Laser"),
        ("why", "subject", "DG:co2laser", f"{DG}CO2Laser"),
        ("why", "subject", "co2laser", f"{DG}CO2Laser"),
        ("why", "subject", "Carbon dioxide laser", f"{DG}CO2Laser"),
        ("why", "subject", "dgd:claim\\/B0375", f"{DGD}claim/B0375"),
        ("adverse-event-incidence", "skin_type", "iv", f"{DGD}fitzpatrick-skin-type/IV"),
        ("adverse-event-incidence", "skin_type", "dgd:Fitzpatrick-skin-type/iv", f"{DGD}fitzpatrick-skin-type/IV"),
        ("laser-modes", "mode", " Fractional ", f"{DGD}delivery-mode/fractional"),
    ],
)  # fmt: skip
def test_a_term_may_be_written_in_any_way_that_is_clear(
    graph: kg.KnowledgeGraph, query: str, parameter: str, text: str, meant: str
) -> None:
    """Whole, short, local, in any case, or by what it is called; enumerations too."""
    assert graph.catalogue.bindings(query, {parameter: text})[parameter] == URIRef(meant)


def test_what_is_nearly_a_value_of_an_enumeration_is_suggested(graph: kg.KnowledgeGraph) -> None:
    """An error has the nearest first, and all that there are."""
    with pytest.raises(ParameterError) as refused:
        graph.catalogue.bindings("laser-modes", {"mode": "hybrd"})

    assert [each.label for each in refused.value.candidates] == ["hybrid"]
    assert "Did you mean dgd:delivery-mode/hybrid (hybrid)? Give one of " in str(refused.value)


def test_units_that_measure_the_same_kind_have_one_dimension() -> None:
    """A mistake in a row of units.tsv would make a wrong number of a right one."""
    rows = _unit_rows()
    kinds = {kind for row in rows for kind in row["quantity_kind"].split("|") if kind}
    mixed = [
        kind
        for kind in kinds
        if len({row["dimension"] for row in rows if kind in row["quantity_kind"].split("|")}) > 1
    ]

    assert all(row["dimension"] for row in rows)
    assert mixed == []


def _unit_rows() -> list[dict[str, str]]:
    lines = (ONTOLOGY_FOLDER / "units.tsv").read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
