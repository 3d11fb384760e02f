"""Candidates for disagreement: claims that say incompatible things under the same conditions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final, TypeAlias

from kg.engine import Engine, Query
from kg.namespaces import DG, DGD
from kg.results import Rows, python_result

_NEGATED: Final = DGD + "polarity/negated"

_CLAIMS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>
PREFIX prov: <http://www.w3.org/ns/prov#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

SELECT ?claim ?label ?subject ?predicate ?polarity ?source
WHERE {
  ?claim dg:subject ?subject ; dg:predicate ?predicate ; dg:polarity ?polarity ;
         prov:wasDerivedFrom ?source ; rdfs:label ?label .
  FILTER NOT EXISTS { ?claim a dg:FoundingTextStatement }
}
"""

_FIGURES: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?claim ?kind ?number
WHERE {
  VALUES ?kind {
    dg:siValue dg:siMinimum dg:siMaximum dg:proportionLower dg:proportionUpper
    dg:reportedPercentage
  }
  ?claim dg:predicate ?predicate ; ?kind ?number .
}
"""

_QUALIFIERS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?claim ?qualifier ?value
WHERE {
  VALUES ?qualifier {
    dg:object dg:condition dg:laser dg:technique dg:bodySite dg:skinType dg:comparator
    dg:outcomeMeasure dg:strength dg:phase dg:specimen dg:sex dg:ageMinimumInYears
    dg:ageMaximumInYears dg:ancestry dg:followUp dg:statistic dg:unitOfAnalysis
  }
  ?claim dg:predicate ?predicate ; ?qualifier ?value .
}
"""

_WORDINGS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?claim ?kind ?wording
WHERE {
  VALUES ?kind { dg:objectText dg:circumstances }
  ?claim dg:predicate ?predicate ; ?kind ?wording .
}
"""

_SETTINGS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?claim ?parameter ?kind ?value
WHERE {
  ?claim dg:setting ?setting .
  ?setting dg:parameter ?parameter .
  OPTIONAL {
    VALUES ?kind { dg:siValue dg:siMinimum dg:siMaximum dg:reportedFigure }
    ?setting ?kind ?value .
  }
}
"""

_JUDGED: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?disagreement ?claim WHERE { ?disagreement dg:disagreeingClaim|dg:opposedClaim ?claim }
"""


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """Two claims that may disagree and that no curator has judged.

    Attributes:
        one, other: the IRIs of the claims.
        says, opposes: their labels.
    """

    one: str
    other: str
    says: str
    opposes: str


_Interval: TypeAlias = tuple[Decimal, Decimal]
"""The lowest and the highest figure of a claim."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is compared of a claim.

    Attributes:
        iri, label, source: as in the graph.
        negated: whether it denies.
        wording: what it says only in words.
        quantity: its figures in SI units, or None.
        share: its proportion, with the 95% interval where there are counts, or None.
    """

    iri: str
    label: str
    source: str
    negated: bool
    wording: frozenset[object]
    quantity: _Interval | None
    share: _Interval | None


def candidates(engine: Engine) -> list[Candidate]:
    """Find the claims that may disagree and are not recorded as a disagreement.

    Two claims of different sources may disagree when they have the same subject, predicate,
    object, qualifiers and settings, and either state figures that do not overlap, or one affirms
    what the other, in the same words, denies. Wording that no slot holds does not keep figures
    apart: whether it explains the difference is for the curator to judge.
    """
    judged = _judged(engine)
    found = [
        Candidate(one.iri, other.iri, one.label, other.label)
        for group in _claims_by_condition(engine).values()
        for one, other in combinations(sorted(group, key=lambda claim: claim.iri), 2)
        if one.source != other.source
        and _incompatible(one, other)
        and frozenset((one.iri, other.iri)) not in judged
    ]
    return sorted(found)


def _incompatible(one: _Claim, other: _Claim) -> bool:
    if one.negated != other.negated:
        return one.wording == other.wording
    return _apart(one.quantity, other.quantity) or _apart(one.share, other.share)


def _apart(one: _Interval | None, other: _Interval | None) -> bool:
    if one is None or other is None:
        return False
    return one[1] < other[0] or other[1] < one[0]


def _claims_by_condition(engine: Engine) -> Mapping[tuple[object, ...], list[_Claim]]:
    conditions = _conditions(engine)
    wordings: dict[str, set[object]] = defaultdict(set)
    for row in _rows(engine, _WORDINGS):
        wordings[str(row["claim"])].add((row["kind"], row["wording"]))
    figures: dict[str, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(engine, _FIGURES):
        if isinstance(number := row["number"], Decimal | int):
            kind = str(row["kind"]).removeprefix(DG)
            figures[str(row["claim"])][kind].append(Decimal(number))
    groups: dict[tuple[object, ...], list[_Claim]] = defaultdict(list)
    for row in _rows(engine, _CLAIMS):
        iri = str(row["claim"])
        claim = _Claim(
            iri=iri,
            label=str(row["label"]),
            source=str(row["source"]),
            negated=str(row["polarity"]) == _NEGATED,
            wording=frozenset(wordings[iri]),
            quantity=_quantity(figures[iri]),
            share=_share(figures[iri]),
        )
        groups[row["subject"], row["predicate"], frozenset(conditions[iri])].append(claim)
    return groups


def _quantity(figures: Mapping[str, list[Decimal]]) -> _Interval | None:
    """Give the figures of a claim as an interval; a bound on one side alone is none."""
    values, low, high = (figures.get(f"si{name}", []) for name in ("Value", "Minimum", "Maximum"))
    numbers = [*values, *low, *high]
    one_sided = not values and bool(low) != bool(high)
    return None if one_sided or not numbers else (min(numbers), max(numbers))


def _share(figures: Mapping[str, list[Decimal]]) -> _Interval | None:
    if "proportionLower" in figures and "proportionUpper" in figures:
        return min(figures["proportionLower"]), max(figures["proportionUpper"])
    reported = [number / 100 for number in figures.get("reportedPercentage", ())]
    return (min(reported), max(reported)) if reported else None


def _conditions(engine: Engine) -> Mapping[str, set[tuple[object, ...]]]:
    """Give all qualifiers and settings of each claim."""
    conditions: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for row in _rows(engine, _QUALIFIERS):
        conditions[str(row["claim"])].add((row["qualifier"], row["value"]))
    for row in _rows(engine, _SETTINGS):
        conditions[str(row["claim"])].add((row["parameter"], row["kind"], row["value"]))
    return conditions


def _judged(engine: Engine) -> set[frozenset[str]]:
    """Give the pairs of claims that stand in one recorded disagreement."""
    members: dict[str, set[str]] = defaultdict(set)
    for row in _rows(engine, _JUDGED):
        members[str(row["disagreement"])].add(str(row["claim"]))
    return {frozenset(pair) for claims in members.values() for pair in combinations(claims, 2)}


def _rows(engine: Engine, text: str) -> Rows:
    rows = python_result(engine.run(Query(text)))
    assert isinstance(rows, Rows)
    return rows
