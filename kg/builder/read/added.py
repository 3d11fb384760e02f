"""Files that are added to a folder: rows for its tables as CSV, and records as Turtle or JSON-LD."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rdflib import RDF, XSD, Literal, URIRef

from kg.builder.errors import FileProblem
from kg.builder.read.table_schemas import TableSchema
from kg.builder.read.tables import SourceTable, read_row
from kg.builder.read.terms import Triple, canonical_decimal, term_of
from kg.builder.read.turtle import Document, read_document
from kg.rdf.namespaces import curie
from kg.text_files import read_text_file

_ADDED: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_name("added.json").read_bytes())
"""How files of rows are written, by the ends of their names, and those of files of records; the tables
that can be added to, by the last word of the name of a file of rows; and what to do about a fault."""


def read_added(
    paths: Sequence[Path], problems: list[FileProblem], schemas: Sequence[TableSchema]
) -> list[SourceTable]:
    """Read added files as rows of tables, so that all is checked and computed as for our own.

    Args:
        paths: the files: CSV, or TSV without quotes, whose header names columns in any order; or
            what such rows would say, in Turtle or JSON-LD.
        problems: takes what is wrong.
        schemas: those of the tables of the folder.
    """
    by_table = {each.table: each for each in schemas}
    own = {word: by_table[table] for word, table in _ADDED["tables"].items() if table in by_table}
    tables: list[SourceTable] = []
    for path in paths:
        schema = own.get(path.stem.rpartition("-")[2])
        if path.suffix in _ADDED["records"]:
            document = read_document(path.parent, path, "added", problems)
            tables += _of_records(document, str(path), own.values(), problems)
        elif schema is None or path.suffix not in _ADDED["rows"]:
            detail = "This is no file that can be added."
            problems.append(FileProblem(str(path), 0, "", detail, _ADDED["remedies"]["name"]))
        else:
            tables.append(_of_rows(_by_others(schema, str(path)), problems))
    return tables


def _by_others(schema: TableSchema, name: str) -> TableSchema:
    """Return the schema of a file, in which nothing is taken for granted of who curated, and when."""
    columns = [
        {key: said for key, said in column.items() if key != "default"}
        | ({"virtual": False} if "default" in column else {})
        for column in schema.content["columns"]
    ]
    return replace(
        schema, table=name, adds_to=schema.table, content={**schema.content, "columns": columns}
    )


def _of_rows(schema: TableSchema, problems: list[FileProblem]) -> SourceTable:
    def wrong(detail: str, remedy: str) -> None:
        problems.append(FileProblem(schema.table, reader.reader.line_num, "", detail, remedy))

    text = read_text_file(Path(), schema.table, problems)
    settings = _ADDED["rows"][Path(schema.table).suffix]
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, **settings)
    header: Sequence[str] = ()
    rows = []
    try:
        header = reader.fieldnames or ()
        unknown = sorted({repr(name) for name in header if name not in schema.columns})
        if unknown or len({*header}) < len(header):
            detail = f"Columns are unknown or given twice: {', '.join(unknown or header)}."
            known = f"They can be: {' '.join(schema.columns)}."
            wrong(detail, _ADDED["remedies"]["cells"] if ";" in "".join(header) else known)
        for given in () if unknown else reader:
            if None in given or None in given.values():
                wrong(f"The row has not {len(header)} cells.", _ADDED["remedies"]["cells"])
            cells = [given.get(name) or "" for name in schema.columns]
            rows.append(read_row(schema, reader.line_num, cells, problems))
    except csv.Error as error:
        wrong(f"This is not CSV: {error}.", "Mend the quotes there.")
    return SourceTable(schema, tuple(rows), is_lost=not rows)


def _of_records(
    document: Document, file: str, schemas: Iterable[TableSchema], problems: list[FileProblem]
) -> Iterator[SourceTable]:
    """Yield the rows that would say what a document says; what none would say is a problem."""
    told: set[Any] = set()
    for schema in (_by_others(each, file) for each in schemas):
        kinds = [each["valueUrl"] for each in schema.content["columns"] if each["name"] == "type"]
        before = schema.content["aboutUrl"].partition("{")[0]
        rows = [
            read_row(schema, document.line_of(each), _cells(schema, each, document), problems)
            for each in sorted({subject for subject, *_ in document.triples})
            if each.startswith(before)
            and all((each, RDF.type, term_of(kind)) in document.triples for kind in kinds)
        ]
        told |= {_by_value(triple) for row in rows for triple in row.triples}
        yield SourceTable(schema, tuple(rows))
    for triple in sorted(each for each in document.triples if _by_value(each) not in told):
        detail = f"{' '.join(curie(term) for term in triple)} is what no row of a table says."
        line = document.line_of(triple[0], triple[2])
        problems.append(FileProblem(file, line, "", detail, _ADDED["remedies"]["statement"]))


def _by_value(triple: Triple) -> tuple[object, ...]:
    """Return a triple with a number by its value, however it is written."""
    *about, value = triple
    if isinstance(value, Literal) and value.datatype in (XSD.decimal, XSD.integer):
        return (*about, value.value)
    return triple


def _cells(schema: TableSchema, subject: URIRef, document: Document) -> list[str]:
    """Return the cells of the row that would say what a document says of a subject."""
    cells = []
    for column in (each for each in schema.content["columns"] if not each.get("virtual")):
        predicate = term_of(column["propertyUrl"]) if "propertyUrl" in column else None
        template = column.get("valueUrl", "")
        if column["name"] == schema.key:
            template = schema.content["aboutUrl"]
            values: list[URIRef | Literal] = [subject]
        elif "aboutUrl" in column:  # said of another, of which this is the value
            template = column["aboutUrl"]
            values = [s for s, p, v in document.triples if (p, v) == (predicate, subject)]
        else:
            values = [v for s, p, v in document.triples if (s, p) == (subject, predicate)]
        before = template.partition("{")[0]
        whole = str(term_of(before)) if before else ""
        texts = (each.removeprefix(whole) if whole else _text(each) for each in values)
        cells.append(column.get("separator", " ").join(sorted(texts)))
    return cells


def _text(value: URIRef | Literal) -> str:
    """Return a value as a cell has it; a decimal that Turtle wants written 15.0 is 15."""
    if isinstance(value, URIRef):
        return curie(value)
    return canonical_decimal(value) if value.datatype == XSD.decimal else str(value)
