"""What was released stays: queries, their columns, keys and parameters, routes, and what is answered."""

from __future__ import annotations

import csv

import pytest

import kg
from server import create_app
from tests.queries.release import TABLE, members, offered


def released() -> list[dict[str, str]]:
    """Return what the last release had, but for what has a reason to be gone or less."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab", quoting=csv.QUOTE_NONE))
    return [row for row in rows if not row["why"]]


@pytest.fixture(scope="module")
def there(graph: kg.KnowledgeGraph) -> dict[tuple[str, str], str]:
    """Return what there is now, with its detail, by kind and name."""
    document = create_app({}, graph).test_client().get("/openapi.json").get_json()
    return {(each, name): detail for each, name, detail in (*offered(), *members(document))}


@pytest.mark.parametrize("kind", ["query", "parameter", "column", "key", "member", "route", "rows"])
def test_nothing_that_was_released_is_gone(kind: str, there: dict[tuple[str, str], str]) -> None:
    """Nor has another type, nor fewer rows, without a word in the table that says why."""
    promised = [row for row in released() if row["kind"] == kind]
    assert promised
    for row in promised:
        name, detail = row["name"], row["detail"]
        assert (kind, name) in there, f"{kind} {name} is gone. {_REMEDY}"
        if kind == "rows":
            assert int(there[kind, name]) >= int(detail), f"{name} has fewer rows. {_REMEDY}"
        else:
            assert there[kind, name] == detail, f"{kind} {name} is another. {_REMEDY}"


_REMEDY = "Bring it back, or say in the column why of tests/queries/released.tsv why it is so."
