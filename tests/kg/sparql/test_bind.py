"""Binding values to variables: as if the value had been written by hand, and never as text."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rdflib import XSD, BNode, Literal, URIRef

from kg.engine import BindingError, Query, QueryError, QuerySyntaxError, Term
from kg.engine.oxigraph.engine import InProcessEngine
from kg.sparql.bind import bind, canonical

_EX = "http://example.org/"
_DATA = """\
<http://example.org/a> <http://example.org/knows> <http://example.org/b> <http://example.org/g1> .
<http://example.org/a> <http://example.org/knows> <http://example.org/c> <http://example.org/g1> .
<http://example.org/a> <http://example.org/name> "Ann" <http://example.org/g1> .
<http://example.org/b> <http://example.org/age> "7"^^<http://www.w3.org/2001/XMLSchema#integer> <http://example.org/g2> .
<http://example.org/b> <http://example.org/knows> <http://example.org/c> <http://example.org/g2> .
<http://example.org/c> <http://example.org/age> "9"^^<http://www.w3.org/2001/XMLSchema#integer> <http://example.org/g2> .
<http://example.org/c> <http://example.org/name> "Cay" <http://example.org/g2> .
"""
_ENGINE = InProcessEngine(_DATA.encode(), version="v1")
_PROLOGUE = "PREFIX ex: <http://example.org/>\n"


def _answer(text: str, bindings: Mapping[str, Term]) -> Any:
    """Return the answer as parsed JSON, or the sorted lines of a graph."""
    answer = _ENGINE.run(Query(_PROLOGUE + text, bindings))
    if answer.format.name == "turtle":
        return sorted(answer.body.decode().splitlines())
    return json.loads(answer.body)


def _refusal(text: str, bindings: Mapping[str, Term]) -> QueryError | None:
    """Return the error with which a query is refused, if it is."""
    try:
        _ENGINE.run(Query(text, bindings))
    except QueryError as error:
        return error
    return None


_A, _B, _C = URIRef(_EX + "a"), URIRef(_EX + "b"), URIRef(_EX + "c")
_KNOWS, _AGE, _G2 = URIRef(_EX + "knows"), URIRef(_EX + "age"), URIRef(_EX + "g2")
_SEVEN = Literal(7)

_BY_HAND: tuple[tuple[str, Mapping[str, Term], str], ...] = (
    # the SELECT clause
    ("SELECT ?s ?o { ?s ex:knows ?o }", {"s": _A}, "SELECT (ex:a AS ?s) ?o { ex:a ex:knows ?o }"),
    ("SELECT ?o { ?s ex:knows ?o }", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o }"),
    ("SELECT ?o { $s ex:knows ?o . ?s ?p $o }", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o ; ?p ?o }"),
    ("SELECT * { ?s ex:knows ?o }", {"s": _A}, "SELECT * { ex:a ex:knows ?o }"),
    ("SELECT DISTINCT ?s { ?s ex:knows ?o }", {"s": _A}, "SELECT DISTINCT (ex:a AS ?s) { ex:a ex:knows ?o }"),
    ("SELECT DISTINCT?s{?s ?p ?o}", {"s": _A}, "SELECT DISTINCT (ex:a AS ?s) { ex:a ?p ?o }"),
    ("SELECT REDUCED ?s { ?s ex:name ?o }", {"s": _A}, "SELECT REDUCED (ex:a AS ?s) { ex:a ex:name ?o }"),
    ("SELECT (?s AS ?x) { ?s ex:name ?o }", {"s": _A}, "SELECT (ex:a AS ?x) { ex:a ex:name ?o }"),
    ("SELECT (STR(?s) AS ?x) ?s { ?s ex:name ?o }", {"s": _A}, "SELECT (STR(ex:a) AS ?x) (ex:a AS ?s) { ex:a ex:name ?o }"),
    (
        "SELECT (EXISTS { ?s ex:age ?n } AS ?x) ?s ?o { ?s ex:knows ?o }",
        {"s": _A},
        "SELECT (EXISTS { ex:a ex:age ?n } AS ?x) (ex:a AS ?s) ?o { ex:a ex:knows ?o }",
    ),
    # aggregates
    ("SELECT (COUNT(?s) AS ?n) { ?s ex:knows ?o }", {"s": _A}, "SELECT (COUNT(ex:a) AS ?n) { ex:a ex:knows ?o }"),
    ("SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s ex:knows ?o }", {"s": _A}, "SELECT (COUNT(DISTINCT ex:a) AS ?n) { ex:a ex:knows ?o }"),
    ("SELECT (SUM(?x) AS ?n) { ?s ex:age ?a }", {"x": _SEVEN}, "SELECT (SUM(7) AS ?n) { ?s ex:age ?a }"),
    (
        "SELECT ?s (COUNT(?o) AS ?n) { ?s ex:knows ?o } GROUP BY ?s",
        {"s": _A},
        "SELECT (ex:a AS ?s) (COUNT(?o) AS ?n) { ex:a ex:knows ?o } GROUP BY (ex:a)",
    ),
    (
        "SELECT ?s (COUNT(?x) AS ?n) { ?s ex:knows ?x } GROUP BY ?s HAVING (COUNT(?x) > ?least)",
        {"least": Literal(1)},
        "SELECT ?s (COUNT(?x) AS ?n) { ?s ex:knows ?x } GROUP BY ?s HAVING (COUNT(?x) > 1)",
    ),
    (
        "SELECT ?o (GROUP_CONCAT(?s; SEPARATOR=',') AS ?n) { ?s ex:knows ?o } GROUP BY ?o ?s",
        {"s": _A},
        "SELECT ?o (GROUP_CONCAT(ex:a; SEPARATOR=',') AS ?n) { ex:a ex:knows ?o } GROUP BY ?o",
    ),
    # ORDER BY
    ("SELECT ?s ?o { ?s ?p ?o } ORDER BY ?p ?s ?o", {"s": _A}, "SELECT (ex:a AS ?s) ?o { ex:a ?p ?o } ORDER BY ?p ?o"),
    ("SELECT ?o { ?s ex:knows ?o } ORDER BY DESC(?s) DESC(?o)", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o } ORDER BY DESC(?o)"),
    ("SELECT ?o { ?s ex:knows ?o } ORDER BY BOUND(?s) ?o", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o } ORDER BY ?o"),
    # patterns
    ("SELECT ?s ?a { ?s ex:age ?n OPTIONAL { ?s ex:name ?a } }", {"s": _B}, "SELECT (ex:b AS ?s) ?a { ex:b ex:age ?n OPTIONAL { ex:b ex:name ?a } }"),
    ("SELECT ?s { ?s ?p ?x OPTIONAL { ?o ex:name ?n } FILTER(?o = ?s) }", {"o": _A}, "SELECT ?s { ?s ?p ?x OPTIONAL { ex:a ex:name ?n } FILTER(ex:a = ?s) }"),
    ("SELECT ?o { ex:a ex:knows ?o MINUS { ?o ex:age ?n } }", {"n": _SEVEN}, "SELECT ?o { ex:a ex:knows ?o MINUS { ?o ex:age 7 } }"),
    ("SELECT ?o { ex:a ex:knows ?o FILTER NOT EXISTS { ?o ex:age ?n } }", {"n": _SEVEN}, "SELECT ?o { ex:a ex:knows ?o FILTER NOT EXISTS { ?o ex:age 7 } }"),
    ("SELECT ?o { ex:a ex:knows ?o FILTER EXISTS { ?o ex:age ?n } }", {"n": _SEVEN}, "SELECT ?o { ex:a ex:knows ?o FILTER EXISTS { ?o ex:age 7 } }"),
    ("SELECT ?x { { ?s ex:age ?x } UNION { ?s ex:name ?x } }", {"s": _C}, "SELECT ?x { { ex:c ex:age ?x } UNION { ex:c ex:name ?x } }"),
    ("SELECT ?o { ?s ex:knows+/ex:age ?o }", {"s": _A}, "SELECT ?o { ex:a ex:knows+/ex:age ?o }"),
    ("SELECT ?s { ?s (ex:knows|^ex:knows)* ?o }", {"o": _B}, "SELECT ?s { ?s (ex:knows|^ex:knows)* ex:b }"),
    ("SELECT ?s ?o { ?s ?p ?o }", {"p": _AGE}, "SELECT ?s ?o { ?s ex:age ?o }"),
    ("SELECT ?s ?g { GRAPH ?g { ?s ex:knows ?o } }", {"g": _G2}, "SELECT ?s (ex:g2 AS ?g) { GRAPH ex:g2 { ?s ex:knows ?o } }"),
    ("SELECT ?s { ?s ex:knows [ ex:age ?n ] }", {"n": _SEVEN}, "SELECT ?s { ?s ex:knows [ ex:age 7 ] }"),
    ("SELECT ?x { ?s ex:age ?n BIND(?s AS ?x) }", {"s": _B}, "SELECT ?x { ex:b ex:age ?n BIND(ex:b AS ?x) }"),
    # FILTER
    ("SELECT ?s { ?s ex:age ?a FILTER(?a > ?n) }", {"n": _SEVEN}, "SELECT ?s { ?s ex:age ?a FILTER(?a > 7) }"),
    ("SELECT ?s{?s ex:age ?a FILTER(?n<?a)}", {"n": _SEVEN, "a": Literal(9)}, "SELECT ?s { ?s ex:age 9 FILTER(7 < 9) }"),
    ("SELECT ?s{?s ?p ?a FILTER(?n<?s)}", {"s": _A, "n": _B}, "SELECT (ex:a AS ?s) { ex:a ?p ?a FILTER(ex:b < ex:a) }"),
    ("SELECT ?s { ?s ex:age ?a FILTER(?a IN (?n, 1)) }", {"n": _SEVEN}, "SELECT ?s { ?s ex:age ?a FILTER(?a IN (7, 1)) }"),
    ("SELECT ?s { ?s ex:age ?a FILTER(?a-?n>0) }", {"n": _SEVEN}, "SELECT ?s { ?s ex:age ?a FILTER(?a - 7 > 0) }"),
    ("SELECT ?s { ?s ex:name ?a FILTER REGEX(?a, ?like, 'i') }", {"like": Literal("an")}, "SELECT ?s { ?s ex:name ?a FILTER REGEX(?a, 'an', 'i') }"),
    ("SELECT ?o { ?s ex:knows ?o FILTER(BOUND(?s)) }", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o }"),
    ("SELECT ?o { ?s ex:knows ?o FILTER BOUND( ?s ) }", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o }"),
    ("SELECT ?o { ?s ex:knows ?o FILTER(!BOUND(?s)) }", {"s": _A}, "SELECT ?o { ex:a ex:knows ?o FILTER(false) }"),
    ("SELECT ?o { ?s ex:knows ?o FILTER(!bound ($wanted) || ?s = $wanted) }", {"wanted": _B}, "SELECT ?o { ?s ex:knows ?o FILTER(?s = ex:b) }"),
    ("SELECT (IF(BOUND(?s), 1, 2) AS ?x) { ?s ex:age ?n }", {"s": _B}, "SELECT (1 AS ?x) { ex:b ex:age ?n }"),
    # sub-selects
    (
        "SELECT ?n { { SELECT ?s (COUNT(?o) AS ?n) { ?s ex:knows ?o } GROUP BY ?s } ?s ex:name ?x }",
        {"s": _A},
        "SELECT ?n { { SELECT (COUNT(?o) AS ?n) { ex:a ex:knows ?o } GROUP BY (ex:a) } ex:a ex:name ?x }",
    ),
    (
        "SELECT ?s ?o { { SELECT ?s ?o { ?s ex:knows ?o } } ?s ex:name ?x }",
        {"s": _A},
        "SELECT (ex:a AS ?s) ?o { { SELECT ?o { ex:a ex:knows ?o } } ex:a ex:name ?x }",
    ),
    (
        "SELECT ?s ?o { { SELECT ?s ?o { { SELECT ?s ?o { ?s ex:knows ?o } LIMIT 9 } } } }",
        {"s": _A},
        "SELECT (ex:a AS ?s) ?o { ex:a ex:knows ?o }",
    ),
    (
        "SELECT ?o { { SELECT ?o { ?x ex:knows ?o } ORDER BY ?s LIMIT 9 } ?s ex:knows ?o }",
        {"s": _B},
        "SELECT ?o { { SELECT ?o { ?x ex:knows ?o } LIMIT 9 } ex:b ex:knows ?o }",
    ),
    (
        "SELECT ?o ?n { { SELECT ?o (COUNT(*) AS ?n) { ?x ex:knows ?o } GROUP BY ?o } ?s ex:knows ?o }",
        {"s": _B},
        "SELECT ?o ?n { { SELECT ?o (COUNT(*) AS ?n) { ?x ex:knows ?o } GROUP BY ?o } ex:b ex:knows ?o }",
    ),
    (
        "SELECT ?o { FILTER EXISTS { SELECT ?s { ?s ex:knows ?o } } ?s ex:knows ?o }",
        {"s": _A},
        "SELECT ?o { ex:a ex:knows ?o }",
    ),
    # VALUES of other variables, in the middle and at the end
    ("SELECT ?s ?o { VALUES ?o { ex:b ex:c } ?s ex:knows ?o }", {"s": _A}, "SELECT (ex:a AS ?s) ?o { VALUES ?o { ex:b ex:c } ex:a ex:knows ?o }"),
    ("SELECT ?o { VALUES (?o ?x) { (ex:b 1) (UNDEF 2) } ?s ex:knows ?o }", {"s": _A}, "SELECT ?o { VALUES (?o ?x) { (ex:b 1) (UNDEF 2) } ex:a ex:knows ?o }"),
    ("SELECT ?s ?o { ?s ex:knows ?o } ORDER BY ?o VALUES ?o { ex:c }", {"s": _A}, "SELECT (ex:a AS ?s) ?o { ex:a ex:knows ?o } VALUES ?o { ex:c }"),
    # the other forms
    ("ASK { ?s ex:knows ?o }", {"s": _A, "o": _C}, "ASK { ex:a ex:knows ex:c }"),
    ("ASK { ?s ex:knows ?o }", {"s": _C, "o": _A}, "ASK { ex:c ex:knows ex:a }"),
    ("CONSTRUCT { ?s ex:of ?o } { ?o ex:knows ?x }", {"s": _B}, "CONSTRUCT { ex:b ex:of ?o } { ?o ex:knows ?x }"),
    ("CONSTRUCT WHERE { ?s ex:knows ?o }", {"o": _C}, "CONSTRUCT WHERE { ?s ex:knows ex:c }"),
    ("DESCRIBE ?s", {"s": _A}, "DESCRIBE ex:a"),
    ("DESCRIBE ?s ?t", {"s": _A, "t": _B}, "DESCRIBE ex:a ex:b"),
    ("DESCRIBE ?s ?o { ?s ex:name ?x ; ex:knows ?o }", {"s": _A}, "DESCRIBE ex:a ?o { ex:a ex:name ?x ; ex:knows ?o }"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "bindings", "by_hand"), _BY_HAND, ids=lambda each: str(each)[:60])
def test_a_bound_variable_stands_for_its_value(
    text: str, bindings: Mapping[str, Term], by_hand: str
) -> None:
    """The answer is that of the query with the value written into it by hand."""
    expected = _answer(by_hand, {})

    assert _answer(text, bindings) == expected


def test_the_answers_above_are_worth_comparing() -> None:
    """Most of the queries that are compared have answers, so equal does not mean empty."""
    filled = [
        text
        for text, bindings, _ in _BY_HAND
        if "ASK" in text
        or text.startswith(("CONSTRUCT", "DESCRIBE"))
        or _answer(text, bindings)["results"]["bindings"]
    ]

    assert len(filled) > 0.9 * len(_BY_HAND)


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_HOSTILE = (
    '"',
    "'",
    "\\",
    '\\"',
    "\\u0041",
    "\\U00000041",
    '"@en',
    '"^^<http://example.org/>',
    '" } INSERT DATA { <a> <b> "',
    "x\n} UNION { ?s ?p ?o",
    "# comment",
    '"""',
    "'''",
    "?s",
    "$s",
    "<http://example.org/>",
    "\r\n\t\b\f",
    "\x0b\x1c\x85\u2028\u2029\ufeff\uffff",
    "%41",
    "SERVICE <http://127.0.0.1:1/> {}",
)
_TAGS = st.sampled_from(["en", "de-at", "zh-hans-cn", "sr-latn", "es-419", "x-private"])


def _with_examples(test: Callable[[str], None]) -> Callable[[str], None]:
    for text in _HOSTILE:
        test = example(text)(test)
    return test


@_with_examples
@given(_TEXT)
def test_any_text_comes_back_as_it_was_bound(text: str) -> None:
    """A bound string, whatever its characters, is that string and changes nothing else."""
    found = _answer("SELECT (?x AS ?y) ?z { BIND(1 AS ?z) }", {"x": Literal(text)})

    assert found["head"]["vars"] == ["y", "z"]
    assert [row["y"] for row in found["results"]["bindings"]] == [
        {"type": "literal", "value": text}
    ]


@given(_TEXT, _TAGS)
def test_any_text_with_a_language_comes_back(text: str, tag: str) -> None:
    """A bound string keeps its language."""
    found = _answer("SELECT (?x AS ?y) {}", {"x": Literal(text, lang=tag)})

    assert found["results"]["bindings"] == [
        {"y": {"type": "literal", "value": text, "xml:lang": tag}}
    ]


@given(_TEXT)
def test_any_text_of_an_own_datatype_comes_back(text: str) -> None:
    """A bound literal keeps its datatype."""
    datatype = URIRef(_EX + "type#x")
    found = _answer("SELECT (?x AS ?y) {}", {"x": Literal(text, datatype=datatype)})

    assert found["results"]["bindings"] == [
        {"y": {"type": "literal", "value": text, "datatype": str(datatype)}}
    ]


@given(st.one_of(_TEXT, st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E))))
def test_any_iri_comes_back_or_is_refused(local: str) -> None:
    """What is bound as an IRI is that IRI in the answer, or an error of the binding."""
    iri = URIRef(_EX + local)
    text = "SELECT ?y ?x { BIND(?x AS ?y) }"
    refusal = _refusal(text, {"x": iri})
    if refusal is not None:
        assert isinstance(refusal, BindingError)
        return

    found = _answer(text, {"x": iri})
    assert found["results"]["bindings"] == [
        {name: {"type": "uri", "value": str(iri)} for name in ("x", "y")}
    ]


@_with_examples
@given(_TEXT)
def test_a_value_never_changes_the_structure_of_a_query(text: str) -> None:
    """Columns and rows are those of the query, whatever is bound in all its places at once."""
    query = """SELECT ?s ?o ?x { ?s ex:knows ?o OPTIONAL { ?s ex:age ?x }
        FILTER(?x = ?x || !BOUND(?x)) } GROUP BY ?s ?o ?x ORDER BY ?x ?s ?o"""
    found = _answer(query, {"x": Literal(text)})

    assert found["head"]["vars"] == ["s", "o", "x"]
    assert [row["x"]["value"] for row in found["results"]["bindings"]] == [text] * 3


@pytest.mark.parametrize("text", _HOSTILE)
def test_an_iri_with_the_characters_of_syntax_is_refused(text: str) -> None:
    """What could end an IRI early is never written into a query."""
    bindings = {"x": URIRef(_EX + text)}
    if any(each <= " " or each in '<>"{}|^`\\' for each in text):
        with pytest.raises(BindingError):
            _answer("SELECT (?x AS ?y) {}", bindings)
    else:
        row = _answer("SELECT (?x AS ?y) {}", bindings)["results"]["bindings"][0]
        assert row["y"]["value"] == _EX + text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Literal(7), ("7", XSD.integer)),
        (Literal("1.50", datatype=XSD.decimal), ("1.5", XSD.decimal)),
        (Literal(True), ("true", XSD.boolean)),
        (Literal("2026-11-22", datatype=XSD.date), ("2026-11-22", XSD.date)),
        (Literal("P6M", datatype=XSD.duration), ("P6M", XSD.duration)),
        (Literal(2.5), ("2.5", XSD.double)),
    ],
)
def test_typed_values_keep_value_and_type(value: Literal, expected: tuple[str, URIRef]) -> None:
    """Numbers, dates and booleans are bound as such."""
    found = _answer("SELECT (?x AS ?y) {}", {"x": value})["results"]["bindings"][0]["y"]

    assert (found["value"], found["datatype"]) == (expected[0], str(expected[1]))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ?o { ?s?p?o }",
        "SELECT ?o{?s ?p ?o FILTER(?s<?t||?t>?s||true)}",
        "SELECT ?o { ?s ?p ?o FILTER(?n-1 = 6 || true) }",
        "SELECT ?o { ?s ?p ?o . FILTER(CONCAT(?t,?t)!=?t||true) }",
        "SELECT ?o { ?s ?p ?o FILTER(?t IN(?t,?t)) }",
    ],
)
def test_values_do_not_run_into_their_neighbours(text: str) -> None:
    """Queries written without spaces stay what they are when values are put in."""
    values: dict[str, Term] = {
        "s": _A,
        "p": _KNOWS,
        "t": Literal("a", lang="en"),
        "n": Literal("a", lang="en"),
    }
    bindings = {name: term for name, term in values.items() if f"?{name}" in text}

    assert len(_answer(text, bindings)["results"]["bindings"]) == 2


def test_a_name_is_bound_whole() -> None:
    """?s is not found inside ?sx, nor in a name that goes on with a combining character."""
    decomposed = unicodedata.normalize("NFD", "sé")
    text = f"SELECT ?sx ?{decomposed} {{ ?s ex:knows ?sx BIND(1 AS ?{decomposed}) }}"

    found = _answer(text, {"s": _B})
    assert found["head"]["vars"] == ["sx", decomposed]
    assert found["results"]["bindings"][0]["sx"]["value"] == str(_C)


def test_variables_in_comments_strings_and_iris_are_no_variables() -> None:
    """Only variables are replaced."""
    text = "SELECT ('?s $s' AS ?x) (<http://example.org/?s> AS ?y) { ?s ex:age ?o } # ?s"
    row = _answer(text, {"s": _B})["results"]["bindings"][0]

    assert (row["x"]["value"], row["y"]["value"]) == ("?s $s", _EX + "?s")
    with pytest.raises(BindingError, match=r"no variable \?s"):
        _answer("ASK { <http://example.org/?s> ?p '?s' } # ?s", {"s": _B})


@pytest.mark.parametrize(
    ("text", "bindings", "said"),
    [
        ("ASK { ?s ?p ?o }", {"x": _A}, r"no variable \?x"),
        ("ASK { ?s ?p ?o }", {"?s": _A}, "no variable"),
        ("SELECT (1 AS ?x) {}", {"x": _A}, r"itself gives \?x a value"),
        ("SELECT * { BIND(1 AS ?x) }", {"x": _A}, r"itself gives \?x a value"),
        ("SELECT ?x { ?s ?p ?o } GROUP BY (STR(?s) AS ?x)", {"x": _A}, r"itself gives \?x a value"),
        ("SELECT * { VALUES ?x { 1 } }", {"x": _A}, r"itself gives \?x a value"),
        ("SELECT * { VALUES (?y ?x) { (1 2) } }", {"x": _A}, r"itself gives \?x a value"),
        ("SELECT * { ?s ?p ?x } VALUES ?x { 1 }", {"x": _A}, r"itself gives \?x a value"),
        ("SELECT * { { SELECT (1 AS ?x) {} } ?s ?p ?x }", {"x": _A}, r"itself gives \?x a value"),
        ("ASK { ?s ?p ?o }", {"s": URIRef("a")}, "not an absolute IRI"),
        ("ASK { ?s ?p ?o }", {"s": URIRef("")}, "not an absolute IRI"),
        ("ASK { ?s ?p ?o }", {"s": URIRef("http://example.org/a b")}, "not an absolute IRI"),
        ("ASK { ?s ?p ?o }", {"s": URIRef("http://e/> ?x ?y } #")}, "not an absolute IRI"),
        ("ASK { ?s ?p ?o }", {"s": URIRef("http://e/\ud800")}, "not an absolute IRI"),
        ("ASK { ?s ?p ?o }", {"o": Literal("\0")}, "character"),
        ("ASK { ?s ?p ?o }", {"o": Literal("\udfff")}, "character"),
        ("ASK { ?s ?p ?o }", {"o": Literal("x", lang="abcdefghi")}, "language tag"),
        ("ASK { ?s ?p ?o }", {"o": Literal("x", lang="a")}, "language tag"),
        ("ASK { ?s ?p ?o }", {"s": URIRef("http://e/%zz")}, "not an absolute IRI"),
        ("ASK { ?s ?p ?o }", {"p": Literal("x")}, "must be IRIs"),
        ("ASK { GRAPH ?g { ?s ?p ?o } }", {"g": Literal("x")}, "must be IRIs"),
        ("DESCRIBE ?s", {"s": Literal("x")}, "must be IRIs"),
        ("ASK { ?s ?p ?o }", {"o": BNode("x")}, "neither an IRI nor a literal"),
        ("ASK { ?s ?p ?o }", {"o": "text"}, "neither an IRI nor a literal"),
        ("ASK { ?s ?p ?o }", {"o": None}, "neither an IRI nor a literal"),
    ],
)
def test_what_cannot_be_bound_is_refused(text: str, bindings: Mapping[str, Any], said: str) -> None:
    """An absent variable, one that the query assigns itself, or no RDF term: an error says which."""
    with pytest.raises(BindingError, match=said):
        _answer(text, bindings)


def test_a_syntax_error_is_placed_in_the_text_that_was_written() -> None:
    """Bindings do not shift the line and column of a mistake."""
    with pytest.raises(QuerySyntaxError) as refusal:
        _ENGINE.run(Query("ASK { ?s ?p ?o .\n ?s ?p FILTR }", {"s": URIRef(_EX + "long" * 50)}))

    assert (refusal.value.line, refusal.value.column) == (2, 8)


def test_nothing_bound_leaves_the_text_as_it_is() -> None:
    """Without bindings the query is not touched."""
    text = "SELECT  ?s\n{ ?s ?p ?o } # end"

    assert bind(text, {}) == text


@given(_TEXT, st.one_of(st.none(), _TAGS))
def test_canonical_terms_are_one_line_of_n_triples(text: str, tag: str | None) -> None:
    """The canonical form of a literal has no line break and is read back as the same term."""
    written = canonical(Literal(text, lang=tag))

    assert "\n" not in written
    assert "\r" not in written
    line = f"<{_EX}s> <{_EX}p> {written} <{_EX}g> .\n"
    engine = InProcessEngine(line.encode(), version="v1")
    answer = json.loads(engine.run(Query("SELECT ?o { ?s ?p ?o }")).body)
    assert answer["results"]["bindings"][0]["o"]["value"] == text


@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT",
                "{",
                "}",
                "(",
                ")",
                "?s",
                "?o",
                "AS",
                "VALUES",
                "BOUND(?s)",
                "GROUP BY",
                "ORDER BY",
                "?s ?p ?o",
                ".",
                "WHERE",
                "1",
                "<",
                ">",
                "FILTER",
                "'x'",
                "FROM",
            ]
        ),
        max_size=14,
    )
)
def test_binding_any_text_ends_in_an_answer_or_an_error_of_the_query(pieces: list[str]) -> None:
    """However odd the query, nothing but the exceptions of the interface comes out."""
    text = "SELECT ?s { " + " ".join(pieces)
    assume("?s" in text)
    refusal = _refusal(text, {"s": _A})

    assert refusal is None or str(refusal)
