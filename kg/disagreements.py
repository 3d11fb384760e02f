"""Candidates for disagreement: claims that say incompatible things under the same conditions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final

from kg.engine import Engine, Query
from kg.namespaces import DGD
from kg.results import Rows, python_result

_NEGATED: Final = DGD + "polarity/negated"

_CLAIMS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>
PREFIX prov: <http://www.w3.org/ns/prov#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

SELECT ?claim ?label ?subject ?predicate ?polarity ?source ?value ?minimum ?maximum
WHERE {
  ?claim dg:subject ?subject ; dg:predicate ?predicate ; dg:polarity ?polarity ;
         prov:wasDerivedFrom ?source ; rdfs:label ?label .
  FILTER NOT EXISTS { ?claim a dg:FoundingTextStatement }
  OPTIONAL { ?claim dg:siValue ?value }
  OPTIONAL { ?claim dg:siMinimum ?minimum }
  OPTIONAL { ?claim dg:siMaximum ?maximum }
}
"""

_QUALIFIERS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?claim ?qualifier ?value
WHERE {
  VALUES ?qualifier {
    dg:object dg:objectText dg:condition dg:laser dg:technique dg:bodySite dg:skinType
    dg:comparator dg:outcomeMeasure dg:phase dg:specimen dg:sex dg:ancestry dg:followUp
    dg:statistic dg:unitOfAnalysis dg:circumstances
  }
  ?claim dg:predicate ?predicate ; ?qualifier ?value .
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


@dataclass(frozen=True, slots=True)
class _Claim:
    iri: str
    label: str
    source: str
    negated: bool
    lowest: Decimal | None
    highest: Decimal | None


def candidates(engine: Engine) -> list[Candidate]:
    """Find the claims that may disagree and are not recorded as a disagreement.

    Two claims of different sources may disagree when they have the same subject, predicate,
    object, qualifiers and settings, and either state figures that do not overlap, or one affirms
    what the other denies.
    """
    judged = _judged(engine)
    groups = _claims_by_condition(engine)
    found = [
        Candidate(one.iri, other.iri, one.label, other.label)
        for group in groups.values()
        for one, other in combinations(sorted(group, key=lambda claim: claim.iri), 2)
        if one.source != other.source
        and _incompatible(one, other)
        and frozenset((one.iri, other.iri)) not in judged
    ]
    return sorted(found)


def _incompatible(one: _Claim, other: _Claim) -> bool:
    if one.negated != other.negated:
        return True
    if None in (one.lowest, one.highest, other.lowest, other.highest):
        return False
    assert one.lowest is not None
    assert one.highest is not None
    assert other.lowest is not None
    assert other.highest is not None
    return one.highest < other.lowest or other.highest < one.lowest


def _claims_by_condition(engine: Engine) -> Mapping[tuple[object, ...], list[_Claim]]:
    conditions = _conditions(engine)
    figures: dict[str, list[Decimal]] = defaultdict(list)
    rows = {}
    for row in _rows(engine, _CLAIMS):
        iri = str(row["claim"])
        rows[iri] = row
        figures[iri] += [
            number
            for name in ("value", "minimum", "maximum")
            if isinstance(number := row[name], Decimal)
        ]
    groups: dict[tuple[object, ...], list[_Claim]] = defaultdict(list)
    for iri, row in rows.items():
        key = (row["subject"], row["predicate"], frozenset(conditions[iri]))
        numbers = figures[iri]
        one_sided = (row["minimum"] is None) != (row["maximum"] is None) and row["value"] is None
        bounded = bool(numbers) and not one_sided
        groups[key].append(
            _Claim(
                iri=iri,
                label=str(row["label"]),
                source=str(row["source"]),
                negated=str(row["polarity"]) == _NEGATED,
                lowest=min(numbers) if bounded else None,
                highest=max(numbers) if bounded else None,
            )
        )
    return groups


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
