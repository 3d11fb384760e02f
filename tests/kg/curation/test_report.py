"""The quality report counts what is in the graph, and the page in the documentation is the report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import kg
from kg.curation.disagreements import candidates
from kg.curation.report import SECTIONS, report
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, PREFIXES

_PAGE = Path(__file__).parents[3] / "docs" / "quality.md"
_PREFIXES = "".join(f"PREFIX {name}: <{iri}> " for name, iri in PREFIXES.items())


@pytest.fixture(scope="module")
def written(graph: kg.KnowledgeGraph) -> str:
    """Return the report of the shipped knowledge."""
    return report(graph)


def rows_of(written: str, title: str) -> list[list[str]]:
    """Return the cells of the table of a section, row by row, without its head."""
    section = written.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def count(graph: kg.KnowledgeGraph, pattern: str) -> int:
    """Count the distinct ?x of a pattern."""
    rows: Any = graph.query(f"{_PREFIXES}SELECT (COUNT(DISTINCT ?x) AS ?n) {{ {pattern} }}")
    return int(rows[0]["n"])


def test_the_page_in_the_documentation_is_the_report(written: str) -> None:
    """docs/quality.md is what `dermograph report` prints; print it anew when the graph changes."""
    assert _PAGE.read_text(encoding="utf-8") == written


def test_it_says_what_it_reports_on(graph: kg.KnowledgeGraph, written: str) -> None:
    """Release and data version stand at the top."""
    assert f"Release {graph.release}, data version `{graph.version}`." in written[:200]


def test_the_same_graph_gives_the_same_report(graph: kg.KnowledgeGraph, written: str) -> None:
    """Nothing in the report depends on the time or the order of the engine."""
    assert report(graph) == written


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.path.stem)
def test_every_section_has_a_table_of_one_form(written: str, section: Any) -> None:
    """Each section has a heading, an explanation, and rows that are all as long as the head."""
    title, text = section.values["title"], section.values["text"]
    assert f"\n## {title}\n\n{text}\n" in written
    assert len({len(row) for row in rows_of(written, title)}) <= 1


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("claims: physics", "?x dcterms:identifier ?i ; dg:subject [] FILTER REGEX(?i, '^A')"),
        ("claims: clinical", "?x dcterms:identifier ?i ; dg:subject [] FILTER REGEX(?i, '^B')"),
        ("claims: founding text", "?x a dg:FoundingTextStatement"),
        ("sources", "?x a dg:Source"),
        ("sources with unverified details", "?x a dg:Source ; dg:unverifiedDetail []"),
        ("settings of claims", "?x a dg:Setting"),
        ("points of spectra", "?x a dg:SpectralPoint"),
        ("derived statements", "?x a dg:Derivation"),
        ("recorded disagreements", "?x a dg:Disagreement"),
        ("recorded gaps in the evidence", "?x a dg:EvidenceGap"),
        ("studies", "?x a dg:Study"),
        ("arms of studies", "?x a dg:Arm ; dg:armOf [ a dg:Study ]"),
        ("syntheses of studies", "?x a dg:Synthesis"),
        ("claims of a study or synthesis", "?x dg:ofStudy []"),
    ],
)
def test_counts_are_those_of_the_graph(
    graph: kg.KnowledgeGraph, written: str, what: str, pattern: str
) -> None:
    """The numbers at a glance are those that a query of its own counts."""
    counted = dict(rows_of(written, "At a glance"))

    assert int(counted[what]) == count(graph, pattern) > 0


def test_claims_are_covered_by_area_and_extraction_confidence(
    graph: kg.KnowledgeGraph, written: str
) -> None:
    """The levels of confidence add up to the claims of the area, the areas to all of them."""
    rows = rows_of(written, "Coverage by subject area and extraction confidence")

    for _, claims, high, medium, low, sources in rows:
        assert int(claims) == int(high) + int(medium) + int(low)
        assert int(claims) >= int(sources) > 0
    assert sum(int(row[1]) for row in rows) == count(graph, "?x dg:extractionConfidence []")


def test_little_stays_prose(graph: kg.KnowledgeGraph, written: str) -> None:
    """The claims that stay wording are counted, listed, and fewer than 5%."""
    *_, (last, claims, unnormalised) = rows_of(written, "Claims by kind")

    assert last == "all"
    assert int(claims) == count(graph, "?x dg:predicate []")
    assert int(unnormalised) == len(rows_of(written, "Unnormalised claims"))
    assert int(unnormalised) < 0.05 * int(claims)


def test_concepts_are_mapped_or_not(graph: kg.KnowledgeGraph, written: str) -> None:
    """Mapped and unmapped concepts add up, for each top class."""
    for _, concepts, _, mapped, unmapped, named in rows_of(written, "Concepts"):
        assert int(concepts) == int(mapped) + int(unmapped)
        assert int(named) <= int(concepts)
    assert rows_of(written, "Undefined terms") == []
    assert count(graph, "?x skos:exactMatch []") > 0


def test_candidates_are_listed(graph: kg.KnowledgeGraph, written: str) -> None:
    """Each pair of claims that may disagree stands in the report by its labels."""
    listed = rows_of(written, "Candidates for disagreement")

    assert [[one[1], other[1]] for one, other in candidates(graph.engine)] == listed


def test_terms_to_propose_are_counted(graph: kg.KnowledgeGraph, written: str) -> None:
    """The numbers by class add up to the answer of the canned query."""
    rows = rows_of(written, "Terms to propose upstream")

    listed: Any = graph.query("terms-to-propose")
    assert sum(int(number) for row in rows for number in row[1:]) == len(listed)
    assert {row[0] for row in rows} == {each["kind_label"] for each in listed}


def test_a_bar_in_a_cell_does_not_break_the_table(graph: kg.KnowledgeGraph) -> None:
    """A vertical bar or a line break in a text is written as a table of Markdown wants it."""
    gap = (
        f"<urn:gap> <{PREFIXES['rdf']}type> <{DG}EvidenceGap> .\n"
        f'<urn:gap> <{DG}gapStatement> "a | b\\nc" .\n'
    )
    engine = InProcessEngine(gap.encode(), version="0")
    small = kg.KnowledgeGraph(engine=engine, catalogue=graph.catalogue, release="0", nquads=b"")

    assert "| urn:gap | a \\| b c |" in report(small)
