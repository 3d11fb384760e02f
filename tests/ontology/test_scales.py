"""Assessment scales: better and worse of a score come from its scale, and licensed ones keep their items."""

from __future__ import annotations

import pyoxigraph as ox
import pytest

import kg
from kg.rdf.namespaces import DGD
from kg.releases.bundled import ONTOLOGY_FOLDER

_SCORES = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>
PREFIX finding: <https://w3id.org/dermograph/id/finding/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

dg:Low rdfs:subClassOf dg:AssessmentScale ; dg:betterWhen finding:lower .
dg:KindOfLow rdfs:subClassOf dg:Low .
dg:High rdfs:subClassOf dg:AssessmentScale ; dg:betterWhen finding:higher .
dg:Open rdfs:subClassOf dg:AssessmentScale .
dg:SeverityScore rdfs:subClassOf dg:ScaleScore ; dg:betterWhen finding:lower .
<claim> a dg:OutcomeClaim ; dg:predicate dg:improvement ; dg:outcomeMeasure dg:%s ;
    dg:measurementMethod dg:%s ; dg:finding finding:%s .
"""


@pytest.mark.parametrize(
    ("score", "scale", "finding", "direction"),
    [
        ("ScaleScore", "Low", "lower", "better"),
        ("ScaleScore", "KindOfLow", "higher", "worse"),
        ("ScaleScore", "High", "lower", "worse"),
        ("ScaleScore", "High", "higher", "better"),
        ("ScaleScore", "Open", "lower", None),
        ("SeverityScore", "Open", "lower", "better"),
        ("SeverityScore", "Open", "higher", "worse"),
    ],
)
def test_a_score_that_changed_is_better_by_its_scale(
    score: str, scale: str, finding: str, direction: str | None
) -> None:
    """The scale says which end is better, else the outcome, else nobody guesses."""
    store = ox.Store()
    text = _SCORES % (score, scale, finding)
    store.load(text.encode(), format=ox.RdfFormat.TURTLE, base_iri="http://example.org/")
    rule = (ONTOLOGY_FOLDER / "rules" / "direction.rq").read_text(encoding="utf-8")

    rows = store.query(rule)
    assert isinstance(rows, ox.QuerySolutions)
    found = [row["object"] for row in rows]

    assert [each.value for each in found if isinstance(each, ox.NamedNode)] == (
        [f"{DGD}direction/{direction}"] if direction else []
    )


def test_opposite_codings_of_a_scale_are_scales_of_their_own(graph: kg.KnowledgeGraph) -> None:
    """The Global Aesthetic Improvement Scale has no direction; its kind with 1 as the best has."""
    answer = graph.query("scales")
    assert isinstance(answer, kg.Rows)
    rows = {row["scale_label"]: row for row in answer}

    assert rows["Global Aesthetic Improvement Scale"]["better_when"] is None
    best = rows["Global Aesthetic Improvement Scale with 1 as the best grade"]
    assert (best["better_when"], best["score_minimum"], best["score_maximum"]) == ("lower", 1, 5)
