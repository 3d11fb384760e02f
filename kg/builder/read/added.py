"""Files that are added to a folder: rows for its tables, as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kg.builder.errors import FileProblem
from kg.builder.read.table_schemas import TableSchema
from kg.builder.read.tables import SourceTable, read_row
from kg.text_files import read_text_file

_ADDED: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_name("added.json").read_bytes())
"""How files of rows are written, by the ends of their names; the tables that can be added to, by the
last word of the name of a file; and what to do about a fault."""


def read_added(
    paths: Sequence[Path], problems: list[FileProblem], schemas: Sequence[TableSchema]
) -> list[SourceTable]:
    """Read added files as rows of tables, so that all is checked and computed as for our own.

    Args:
        paths: the files: CSV, or TSV without quotes, whose header names columns in any order.
        problems: takes what is wrong.
        schemas: those of the tables of the folder.
    """
    by_table = {each.table: each for each in schemas}
    own = {word: by_table[table] for word, table in _ADDED["tables"].items() if table in by_table}
    tables: list[SourceTable] = []
    for path in paths:
        schema = own.get(path.stem.rpartition("-")[2])
        if schema is None or path.suffix not in _ADDED["rows"]:
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
            wrong(detail, f"They can be: {' '.join(schema.columns)}.")
        for given in () if unknown else reader:
            if None in given or None in given.values():
                wrong(f"The row has not {len(header)} cells.", _ADDED["remedies"]["cells"])
            cells = [given.get(name) or "" for name in schema.columns]
            rows.append(read_row(schema, reader.line_num, cells, problems))
    except csv.Error as error:
        wrong(f"This is not CSV: {error}.", "Mend the quotes there.")
    return SourceTable(schema, tuple(rows), is_lost=not rows)
