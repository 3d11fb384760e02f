"""What the canned queries answer, to the byte, without parameters and for each example.

The answers are in `golden/`. `python tests/queries/renew.py` writes them anew; what it changed is
to be read, row by row, before it is committed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import kg
from kg.catalogue import CannedQuery, Catalogue
from kg.engine import CSV, Engine, Query, ResultKind
from kg.engine.inprocess import InProcessEngine
from kg.shipped import QUERIES_FOLDER

GOLDEN: Final = Path(__file__).parent / "golden"
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


def cases() -> Iterator[Case]:
    """Give each canned query without parameters, where it can be asked so, and each example."""
    without_data = InProcessEngine(b"", version="none")
    for query in Catalogue.load(QUERIES_FOLDER, without_data).values():
        if not any(parameter.required for parameter in query.parameters):
            yield Case(query, {})
        yield from (Case(query, example) for example in query.examples)


CASES: Final = tuple(cases())
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.file.stem)


def _rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


@by_case
def test_a_canned_query_gives_its_golden_answer(case: Case, graph: kg.KnowledgeGraph) -> None:
    """A canned query gives exactly the bytes that were read and approved."""
    assert case.file.exists(), f"There is no golden answer {case.file.name}. {_RENEW}"

    assert case.file.read_bytes() == case.answer(graph.engine), _RENEW


@by_case
def test_a_golden_answer_has_rows(case: Case) -> None:
    """A golden answer is not empty, and says nothing twice."""
    rows = [tuple(row.values()) for row in _rows(case.file.read_bytes())]

    assert rows
    assert len(set(rows)) == len(rows)


@by_case
def test_a_row_that_states_a_fact_says_where_it_is_from(case: Case) -> None:
    """A row with a claim, a point or a gap has its source, and a claim has its confidence."""
    for row in _rows(case.file.read_bytes()):
        if row.get("claim") or row.get("point") or row.get("gap"):
            assert row["source"], row
        if row.get("claim"):
            assert row["confidence"] in {"high", "medium", "low"}, row


@by_case
def test_a_row_for_a_gap_states_no_fact(case: Case) -> None:
    """A row says either what a claim states or what is not known, and gaps come last."""
    gaps = [bool(row.get("gap")) for row in _rows(case.file.read_bytes())]

    assert gaps == sorted(gaps)
    for row in _rows(case.file.read_bytes()):
        if row.get("gap"):
            assert not row.get("claim"), row
            assert re.match(r"G\d\d: ", row["gap"]), row


def test_there_is_no_golden_answer_to_a_question_that_is_not_asked() -> None:
    """Each file of golden answers belongs to a canned query and one of its examples."""
    assert {case.file for case in CASES} == set(GOLDEN.iterdir())


def test_the_order_of_rows_does_not_depend_on_the_order_of_the_data(
    graph: kg.KnowledgeGraph,
) -> None:
    """The same data, loaded in another order, give the same bytes: every order of rows is total."""
    lines = graph.nquads.splitlines(keepends=True)
    backwards = InProcessEngine(b"".join(reversed(lines)), version=graph.version)

    different = [
        case.file.name for case in CASES if case.answer(backwards) != case.answer(graph.engine)
    ]

    assert different == []


_RECORDS: Final = {
    "claim",
    "derivation",
    "disagreement",
    "other_point",
    "other_source",
    "point",
    "source",
    "statement",
}
"""Columns that hold the IRI of a record, which has no label."""


@by_case
def test_columns_are_named_alike_in_all_queries(case: Case) -> None:
    """A concept has two columns, `x_iri` and `x_label`, a record one; no other column holds IRIs."""
    rows = _rows(case.file.read_bytes())
    columns = list(rows[0])
    holding_iris = {name for row in rows for name in columns if row[name].startswith("https://")}
    concepts = {name.removesuffix("_iri") for name in columns if name.endswith("_iri")}

    assert {name.removesuffix("_label") for name in columns if name.endswith("_label")} == concepts
    assert holding_iris <= {f"{name}_iri" for name in concepts} | _RECORDS
