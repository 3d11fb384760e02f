"""The questions that researchers of the field ask, in `docs/questions.md`, have answers."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pytest

import kg
from tests.queries.test_golden_answers import CASES

QUESTIONS: Final = Path(__file__).parents[2] / "docs" / "questions.md"
_ROW: Final = re.compile(r"\| (?P<number>[PC]\d+) \| (?P<question>[^|]+) \| (?P<asks>[^|]+) \|")
_PATH: Final = re.compile(r"`(?P<path>/queries/[^`]+)`")
_EVIDENCE: Final = ("claim", "claims", "claim_count", "point", "statement", "definition_sources")
"""Columns of which one names, or counts, what an answer rests on."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One of the ways in which a question is asked.

    Attributes:
        number: of the question.
        path: of the URL that answers it.
    """

    number: str
    path: str

    @property
    def query(self) -> str:
        """The name of the canned query."""
        return urlsplit(self.path).path.split("/")[2]

    @property
    def values(self) -> dict[str, str]:
        """The values of its parameters."""
        return dict(parse_qsl(urlsplit(self.path).query))


def _rows() -> list[re.Match[str]]:
    return list(_ROW.finditer(QUESTIONS.read_text(encoding="utf-8")))


ASKS: Final = tuple(
    Ask(row["number"], found["path"]) for row in _rows() for found in _PATH.finditer(row["asks"])
)
by_ask = pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.number} {ask.path}")


def _golden(ask: Ask, graph: kg.KnowledgeGraph) -> Path:
    """Return the golden answer to a question, which test_golden_answers.py compares with it."""
    asked = graph.catalogue.bindings(ask.query, ask.values)
    (found,) = (
        case.file
        for case in CASES
        if case.query.name == ask.query and case.query.bindings(case.values) == asked
    )
    return found


def test_every_competency_question_is_listed_once() -> None:
    """The table holds the 15 questions of the physics report and the 25 of the clinical one."""
    numbers = [row["number"] for row in _rows()]

    assert numbers == [f"P{n}" for n in range(1, 16)] + [f"C{n}" for n in range(1, 26)]


def test_every_question_says_how_to_ask_it() -> None:
    """No question of the table is without a canned query."""
    assert {ask.number for ask in ASKS} == {row["number"] for row in _rows()}


@by_ask
def test_a_question_is_asked_as_the_service_expects_it(ask: Ask) -> None:
    """A path is that of the answer of a canned query."""
    assert re.fullmatch(r"/queries/[a-z-]+/answer(\?\w+=[^&=?]+(&\w+=[^&=?]+)*)?", ask.path)


@by_ask
def test_a_question_has_an_answer_that_was_approved(ask: Ask, graph: kg.KnowledgeGraph) -> None:
    """The canned query exists and takes the parameters; its answer is golden and states something."""
    with _golden(ask, graph).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert any(row.get(column) for row in rows for column in _EVIDENCE)
