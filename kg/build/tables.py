"""Tables to RDF, by the mapping that is declared in the vocabulary of CSV on the Web.

`ontology/tables.json` is a table group (https://www.w3.org/TR/tabular-metadata/) and is read as far
as it is used: `url` and `tableSchema` of a table; `aboutUrl`, `primaryKey`, `foreignKeys` and
`columns` of a schema; `name`, `required`, `datatype` (with `format`), `separator`, `lang`,
`aboutUrl`, `propertyUrl`, `valueUrl`, `virtual` and `suppressOutput` of a column. Two things go beyond the
standard: prefixed names in cells are expanded when a `valueUrl` yields them, and a `valueUrl` is
applied to each value of a cell that has a separator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jsonschema import Draft202012Validator
from rdflib import XSD, Literal, URIRef

from kg.build.errors import BuildError, Problem
from kg.engine import BindingError
from kg.engine.bindings import canonical
from kg.namespaces import PREFIXES

Triple = tuple[URIRef, URIRef, URIRef | Literal]

_PATTERNS: Final = {
    "string": re.compile(r".+", re.DOTALL),
    "integer": re.compile(r"[+-]?\d+", re.ASCII),
    "decimal": re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)", re.ASCII),
    "boolean": re.compile(r"true|false"),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII),
    "gYear": re.compile(r"\d{4}", re.ASCII),
    "duration": re.compile(
        r"P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?",
        re.ASCII,
    ),
    "anyURI": re.compile(r"\S+"),
}
_REMEDIES: Final = {
    "string": "Write some text.",
    "integer": "Write digits only.",
    "decimal": "Write digits with a point, without unit or spaces.",
    "boolean": "Write true or false.",
    "date": "Write YYYY-MM-DD.",
    "gYear": "Write four digits.",
    "duration": "Write an ISO 8601 duration such as P6M or PT30M.",
    "anyURI": "Write an IRI or a prefixed name such as dg:Erythema.",
}

_SCHEMA_OF_GROUPS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["tables"],
    "properties": {
        "tables": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["url", "tableSchema"],
                "properties": {"url": {"type": "string"}, "tableSchema": {"type": "string"}},
            },
        },
    },
}
_SCHEMA_OF_SCHEMAS: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["aboutUrl", "columns"],
    "properties": {
        "rdfs:comment": {"type": "string"},
        "aboutUrl": {"type": "string"},
        "primaryKey": {"type": "string"},
        "foreignKeys": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["columnReference", "reference"],
                "properties": {
                    "columnReference": {"type": "string"},
                    "reference": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["resource", "columnReference"],
                        "properties": {
                            "resource": {"type": "string"},
                            "columnReference": {"type": "string"},
                        },
                    },
                },
            },
        },
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "required": {"type": "boolean"},
                    "datatype": {
                        "oneOf": [
                            {"enum": sorted(_PATTERNS)},
                            {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["base", "format"],
                                "properties": {
                                    "base": {"enum": sorted(_PATTERNS)},
                                    "format": {"type": "string", "format": "regex"},
                                },
                            },
                        ]
                    },
                    "separator": {"type": "string", "minLength": 1},
                    "lang": {"type": "string"},
                    "aboutUrl": {"type": "string"},
                    "propertyUrl": {"type": "string"},
                    "valueUrl": {"type": "string"},
                    "virtual": {"type": "boolean"},
                    "suppressOutput": {"type": "boolean"},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table that has been read.

    Attributes:
        file: the file, relative to the folder.
        line: its line, counted from 1 (the header is line 1).
        subject: the IRI that it describes.
        cells: its cells by column name; empty cells are left out.
        triples: what it says.
    """

    file: str
    line: int
    subject: URIRef
    cells: Mapping[str, str]
    triples: tuple[Triple, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that has been read: its file and its rows."""

    file: str
    rows: tuple[Row, ...] = field(repr=False)


def read_tables(folder: Path) -> list[Table]:
    """Read all tables that the mapping of a folder names.

    Args:
        folder: holds `tables.json`, whose table URLs are relative to it.

    Raises:
        BuildError: the mapping or a table is malformed; names all problems found.
    """
    mapping = folder / "tables.json"
    group = _read_json(folder, mapping, _SCHEMA_OF_GROUPS)
    problems: list[Problem] = []
    tables = []
    schemas = []
    for entry in group["tables"]:
        schema = _read_json(folder, folder / entry["tableSchema"], _SCHEMA_OF_SCHEMAS)
        rows = tuple(_read_table(folder, entry["url"], schema, problems))
        tables.append(Table(entry["url"], rows))
        schemas.append(schema)
    for table, schema in zip(tables, schemas, strict=True):
        problems += _broken_references(table, schema, tables)
    problems += _repeated_keys(tables, schemas)
    if problems:
        raise BuildError(problems)
    return tables


def term_of(text: str) -> URIRef:
    """Turn a cell that names a term, as an IRI or a prefixed name, into the IRI.

    Raises:
        ValueError: the prefix is unknown, or the IRI has characters that no IRI may have.
    """
    prefix, colon, local = text.partition(":")
    if colon and not local.startswith("//"):
        if prefix not in PREFIXES:
            raise ValueError(f"The prefix {prefix}: is unknown.")
        text = PREFIXES[prefix] + local
    if not colon or re.search(r"[\s<>\"{}|^`\\]", text):
        raise ValueError(f"{text!r} is not an IRI.")
    return URIRef(text)


def canonical_decimal(text: str) -> str:
    """Write a decimal number in the canonical form of XML Schema without the trailing `.0`.

    The engine keeps numbers, not their spelling, and writes them so; the graph follows it.
    """
    shortest = format(Decimal(text).normalize(), "f")
    return "0" if shortest == "-0" else shortest


def _read_json(folder: Path, path: Path, schema: Mapping[str, Any]) -> dict[str, Any]:
    name = str(path.relative_to(folder))
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BuildError([Problem(name, 0, "", "The file is missing.", "Restore it.")]) from None
    except json.JSONDecodeError as error:
        problem = Problem(name, error.lineno, "", f"This is not JSON: {error.msg}.", "Mend it.")
        raise BuildError([problem]) from error
    except UnicodeDecodeError as error:
        detail = f"The file is not UTF-8: {error}."
        raise BuildError([Problem(name, 0, "", detail, "Convert it.")]) from error
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    problems = [
        Problem(name, 0, "/".join(str(key) for key in error.path), f"{error.message}.", "Mend it.")
        for error in validator.iter_errors(content)
    ]
    if problems:
        raise BuildError(problems)
    return content


def _read_table(
    folder: Path, name: str, schema: Mapping[str, Any], problems: list[Problem]
) -> Iterator[Row]:
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        remedy = "Restore it, or take it out of tables.json."
        problems.append(Problem(name, 0, "", "The file is missing.", remedy))
        return
    except UnicodeDecodeError as error:
        problems.append(Problem(name, 0, "", f"The file is not UTF-8: {error}.", "Convert it."))
        return
    lines = text.split("\n")
    if lines.pop() != "":
        remedy = "End it with a line feed."
        problems.append(Problem(name, len(lines) + 1, "", "The last line has no end.", remedy))
    expected = [column["name"] for column in schema["columns"] if not column.get("virtual")]
    header = lines[0].split("\t") if lines else []
    if header != expected:
        wrong = sorted(set(header) ^ set(expected)) or ["the order"]
        remedy = f"The columns must be: {' '.join(expected)}."
        problems.append(Problem(name, 1, "", f"The header differs in {', '.join(wrong)}.", remedy))
        return
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(expected):
            detail = f"The row has {len(cells)} cells instead of {len(expected)}."
            problems.append(Problem(name, number, "", detail, "Separate cells by single tabs."))
            continue
        row = _read_row(name, number, dict(zip(expected, cells, strict=True)), schema, problems)
        if row is not None:
            yield row


def _read_row(
    name: str,
    number: int,
    given: Mapping[str, str],
    schema: Mapping[str, Any],
    problems: list[Problem],
) -> Row | None:
    found: list[Problem] = []
    for column, cell in given.items():
        if cell != cell.strip() or "\r" in cell:
            detail = "The cell begins or ends with white space."
            found.append(Problem(name, number, column, detail, "Remove it."))
    cells = {column: cell for column, cell in given.items() if cell}
    subject = URIRef(_filled(schema["aboutUrl"], cells))
    triples: list[Triple] = []
    for column in schema["columns"]:
        try:
            triples += _column_triples(subject, column, cells)
        except ValueError as error:
            detail, remedy = error.args if len(error.args) > 1 else (str(error), "Mend the cell.")
            found.append(Problem(name, number, column["name"], detail, remedy))
    problems += found
    return None if found else Row(name, number, subject, cells, tuple(triples))


def _column_triples(
    subject: URIRef, column: Mapping[str, Any], cells: Mapping[str, str]
) -> list[Triple]:
    """Give what a column says in a row.

    Raises:
        ValueError: with what is wrong and, as second argument, the remedy.
    """
    name = column["name"]
    if not column.get("virtual") and name not in cells:
        if column.get("required"):
            raise ValueError("The cell is empty.", "A value is required here.")
        return []
    values = [cells.get(name, "")]
    if "separator" in column:
        values = values[0].split(column["separator"])
        if len(set(values)) != len(values):
            raise ValueError("A value is repeated in the cell.", "Give each value once.")
    objects = [_value(column, {**cells, name: value}) for value in values]
    for value in objects:
        try:
            canonical(value)
        except BindingError as error:
            raise ValueError(str(error), "Correct the cell.") from error
    if column.get("suppressOutput") or "propertyUrl" not in column:
        return []
    predicate = term_of(column["propertyUrl"])
    if "aboutUrl" in column:
        subject = URIRef(_filled(column["aboutUrl"], cells))
    return [(subject, predicate, value) for value in objects]


def _value(column: Mapping[str, Any], cells: Mapping[str, str]) -> URIRef | Literal:
    datatype = column.get("datatype", "string")
    base = datatype if isinstance(datatype, str) else datatype["base"]
    text = cells[column["name"]]
    if not column.get("virtual"):
        pattern = None if isinstance(datatype, str) else datatype["format"]
        if not _PATTERNS[base].fullmatch(text):
            raise ValueError(f"{text!r} is not of the type {base}.", _REMEDIES[base])
        if pattern is not None and not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"{text!r} is not accepted.", f"It must match {pattern}.")
    if "valueUrl" in column:
        try:
            return term_of(_filled(column["valueUrl"], cells))
        except ValueError as error:
            raise ValueError(str(error), _REMEDIES["anyURI"]) from error
    if "lang" in column:
        return Literal(text, lang=column["lang"])
    if base == "string":
        return Literal(text)
    lexical = canonical_decimal(text) if base in ("decimal", "integer") else text
    return Literal(lexical, datatype=XSD[base])


def _filled(template: str, cells: Mapping[str, str]) -> str:
    """Fill a URI template: `{name}` percent-encodes the cell, `{+name}` puts it as it is."""

    def value(match: re.Match[str]) -> str:
        cell = cells.get(match["name"], "")
        return cell if match["reserved"] else quote(cell, safe="/:@!$'()*,;=.-_~")

    return re.sub(r"\{(?P<reserved>\+?)(?P<name>\w+)\}", value, template)


def _broken_references(
    table: Table, schema: Mapping[str, Any], tables: Sequence[Table]
) -> Iterator[Problem]:
    for key in schema.get("foreignKeys", ()):
        column = key["columnReference"]
        reference = key["reference"]
        known = {
            row.cells.get(reference["columnReference"])
            for each in tables
            if each.file == reference["resource"]
            for row in each.rows
        }
        for row in table.rows:
            if column in row.cells and row.cells[column] not in known:
                detail = f"{row.cells[column]!r} is not in {reference['resource']}."
                yield Problem(row.file, row.line, column, detail, "Correct it, or add it there.")


def _repeated_keys(
    tables: Iterable[Table], schemas: Iterable[Mapping[str, Any]]
) -> Iterator[Problem]:
    """Find rows that describe what another row, of whatever table, describes already."""
    first: dict[URIRef, Row] = {}
    for table, schema in zip(tables, schemas, strict=True):
        if "primaryKey" not in schema:
            continue
        for row in table.rows:
            other = first.setdefault(row.subject, row)
            if other is not row:
                detail = f"{row.cells.get(schema['primaryKey'])!r} stands in {other.file} already."
                remedy = f"See line {other.line} there; identifiers are used once."
                yield Problem(row.file, row.line, schema["primaryKey"], detail, remedy)
