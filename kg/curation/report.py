"""The quality report: what the graph holds, how well it is supported, and what remains to be done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from string import Template
from typing import Final

from kg.catalogue.front_matter import Header, read_header
from kg.curation.disagreements import candidates
from kg.graph import KnowledgeGraph
from kg.rdf.namespaces import curie
from kg.results import Row, Rows, Value, prologue, select

SECTIONS: Final = tuple(
    read_header(path, None)
    for path in sorted((Path(__file__).parents[1] / "queries" / "report").glob("*.rq"))
)
"""The sections that are a table from a query, in order: in the header the title, and the text that
says what the table shows and how to read it."""

_PAGE: Final = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))


def report(graph: KnowledgeGraph) -> str:
    """Write the quality report of a graph, in Markdown; the same bytes for the same version."""
    listed = graph.query("terms-to-propose")
    assert isinstance(listed, Rows), "a SELECT query has rows"
    found = candidates(graph.engine)
    return _PAGE.substitute(
        release=graph.release,
        version=graph.version,
        sections="\n".join(_section(graph, each) for each in SECTIONS),
        terms=_numbers_of_terms([row for row in listed if not row["gap"]]),
        candidates=_table(("one", "other"), [[each.says, each.opposes] for each in found]),
    )


def _section(graph: KnowledgeGraph, section: Header) -> str:
    rows = select(graph.engine, prologue() + section.text)
    table = _table(rows.columns, [list(row.values()) for row in rows])
    return f"## {section.values['title']}\n\n{section.values['text']}\n\n{table}"


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
