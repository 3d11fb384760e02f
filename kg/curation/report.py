"""The quality report: what the graph holds, how well it is supported, and what remains to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kg.catalogue.front_matter import read_header
from kg.curation.disagreements import candidates
from kg.graph import KnowledgeGraph
from kg.rdf.namespaces import curie
from kg.results import Row, Rows, Value, prologue, select


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report.

    Attributes:
        title: its heading.
        text: what the table shows and how to read it.
        query: SPARQL that gives the table.
    """

    title: str
    text: str
    query: str


def _sections() -> Iterator[Section]:
    for path in sorted((Path(__file__).parents[1] / "queries" / "report").glob("*.rq")):
        header = read_header(path, None)
        yield Section(header.values["title"], header.values["text"], prologue() + header.text)


SECTIONS: Final = tuple(_sections())
"""The sections that are a table from a query, in order."""


_HEAD: Final = """# Quality report

Release {release}, data version `{version}`.

Printed by `dermograph report` from the graph itself; nothing here is written by hand.
"""


def report(graph: KnowledgeGraph) -> str:
    """Write the quality report of a graph, in Markdown; the same bytes for the same version."""
    return "\n".join(_parts(graph))


def _parts(graph: KnowledgeGraph) -> Iterator[str]:
    yield _HEAD.format(release=graph.release, version=graph.version)
    for section in SECTIONS:
        rows = select(graph.engine, section.query)
        yield f"## {section.title}\n\n{section.text}\n"
        yield _table(rows.columns, [[row[name] for name in rows.columns] for row in rows])
    yield (
        "## Terms to propose upstream\n\n"
        "Concepts without an exact or close match in a public ontology, by what is known of a "
        "search for them. `dermograph query terms-to-propose` lists them, as does the service at "
        "`/queries/terms-to-propose/answer`.\n"
    )
    listed = graph.query("terms-to-propose")
    assert isinstance(listed, Rows), "a SELECT query has rows"
    yield _numbers_of_terms([row for row in listed if not row["gap"]])
    yield (
        "## Candidates for disagreement\n\n"
        "Claims that say incompatible things of the same subject under the same qualifiers, and "
        "that no curator has judged yet.\n"
    )
    found = candidates(graph.engine)
    yield _table(("one", "other"), [[each.says, each.opposes] for each in found])


def _numbers_of_terms(listed: list[Row]) -> str:
    """Count terms to propose by their class and what is known of a search for them."""
    numbers = Counter((str(row["kind_label"]), str(row["search"])) for row in listed)
    searches = list(dict.fromkeys(search for _, search in numbers))  # in the order of the answer
    rows: list[list[Value]] = [
        [kind, *(numbers[kind, search] for search in searches)]
        for kind in sorted({kind for kind, _ in numbers})
    ]
    return _table(("class", *searches), rows)


def _table(columns: tuple[str, ...], rows: list[list[Value]]) -> str:
    if not rows:
        return "None.\n"
    head = [name.replace("_", " ") for name in columns]
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: Value) -> str:
    text = "" if value is None else curie(str(value))
    return text.replace("|", "\\|").replace("\n", " ")
