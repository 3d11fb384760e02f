"""The declaration of the tables: `tables.json` and the schemas that it names, read and checked."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError

from kg.builder.errors import FileProblem
from kg.builder.read.json_files import JsonFile, read_json
from kg.builder.read.terms import term_of
from kg.rdf.namespaces import PREFIXES

GROUP: Final = "tables.json"
"""The file that lists the tables, in the folder."""

_OF_GROUPS, _OF_SCHEMAS = (
    json.loads(Path(__file__).with_name(f"{name}.schema.json").read_bytes())
    for name in ("table_group", "table_schema")
)

DATATYPES: Final[tuple[str, ...]] = tuple(_OF_SCHEMAS["$defs"]["datatype"]["enum"])
"""The datatypes that a column can have."""

_NAME: Final = r"\{\+?(\w+)\}"
"""A variable of a URI template, as far as they are used."""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The schema of a table.

    Attributes:
        table: the file of the table, relative to the folder.
        file: the file of the schema.
        content: what it says.
        adds_to: of an added file, the table that its rows are added to.
        prefixes: the namespaces of the names in its cells.
    """

    table: str
    file: str
    content: Mapping[str, Any]
    adds_to: str | None = None
    prefixes: Mapping[str, str] = field(default_factory=lambda: PREFIXES)

    @property
    def columns(self) -> list[str]:
        """The names of the columns that the file has, in order."""
        return [each["name"] for each in self.content["columns"] if not each.get("virtual")]

    @property
    def key(self) -> str | None:
        """The column that names what a row describes; None if rows add to what others describe."""
        key = self.content.get("primaryKey")
        return key if isinstance(key, str) else None

    @property
    def identity(self) -> list[str]:
        """The columns that together say what a row is about, so that no two rows may share them."""
        key = self.content.get("primaryKey", self.columns[:1])
        return [key] if isinstance(key, str) else list(key)


def read_schemas(folder: Path, problems: list[FileProblem]) -> list[TableSchema]:
    """Read the schemas of all tables that `tables.json` names.

    Args:
        folder: holds `tables.json`, in which names of files are relative to it.
        problems: takes what is wrong.
    """
    found: list[FileProblem] = []
    group = _read(folder, GROUP, _OF_GROUPS, found)
    entries: list[Mapping[str, str]] = group.content["tables"] if group else []
    files = {
        name: _read(folder, name, _OF_SCHEMAS, found)
        for name in dict.fromkeys(entry["tableSchema"] for entry in entries)
    }
    schemas: dict[str, TableSchema] = {}
    for entry in entries:
        file = files[entry["tableSchema"]]
        if entry["url"] in schemas:
            detail = f"{entry['url']} stands in the list twice."
            found.append(FileProblem(GROUP, 0, "", detail, "Keep one."))
        if file is not None:
            schemas[entry["url"]] = TableSchema(entry["url"], file.name, file.content)
    if not found:
        for schema in {each.file: each for each in schemas.values()}.values():
            file = files[schema.file]
            assert file is not None, "nothing was found to be wrong with it"
            for column, detail, remedy in _inconsistencies(schema, schemas):
                line = _line_of_column(file, column)
                found.append(FileProblem(schema.file, line, column, detail, remedy))
    problems += found
    return list(schemas.values())


def fixed_terms(schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Yield the terms that a schema itself names, each with the name of the column."""
    return ((column, each) for column, each in _templates(schema) if "{" not in each)


def _read(
    folder: Path, name: str, schema: Mapping[str, Any], problems: list[FileProblem]
) -> JsonFile | None:
    """Read a file and check it against a JSON Schema; None if it is malformed."""
    file = read_json(folder, name, problems)
    if file is None:
        return None
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    found = [_violation(file, error) for error in validator.iter_errors(file.content)]
    problems += found
    return None if found else file


def _violation(file: JsonFile, error: ValidationError) -> FileProblem:
    """Say what does not fit a JSON Schema; in the description of a column, on its line."""
    path = list(error.absolute_path)
    column = ""
    if path[:1] == ["columns"] and len(path) > 1:
        column = str(file.content["columns"][path[1]].get("name", ""))
    detail = f"{error.message}."
    if error.validator == "pattern":
        detail = f"{error.instance!r} is no file in the folder."
    elif error.validator == "enum":
        near = difflib.get_close_matches(str(error.instance), DATATYPES, n=1)
        detail = f"{error.instance!r} is none of {', '.join(near or DATATYPES)}."
    return FileProblem(file.name, _line_of_column(file, column), column, detail, "Mend it.")


def _line_of_column(file: JsonFile, column: str) -> int:
    return file.line_of(f'"name": {json.dumps(column)}') if column else 0


def _inconsistencies(
    schema: TableSchema, schemas: Mapping[str, TableSchema]
) -> Iterator[tuple[str, str, str]]:
    """Find what does not go together within a schema: column, what is wrong, what to do."""
    columns = schema.columns
    for name in dict.fromkeys(columns):
        if columns.count(name) > 1:
            yield name, "The column is described twice.", "Keep one."
    for name in schema.identity:
        if name not in columns:
            yield "", f"The primary key {name} is no column.", "Name a column."
    for column, template in _templates(schema):
        for name in re.findall(_NAME, template):
            if name not in columns:
                yield column, f"{template} names {name}, which is no column.", "Name a column."
        if "{" in re.sub(_NAME, "", template):
            detail = f"{template} is no template that is known here."
            yield column, detail, "Write {column}, or {+column} for what is an IRI already."
        try:
            if not template.startswith("{"):  # or it may become anything
                term_of(re.sub(_NAME, "x", template))
        except ValueError as error:
            yield column, str(error), "Write an IRI or a prefixed name such as dg:subject."
    for reference in schema.content.get("foreignKeys", ()):
        yield from _broken_key(schema, reference, schemas)


def _templates(schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Yield the IRIs and templates of IRIs of a schema, each with the name of its column."""
    yield "", schema.content["aboutUrl"]
    for column in schema.content["columns"]:
        for key in ("aboutUrl", "propertyUrl", "valueUrl"):
            if key in column:
                yield column["name"], column[key]


def _broken_key(
    schema: TableSchema, key: Mapping[str, Any], schemas: Mapping[str, TableSchema]
) -> Iterator[tuple[str, str, str]]:
    column, reference = key["columnReference"], key["reference"]
    if column not in schema.columns:
        yield "", f"The foreign key {column} is no column.", "Name a column."
    other = schemas.get(reference["resource"])
    if other is None:
        detail = f"The foreign key {column} refers to {reference['resource']}, which is no table."
        yield column, detail, f"Name a table that {GROUP} lists."
    elif reference["columnReference"] not in other.columns:
        detail = f"{reference['columnReference']} is no column of {other.table}."
        yield column, detail, "Name the column that the foreign key refers to."
