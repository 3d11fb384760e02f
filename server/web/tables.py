"""Results of queries as rows of cells that a page can show."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kg.catalogue.columns import Column
from kg.engine import Answer, ResultKind
from kg.rdf import ntriples
from kg.rdf.datatypes import INTEGERS, XSD
from kg.rdf.namespaces import curie
from kg.rdf.ntriples import unescaped
from server.web.pages import href

ROWS_SHOWN: Final = 1000
"""How many rows a page shows; the other formats have them all."""

_NUMBERS: Final = frozenset(XSD + name for name in (*INTEGERS, "decimal", "double", "float"))


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table.

    Attributes:
        text: what is shown; empty for an unbound variable.
        link: where it leads, or None.
        note: the whole IRI, or language or datatype; shown on demand.
        number: whether it is a number.
    """

    text: str = ""
    link: str | None = None
    note: str | None = None
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A result to be shown.

    Attributes:
        kind: what kind of result it is.
        columns: the headings.
        rows: the first rows, at most ROWS_SHOWN.
        total: how many rows the result has.
        truth: the answer to an ASK query; None for other queries.
        empty: the columns that are not shown, since no row has a value in them.
    """

    kind: ResultKind
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    total: int = 0
    truth: bool | None = None
    empty: tuple[str, ...] = ()

    def for_reading(self, keys: Mapping[str, Column]) -> Table:
        """Return it narrower: names lead to what they name, without columns that have no value.

        Canned queries have many columns; what changes the sense of a row is not to stand far away.

        Args:
            keys: what belongs together in one column, see ``CannedQuery.keys``.
        """
        places = {name: place for place, name in enumerate(self.columns)}
        filled = {
            name for name, place in places.items() if any(row[place].text for row in self.rows)
        }
        shown: list[tuple[str, int, int]] = []
        for key, column in keys.items():
            at = key if column.type == "iris" else column.name
            beside = {f"{key}_label", f"{key}_title", at} & filled
            if beside:
                shown.append((key, places[at], places[max(beside, key=len)]))
        # What says it all, or what is not known, stands where readers begin, behind what it is of.
        says = [each for each in shown if each[0] in ("claim_says", "gap", "how_found")]
        others = [each for each in shown if each not in says]
        shown = [*others[:2], *says, *others[2:]]
        rows = tuple(
            tuple(replace(row[at], text=row[by].text or row[at].text) for _, at, by in shown)
            for row in self.rows
        )
        empty = tuple(name for name in self.columns if name not in filled)
        columns = tuple(name for name, _, _ in shown)
        return replace(self, columns=columns, rows=rows, empty=empty)


def iri_cell(iri: str) -> Cell:
    """Make the cell of an IRI: short, leading to our page about it, or to where it is."""
    return Cell(curie(iri), href(iri), iri)


def literal_cell(text: str, language: str | None, datatype: str | None) -> Cell:
    """Make the cell of a literal."""
    number = datatype in _NUMBERS
    return Cell(text, None, language or (curie(datatype) if datatype else None), number)


def table_of(answer: Answer) -> Table:
    """Make the table of an answer that is written in SPARQL JSON or N-Triples."""
    if answer.kind is ResultKind.GRAPH:
        return _of_triples(answer.body)
    if answer.kind is ResultKind.BOOLEAN:
        return Table(answer.kind, truth=answer.boolean())
    columns, solutions = answer.solutions()
    rows = tuple(
        tuple(_json_cell(row[name]) if name in row else Cell() for name in columns)
        for row in solutions[:ROWS_SHOWN]
    )
    return Table(answer.kind, tuple(columns), rows, len(solutions))


def _json_cell(term: Mapping[str, Any]) -> Cell:
    if term["type"] == "uri":
        return iri_cell(term["value"])
    if term["type"] == "literal":
        return literal_cell(term["value"], term.get("xml:lang"), term.get("datatype"))
    return Cell(f"_:{term['value']}" if term["type"] == "bnode" else json.dumps(term["value"]))


def _of_triples(body: bytes) -> Table:
    lines = body.decode().removesuffix("\n").split("\n") if body else []
    rows = tuple(
        tuple(_term_cell(term) for term in ntriples.split(line))
        for line in sorted(lines[:ROWS_SHOWN])
    )
    return Table(ResultKind.GRAPH, ("subject", "predicate", "object"), rows, len(lines))


_LITERAL: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"(?:@([A-Za-z0-9-]+)|\^\^<([^>]*)>)?')


def _term_cell(term: str) -> Cell:
    """Make the cell of a term as N-Triples write it; one of no other kind is shown as it is."""
    literal = _LITERAL.fullmatch(term)
    if literal:
        text, language, datatype = literal.groups()
        kind = datatype and unescaped(datatype)
        return literal_cell(unescaped(text), language, kind)
    if term.startswith("<") and not term.startswith("<<("):
        return iri_cell(unescaped(term[1:-1]))
    return Cell(term)
