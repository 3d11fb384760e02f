"""Candidates for disagreement: claims that say incompatible things under the same conditions."""

from typing import TypeAlias

from kg.engine import Engine
from kg.results import select, stored

_Claim: TypeAlias = tuple[str, str]
"""The IRI and the label of a claim."""


def candidates(engine: Engine) -> list[tuple[_Claim, _Claim]]:
    """Return the pairs of claims that may disagree, which no curator has judged.

    Two claims of different sources may disagree when they have the same subject, predicate,
    object, qualifiers and settings, and one of these holds: their figures, in the same unit or in
    units of one kind of quantity, do not overlap; they state different strengths; or
    their findings or recommendations differ. A limit on one side, such as "at most 35%", overlaps
    everything on that side. Wording that no slot holds does not keep claims apart: whether it
    explains the difference is for the curator to judge. Only where it stands for the object must
    claims whose findings differ agree in it.
    """
    settings = select(engine, stored("claims-settings")).by("claim")

    def conditions(claim: str) -> set[tuple[object, ...]]:
        return {(each["parameter"], each["kind"], each["value"]) for each in settings[claim]}

    found = set()
    for row in select(engine, stored("claims-incompatible")):
        pair = ((str(row["one"]), str(row["says"])), (str(row["other"]), str(row["opposes"])))
        one, other = sorted(pair)
        if conditions(one[0]) == conditions(other[0]):
            found.add((one, other))
    return sorted(found)
