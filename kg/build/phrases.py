"""How predicates and figures are worded in the labels of records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_NOUN: Final = "{s}: {p}[ {f}]"
_PATTERNS: Final = {
    **dict.fromkeys(
        (
            *("dg:ablationDepth", "dg:dilution", "dg:evidenceBase", "dg:improvement"),
            *("dg:numberOfSessions", "dg:prevalence", "dg:relativeThickness"),
            *("dg:residualThermalDamage", "dg:responseRate", "dg:sessionDuration"),
            *("dg:sessionInterval", "dg:temperatureRise", "dg:thickness", "dg:timeToHealing"),
            *("dg:timeToOnset", "dg:timeToResumption"),
        ),
        _NOUN,
    ),
    "dg:alsoKnownAs": "{s} is also known as {o}",
    "dg:betterThan": "{s} is better than {o}",
    "dg:classifiedInto": "{s} is classified into {o}",
    "dg:comparableTo": "{s} is comparable to {o}",
    "dg:containsChromophore": "{s} contains the chromophore {o}",
    "dg:effectDuration": "the effect of {s} lasts {f}",
    "dg:effectTemperature": "{s} occurs at {f}",
    "dg:emissionWavelength": "{s} emits at {f}",
    "dg:eventDuration": "{s} lasts {f}",
    "dg:hasDefinition": "definition of {s}: {o}",
    "dg:hasEvidenceLevel": "{s} has evidence of {o}",
    "dg:hasFormula": "{s}: formula or model: {t}",
    "dg:hasManufacturer": "{s} is made by {o}",
    "dg:hasPurpose": "{s}: {t}",
    "dg:hasStatement": "{s}: {o}",
    "dg:higherThan": "{s} ranks higher than {o}",
    "dg:independentOf": "{s} is independent of {o}",
    "dg:indicatedFor": "{s} is indicated for {o}",
    "dg:introductionYear": "{s}: {o}[ in {f}]",
    "dg:isA": "{s} is {a} {o}",
    "dg:isAlternativeTo": "{s} is an alternative to {o}",
    "dg:leavesIntact": "{s} leaves {o} intact",
    "dg:locatedIn": "{s} is located in {o}",
    "dg:lowerThan": "{s} ranks lower than {o}",
    "dg:numberOfParts": "{s} has {f}",
    "dg:numberOfPasses": "{s} needs {f}",
    "dg:raisesRiskOf": "{s} raises the risk of {o}",
    "dg:ratio": "{s}: ratio of {o}[ {f}]",
    "dg:regulatoryStatus": "{s}: {o}",
    "dg:relativeDecrease": "{s} decreases {o}[ by {f}]",
    "dg:relativeIncrease": "{s} increases {o}[ by {f}]",
    "dg:shareWithFeature": "{s}, {o}[: {f}]",
    "dg:targetsChromophore": "{s} targets {o}",
    "dg:targetsLayer": "{s} targets {o}",
    "dg:threshold": "{s}: threshold of {o}[ {f}]",
    "dg:thresholdFluence": "{s}: threshold fluence of {o}[ {f}]",
    "dg:usesEnergySource": "{s} uses {o}",
    "dg:variationFactor": "{s}: {o} varies[ {f}-fold]",
    "obo:BSPO_0000108": "{s} is superficial to {o}",
    "obo:RO_0002220": "{s} is adjacent to {o}",
}
"""Sentences by predicate, where its label alone makes none.

They have the slots {s} for the subject, {p} for the label of the predicate, {o} for the objects,
{a} for their article, {t} for the wording of the source, {f} for the figure. What stands in
square brackets is left out where its slot is empty.
"""


def pattern_of(predicate: str, *, relates: bool) -> str:
    """Give the sentence of a predicate.

    Args:
        predicate: its prefixed name.
        relates: whether the claim names or words an object, and does not only give a quantity.
    """
    return _PATTERNS.get(predicate, "{s} {p} {o}" if relates else "{s} {p} {f}")


_SEVERAL: Final = re.compile(r"(?:few|repeated) \w+")
"""The subjects that stand in the plural."""


def stated(subject: str, predicate: str, *, denied: bool) -> str:
    """Put together a sentence, with the verb in the number of the subject.

    Args:
        subject: for example `few passes`.
        predicate: what follows it, such as ` prevents scarring` or `: response rate 5%`.
        denied: whether the contrary holds.
    """
    if predicate.startswith(":"):
        return f"{subject}: no {predicate.removeprefix(': ')}" if denied else subject + predicate
    if predicate.startswith(","):
        return subject + predicate
    verb, _, said = predicate.strip().partition(" ")
    if verb == "lasts" and subject.endswith("duration"):
        verb = "is"
    several = _SEVERAL.fullmatch(subject) is not None
    base = {"is": "are", "has": "have"}.get(verb, verb.removesuffix("s"))
    if not denied:
        return f"{subject} {base if several else verb} {said}"
    if verb == "is":
        return f"{subject} {'are' if several else 'is'} not {said}"
    return f"{subject} {'do' if several else 'does'} not {base} {said}"


_UNITS: Final = {
    "1": ("", ""),
    "{year}": ("", ""),
    "%": ("%", "%"),
    "Cel": ("°C", "°C"),
    "a": ("year", "years"),
    "mo": ("month", "months"),
    "wk": ("week", "weeks"),
    "d": ("day", "days"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "/d": ("per day", "per day"),
    "{score}": ("point", "points"),
    "{pass}": ("pass", "passes"),
    "{study}": ("study", "studies"),
    "{bond}": ("hydrogen bond", "hydrogen bonds"),
}
"""Units in the singular and plural, where UCUM writes otherwise than people do."""

_SYMBOLS: Final = (
    (r"^u(?=[a-zA-Z])", "µ"),
    (r"\.", "·"),
    (r"(?<=[a-z])-1$", "⁻¹"),
    (r"^/(?P<unit>[a-z]+)2$", r"\g<unit>⁻²"),
    (r"(?<=m)2", "²"),
    (r"(?<=m)3", "³"),
)


def with_unit(quantity: str, code: str, head: str) -> str:
    """Write a quantity with its unit, such as `3 weeks`, unless the head names the unit already.

    Args:
        quantity: number or numbers, such as `2 to 4`.
        code: the UCUM code of the unit; empty if there is none.
        head: the words that come before, such as `number of sessions`.
    """
    one, several = _UNITS.get(code) or _symbol(code)
    names = [one, several, code.strip("{}")] if code.startswith(("{", "/")) else []
    if not one or any(re.search(rf"\b{re.escape(name)}\b", head) for name in names):
        return quantity
    unit = one if quantity == "1" or quantity.endswith(" 1") else several
    return f"{quantity}{unit}" if unit == "%" else f"{quantity} {unit}"


def _symbol(code: str) -> tuple[str, str]:
    if code.startswith("{"):
        name = code.strip("{}")
        return name, f"{name}s"
    for written, printed in _SYMBOLS:
        code = re.sub(written, printed, code)
    return code, code


def number(text: str) -> str:
    """Write a number, and one with many zeros after the point with its power of ten."""
    value = Decimal(text)
    if value and abs(value) < Decimal("0.0001"):
        return f"{value.normalize():e}".replace("e-0", "e-")
    return text


_PERIODS: Final = (("Y", "year"), ("M", "month"), ("D", "day"))


def duration(text: str) -> str:
    """Write an ISO 8601 duration of days, months and years in words: `P6M` as `6 months`."""
    found = [(re.search(rf"(\d+){letter}", text), word) for letter, word in _PERIODS]
    counts = [(match[1], word) for match, word in found if match]
    return listed([f"{count} {word}{'' if count == '1' else 's'}" for count, word in counts])


def listed(parts: list[str], joint: str = "and") -> str:
    """Write a list as people do: `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} {joint} {last}" if first else last


def plural(word: str) -> str:
    """Give the plural of the name of something counted."""
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def is_optional(slot: str, pattern: str) -> bool:
    """Tell whether a pattern does without a slot: it is absent or in square brackets."""
    return f"{{{slot}}}" not in re.sub(r"\[[^]]*\]", "", pattern)


def filled(pattern: str, slots: Mapping[str, str]) -> str:
    """Fill the slots of a pattern; parts in square brackets go where their slot is empty."""

    def part(match: re.Match[str]) -> str:
        text = match[1]
        return text if all(slots[slot] for slot in re.findall(r"\{(\w)\}", text)) else ""

    chosen = re.sub(r"\[([^]]*)\]", part, pattern)
    return re.sub(r"\{(\w)\}", lambda match: slots[match[1]], chosen)
