"""What the canned queries answer, to the byte, without parameters and for each example.

The answers are in `golden/`. `python tests/queries/renew.py` writes them anew; what it changed is
to be read, row by row, before it is committed.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from rdflib import XSD, Literal, URIRef

import kg
from kg.catalogue.canned_queries import CannedQuery, read_queries
from kg.engine import CSV, JSON, Engine, Query, ResultKind, Term
from kg.engine.oxigraph.engine import InProcessEngine
from kg.physics.functions import functions_over
from kg.releases.bundled import QUERIES_FOLDER
from server import config

GOLDEN: Final = Path(__file__).parent / "golden"
SHOWN: Final = Path(__file__).parents[2] / "server" / "examples" / "answers.json"
_RECORDED_GAP: Final = r"G\d\d: "
_NOT_FOUND: Final = "; that is no evidence that it is not so."
_RENEW: Final = "If the new answer is right, run `python tests/queries/renew.py` and read the diff."


@dataclass(frozen=True, slots=True)
class Case:
    """A canned query with values for its parameters.

    Attributes:
        query: the query.
        values: the values by parameter name.
    """

    query: CannedQuery
    values: Mapping[str, str]

    @property
    def file(self) -> Path:
        """The file with the golden answer, named after the query and the values."""
        given = (f"{name}-{_tail(value)}" for name, value in self.values.items())
        return GOLDEN / ("--".join((self.query.name, *given)) + ".csv")

    def answer(self, engine: Engine) -> bytes:
        """Ask an engine, and give the answer in CSV."""
        bindings = self.query.bindings(self.values)
        formats = {ResultKind.SOLUTIONS: CSV}
        return engine.run(Query(self.query.text, bindings, formats=formats)).body


def _tail(value: str) -> str:
    return value.rpartition(":")[2].rpartition("/")[2]


QUERIES: Final = [each for each in read_queries(QUERIES_FOLDER).values() if not each.collection]
"""The canned queries; collections are tested for themselves."""


def cases() -> Iterator[Case]:
    """Yield each canned query without parameters, where it can be asked so, and each example."""
    for query in QUERIES:
        if not any(parameter.required for parameter in query.parameters):
            yield Case(query, {})
        yield from (Case(query, example) for example in query.examples)


CASES: Final = tuple(cases())
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.file.stem)


def _rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(each, marks=[pytest.mark.long] if each.query == before.query else [])
        for before, each in pairwise([CASES[-1], *CASES])
    ],
    ids=lambda case: case.file.stem,
)
def test_a_canned_query_gives_its_golden_answer(case: Case, graph: kg.KnowledgeGraph) -> None:
    """A canned query gives exactly the bytes that were read and approved, well within its time."""
    assert case.file.exists(), f"There is no golden answer {case.file.name}. {_RENEW}"

    began = time.process_time()
    answer = case.answer(graph.engine)

    assert time.process_time() - began < config.read({}, {}).query_seconds
    assert case.file.read_bytes() == answer, _RENEW


@by_case
def test_a_golden_answer_has_rows(case: Case) -> None:
    """A golden answer is not empty, and says nothing twice."""
    rows = [tuple(row.values()) for row in _rows(case.file.read_bytes())]

    assert rows
    assert len(set(rows)) == len(rows)


@by_case
def test_a_row_that_states_a_fact_says_where_it_is_from(case: Case) -> None:
    """A row with a claim, a point or a gap can be cited, and a claim how surely it is stated."""
    for row in _rows(case.file.read_bytes()):
        recorded_gap = re.match(_RECORDED_GAP, row.get("gap", ""))
        if row.get("claim") or row.get("point") or row.get("statement") or recorded_gap:
            assert row["source"], row
            assert row["source_title"], row
        if row.get("claim"):
            assert row["extraction_confidence"] in {"high", "medium", "low"}, row
            assert row["study_design"], row
            assert row["locator"], row


@by_case
def test_a_row_for_a_gap_states_no_fact(case: Case) -> None:
    """A row says either what a claim states or what is not known, and gaps come last."""
    gaps = [bool(row.get("gap")) for row in _rows(case.file.read_bytes())]

    assert gaps == sorted(gaps)
    for row in _rows(case.file.read_bytes()):
        if row.get("gap"):
            assert not row.get("claim"), row
            assert re.match(_RECORDED_GAP, row["gap"]) or row["gap"].endswith(_NOT_FOUND), row


_BY_SCOPE: Final = ("as asked", "narrower", "part", "wider", "")


@by_case
def test_what_was_asked_for_comes_first(case: Case) -> None:
    """Then what is narrower, a part, wider, and what stands in no such relation; gaps likewise."""
    rows = _rows(case.file.read_bytes())
    scopes = [(bool(row["gap"]), _BY_SCOPE.index(row["scope"])) for row in rows if "scope" in row]

    assert scopes == sorted(scopes)


def test_there_is_no_golden_answer_to_a_question_that_is_not_asked() -> None:
    """Each file of golden answers belongs to a canned query and one of its examples."""
    assert {case.file for case in CASES} == set(GOLDEN.iterdir())


def shown_answers(engine: Engine, every: int = 1) -> str:
    """Return the file of what is shown of answers: a row and a gap of each first example."""
    lines = []
    for query in QUERIES[::every]:
        bindings = query.bindings(next(iter(query.examples), {}))
        answer = engine.run(Query(query.text, bindings, formats={ResultKind.SOLUTIONS: JSON}))
        names, rows = answer.solutions()
        facts = [row for row in rows if "gap" not in row][:1]
        gaps = [row for row in rows if "gap" in row][:1]
        shown = {"head": {"vars": names}, "results": {"bindings": facts + gaps}}
        lines.append(f'"{query.name}": {json.dumps(shown, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.long)])
def test_what_is_shown_of_answers_is_in_them(graph: kg.KnowledgeGraph, every: int) -> None:
    """The description of the API shows what a query answers."""
    shown = json.loads(SHOWN.read_bytes())
    anew = json.loads(shown_answers(graph.engine, every))

    assert {name: shown[name] for name in anew} == anew, _RENEW
    assert list(shown) == [each.name for each in QUERIES]


@pytest.mark.long
def test_the_order_of_rows_does_not_depend_on_the_order_of_the_data(
    graph: kg.KnowledgeGraph,
) -> None:
    """The same data, loaded in another order, give the same bytes: every order of rows is total."""
    lines = graph.nquads.splitlines(keepends=True)
    backwards = InProcessEngine(
        b"".join(reversed(lines)),
        version=graph.version,
        functions=functions_over,
    )

    asked = {case.query.name: case for case in reversed(CASES)}
    different = [
        case.file.name
        for case in asked.values()
        if case.answer(backwards) != case.file.read_bytes()
    ]

    assert different == []


@by_case
def test_no_two_rows_stand_in_the_same_place(case: Case) -> None:
    """Rows differ in what they are ordered by, so that their order is the same each time."""
    ordered_by = re.findall(r"\?(\w+)", case.query.text.rpartition("ORDER BY")[2])

    rows = _rows(case.file.read_bytes())
    places = [tuple(row.get(name, "") for name in ordered_by) for row in rows]
    assert len(set(places)) == len(rows)


_SHOWN: Final = {
    "ageMaximumInYears": "qualifiers",
    "ageMinimumInYears": "qualifiers",
    "ancestry": "qualifiers",
    "arm": "qualifiers measure_label",
    "bodySite": "qualifiers body_sites",
    "bounds": "bounds",
    "circumstances": "circumstances",
    "coIntervention": "qualifiers measure_label",
    "comparator": "qualifiers other_label compared_with",
    "condition": "qualifiers condition_label conditions",
    "decisionDate": "decision_date",
    "eventCount": "event_count",
    "finding": "finding",
    "frequencyOrigin": "frequency_origin",
    "hedge": "hedge",
    "laser": "qualifiers lasers",
    "maximum": "maximum",
    "measurementMethod": "qualifiers methods",
    "minimum": "minimum",
    "note": "note",
    "objectCombination": "qualifiers",
    "objectText": "says",
    "outcomeMeasure": "qualifiers outcomes",
    "phase": "qualifiers phases",
    "population": "qualifiers",
    "proportion": "proportion",
    "recommendation": "recommendation",
    "reportedFigure": "reported",
    "reportedFollowUp": "follow_up",
    "reportedPercentage": "reported_percentage",
    "reportedPercentageMaximum": "percentage_maximum",
    "reportedPercentageMinimum": "percentage_minimum",
    "sampleSize": "sample_size",
    "setting": "settings",
    "sex": "qualifiers",
    "skinType": "skin_types",
    "specimen": "qualifiers specimens",
    "statistic": "statistic",
    "strength": "qualifiers strength",
    "submissionNumber": "submission_number",
    "technique": "qualifiers methods",
    "unitCode": "unit year",
    "unitOfAnalysis": "unit_of_analysis",
    "value": "value year",
}
"""For what a claim can state, by the name of the property, the columns of which one shows it."""

_SAID_BY_PREDICATE: Final = {
    ("cannotTreat", "finding"),
    ("notRecommendedFor", "recommendation"),
    ("worksLeastFor", "finding"),
}
"""Where the relation says already what was found or advised, so that it would read as denied."""

_FIGURES: Final = {
    *("ageMaximumInYears", "ageMinimumInYears", "bounds", "eventCount", "frequencyOrigin"),
    *("maximum", "minimum", "note", "proportion", "reportedFigure", "reportedFollowUp"),
    *("reportedPercentage", "reportedPercentageMaximum", "reportedPercentageMinimum"),
    *("sampleSize", "setting", "statistic", "unitCode", "unitOfAnalysis", "value"),
}
"""What is not passed on from wider procedures: figures, what they count, and notes that hold some."""


def test_a_row_shows_all_that_its_claim_states(graph: kg.KnowledgeGraph) -> None:
    """Each figure and qualifier of a claim has a column, unless the claim is given as a sentence.

    Of a qualifier the words must be there; how several objects belong together is one, too.
    """
    stated: dict[str, list[tuple[str, str]]] = {}
    said: dict[str, str] = {}
    text = """
        PREFIX dg: <https://w3id.org/dermograph/ontology/>
        SELECT ?claim ?x ?p ?words {
          ?claim dg:predicate ?x ; ?p ?o .
          OPTIONAL { ?o <http://www.w3.org/2000/01/rdf-schema#label> ?label }
          BIND(COALESCE(?label, STR(?o)) AS ?words)
        }"""
    answer = graph.engine.run(Query(text, formats={ResultKind.SOLUTIONS: CSV})).body
    for row in _rows(answer):
        name = re.split("[/#]", row["p"])[-1]
        said[row["claim"]] = re.split("[/#]", row["x"])[-1]
        if name in _SHOWN and row["words"] != "each":
            words = row["words"] if "qualifiers" in _SHOWN[name] else ""
            stated.setdefault(row["claim"], []).append((name, words))

    hidden = {
        (case.query.name, name, words, row["claim"])
        for case in CASES
        for row in _rows(case.file.read_bytes())
        if row.get("claim") and "claim_says" not in row
        for name, words in stated[row["claim"]]
        if case.query.name != "wider-procedures" or name not in _FIGURES
        if (said[row["claim"]], name) not in _SAID_BY_PREDICATE
        if not any(words in row[column] for column in _SHOWN[name].split() if row.get(column))
    }
    assert hidden == set()


_UNHEARD_OF: Final[dict[str, Term]] = {
    "iri": URIRef("https://w3id.org/dermograph/ontology/UnheardOf"),
    "string": Literal("unheard-of"),
    "decimal": Literal("123456789", datatype=XSD.decimal),
}
"""For each type of parameter a value of which the graph knows nothing."""

_NOT_A_LIMIT: Final = {"diffusivity", "highest", "site", "size_um"}
"""Parameters that do not decide what the rows are about."""

_LIMITS: Final = sorted(
    {
        (case.query.name, parameter.name, parameter.type)
        for case in CASES
        for parameter in case.query.parameters
        if parameter.name not in _NOT_A_LIMIT
    }
)


@pytest.mark.parametrize(
    ("name", "parameter", "kind"),
    [
        pytest.param(*each, marks=[pytest.mark.long] if each[0] == before[0] else [])
        for before, each in pairwise([("",), *_LIMITS])
    ],
)
def test_where_nothing_is_found_the_answer_says_so(
    name: str, parameter: str, kind: str, graph: kg.KnowledgeGraph
) -> None:
    """No value of a parameter makes an answer empty, since even one that is unheard of does not."""
    query = graph.catalogue[name]
    needed = {
        each.name: each.values[0] if each.values else "dg:CO2Laser"
        for each in query.parameters
        if each.required
    }
    bindings = {**query.bindings(needed), parameter: _UNHEARD_OF[kind]}

    answer = graph.engine.run(Query(query.text, bindings, formats={ResultKind.SOLUTIONS: CSV}))

    gaps = [row["gap"] for row in _rows(answer.body)]
    assert sum(gap.endswith(_NOT_FOUND) for gap in gaps) == 1


_RECORDS: Final = {
    "claim",
    "derivation",
    "disagreement",
    "other_point",
    "other_source",
    "point",
    "source",
    "statement",
    "study",
}
"""Columns that hold the IRI of a record, which has no label."""


@by_case
def test_columns_are_named_alike_in_all_queries(case: Case) -> None:
    """A concept has two columns, `x_iri` and `x_label`, a record one; no other column holds IRIs.

    Several concepts have the columns `xs` and `xs_iris`, in the same order.
    """
    rows = _rows(case.file.read_bytes())
    columns = list(rows[0])
    holding_iris = {name for row in rows for name in columns if row[name].startswith("https://")}
    concepts = {name.removesuffix("_iri") for name in columns if name.endswith("_iri")}

    assert {name.removesuffix("_label") for name in columns if name.endswith("_label")} == concepts
    assert holding_iris <= {f"{name}_iri" for name in concepts} | _RECORDS | {
        f"{name}_iris" for name in columns
    }
    several = {each.key for each in case.query.columns if each.type == "iris"}
    assert several == {name.removesuffix("_iris") for name in columns if name.endswith("_iris")}
    assert several <= set(columns)
    for row in rows:
        for name in columns:
            if name.endswith("_iris"):
                assert row[name].count("; ") == row[name.removesuffix("_iris")].count("; "), row


_WRITTEN: Final = {
    "iri": r"https?://\S+",
    "iris": r"https?://\S+",
    "integer": r"-?\d+",
    "decimal": r"-?\d+(\.\d+)?",
    "double": r"-?\d+(\.\d+)?(E-?\d+)?",
    "boolean": "true|false",
    "date": r"\d{4}-\d\d-\d\d",
    "year": r"\d{4}",
}
"""How values of each type of column are written; texts in any way."""


@by_case
def test_columns_hold_what_they_are_declared_to_hold(case: Case) -> None:
    """In their order, and each value of its type; of lists, each part."""
    rows = _rows(case.file.read_bytes())

    assert list(rows[0]) == [each.name for each in case.query.columns]
    for column in case.query.columns:
        pattern = re.compile(_WRITTEN.get(column.type, r"(?s).*\S.*"))
        cells = [row[column.name] for row in rows if row[column.name]]
        parts = [
            part
            for cell in cells
            for part in (cell.split(column.separator) if column.separator else [cell])
        ]
        assert [part for part in parts if not pattern.fullmatch(part)] == [], column


_LONGEST: Final = 187
"""Lines of the longest file, to be lowered as it becomes shorter."""


def test_a_query_is_short() -> None:
    """What many queries need they share, so that half of them are below 75 lines without the header."""
    texts = [path.read_text(encoding="utf-8") for path in QUERIES_FOLDER.glob("*.rq")]
    lengths = [len(re.sub(r"(?m)^#\+.*\n", "", text).splitlines()) for text in texts]

    assert max(text.count("\n") for text in texts) <= _LONGEST
    assert sorted(lengths)[len(lengths) // 2] < 75
