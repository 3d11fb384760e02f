"""Tables to RDF, by the mapping that is declared in the vocabulary of CSV on the Web.

`ontology/tables.json` is a table group (https://www.w3.org/TR/tabular-metadata/) and is read as far
as it is used: `url` and `tableSchema` of a table; `aboutUrl`, `primaryKey`, `foreignKeys` and
`columns` of a schema; `name`, `required`, `datatype` (with `format`), `separator`, `lang`, `default`,
`null`, `aboutUrl`, `propertyUrl`, `valueUrl`, `virtual` and `suppressOutput` of a column. Three things
go beyond the standard: prefixed names are expanded, a `valueUrl` is applied to each value of a cell
that has a separator, and identifiers are unique over all tables. The rows of a table whose primary
key is not one column add to what is described elsewhere.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from rdflib import XSD, Literal, URIRef

from kg.builder.errors import FileProblem, refuse
from kg.builder.read.mappings import read_metadata
from kg.builder.read.table_schemas import TableSchema, read_schemas
from kg.builder.read.terms import Triple, canonical_decimal, fault_of_term, term_of
from kg.rdf.namespaces import curie
from kg.text_files import CONFLICT, UNREADABLE, UNSEEN, read_text_file

_FORMS: Final = json.loads(Path(__file__).with_name("datatypes.json").read_bytes())
"""For each datatype the form of its values, and what to do about one that has it not."""
_MOST_DIGITS: Final = re.compile(r"[+-]?\d{0,18}(?:\.\d{0,18})?", re.ASCII)
"""The numbers that the engine computes with; it would take longer ones for text."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table that has been read.

    Attributes:
        file: the file, relative to the folder.
        line: its line, counted from 1 (the header is line 1).
        subject: the IRI that it describes.
        cells: its cells by column name; empty cells are left out.
        triples: what it says.
        columns: for each triple the column that says it.
    """

    file: str
    line: int
    subject: URIRef
    cells: Mapping[str, str]
    triples: tuple[Triple, ...] = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table that has been read.

    Attributes:
        schema: what its columns are.
        rows: its rows. Of rows that are malformed, what could be read.
        is_lost: whether its rows could not be read.
        metadata: what stands above the header of an SSSOM table.
    """

    schema: TableSchema = field(repr=False)
    rows: tuple[TableRow, ...] = field(repr=False)
    is_lost: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def file(self) -> str:
        """The file, relative to the folder; of one that is added, that which it adds to."""
        return self.schema.adds_to or self.schema.table


def read_tables(
    folder: Path,
    problems: list[FileProblem],
    added: Callable[[list[TableSchema]], list[SourceTable]] = lambda _: [],
) -> list[SourceTable]:
    """Read all tables that the mapping of a folder names.

    Args:
        folder: holds `tables.json`, whose table URLs are relative to it.
        problems: takes all that is malformed in the mapping or a table. Where the mapping is, no
            table can be read.
        added: reads further rows of the tables.
    """
    malformed: list[FileProblem] = []
    schemas = read_schemas(folder, malformed)
    problems += malformed
    if malformed:
        return []
    tables = [_read_table(folder, schema, problems) for schema in schemas] + added(schemas)
    for table in tables:
        problems += _broken_references(table, tables)
    problems += (*_repeated_keys(tables), *_said_of_ours(tables))
    return tables


def read_table(folder: Path, name: str) -> SourceTable:
    """Read one of the tables that the mapping of a folder names.

    Raises:
        BuildError: it is malformed, or the mapping is.
    """
    problems: list[FileProblem] = []
    schemas = [each for each in read_schemas(folder, problems) if each.table == name]
    tables = [_read_table(folder, schema, problems) for schema in schemas]
    refuse(problems)
    return tables[0]


def _read_table(folder: Path, schema: TableSchema, problems: list[FileProblem]) -> SourceTable:
    text = read_text_file(folder, schema.table, problems)
    if not text:
        return SourceTable(schema, (), is_lost=True)
    lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n"):
        detail, remedy = "The last line has no end.", "End it with a line feed."
        problems.append(FileProblem(schema.table, len(lines), "", detail, remedy))
    above: list[str] = []
    metadata: Mapping[str, Any] = {}
    if schema.table.endswith(".sssom.tsv"):
        above = list(takewhile(lambda line: line.startswith("#"), lines))
        metadata = read_metadata(schema.table, above, problems)
        if not metadata:
            return SourceTable(schema, (), is_lost=True)
        schema = replace(schema, prefixes=metadata["curie_map"])
    header, *body = lines[len(above) :] or [""]
    fault = _header_fault(header.split("\t"), schema.columns)
    if fault is not None:
        remedy = f"The columns must be: {' '.join(schema.columns)}."
        problems.append(FileProblem(schema.table, len(above) + 1, "", fault, remedy))
        return SourceTable(schema, (), is_lost=True)
    rows = (
        read_row(schema, number, line.split("\t"), problems)
        for number, line in enumerate(body, start=len(above) + 2)
        if not CONFLICT.fullmatch(line)
    )
    return SourceTable(schema, tuple(rows), metadata=metadata)


def _header_fault(header: Sequence[str], expected: Sequence[str]) -> str | None:
    """Say how the first line differs from what it should be, or give None."""
    if header == expected:
        return None
    missing = [name for name in expected if name not in header]
    unknown = [repr(name) for name in header if name not in expected]
    if len(header) == 1 and len(expected) > 1:
        return "The first line is not divided by tabs."
    if len(missing) > len(expected) / 2:
        return "The first line is no header."
    twice = sorted({name for name in header if header.count(name) > 1})
    faults = {"missing": missing, "unknown": unknown, "repeated": twice}
    said = "; ".join(f"{', '.join(names)} {what}" for what, names in faults.items() if names)
    return f"The columns are not as declared: {said or 'their order differs'}."


def _subject_of_row(schema: TableSchema, number: int, cells: Sequence[str]) -> TableRow:
    """Take from a row only what it describes, so that nobody is told that it is unknown."""
    nulls = {each["name"]: each.get("null", "") for each in schema.content["columns"]}
    named = zip(schema.columns, cells, strict=False)
    given = {name: cell for name, cell in named if cell != nulls[name]}
    subject = _named(schema.content["aboutUrl"], given, schema.prefixes)
    return TableRow(schema.table, number, subject, given, (), ())


def read_row(
    schema: TableSchema, number: int, cells: Sequence[str], problems: list[FileProblem]
) -> TableRow:
    """Read a row, whose cells are in the order of the schema; what is wrong goes to problems."""

    def wrong(column: str, detail: str, remedy: str) -> None:
        problems.append(FileProblem(schema.table, number, column, detail, remedy))

    if len(cells) != len(schema.columns):
        detail = f"The row has {len(cells)} cells instead of {len(schema.columns)}."
        remedy = "Separate cells by single tabs; leave none out and put none into a cell."
        if not any(cells):
            detail, remedy = "The line is empty.", "Take it out."
        wrong("", detail, remedy)
        return _subject_of_row(schema, number, cells)
    for column, cell in zip(schema.columns, cells, strict=True):
        if cell != cell.strip():
            wrong(column, "The cell begins or ends with white space.", "Remove it.")
        if re.search(r"[\t\n\r]", cell):  # which are possible in CSV
            wrong(column, "The cell holds a tab or the end of a line.", "Take it out.")
    row = _subject_of_row(schema, number, [cell.strip() for cell in cells])
    if any(UNREADABLE in cell or UNSEEN.search(cell) for cell in cells):
        return row  # the file is refused for it
    triples: list[Triple] = []
    columns: list[str] = []
    for column in schema.content["columns"]:
        try:
            said = _column_triples(row.subject, column, row.cells, schema.prefixes)
        except ValueError as error:
            wrong(column["name"], *error.args)
        else:
            triples += said
            columns += [column["name"]] * len(said)
    return TableRow(row.file, number, row.subject, row.cells, tuple(triples), tuple(columns))


def _column_triples(
    subject: URIRef,
    column: Mapping[str, Any],
    cells: Mapping[str, str],
    prefixes: Mapping[str, str],
) -> list[Triple]:
    """Return what a column says in a row.

    Raises:
        ValueError: with what is wrong and, as second argument, the remedy.
    """
    name = column["name"]
    if not column.get("virtual") and name not in cells and "default" not in column:
        if column.get("required"):
            raise ValueError("The cell is empty.", "A value is required here.")
        return []
    values = [cells.get(name, column.get("default", ""))]
    if "separator" in column:
        values = values[0].split(column["separator"])
        if len(set(values)) != len(values):
            raise ValueError("A value is repeated in the cell.", "Give each value once.")
    objects = [_value(column, {**cells, name: value}, prefixes) for value in values]
    for value in objects:
        fault = fault_of_term(value)
        if fault is not None:
            raise ValueError(fault, "Correct the cell.")
    if column.get("suppressOutput") or "propertyUrl" not in column:
        return []
    predicate = _named(column["propertyUrl"], cells, prefixes)
    subject = _named(column["aboutUrl"], cells, prefixes) if "aboutUrl" in column else subject
    if not subject:
        raise ValueError("Nothing is named that this is said of.", "Name it, or take this out.")
    return [(subject, predicate, value) for value in objects]


def _named(template: str, cells: Mapping[str, str], prefixes: Mapping[str, str]) -> URIRef:
    """Fill the template of an IRI; where a cell makes it none, this is told of that cell."""
    text = _filled(template, cells)
    try:
        return term_of(text, prefixes)
    except ValueError:
        return URIRef(text)


def _value(
    column: Mapping[str, Any], cells: Mapping[str, str], prefixes: Mapping[str, str]
) -> URIRef | Literal:
    datatype = column.get("datatype", "string")
    base = datatype if isinstance(datatype, str) else datatype["base"]
    text = cells[column["name"]]
    if not column.get("virtual"):
        _check_value(text, column, base, None if isinstance(datatype, str) else datatype["format"])
    if "valueUrl" in column:
        try:
            return term_of(_filled(column["valueUrl"], cells), prefixes)
        except ValueError as error:
            raise ValueError(str(error), _FORMS["anyURI"][1]) from error
    if "lang" in column:
        return Literal(text, lang=column["lang"])
    if base == "string":
        return Literal(text)
    lexical = canonical_decimal(text) if base in ("decimal", "integer") else text
    return Literal(lexical, datatype=XSD[base], normalize=False)


def _check_value(text: str, column: Mapping[str, Any], base: str, pattern: str | None) -> None:
    """Refuse a value that is not of the type of its column.

    Raises:
        ValueError: with what is wrong and, as second argument, the remedy.
    """
    if not text and "separator" in column:
        raise ValueError("A value is empty.", f"Take out one {column['separator']}.")
    is_name = "valueUrl" in column and "://" not in text
    if is_name and (found := re.search(r"[\s,;|]+", text)):
        separated = f"Separate several names by {column.get('separator')} alone."
        remedy = separated if "separator" in column else "This column takes one name."
        raise ValueError(f"{text!r} is no single name: it has {found[0]!r}.", remedy)
    form, remedy = _FORMS[base]
    if not re.fullmatch(form, text):
        raise ValueError(f"{text!r} is not of the type {base}.", remedy)
    if base in ("decimal", "integer") and not _MOST_DIGITS.fullmatch(text):
        raise ValueError("The number has too many digits.", "Give at most 18 on each side.")
    if pattern is not None and not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError(f"{text!r} is not accepted.", f"It must match {pattern}.")
    before = str(column.get("valueUrl", "")).partition("{")[0]
    if before and is_name and ":" in text:
        raise ValueError(f"{text!r} is more than the name.", f"Write only what follows {before}.")


def _filled(template: str, cells: Mapping[str, str]) -> str:
    """Fill a URI template: `{name}` percent-encodes the cell, `{+name}` puts it as it is."""

    def value(match: re.Match[str]) -> str:
        cell = cells.get(match["name"], "")
        return cell if match["reserved"] else quote(cell, safe="/:@!$'()*,;=.-_~")

    return re.sub(r"\{(?P<reserved>\+?)(?P<name>\w+)\}", value, template)


def _broken_references(table: SourceTable, tables: Sequence[SourceTable]) -> Iterator[FileProblem]:
    for key in table.schema.content.get("foreignKeys", ()):
        column, reference = key["columnReference"], key["reference"]
        others = [each for each in tables if each.file == reference["resource"]]
        known = {
            row.cells.get(reference["columnReference"]) for each in others for row in each.rows
        }
        for row in table.rows:
            if not others[0].is_lost and column in row.cells and row.cells[column] not in known:
                detail = f"{row.cells[column]!r} is not in {reference['resource']}."
                remedy = "Correct it, or add it there."
                yield FileProblem(row.file, row.line, column, detail, remedy)


def _repeated_keys(tables: Iterable[SourceTable]) -> Iterator[FileProblem]:
    """Find rows that describe, or add to, what another such row describes or adds to already."""
    first: dict[tuple[URIRef, bool, tuple[str | None, ...]], TableRow] = {}
    for table in tables:
        column, *others = table.schema.identity
        for row in table.rows:
            further = tuple(row.cells.get(name) for name in others)
            other = first.setdefault((row.subject, table.schema.key is None, further), row)
            if other is not row and column in row.cells:
                detail = f"{row.cells[column]!r} stands in {other.file} already."
                remedy = f"See line {other.line} there; identifiers are used once."
                yield FileProblem(row.file, row.line, column, detail, remedy)


def _said_of_ours(tables: Iterable[SourceTable]) -> Iterator[FileProblem]:
    """Find rows of added files that say something of what is described elsewhere."""
    described = (each for each in tables if each.schema.key and not each.schema.adds_to)
    own = {row.subject: row for table in described for row in table.rows}
    for row in (row for table in tables if table.schema.adds_to for row in table.rows):
        for (subject, *_), column in zip(row.triples, row.columns, strict=True):
            if subject in own and subject != row.subject:
                place = f"{own[subject].file}, line {own[subject].line}"
                detail = f"{curie(subject)} is described in {place}, which stays as it is."
                yield FileProblem(row.file, row.line, column, detail, "Name a record of yours.")
