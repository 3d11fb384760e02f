"""The quality report: what the graph holds, how well it is supported, and what remains to be done."""

from collections import Counter
from pathlib import Path
from typing import Final

from kg.catalogue.front_matter import read_header
from kg.curation.disagreements import candidates
from kg.graph import KnowledgeGraph
from kg.rdf.namespaces import curie
from kg.results import Rows, prologue, select
from kg.text_files import rendered

SECTIONS: Final = tuple(
    read_header(path, None)
    for path in sorted((Path(__file__).parents[1] / "queries" / "report").glob("*.rq"))
)
"""The sections that are a table from a query, in order: in the header the title, and the text that
says what the table shows and how to read it."""


def report(graph: KnowledgeGraph) -> str:
    """Write the quality report of a graph, in Markdown; the same bytes for the same version."""
    listed = graph.query("terms-to-propose")
    assert isinstance(listed, Rows), "a SELECT query has rows"
    # By their class and what is known of a search for them.
    numbers = Counter(
        (str(row["kind_label"]), str(row["search"])) for row in listed if not row["gap"]
    )
    searches = list(dict.fromkeys(search for _, search in numbers))  # in the order of the answer
    asked = [(each, select(graph.engine, prologue() + each.text)) for each in SECTIONS]
    return rendered(
        Path(__file__).with_suffix(".md"),
        graph=graph,
        curie=curie,
        sections=[
            (each.values, rows.columns, [[*row.values()] for row in rows]) for each, rows in asked
        ],
        searches=searches,
        terms=[
            [kind, *(numbers[kind, search] for search in searches)]
            for kind in sorted({kind for kind, _ in numbers})
        ],
        candidates=[(one[1], other[1]) for one, other in candidates(graph.engine)],
    )
