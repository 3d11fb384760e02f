"""Candidates for disagreement: claims that say incompatible things under the same conditions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final, TypeAlias

from kg.engine import Engine
from kg.rdf.namespaces import DG, DGD
from kg.results import Row, select, stored

_UNSPECIFIED: Final = DGD + "strength/unspecified"
_IN_SI: Final = ("siValue", "siMinimum", "siMaximum")
_AS_STATED: Final = ("value", "minimum", "maximum")


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
"""The lowest and the highest figure of a claim; infinite where it states no bound on that side."""


@dataclass(frozen=True, slots=True)
class _Quantity:
    """The figures of a claim.

    Attributes:
        interval: the figures, in SI units where the unit has a factor.
        scales: the unit and, where it has a factor, the kinds of quantity that it measures;
            figures that have none of these in common cannot be compared.
    """

    interval: _Interval
    scales: AbstractSet[object]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is compared of a claim.

    Attributes:
        iri, label, source: as in the graph.
        says: its finding and its recommendation, each or None.
        wording: what it says only in words, for want of a term.
        strength: how strongly a contraindication is stated, or None where that is unspecified.
        quantity: its figures, or None.
        share: its proportion, with the 95% interval where there are counts, or None.
    """

    iri: str
    label: str
    source: str
    says: tuple[object, object]
    wording: frozenset[object]
    strength: str | None
    quantity: _Quantity | None
    share: _Interval | None


def candidates(engine: Engine) -> list[Candidate]:
    """Find the claims that may disagree and are not recorded as a disagreement.

    Two claims of different sources may disagree when they have the same subject, predicate,
    object, qualifiers and settings, and one of these holds: their figures, in the same unit or in
    units of one kind of quantity, do not overlap; they state different strengths; or
    their findings or recommendations differ. A limit on one side, such as "at most 35%", overlaps
    everything on that side. Wording that no slot holds does not keep claims apart: whether it
    explains the difference is for the curator to judge. Only where it stands for the object must
    claims whose findings differ agree in it.
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
    if any(a and b and a != b for a, b in zip(one.says, other.says, strict=True)):
        return one.wording == other.wording
    if one.strength and other.strength and one.strength != other.strength:
        return True
    return _differ(one.quantity, other.quantity) or _apart(one.share, other.share)


def _differ(one: _Quantity | None, other: _Quantity | None) -> bool:
    if one is None or other is None or one.scales.isdisjoint(other.scales):
        return False
    return _apart(one.interval, other.interval)


def _apart(one: _Interval | None, other: _Interval | None) -> bool:
    if one is None or other is None:
        return False
    return one[1] < other[0] or other[1] < one[0]


def _claims_by_condition(engine: Engine) -> Mapping[tuple[object, ...], list[_Claim]]:
    """Return the claims by subject, predicate, qualifiers and settings."""
    qualifiers, settings, figures, wordings = (
        select(engine, stored(f"claims-{name}")).by("claim")
        for name in ("qualifiers", "settings", "figures", "wordings")
    )
    kinds = select(engine, stored("claims-unit-kinds")).by("code")
    groups: dict[tuple[object, ...], list[_Claim]] = defaultdict(list)
    for row in select(engine, stored("claims-statements")):
        iri, unit = str(row["claim"]), row["unit"]
        numbers = _numbers(figures[iri])
        claim = _Claim(
            iri=iri,
            label=str(row["label"]),
            source=str(row["source"]),
            says=(row["finding"], row["recommendation"]),
            wording=frozenset(each["wording"] for each in wordings[iri]),
            strength=_strength(row["strength"]),
            quantity=_quantity(numbers, {unit, *(each["kind"] for each in kinds[str(unit)])}),
            share=_share(numbers),
        )
        conditions: set[tuple[object, ...]]
        conditions = {(each["qualifier"], each["value"]) for each in qualifiers[iri]}
        conditions |= {(each["parameter"], each["kind"], each["value"]) for each in settings[iri]}
        groups[row["subject"], row["predicate"], frozenset(conditions)].append(claim)
    return groups


def _strength(stated: object) -> str | None:
    return None if stated is None or str(stated) == _UNSPECIFIED else str(stated)


def _quantity(
    figures: Mapping[str, Sequence[Decimal]], scales: AbstractSet[object]
) -> _Quantity | None:
    """Return the figures of a claim, in SI units if there are such."""
    for names in (_IN_SI, _AS_STATED):
        interval = _interval(*(figures.get(name, ()) for name in names))
        if interval is not None:
            return _Quantity(interval, scales)
    return None


def _interval(
    values: Sequence[Decimal], low: Sequence[Decimal], high: Sequence[Decimal]
) -> _Interval | None:
    """Return figures as an interval that is open to the side on which nothing is stated."""
    if not (values or low or high):
        return None
    below = min([*values, *low], default=Decimal("-Infinity"))
    above = max([*values, *high], default=Decimal("Infinity"))
    return below, above


def _share(figures: Mapping[str, Sequence[Decimal]]) -> _Interval | None:
    if "proportionLower" in figures and "proportionUpper" in figures:
        return min(figures["proportionLower"]), max(figures["proportionUpper"])
    reported = [number / 100 for number in figures.get("reportedPercentage", ())]
    return (min(reported), max(reported)) if reported else None


def _numbers(rows: Iterable[Row]) -> Mapping[str, Sequence[Decimal]]:
    """Return the figures of a claim by the names of their properties."""
    numbers: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        if isinstance(number := row["number"], Decimal | int):
            numbers[str(row["kind"]).removeprefix(DG)].append(Decimal(number))
    return numbers


def _judged(engine: Engine) -> set[frozenset[str]]:
    """Return the pairs of claims that stand in one recorded disagreement."""
    recorded = select(engine, stored("claims-disagreements")).by("disagreement").values()
    members = ([str(row["claim"]) for row in rows] for rows in recorded)
    return {frozenset(pair) for claims in members for pair in combinations(claims, 2)}
