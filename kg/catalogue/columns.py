"""The columns of canned queries: how they are declared, and what a row of plain JSON has for them.

`queries/columns.tsv` declares what names mean in all queries; the header of a query, under
`columns:`, what it has besides or otherwise.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kg.catalogue.front_matter import CatalogueError
from kg.physics.units import units
from kg.sparql.lexer import TRIVIA, TokenKind, tokens
from kg.text_files import FileProblem, read_text_file

TABLE: Final = "columns.tsv"

_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "term": {"_iri": "iri", "_label": "text"},
    "terms": {"": "texts", "_iris": "iris"},
    "record": {"": "iri", "_title": "text"},
}
"""The variables that hold what is declared under one name, and their types; of others, only one."""

_TYPES: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_bytes())

Declaration = Mapping[str, str]
"""What is said of a column: name, and as far as it has them type, unit, property and description."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the answer to a canned query.

    Attributes:
        name: its name, that of the variable.
        type: iri, iris, text, texts, integer, decimal, double, boolean, date or year; of several
            values all are in one cell, with the separator between them.
        unit: a UCUM code, where all of its numbers have the same.
        description: what it holds, in a sentence.
        key: under which a row of plain JSON has it; a term and its label have the same.
        predicate: which it states of the thing of the row, as a short IRI; None: it is no such.
    """

    name: str
    type: str
    unit: str | None
    description: str
    key: str
    predicate: str | None = None

    @property
    def datatype(self) -> str:
        """The datatype of its values, as a local name of XML Schema."""
        return str(_TYPES[self.type]["datatype"])

    @property
    def separator(self) -> str | None:
        """What stands between several values."""
        return "; " if self.type in ("iris", "texts") else None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what plain JSON has for it."""
        return {**_TYPES[self.type]["schema"], "description": self.description}


def read_table(folder: Path) -> dict[str, Declaration]:
    """Return what the table of a folder of queries declares, by name; nothing if it has none.

    Raises:
        CatalogueError: the table is no sound text, or a row of it declares nothing; says file, line and
            what to do.
    """
    if not (folder / TABLE).exists():
        return {}
    faults: list[FileProblem] = []
    text = read_text_file(folder, TABLE, faults)
    for fault in faults:
        raise CatalogueError(str(fault))
    rows = csv.DictReader(text.splitlines(), dialect="excel-tab", quoting=csv.QUOTE_NONE)
    declared: dict[str, Declaration] = {}
    for line, row in enumerate(rows, start=2):
        known = {**_PARTS, **_TYPES}
        is_whole = row["description"] and (not row["unit"] or row["unit"] in units())
        if row["name"] in declared or row["type"] not in known or not is_whole:
            remedy = f"Give each name once, a type of {', '.join(known)}, a known unit, and a text."
            raise CatalogueError(
                f"{folder / TABLE}, line {line}: {row['name']} is not declared. {remedy}"
            )
        declared[row["name"]] = {name: cell for name, cell in row.items() if cell}
    return declared


def spread(declarations: Mapping[str, Declaration]) -> dict[str, Column]:
    """Return the columns that may hold what is declared, by their names."""
    return {
        name + end: Column(
            name + end, kind, each.get("unit"), each["description"], name, each.get("property")
        )
        for name, each in declarations.items()
        for end, kind in _PARTS.get(each["type"], {"": each["type"]}).items()
    }


def selected(text: str) -> dict[str, int]:
    """Return the variables that a SELECT query gives, in their order, each with its line."""
    found = {}
    depth, before = 0, ""
    for token in tokens(text):
        if token.text == "{":
            break
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind is TokenKind.VARIABLE and (depth == 0 or before == "AS"):
            found[token.text[1:]] = text.count("\n", 0, token.offset) + 1
        before = before if token.kind in TRIVIA else token.text.upper()
    return found
