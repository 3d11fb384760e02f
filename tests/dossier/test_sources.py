"""Every source of the dossier is a record of the graph, with what the dossier says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from rdflib import Graph, URIRef

from kg.namespaces import DGD, expand

Row = dict[str, str]
Table = Callable[[str], list[Row]]
Found = tuple[str, str, str]

_REMARK = re.compile(
    r"\s*(?:\[[^\]]*\]|\([^()]*(?:not shown|inferred|paraphrased|field knowledge|mirrored|quoted)[^()]*\))"
)
"""What the curators of the dossier remark in a cell on where they have it from."""

_FROM_MEMORY = re.compile(r"recalled|approx|inferred|paraphrased|field knowledge|title not shown")

_UNKNOWN = ("", "unknown", "not shown", "not given", "journal not shown")

_RENAMED = {"clinical/ALAM2003": "ALAM2003_PRURITUS"}
"""Two sources of the dossier, one of each part, have the same key; one of them has another here."""

_SLOTS = {
    "title": "dcterms:title",
    "year": "dcterms:issued",
    "container": "dcterms:bibliographicCitation",
    "DOI": "bibo:doi",
    "PMID": "bibo:pmid",
    "PMCID": "dg:pmcid",
    "authors": "dcterms:creator",
    "how_seen": "dg:seenAs",
}


@pytest.fixture(scope="module")
def sources(graph_named: Callable[[str], Graph]) -> Graph:
    """Give the named graph of sources."""
    return graph_named("sources")


def _printed(cell: str, column: str) -> list[str]:
    """Give the values of a cell without remarks: authors one by one, other cells whole."""
    text = _REMARK.sub("", cell).strip()
    values = text.split("; ") if column == "authors" else [text]
    return [] if text in _UNKNOWN else sorted(values)


def _said(sources: Graph, key: str, slot: str) -> list[str]:
    """Give what the graph says; several authors may stand in one text."""
    found = sources.objects(URIRef(f"{DGD}source/{key}"), URIRef(expand(slot)))
    separator = r"; |\|" if slot == "dcterms:creator" else "$"
    return sorted(part for each in found for part in re.split(separator, str(each)) if part)


def _is_told(column: str, expected: list[str], found: list[str], remarks: str) -> bool:
    """Whether a value stands in its slot or, if it is no exact one, in the remarks."""
    if column == "how_seen":  # the graph adds where it was read
        return bool(found) and found[0].startswith(expected[0])
    return expected == found or (not found and all(each in remarks for each in expected))


def _deviations(sources: Graph, part: str, row: Row) -> Iterator[Found]:
    name = f"{part}/{row['source_key']}"
    key = _RENAMED.get(name, row["source_key"])
    if (URIRef(f"{DGD}source/{key}"), None, None) not in sources:
        yield name, "record", "the source is not in the graph"
        return
    remarks = " ".join(_said(sources, key, "dg:unverifiedDetail"))
    for column, slot in _SLOTS.items():
        expected, found = _printed(row[column], column), _said(sources, key, slot)
        if not _is_told(column, expected, found, remarks):
            yield name, column, f"{expected} is {found}"
        if _FROM_MEMORY.search(row[column]) and not remarks:
            yield name, f"{column} unverified", f"{row[column]!r} is not marked as unverified"


def test_every_source_of_the_dossier_is_there_as_printed(
    sources: Graph, table: Table, unexplained: Callable[..., list[str]]
) -> None:
    """387 records with title, authors, year, container, identifiers and what was seen of them."""
    rows = [(part, row) for part in ("clinical", "physics") for row in table(f"{part}/sources.tsv")]
    found = (each for part, row in rows for each in _deviations(sources, part, row))

    assert len(rows) == 387
    assert unexplained(found, "source") == []
