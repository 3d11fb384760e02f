"""Every source of the dossier is a record of the graph, with what the dossier says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from rdflib import Graph, URIRef

from kg.rdf.namespaces import DGD, expand
from tests.dossier.conftest import read

Row = dict[str, str]
Table = Callable[[str], list[Row]]
Found = tuple[str, str, str]

_REMARK = re.compile(
    r"\s*(?:\[[^\]]*\]|\([^()]*(?:not shown|inferred|paraphrased|field knowledge|mirrored|quoted|syndicated)[^()]*\))"
)
"""What the curators of the dossier remark in a cell on where they have it from."""

_FROM_MEMORY = re.compile(r"recalled|approx|inferred|paraphrased|field knowledge|title not shown")

_UNKNOWN = (
    "",
    "unknown",
    "not shown",
    "not given",
    "journal not shown",
    "PMC article",
    "book chapter",
)

_RENAMED = {"clinical/ALAM2003": "ALAM2003_PRURITUS"}
"""Two sources of the dossier, one of each part, have the same key; one of them has another here."""

_SLOTS = {
    "title": "dcterms:title",
    "year": "dcterms:issued",
    "container": "dcterms:bibliographicCitation",
    "DOI": "bibo:doi",
    "PMID": "bibo:pmid",
    "PMCID": "dg:pmcid",
    "authors": "dg:creatorText",
    "how_seen": "dg:seenAs",
}

_SEEN_SINCE: Final = {
    (row["key"], row["field"])
    for row in read("../../docs/readings/bibliography.tsv")
    if row["taken"] == "yes"
}
"""The cells of sources that were read in public records after the dossier; they may differ from it."""

_FIELDS = {"DOI": "doi", "PMID": "pmid", "PMCID": "pmcid", "authors": "creator"}
"""The columns of the dossier that have another name among the sources."""

_EDITOR = re.compile(r"(.+) \(ed\)|\(editor (.+)\)|chief ed (.+)")
"""How the dossier names an editor among the authors."""


@pytest.fixture(scope="module")
def sources(graph_named: Callable[[str], Graph]) -> Graph:
    """Return the named graph of sources."""
    return graph_named("sources")


def _printed(cell: str, column: str) -> list[str]:
    """Return the values of a cell without remarks: authors one by one, other cells whole."""
    if column == "authors":
        return _people(cell)
    text = _REMARK.sub("", cell).strip()
    return [] if text in _UNKNOWN else [text]


def _people(cell: str) -> list[str]:
    """Return authors and editors by name; the rest are `et al.`."""
    editor = _EDITOR.fullmatch(cell)  # may be in brackets, as remarks are
    text = cell if editor else _REMARK.sub("", cell).strip()
    if text in _UNKNOWN:
        return []
    names = re.sub(r"[;,]? et al\b\.?", "; et al.", text.replace(" / ", "; ")).split("; ")
    edited = [_EDITOR.fullmatch(name) for name in names]
    return sorted(
        {
            next(filter(None, match.groups())) if match else name
            for name, match in zip(names, edited, strict=True)
            if name
        }
    )


def _said(sources: Graph, key: str, slot: str) -> list[str]:
    """Return what the graph says; creators and editors one by one."""
    found = [str(each) for each in sources.objects(_iri(key), URIRef(expand(slot)))]
    if slot == "dg:creatorText":
        found = [name for text in found for name in text.split("; ")]
        found += _said(sources, key, "bibo:editor")
    return sorted(set(found))


def _iri(key: str) -> URIRef:
    return URIRef(f"{DGD}source/{key}")


_TEXTS = (
    *("dcterms:title", "dcterms:bibliographicCitation", "dcterms:publisher", "dg:documentType"),
    *("dg:studyTypeText", "dg:seenAs", "dg:unverifiedDetail", "dcterms:issued"),
)
"""Where the words of a title or container may stand that are a remark or name a publisher."""


def _is_told(column: str, expected: list[str], found: list[str], texts: str) -> bool:
    """Whether a value stands in its slot or, if it is no exact one, in the texts of the record."""
    if expected == found or (column == "DOI" and [each.lower() for each in expected] == found):
        return True
    if column == "how_seen":  # the graph adds where it was read
        return bool(found) and found[0].startswith(expected[0])
    if column in ("title", "container"):
        words = re.findall(r"\w{3,}", " ".join(expected).casefold())
        return all(word in texts.casefold() for word in words)
    return not found and all(each in texts for each in expected)


def _deviations(sources: Graph, part: str, row: Row) -> Iterator[Found]:
    name = f"{part}/{row['source_key']}"
    key = _RENAMED.get(name, row["source_key"])
    if (_iri(key), None, None) not in sources:
        yield name, "record", "the source is not in the graph"
        return
    texts = " ".join(text for slot in _TEXTS for text in _said(sources, key, slot))
    for column, slot in _SLOTS.items():
        if (key, _FIELDS.get(column, column)) in _SEEN_SINCE:
            continue
        expected, found = _printed(row[column], column), _said(sources, key, slot)
        if not _is_told(column, expected, found, texts):
            yield name, column, f"{expected} is {found}"
        if _FROM_MEMORY.search(row[column]) and not _said(sources, key, "dg:unverifiedDetail"):
            yield name, f"{column} unverified", f"{row[column]!r} is not marked as unverified"


def test_every_source_of_the_dossier_is_there_as_printed(
    sources: Graph, table: Table, unexplained: Callable[..., list[str]]
) -> None:
    """591 records with title, authors, year, container, identifiers and what was seen of them."""
    rows = [(part, row) for part in ("clinical", "physics") for row in table(f"{part}/sources.tsv")]
    found = (each for part, row in rows for each in _deviations(sources, part, row))

    assert len(rows) == 591
    assert unexplained(found, "source") == []


def test_only_sources_that_the_dossier_did_not_use_back_no_claim(
    graph_named: Callable[[str], Graph], table: Table
) -> None:
    """All sources are listed, and claims rest on those that facts of the dossier rest on."""
    taken_from = set(graph_named("claims").objects(None, URIRef(expand("prov:wasDerivedFrom"))))
    unused = {
        row["source_key"] for row in table("physics/sources.tsv") if row["used_in_facts"] == "no"
    }
    listed = {
        _RENAMED.get(f"{part}/{row['source_key']}", row["source_key"])
        for part in ("clinical", "physics")
        for row in table(f"{part}/sources.tsv")
    }

    assert len(unused) == 10
    assert {key for key in listed if _iri(key) not in taken_from} == unused


def test_each_creator_is_named_by_itself(sources: Graph) -> None:
    """The creators in order are the single ones, without those that are not named."""
    for source, text in sources.subject_objects(URIRef(expand("dg:creatorText"))):
        named = {str(each) for each in sources.objects(source, URIRef(expand("dcterms:creator")))}
        assert named == set(str(text).split("; ")) - {"et al."}, source
