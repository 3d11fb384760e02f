"""Every disagreement that the dossier names is in the graph, with both sides and the reason."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from rdflib import RDF, Graph, URIRef

from kg.rdf.namespaces import DG, DGD, PREFIXES

Table = Callable[[str], list[dict[str, str]]]

_PHYSICAL = (
    ("A0321", "A0613"), ("A0341", "A0357"), ("A0024", "A0013"), ("A0007", "A0015"),
    ("A0053", "A0078"), ("A0491", "A0492"), ("A0042", "A0044"), ("A0688", "A0522"),
    ("A0686", "A0524"), ("A0720", "A0719"), ("A0429", "A0419"), ("A0743", "A0745"),
    ("A0539", "A0538"), ("A0225", "A0224"), ("A0500", "A0503"), ("A0216", "A0279"),
    ("A0101", "A0106"), ("A0172", "A0175"), ("A0259", "A0117"), ("A0511", "A0512"),
    ("A0198", ""), ("A0080", "A0034"), ("A0578", "A0292"),
)  # fmt: skip
"""One claim of each side of the 23 contradictions in the report on physics, in its order.

P21 has one side: no fact of the dossier states the other."""


@pytest.fixture(scope="module")
def claims(graph_named: Callable[[str], Graph]) -> Graph:
    """Return the named graph of claims."""
    return graph_named("claims")


def _side(claims: Graph, name: str, side: str) -> set[str]:
    found = claims.objects(URIRef(f"{DGD}disagreement/{name}"), URIRef(DG + side))
    return {str(each).removeprefix(f"{DGD}claim/") for each in found}


def _text(claims: Graph, name: str, slot: str) -> str:
    return str(claims.value(URIRef(f"{DGD}disagreement/{name}"), URIRef(DG + slot)) or "")


_ADDED: dict[str, dict[str, set[str]]] = {
    "C01": {
        "topic": set(),
        "position": set(),
        "opposedPosition": set(),
        "disagreeingClaim": {"B0247", "B2639"},
        "opposedClaim": {"B0244", "B0902", "B2643", "B2644"},
    },
    "C10": {"disagreeingClaim": {"B2675"}},
    "C13": {"opposedClaim": {"B2615"}},
    "C15": {"disagreeingClaim": {"B0225"}},
    "C18": {"opposedClaim": {"B0604"}},
    "C20": {"opposedClaim": {"B2677", "B2683"}},
}
"""What was added to conflicts of the dossier when the claims were read again; topic and positions are reworded."""


def test_there_are_the_disagreements_of_both_reports_and_those_of_the_notes(
    claims: Graph, table: Table
) -> None:
    """The conflicts that the dossier numbers, and from 101 on those of its report and its notes."""
    names = {
        str(claims.value(each, URIRef(PREFIXES["dcterms"] + "identifier")))
        for each in claims.subjects(RDF.type, URIRef(DG + "Disagreement"))
    }

    recorded = {
        row["conflict_id"]
        for part in ("clinical", "physics")
        for row in table(f"{part}/conflicts.tsv")
    }
    assert names == recorded | {f"C{n}" for n in range(126, 142)} | {
        f"P{n}" for n in range(101, 126)
    }


def test_clinical_conflicts_are_told_as_in_the_dossier(claims: Graph, table: Table) -> None:
    """Topic, the position of each side, all its facts, and the likely reason, but for what was added."""
    rows = table("clinical/conflicts.tsv")

    assert len(rows) == 49
    for row in rows:
        name = row["conflict_id"]
        for slot, column in (
            ("topic", "topic"),
            ("position", "side_a"),
            ("opposedPosition", "side_b"),
            ("likelyReason", "likely_reason"),
        ):
            if slot not in _ADDED.get(name, {}):
                assert _text(claims, name, slot) == row[column], (name, column)
        for slot, column in (("disagreeingClaim", "facts_a"), ("opposedClaim", "facts_b")):
            facts = {f"B{int(each):04}" for each in re.findall(r"B(\d+)", row[column])}
            assert facts, name
            assert _side(claims, name, slot) == facts | _ADDED.get(name, {}).get(slot, set()), name


def test_conflicts_of_the_second_part_on_physics_are_told_as_in_the_dossier(
    claims: Graph, table: Table
) -> None:
    """Topic, positions, facts and the likely reason; a fact that must not be used is on no side."""
    for row in table("physics/conflicts.tsv"):
        name, sides = row["conflict_id"], ("a", "b")
        if "A0986" in row["facts_a"]:  # the side that is left has to be the first
            sides = ("b", "a")
        assert _text(claims, name, "topic") == row["topic"], name
        assert _text(claims, name, "likelyReason") == row["likely_reason"], name
        for slot, position, side in zip(
            ("disagreeingClaim", "opposedClaim"),
            ("position", "opposedPosition"),
            sides,
            strict=True,
        ):
            assert _text(claims, name, position) == row[f"side_{side}"], name
            facts = set(row[f"facts_{side}"].split()) - {"A0986"}
            assert _side(claims, name, slot) == facts, name


@pytest.mark.parametrize(
    ("name", "side", "other"),
    [(f"P{n}", *pair) for n, pair in enumerate(_PHYSICAL, start=101)],
)
def test_contradictions_of_the_physics_report_link_both_sides(
    claims: Graph, name: str, side: str, other: str
) -> None:
    """The claims that contradict each other stand on different sides, and a reason is given."""
    assert side in _side(claims, name, "disagreeingClaim")
    assert other in _side(claims, name, "opposedClaim") | {""}
    assert _text(claims, name, "likelyReason")
    assert _text(claims, name, "position")
    assert _text(claims, name, "opposedPosition")
