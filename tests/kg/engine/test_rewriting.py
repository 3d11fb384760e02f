"""Queries that Oxigraph would answer wrongly by itself are answered as SPARQL says, or refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from kg.engine import NTRIPLES, EngineLimitation, Query, QuerySyntaxError, ResultKind
from kg.engine.dataset import Data, DefaultGraph, Source
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf import formats
from kg.rdf.formats import DEFAULT_FORMATS

TRIG = b"""
@prefix : <http://e/> .
:a :p :m1, :m2 ; :q :m1 . :m1 :r :z . :z :only "x" . _:s :secret "y" .
:g1 { :s1 :p :o1 ; :q 1 }
:g2 { :s2 :p :o2 ; :q 2 . :s1 :p :o1 }
"""


def over(default_graph: DefaultGraph, trig: bytes = TRIG) -> InProcessEngine:
    """Return an engine over a dataset."""
    return InProcessEngine(Data((Source(trig, formats.TRIG),), default_graph))


@pytest.fixture(scope="module")
def engine() -> InProcessEngine:
    """Return an engine over the union of the graphs."""
    return over(DefaultGraph.UNION)


@pytest.fixture(scope="module")
def strict() -> InProcessEngine:
    """Return an engine whose default graph has only what is in no graph."""
    return over(DefaultGraph.STRICT)


def asked(engine: InProcessEngine, text: str) -> Any:
    """Return the rows of a query, sorted, without the namespace; or what ASK says."""
    answer = engine.run(Query(f"PREFIX : <http://e/>\n{text}"))
    document = json.loads(answer.body)
    if "boolean" in document:
        return document["boolean"]
    names = document["head"]["vars"]
    return sorted(
        " ".join(
            row[name]["value"].removeprefix("http://e/") if name in row else "-" for name in names
        )
        for row in document["results"]["bindings"]
    )


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("?g ?n { GRAPH ?g { SELECT (COUNT(*) AS ?n) { ?s ?p ?o } } }", ["g1 2", "g2 3"]),
        ("?g ?n { GRAPH ?g { SELECT (COUNT(*) AS ?n) { ?s :q 1 } } }", ["g1 1", "g2 0"]),
        ("* { GRAPH ?g { SELECT (COUNT(*) AS ?n) { _:b :q 1 } } }", ["g1 1", "g2 0"]),
        (
            "?g ?n { GRAPH ?g { SELECT (COUNT(*) AS ?n) { ?s :q 1 } HAVING(COUNT(*) > 0) } }",
            ["g1 1"],
        ),
        (
            "?g ?s ?n { GRAPH ?g { SELECT ?s (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?s } }",
            ["g1 s1 2", "g2 s1 1", "g2 s2 2"],
        ),
        (
            "?g ?m { GRAPH ?g { SELECT (MAX(?n) AS ?m) {SELECT (COUNT(*) AS ?n) {?s ?p ?o} GROUP BY ?s}}}",
            ["g1 2", "g2 2"],
        ),
        ("?g ?x { GRAPH ?g { SELECT DISTINCT ?x { ?x ?p ?o } } }", ["g1 s1", "g2 s1", "g2 s2"]),
        ("* { GRAPH ?g { SELECT * { ?s :q ?o } } }", ["g1 1 s1", "g2 2 s2"]),
        ("?g ?s { GRAPH ?g { SELECT ?g ?s { ?s :q ?o } } }", ["g1 s1", "g2 s2"]),
        ("?g ?x { GRAPH ?g { VALUES ?x { 1 } } }", ["g1 1", "g2 1"]),
        ("?g ?x { GRAPH ?g { BIND(1 AS ?x) } }", ["g1 1", "g2 1"]),
        ("* { GRAPH ?g { } }", ["g1", "g2"]),
        ("?g ?h { GRAPH ?g { GRAPH ?h { ?s :q 1 } } }", ["g1 g1", "g2 g1"]),
        ("* { GRAPH ?g { GRAPH ?g { ?s :q 1 } } }", ["g1 s1"]),
        ("?g { GRAPH ?g { GRAPH :g1 { ?s :q 1 } } }", ["g1", "g2"]),
        ("* { GRAPH ?g { FILTER(BOUND(?g)) } }", []),
        ("* { GRAPH ?g { ?s :q ?o FILTER(?g = :g1) } }", []),
        ("* { GRAPH ?g { ?s :q ?o } FILTER(?g = :g1) }", ["g1 1 s1"]),
        (
            "?g ?s { GRAPH ?g { SELECT ?s { ?s :p ?o } ORDER BY DESC(?s) LIMIT 1 } }",
            ["g1 s1", "g2 s2"],
        ),
        ("?g { GRAPH ?g { ?s :p ?x MINUS { OPTIONAL { ?s :q 1 } } } }", ["g2", "g2"]),
        (
            "?g { GRAPH ?g { SELECT (COUNT(*) AS ?n) { FILTER EXISTS { :s1 :q ?o } } } }",
            ["g1", "g2"],
        ),
        ("(COUNT(DISTINCT *) AS ?n) { ?x :p|:q _:b . :a :p|:q _:c }", ["3"]),
        ("?g ?s { GRAPH ?g { OPTIONAL { ?s :q 1 } } }", ["g1 s1", "g2 -"]),
        ("?g ?s { GRAPH ?g { ?s :q 1 MINUS { ?c :q 1 } } }", ["g1 s1"]),
        ("?g ?s { GRAPH ?g { ?s :q ?o MINUS { ?s :q 1 } } }", ["g2 s2"]),
        ("?x { :a :q ?x OPTIONAL { ?y :r ?z MINUS { ?x :r ?w } } FILTER(BOUND(?z)) }", ["m1"]),
        ("* { GRAPH ?g { :s1 :p* ?x } }", ["g1 o1", "g1 s1", "g2 o1", "g2 s1"]),
        ("* { GRAPH ?g { :a :p* ?x } }", ["g1 a", "g2 a"]),
        ("?x { :no :p* ?x }", ["no"]),
        ("?x { ?x :p* :no }", ["no"]),
        ("?x { :only :p? ?x }", ["only"]),
        ('?x { "lit" :p? ?x }', ["lit"]),
        ("?x { 1 :r* ?x }", ["1"]),
        ("?x { -7 :r* ?x }", ["-7"]),
        ("?x { :a :p* ?x }", ["a", "m1", "m2"]),
        ("?x { :no :p*|:q* ?x }", ["no", "no"]),
        ("?x { :no :p*/:q* ?x }", []),
        ("(COUNT(*) AS ?n) { :no :p* _:b }", ["1"]),
        ("(COUNT(*) AS ?n) { :no :p* [] . :a :q [] }", ["1"]),
        ("(COUNT(*) AS ?n) { :a (:p|:q) ?x }", ["3"]),
        ("(COUNT(*) AS ?n) { :a (:p|:q)/:r ?x }", ["2"]),
        ("(COUNT(*) AS ?n) { ?x ^(:p|:q) :a }", ["3"]),
        ("(COUNT(*) AS ?n) { :a (:p/:r)|(:q/:r) ?x }", ["2"]),
        ("(COUNT(*) AS ?n) { ?x ^((:p|:q)/:r) :a }", ["2"]),
        ("(COUNT(*) AS ?n) { :a (:p|:q)* ?x }", ["3"]),
        ("(COUNT(*) AS ?n) { SELECT DISTINCT ?x { :a :p|:q ?x } }", ["2"]),
        ("* { :a :p|:q [ :r ?x ] }", ["z", "z"]),
        ("* { _:k :p|:q _:b FILTER(true) _:b :r ?x }", ["z", "z"]),
        ("* { :a :p|:q ?x ; :q ?x }", ["m1", "m1"]),
        ('* { BIND(BNODE("b0") AS ?x) ?x :secret ?n }', []),
        ('(isBlank(BNODE("a b")) AS ?x) (isBlank(BNODE("")) AS ?y) {}', ["true true"]),
        ('(sameTerm(BNODE("a"), BNODE("a")) AS ?x) {}', ["true"]),
        ('(sameTerm(BNODE("a"), BNODE("b")) AS ?x) {}', ["false"]),
        (
            '(COUNT(DISTINCT ?b) AS ?n) { VALUES ?x { 1 2 3 } BIND(BNODE("k") AS ?b) }',
            ["3"],
        ),
        ('* { VALUES ?x { 1 2 } BIND(BNODE("k") AS ?b) FILTER(!isBlank(?b)) }', []),
    ],
)
def test_rows_are_those_of_sparql(engine: InProcessEngine, text: str, right: list[str]) -> None:
    """Each of these has other rows in Oxigraph, or shows that what is near it stays right."""
    assert asked(engine, f"SELECT {text}") == right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("{ GRAPH :absent { VALUES ?x { 1 } } }", False),
        ("{ GRAPH :absent { } }", False),
        ("{ GRAPH :absent { OPTIONAL { ?s ?p ?o } } }", False),
        ("{ GRAPH :absent { SELECT (COUNT(*) AS ?n) { ?s ?p ?o } } }", False),
        ("{ GRAPH :absent { :a :p* ?x } }", False),
        ("{ GRAPH :g1 { VALUES ?x { 1 } } }", True),
        ("{ GRAPH :g1 { :a :p* :a } }", True),
        ("{ :no :p* :no }", True),
        ("{ :no :p? <http://e/no> }", True),
        ("{ :no :p* :other }", False),
        ("{ :no :p+ :no }", False),
        ("{ :no :p?/:q* :no }", True),
        ("{ :a (:p|:q)/:r :z }", True),
    ],
)
def test_what_ask_says_is_that_of_sparql(
    engine: InProcessEngine, text: str, *, right: bool
) -> None:
    """A graph that is not there has no solutions, a path of no length always has one."""
    assert asked(engine, f"ASK {text}") is right


def test_a_term_of_named_graphs_only_has_a_path_to_itself(strict: InProcessEngine) -> None:
    """What is in the graph is asked of the graph that the pattern sees."""
    assert asked(strict, "SELECT * { :s1 :p* ?x }") == ["s1"]
    assert asked(strict, "SELECT * FROM :g1 { :s1 :p* ?x }") == ["o1", "s1"]
    assert asked(strict, "SELECT * FROM :g1 { :a :p* ?x }") == ["a"]


def test_constructed_nodes_are_other_nodes_in_each_solution(engine: InProcessEngine) -> None:
    """BNODE of a string gives one node within a solution only."""
    in_triples = {**DEFAULT_FORMATS, ResultKind.GRAPH: NTRIPLES}
    text = 'CONSTRUCT { ?b <x:of> ?x } { VALUES ?x { 1 2 3 } BIND(BNODE("k") AS ?b) }'

    lines = engine.run(Query(text, formats=in_triples)).body.decode().splitlines()

    assert len({line.split()[0] for line in lines}) == 3


@pytest.mark.parametrize(
    "group", ["SELECT ?s { ?s ?p ?o } LIMIT 1", "OPTIONAL { ?s ?p ?o }", "GRAPH ?g { ?s ?p ?o }"]
)
@pytest.mark.parametrize(
    "graphs", ["".join(f":g{n} {{ :a :b {n} }}" for n in range(101)), "_:g {}"]
)
def test_what_cannot_be_written_is_refused(group: str, graphs: str) -> None:
    """The refusal says where, and how to ask instead."""
    trig = f"@prefix : <http://e/> . _:g {{ :a :b :c }} {graphs}"
    text = f"# A query.\nSELECT * {{ GRAPH ?g {{ {group} }} }}"

    with pytest.raises(EngineLimitation) as caught:
        over(DefaultGraph.UNION, trig.encode()).run(Query(text))

    assert (caught.value.line, caught.value.column) == (2, 12)
    assert caught.value.hint


def test_graphs_are_as_many_as_there_are() -> None:
    """What only has patterns, or nothing, is asked of any number of graphs."""
    many = "".join(f":g{n} {{ :a :p {n} }}" for n in range(300))
    engine = over(DefaultGraph.UNION, f"@prefix : <http://e/> . {many}".encode())

    for group in ("{}", "{ ?s :p|:q ?n OPTIONAL { ?n :p ?m } FILTER EXISTS { ?s :p ?n } }"):
        assert len(asked(engine, f"SELECT ?g {{ GRAPH ?g {group} }}")) == 300


@pytest.mark.parametrize("text", ["DESCRIBE <x:a> # a|b", "DESCRIBE <x:a> # <x:a>*"])
def test_comments_make_no_query_unfamiliar(engine: InProcessEngine, text: str) -> None:
    """What looks like a path, where there is no group, is left alone."""
    assert engine.run(Query(text)).kind is ResultKind.GRAPH


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("SELECT (COUNT(*) AS ?c) (?c + 1 AS ?d) { :a ?p ?o }", ["3 4"]),
        ("SELECT (COUNT(*) AS ?c) (?c + 1 AS ?d) (?d * ?c AS ?e) { :a ?p ?o }", ["3 4 12"]),
        ("SELECT ?o (COUNT(*) AS ?c) (-?c AS ?d) { :a ?p ?o } GROUP BY ?o", ["m1 2 -2", "m2 1 -1"]),
        ("ASK { :a ?p ?o } HAVING(COUNT(*) > 2)", True),
        ("ASK { :a ?p ?o } HAVING(COUNT(*) > 3)", False),
        ("ASK WHERE { :a ?p ?o } GROUP BY ?o HAVING(COUNT(*) > 1)", True),
        ("ASK { :a ?p ?o } GROUP BY ?o HAVING(COUNT(*) > 2)", False),
        ("ASK FROM :g2 { ?s ?p ?o } GROUP BY ?s HAVING(COUNT(*) > 2)", False),
    ],
)
def test_legal_queries_that_the_parser_refuses_are_answered(
    engine: InProcessEngine, text: str, *, right: list[str] | bool
) -> None:
    """All forms may group, and names that SELECT gives may be used in it."""
    engine.check(f"PREFIX : <http://e/> {text}")

    assert asked(engine, text) == right


@pytest.mark.parametrize(
    "text", ["SELECT (?x + ?y) {}", "SELECT (1 AS ?x) (?x AS ?x) {}", "ASK {} HAVING(1) HAVING(2)"]
)
def test_what_is_no_sparql_stays_an_error(engine: InProcessEngine, text: str) -> None:
    """Nothing illegal is taken for what can be written legally."""
    with pytest.raises(QuerySyntaxError):
        engine.check(text)


@pytest.mark.parametrize("keys", ["?o", "(STR(?o) AS ?name) (IRI(?name) AS ?o)"])
@pytest.mark.parametrize("form", ["CONSTRUCT { ?o a <x:T> }", "DESCRIBE ?o"])
def test_graphs_of_groups_are_answered(engine: InProcessEngine, form: str, keys: str) -> None:
    """CONSTRUCT and DESCRIBE have the keys of the groups that HAVING lets pass."""
    text = f"{form} WHERE {{ <http://e/a> ?p ?o }} GROUP BY {keys} HAVING(COUNT(*) > 1)"
    answer = engine.run(Query(text, formats={**DEFAULT_FORMATS, ResultKind.GRAPH: NTRIPLES}))

    assert {line.split()[0] for line in answer.body.decode().splitlines()} == {"<http://e/m1>"}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (r'REGEX("b", "^[a-z-[b]]$")', "Class subtraction"),
        (r'REGEX("b", "\\i")', r"\i in the pattern"),
        (r"REGEX('b', '\\C+')", r"\C in the pattern"),
        (r'REGEX("b", "\\p{IsBasicLatin}")', r"\p{Is...} in the pattern"),
        (r'REGEX("abab", """(ab)\\1""")', r"back-reference \1"),
        (r'REGEX("a b", "a[ ]b", "x")', "White space"),
        (r'REGEX("a\nb", "a[\n]b", "x")', "White space"),
        (r'REGEX("a#b", "a#b", "ix")', "#"),
        (r'REGEX("a", "[a-z&&b]")', "&&"),
        (r'REPLACE("abab", "(ab)\\1", "x")', r"back-reference \1"),
        (r'STR(REPLACE(CONCAT("a", "b"), "[[]", ",", "i"))', "unescaped ["),
        (r'REPLACE("abc", "b", "$")', "a $ is not followed by a digit"),
        (r'REPLACE("abc", "b", "${1}")', "a $ is not followed by a digit"),
        (r'REPLACE("abc", "b", "\\n")', "a backslash by neither"),
        (r'REPLACE(?x, ?y, "a\\", "i")', "a backslash by neither"),
    ],
)
def test_patterns_that_are_read_otherwise_are_refused(
    engine: InProcessEngine, call: str, told: str
) -> None:
    """A pattern of XPath that Rust does not have is told, rather than giving no value."""
    for ask in (engine.check, lambda text: engine.run(Query(text))):
        with pytest.raises(EngineLimitation) as caught:
            ask(f"SELECT\n({call} AS ?x) {{}}")

        assert told in caught.value.detail
        assert caught.value.line == 2


@pytest.mark.parametrize(
    "call",
    [
        r'REGEX("a-b [x]", "^[a-z \\-]+\\[x\\](foo|bar)?$", "i")',
        r'REGEX("FOO", "(?i)^foo\\b")',
        r'REGEX("a b", "a\\ b", "x")',
        r'REGEX("a\nb", "a [\\n] b", "x")',
        r'REGEX("5 %", "^\\d+\\s*\\p{Po}$")',
        r'REGEX("a#", "a#")',
        r'REPLACE("abab", "(ab)(ab)", "$1") = "ab"',
    ],
)
def test_ordinary_patterns_are_answered(engine: InProcessEngine, call: str) -> None:
    """What Rust reads as XPath does is not refused."""
    assert asked(engine, f"ASK {{ FILTER({call}) }}") is True


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (r'REPLACE("darted", "^(.*?)d(.*)$", "$1c$2")', "carted"),
        (r'REPLACE("abc", "(b)", "$1_")', "ab_c"),
        (r'REPLACE("abc", "(b)", "$10")', "ab0c"),
        (r'REPLACE("abc", "(b)", "$2")', "ac"),
        (r'REPLACE("abcdefghijk", "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "$10$1")', "jak"),
        (r'REPLACE("abc", "[(](b)|(?:b)", "<$1>")', "a<>c"),
        (r'REPLACE("abc", "(b)", "[$0]")', "a[b]c"),
        (r'REPLACE("a$b", "\\$", "\\$\\$")', "a$$b"),
        (r'REPLACE("abc", "b", "\\\\")', "a\\c"),
        (r"""REPLACE("abc", "(b)", '''"$1x"\n''')""", 'a"bx"\nc'),
        (r'REPLACE("abc", "(b)", "\u00241x")', "abxc"),
        (r'REPLACE(REPLACE("abc", "(b)", "$1x"), "(x)", "$1y")', "abxyc"),
        (r'REPLACE("ABC", ?p, "$1x", "i")', "ABxC"),
    ],
)
def test_replacements_are_those_of_xpath(engine: InProcessEngine, call: str, value: str) -> None:
    """Groups have as many digits as there are groups, and a backslash makes plain what follows."""
    text = f'SELECT ({call} AS ?x) {{ VALUES ?p {{ "(b)" }} }}'

    assert asked(engine, text) == [value]


@pytest.mark.parametrize("dot", [".", " .", ". ", " "])
@pytest.mark.parametrize("term", ["1", "?n", "<http://e/n>", "true", '"1"'])
def test_a_graph_may_follow_any_term(engine: InProcessEngine, term: str, dot: str) -> None:
    """What is written anew does not depend on the space before it."""
    text = f"SELECT ?g ?n {{ OPTIONAL {{ ?s <http://e/none> {term}{dot}GRAPH ?g {{"
    text += " SELECT (COUNT(*) AS ?n) { ?s ?p ?o } } } }"

    assert asked(engine, text) == asked(engine, text.replace(f"{dot}GRAPH", " . GRAPH"))


@pytest.mark.parametrize(
    "path", ["p-", "", "p\u00b7", "p\\.", "p\\~", "p%41", "select", "IsDistinct"]
)
@pytest.mark.parametrize("times", ["*", "?", " *"])
def test_a_path_without_length_may_follow_any_name(
    engine: InProcessEngine, path: str, times: str
) -> None:
    """A term that is not in the data leads to itself, however the property is called."""
    text = f"PREFIX e: <http://e/> SELECT ?x {{ e:absent e:{path}{times} ?x }}"

    assert asked(engine, text) == ["absent"]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('SELECT (REPLACE("a", "(a)", "$1x") AS ?x) {} ORDER', 51),
        ("SELECT * { GRAPH ?g { VALUES ?x { 1 } } } ORDER", 48),
        ("SELECT * { GRAPH ?g { SELECT ?s { ?s ?p ?o } LIMIT 1 } } GROUPED", 58),
        ("SELECT (1 AS ?s) { ?s <x:a>|<x:b> ?o }", 39),
    ],
)
def test_errors_tell_places_in_the_text_that_was_written(
    engine: InProcessEngine, text: str, column: int
) -> None:
    """What is written anew is never what an error speaks of."""
    with pytest.raises(QuerySyntaxError) as caught:
        engine.run(Query(text))

    assert (caught.value.line, caught.value.column) == (1, column)


# --- A reference: the algebra of SPARQL 1.1, section 18, by the letter --------------------------

Row = dict[str, str]
Triple = tuple[str, str, str]
Graphs = dict[str, frozenset[Triple]]
Path = Any
Element = tuple[Any, ...]

VARIABLES = ("?a", "?b", "?g")
NODES = (":x", ":y", ":g1", ":no")


def ends(graph: frozenset[Triple], start: str, path: Path, end: str) -> list[tuple[str, str]]:
    """Return the pairs that a path connects (18.4); a variable for an end stands for any term."""
    operator, *parts = path
    if operator == "=":
        found = [(s, o) for s, p, o in graph if p == parts[0]]
    elif operator == "^":
        return [(s, o) for o, s in ends(graph, end, parts[0], start)]
    elif operator == "|":
        return [pair for each in parts for pair in ends(graph, start, each, end)]
    elif operator == "/":
        first, second = (ends(graph, start, parts[0], "?"), ends(graph, "?", parts[1], end))
        found = [(s, o) for s, middle in first for other, o in second if middle == other]
    else:
        starts = [start] if is_term(start) else nodes(graph)
        if not is_term(start) and is_term(end):
            return [(s, o) for o, s in ends(graph, end, (operator, ("^", parts[0])), start)]
        found = [(s, o) for s in starts for o in reached(graph, s, operator, parts[0])]
    return [
        (s, o) for s, o in found if start in (s, *VARIABLES, "?") and end in (o, *VARIABLES, "?")
    ]


def is_term(name: str) -> bool:
    """Tell a term from a variable."""
    return not name.startswith("?")


def nodes(graph: frozenset[Triple]) -> list[str]:
    """Return the subjects and objects of a graph."""
    return sorted({s for s, _, _ in graph} | {o for _, _, o in graph})


def reached(graph: frozenset[Triple], start: str, operator: str, path: Path) -> set[str]:
    """Return what a repeated path leads to from a term."""
    once = {o for _, o in ends(graph, start, path, "?")}
    if operator == "?":
        return once | {start}
    every, new = set(), {start} if operator == "*" else once
    while new:
        every |= new
        new = {o for each in new for _, o in ends(graph, each, path, "?")} - every
    return every


def compatible(left: Row, right: Row) -> bool:
    """Tell whether two solutions agree."""
    return all(right.get(name, value) == value for name, value in left.items())


def join(left: list[Row], right: list[Row]) -> list[Row]:
    """Join solutions."""
    return [{**one, **two} for one, two in product(left, right) if compatible(one, two)]


def evaluated(graphs: Graphs, active: str, elements: list[Element]) -> list[Row]:
    """Return the solutions of a group (18.2.2.6, 18.6)."""
    return filtered(unfiltered(graphs, active, elements), elements)


def filtered(rows: list[Row], elements: list[Element]) -> list[Row]:
    """Return the solutions that the filters of a group let pass."""
    bound = [each[1] for each in elements if each[0] == "filter"]
    return [row for row in rows if all(name in row for name in bound)]


def unfiltered(graphs: Graphs, active: str, elements: list[Element]) -> list[Row]:
    """Return the solutions of a group before its filters, which see both sides of OPTIONAL."""
    rows: list[Row] = [{}]
    for kind, *parts in elements:
        if kind == "optional":
            right = unfiltered(graphs, active, parts[0])
            rows = [
                each for row in rows for each in filtered(join([row], right), parts[0]) or [row]
            ]
        elif kind == "minus":
            right = evaluated(graphs, active, parts[0])
            rows = [
                row
                for row in rows
                if not any(row.keys() & each.keys() and compatible(row, each) for each in right)
            ]
        elif kind != "filter":
            rows = join(rows, list(solutions(graphs, active, kind, parts)))
    return rows


def solutions(graphs: Graphs, active: str, kind: str, parts: list[Any]) -> Iterator[Row]:
    """Yield the solutions of what is joined to a group."""
    match kind, parts:
        case "triple", [start, path, end]:
            for s, o in ends(graphs[active], start, path, end):
                if start != end or s == o:
                    yield {name: term for name, term in ((start, s), (end, o)) if not is_term(name)}
        case "union", groups:
            yield from (row for each in groups for row in evaluated(graphs, active, each))
        case "values", [name, term]:
            yield {name: term}
        case "graph", [name, elements]:
            for each in sorted(graphs.keys() - {""}):
                if name in (each, *VARIABLES):
                    named = {} if is_term(name) else {name: each}
                    yield from join(evaluated(graphs, each, elements), [named])
        case "project", [names, is_distinct, elements]:
            rows = evaluated(graphs, active, elements)
            picked = [{name: row[name] for name in names if name in row} for row in rows]
            yield from unique(picked) if is_distinct else picked
        case "count", ["", elements]:
            yield {"?n": str(len(evaluated(graphs, active, elements)))}
        case "count", [name, elements]:
            keys = Counter(row.get(name) for row in evaluated(graphs, active, elements))
            for key, number in keys.items():
                yield {"?n": str(number), **({name: key} if key else {})}


def unique(rows: list[Row]) -> list[Row]:
    """Leave out repeated rows."""
    return [dict(each) for each in {tuple(sorted(row.items())) for row in rows}]


def written_path(path: Path) -> str:
    """Write a path in SPARQL."""
    operator, *parts = path
    if operator == "=":
        return str(parts[0])
    if operator in "|/":
        return f"({operator.join(map(written_path, parts))})"
    inner = f"({written_path(parts[0])})"
    return f"^{inner}" if operator == "^" else f"{inner}{operator}"


def written(elements: list[Element]) -> str:
    """Write a group in SPARQL."""
    return "{ " + " ".join(map(written_element, elements)) + " }"


def written_element(element: Element) -> str:
    """Write an element of a group in SPARQL."""
    kind, *parts = element
    match kind:
        case "triple":
            return f"{parts[0]} {written_path(parts[1])} {parts[2]} ."
        case "filter":
            return f"FILTER(BOUND({parts[0]}))"
        case "union":
            return " UNION ".join(map(written, parts))
        case "values":
            return f"VALUES {parts[0]} {{ {parts[1]} }}"
        case "graph":
            return f"GRAPH {parts[0]} {written(parts[1])}"
        case "project":
            distinct = "DISTINCT " if parts[1] else ""
            return f"{{ SELECT {distinct}{' '.join(parts[0])} {written(parts[2])} }}"
        case "count":
            by = f" GROUP BY {parts[0]}" if parts[0] else ""
            return f"{{ SELECT {parts[0]} (COUNT(*) AS ?n) {written(parts[1])}{by} }}"
    return f"{kind.upper()} {written(parts[0])}"


names = st.sampled_from(VARIABLES)
either = names | st.sampled_from(NODES)
paths = st.recursive(
    st.sampled_from([("=", ":p"), ("=", ":q")]),
    lambda inner: (
        st.tuples(st.sampled_from("*+?^"), inner) | st.tuples(st.sampled_from("|/"), inner, inner)
    ),
    max_leaves=3,
)
groups = st.recursive(
    st.lists(
        st.tuples(st.just("triple"), either, paths, either)
        | st.tuples(st.just("values"), names, st.sampled_from(NODES))
        | st.tuples(st.just("filter"), names),
        max_size=2,
    ),
    lambda inner: st.lists(
        st.tuples(st.just("triple"), either, paths, either)
        | st.tuples(st.just("graph"), st.sampled_from(["?g", "?b", ":g1", ":g3"]), inner)
        | st.tuples(st.just("union"), inner, inner)
        | st.tuples(st.sampled_from(["optional", "minus"]), inner)
        | st.tuples(
            st.just("project"),
            st.lists(names, min_size=1, max_size=2, unique=True),
            st.booleans(),
            inner,
        )
        | st.tuples(st.just("count"), st.sampled_from(["", "?a", "?g"]), inner)
        | st.tuples(st.just("filter"), names),
        min_size=1,
        max_size=3,
    ),
    max_leaves=5,
)
triples = st.frozensets(
    st.tuples(
        st.sampled_from([":x", ":y", ":g1"]),
        st.sampled_from([":p", ":q"]),
        st.sampled_from([":x", ":y", ":g1"]),
    ),
    max_size=4,
)


@given(triples, triples.filter(bool), triples.filter(bool), groups)
def test_rows_are_those_of_the_algebra(
    plain: frozenset[Triple],
    first: frozenset[Triple],
    second: frozenset[Triple],
    group: list[Element],
) -> None:
    """Whatever is nested in whatever, each solution comes as often as the specification says."""
    graphs = {"": plain, ":g1": first, ":g2": second}
    parts = ("\n".join(f"{' '.join(each)} ." for each in graph) for graph in graphs.values())
    trig = "@prefix : <http://e/> . {} :g1 {{ {} }} :g2 {{ {} }}".format(*parts)
    engine = over(DefaultGraph.STRICT, trig.encode())
    text = f"PREFIX : <http://e/> SELECT * {written(group)}"
    try:
        answer = json.loads(engine.run(Query(text)).body)
    except EngineLimitation:
        event("refused")
        return
    rows = [
        {f"?{name}": cell["value"].replace("http://e/", ":") for name, cell in row.items()}
        for row in answer["results"]["bindings"]
    ]
    assert counted(rows) == counted(evaluated(graphs, "", group)), text
    assert set(answer["head"]["vars"]) <= {"a", "b", "g", "n"}


def counted(rows: list[Row]) -> Counter[tuple[tuple[str, str], ...]]:
    """Count how often each solution comes."""
    return Counter(tuple(sorted(row.items())) for row in rows)
