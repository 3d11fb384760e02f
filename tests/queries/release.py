"""Write the table of what the release at hand promises: `python tests/queries/release.py`.

To be run when a version is released. In between, what vanishes or shrinks is given the reason in the
column `why` of its line by hand; see docs/api-changes.md.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import kg
from server import create_app
from server.protocol.endpoints import ENDPOINTS
from tests.queries.test_golden_answers import CASES

TABLE: Final = Path(__file__).with_name("released.tsv")


def offered() -> Iterator[tuple[str, str, str]]:
    """Yield what there is: its kind, its name, and its type or how many rows it has."""
    queries = {case.query.name: case.query for case in CASES}
    for name, query in queries.items():
        yield "query", name, ""
        for former in query.formerly:
            yield "query", former["name"], ""
        for parameter in query.parameters:
            yield "parameter", f"{name} {parameter.name}", parameter.type
        for column in query.columns:
            yield "column", f"{name} {column.name}", column.type
        for key, column in query.keys.items():
            yield "key", f"{name} {key}", column.type
    for name, row in ENDPOINTS.items():
        for path in row.paths:
            for method in row.methods:
                yield "route", f"{method} {path}", name
            for name_in_url in row.parameters:
                yield "parameter", f"{path} {name_in_url}", ""
    for case in CASES:
        with case.file.open(encoding="utf-8", newline="") as file:
            yield "rows", case.file.stem, str(sum(1 for _ in csv.reader(file)) - 1)


def members(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the members of JSON documents that all queries share, as the description of the API has them."""
    for name, schema in document["components"]["schemas"].items():
        if name == "Answer" or not name.endswith(("Answer", "Row")):
            yield from _members(name, schema)


def _members(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for part in (*schema.get("allOf", ()), *filter(None, [schema.get("items")])):
        yield from _members(path, part)
    for name, member in schema.get("properties", {}).items():
        kind = member.get("type", member.get("$ref", "").rpartition("/")[2])
        yield "member", f"{path}.{name}", " or ".join([kind] if isinstance(kind, str) else kind)
        yield from _members(f"{path}.{name}", member)


def main() -> None:
    """Write the table."""
    document = create_app({}, kg.load()).test_client().get("/openapi.json").get_json()
    lines = ["\t".join((*each, "")) for each in sorted({*offered(), *members(document)})]
    TABLE.write_text("\n".join(["kind\tname\tdetail\twhy", *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
