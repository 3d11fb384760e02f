"""Candidates for disagreement: claims that say incompatible things under the same conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from kg.engine import Engine
from kg.results import Row, select, stored


class Candidate(NamedTuple):
    """Two claims that may disagree and that no curator has judged.

    Attributes:
        one, other: the IRIs of the claims.
        says, opposes: their labels.
    """

    one: str
    other: str
    says: str
    opposes: str


_Intervals: TypeAlias = Mapping[object, tuple[Decimal, Decimal]]
"""The lowest and the highest figure of a claim by their scale; infinite where none is stated."""


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
    settings, figures = (
        select(engine, stored(f"claims-{name}")).by("claim") for name in ("settings", "figures")
    )
    kinds = select(engine, stored("claims-unit-kinds")).by("code")

    def conditions(claim: str) -> set[tuple[object, ...]]:
        return {(each["parameter"], each["kind"], each["value"]) for each in settings[claim]}

    def measures(unit: object) -> set[object]:
        return {unit, *(each["kind"] for each in kinds[str(unit)])}

    found = []
    for row in select(engine, stored("claims-alike")):
        one, other = str(row["one"]), str(row["other"])
        comparable = not measures(row["unit"]).isdisjoint(measures(row["other_unit"]))
        apart = _apart(_intervals(figures[one]), _intervals(figures[other]), comparable=comparable)
        if (row["contrary"] or apart) and conditions(one) == conditions(other):
            found.append(Candidate(one, other, str(row["says"]), str(row["opposes"])))
    return sorted(found)


def _apart(one: _Intervals, other: _Intervals, *, comparable: bool) -> bool:
    """Say whether figures lie apart: in SI units if there are such, as stated, or as shares."""
    scales = ("SI" if "SI" in one or "SI" in other else "stated", "share")
    return any(
        one[scale][1] < other[scale][0] or other[scale][1] < one[scale][0]
        for scale in scales
        if scale in one and scale in other and (comparable or scale == "share")
    )


def _intervals(figures: Sequence[Row]) -> _Intervals:
    """Return the figures of a claim as intervals, open to the side on which nothing is stated."""
    return {
        scale: (
            min(_numbers(figures, scale, "below"), default=Decimal("-Infinity")),
            max(_numbers(figures, scale, "above"), default=Decimal("Infinity")),
        )
        for scale in {each["scale"] for each in figures}
    }


def _numbers(figures: Sequence[Row], scale: object, side: str) -> Iterator[Decimal]:
    """Return the figures on a scale that bound what a claim says below or above."""
    for each in figures:
        if each["scale"] == scale and each[side]:
            yield Decimal(str(each["number"]))
