"""What a query's author is told about a mistake: where it is, what it is, what to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.engine import Query, QueryError, QuerySyntaxError, ResultKind
from kg.engine.oxigraph.engine import InProcessEngine

_ENGINE = InProcessEngine(b"", version="v1", prefixes={"ex": "http://example.org/"})


def _mistake(text: str) -> QuerySyntaxError:
    with pytest.raises(QuerySyntaxError) as refusal:
        _ENGINE.run(Query(text))
    return refusal.value


_MISTAKES = (
    # text, line, column, what is wrong, what to do
    ("", 1, 1, "The query is empty.", "Begin with SELECT"),
    ("# only a comment\n", 1, 1, "The query is empty.", "Begin with SELECT"),
    ("SELCT * { ?s ?p ?o }", 1, 1, "'SELCT' is not a word of SPARQL.", "Did you mean SELECT?"),
    ("SELECT * WHRE { ?s ?p ?o }", 1, 10, "'WHRE' is not a word", "Did you mean WHERE?"),
    ("SELECT *\n{ ?s ?p ?o }\nORDR BY ?s", 3, 1, "'ORDR' is not a word", "Did you mean ORDER?"),
    ("SELECT * { ?s ?p ?o OPTINAL { ?s ?p ?o } }", 1, 21, "'OPTINAL'", "OPTIONAL?"),
    ("SELECT name { ?s ?p ?name }", 1, 8, "'name' is not a word", None),
    ("SELECT zzz { ?s ?p ?zzz }", 1, 8, "'zzz' is not a word", "question mark"),
    ("ASK { ?s ex:name ?o }", 1, 10, "The prefix ex: is not declared.", "PREFIX ex: <http://example.org/>"),
    ("ASK {\n  ?s xy:name ?o }", 2, 6, "The prefix xy: is not declared.", "PREFIX xy: <...>"),
    ("ASK { ?s :name ?o }", 1, 10, "The prefix : is not declared.", "PREFIX :"),
    ("ASK { ?s ?p 'a }", 1, 13, "A string is not closed.", "Close it with '."),
    ('ASK {\n?s ?p "a }', 2, 7, "A string is not closed.", 'Close it with ".'),
    ("ASK { ?s ?p 'a\nb' }", 1, 13, "A string is not closed.", "Close it with '."),
    ("ASK { ?s ?p \u2018a\u2019 }", 1, 13, "\u2018", None),
    ("ASK { ?s\u00a0?p ?o }", 1, 9, "\\xa0", None),
    ("ASK { ?s ?p `o` }", 1, 13, "'`' has no place here", None),
    ("ASK { ?s ?p ?o FILTER(?o == 1) }", 1, 26, "compares with a single =", "= instead of =="),
    ("ASK { ?s ?p ?o FILTER(?o = 1 }", 1, 30, "This } closes nothing.", None),
    ("ASK {\n  ?s ?p ?o .\n  OPTIONAL { ?s ?p ?x\n}", 1, 5, "This { is not closed.", "Close it."),
    ("ASK { ?s ?p ?o } }", 1, 18, "This } closes nothing.", "Remove it"),
    ("SELECT (COUNT(*) AS ?n { ?s ?p ?o }", 1, 8, "This ( is not closed.", "Close it."),
    ("ASK { ?s ?p }", 1, None, "not legal SPARQL from here on", None),
    ("ASK { ?s ?p ?o\n  ?s ?p }", 2, 3, "A dot is missing before ?s.", "Write a dot before ?s, or a semi"),
    ("SELECT * { ?s ?p ?o } LIMIT ten", 1, 29, "'ten' is not a word", None),
    ("SELECT ?x (COUNT(?y) AS ?n) { ?x ?p ?y }", 1, None, "a variable that is unbound", None),
    ("SELECT (1 AS ?x) (2 AS ?x) {}", 1, None, "Duplicated variable name", None),
    ("ASK { ?s ?p ?o FILTER(TRUE) }", 1, 23, "Booleans are in lower case.", "Write true."),
)  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "said", "hint"), _MISTAKES)
def test_a_common_mistake_is_explained(
    text: str, line: int, column: int | None, said: str, hint: str | None
) -> None:
    """The commonest mistakes are told with their true place and with what to do."""
    mistake = _mistake(text)

    assert mistake.line == line
    assert column is None or mistake.column == column
    assert said in mistake.detail
    assert hint is None or hint in (mistake.hint or "")
    assert str(mistake) == f"line {mistake.line}, column {mistake.column}: {mistake.detail}"


@pytest.mark.parametrize("text", [text for text, *_ in _MISTAKES])
def test_the_excerpt_points_at_the_mistake(text: str) -> None:
    """The caret stands below the column that is named."""
    mistake = _mistake(text)
    shown, caret = mistake.excerpt.split("\n")

    assert caret.strip() == "^"
    assert len(caret) <= len(shown) + 1
    line = text.splitlines()[mistake.line - 1] if text else ""
    assert shown in line
    assert shown[len(caret) - 1 :] == line[mistake.column - 1 :]


def test_a_long_line_is_shown_around_its_mistake() -> None:
    """The excerpt of a long line is its neighbourhood."""
    mistake = _mistake("ASK { " + "?s ?p ?o . " * 200 + "FILTR } #" + "x" * 500)
    shown, caret = mistake.excerpt.split("\n")

    assert len(shown) <= 100
    assert shown[len(caret) - 1 :].startswith("FILTR")


@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_lines_are_counted_however_they_end(break_: str) -> None:
    """Windows line ends do not shift lines or columns."""
    mistake = _mistake(f"ASK {{{break_}  ?s ?p ?o .{break_}  FILTR{break_}}}")

    assert (mistake.line, mistake.column) == (3, 3)


def test_positions_do_not_depend_on_the_letters_of_service() -> None:
    """A query that mentions services has its mistakes placed as one that mentions surfaces."""
    text = """PREFIX service: <http://example.org/service#> # service
        ASK { service:x ?p 'service', <http://e/service> . service:x ?p ?o ?service }"""
    mistake, same = _mistake(text), _mistake(text.replace("service", "surface"))

    assert (mistake.line, mistake.column) == (same.line, same.column)
    assert mistake.line == 2


def test_keywords_may_be_written_in_any_case() -> None:
    """What is legal is not called a mistake."""
    text = "select * where { ?s a ?o . Filter(bound(?s) && true) } oRdEr bY ?s"

    assert _ENGINE.run(Query(text)).kind is ResultKind.SOLUTIONS


_WORDS = (  # noqa: SIM905 - so many words read better as prose
    "STR LANG LANGMATCHES DATATYPE BOUND IRI URI BNODE RAND ABS CEIL FLOOR ROUND CONCAT STRLEN "
    "UCASE LCASE ENCODE_FOR_URI CONTAINS STRSTARTS STRENDS STRBEFORE STRAFTER YEAR MONTH DAY "
    "HOURS MINUTES SECONDS TIMEZONE TZ NOW UUID STRUUID MD5 SHA1 SHA256 SHA384 SHA512 COALESCE "
    "IF STRLANG STRDT SAMETERM ISIRI ISURI ISBLANK ISLITERAL ISNUMERIC REGEX SUBSTR REPLACE "
    "EXISTS NOT IN COUNT SUM MIN MAX AVG SAMPLE GROUP_CONCAT SEPARATOR DISTINCT REDUCED AS "
    "SELECT CONSTRUCT DESCRIBE ASK FROM NAMED WHERE GROUP BY HAVING ORDER ASC DESC LIMIT OFFSET "
    "VALUES UNDEF OPTIONAL GRAPH SILENT BIND UNION MINUS FILTER BASE PREFIX true false "
    "a"
).split()


@pytest.mark.parametrize("word", _WORDS)
def test_every_word_of_the_standard_is_known(word: str) -> None:
    """No keyword or function of SPARQL 1.1 is called a misspelling."""
    mistake = _mistake(f"SELECT * {{ ?s ?p ?o ]  {word.lower()}")

    assert "not a word of SPARQL" not in mistake.detail


_PIECES = st.sampled_from(
    [
        "SELECT",
        "*",
        "{",
        "}",
        "(",
        ")",
        "?s",
        "ex:a",
        "'a'",
        "'",
        ".",
        "\n",
        "\r",
        "#",
        "==",
        "1",
        "FILTER",
        "WHRE",
        "\u2028",
        "é",
        "\t",
        "service",
        "<",
        ">",
        "\\",
    ]
)


@given(st.lists(_PIECES, max_size=12))
def test_any_mistake_is_placed_inside_the_text(pieces: list[str]) -> None:
    """Whatever the text, an error of the query comes out whose line and column exist."""
    text = " ".join(pieces)
    mistake = _refusal(text)

    if isinstance(mistake, QuerySyntaxError):
        lines = re.split(r"\r\n|\n", text)
        assert 1 <= mistake.line <= len(lines)
        assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1
        assert mistake.detail.endswith((".", "?", "!"))


def _refusal(text: str) -> QueryError | None:
    try:
        _ENGINE.run(Query(text))
    except QueryError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("SELECT * { ?s ?p ?o ?x ?y ?z }", "?x"),
        ('SELECT * { ?s ?p "x"@en <http://e/a> ?y ?z }', "<http://e/a>"),
        ("ASK { ?s a <http://e/c> ; ?p ?o _:b ?y ?z }", "_:b"),
        ("ASK { ?s ?p 1, 2 ?x ?y ?z }", "?x"),
        ("CONSTRUCT { ?s ?p ?o } WHERE { OPTIONAL { ?s ?p ?o } ?s ?p ?o ?o ?p ?s }", "?o"),
    ],
)
def test_a_missing_dot_is_told_before_the_triple_that_follows(text: str, before: str) -> None:
    """Where it is missing, and not at the end, where the parser gives up."""
    mistake = _mistake(text)

    assert f"A dot is missing before {before}." in str(mistake)
    assert text[mistake.column - 1 :].startswith(before)
    assert mistake.column < len(text) - len(before)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ?a ?b ?c ?d { ?s ?p }",
        "SELECT * { VALUES ?x { 1 2 3 4 5 } ?s ?p }",
        "SELECT * { ?s ?p ?o } GROUP BY ?a ?b ?c ?d HAVING",
    ],
)
def test_terms_that_follow_each_other_rightly_miss_no_dot(text: str) -> None:
    """Neither what is selected, nor values, nor what is grouped by."""
    assert "A dot is missing" not in str(_mistake(text))
