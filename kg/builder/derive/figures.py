"""The numbers that the build computes from what claims state: SI values, proportions, bands."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from rdflib import XSD, Literal, URIRef

from kg.builder.errors import BuildError, FileProblem
from kg.builder.read.tables import SourceTable, TableRow
from kg.builder.read.terms import Triple, canonical_decimal
from kg.physics.units import Unit, unit_of
from kg.rdf.namespaces import DG, DGD

_Z: Final = 1.959963984540054
"""Quantile of the standard normal distribution at 0.975, for confidence of 95%."""

_DECIMALS: Final = 6
"""Places that computed proportions are rounded to: finer than any sample size here resolves."""


_PRINTED: Final = "dgd:frequency-origin/printed"

_DIFFERENCES: Final = {"dg:temperatureRise", "dg:TemperatureDifference"}
"""What is a difference, which the offset of a unit such as the degree Celsius leaves alone."""


def wilson_interval(events: int, total: int) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, with 95% confidence.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927) 209-212, doi:10.2307/2276774.

    Args:
        events: number of units with the event, from 0 to ``total``.
        total: number of units observed, at least 1.

    Returns:
        Lower and upper limit, each from 0 to 1.

    Raises:
        ValueError: ``total`` is less than 1, or ``events`` not from 0 to ``total``.
    """
    if total < 1 or not 0 <= events <= total:
        raise ValueError(f"{events} of {total} is no proportion.")
    share = events / total
    spread = _Z * math.sqrt(share * (1 - share) / total + _Z * _Z / (4 * total * total))
    middle = share + _Z * _Z / (2 * total)
    scale = 1 + _Z * _Z / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def units_of(tables: Iterable[SourceTable]) -> dict[str, Unit]:
    """Return the units of the unit table by their UCUM codes."""
    return {
        row.cells["code"]: unit_of(row.cells)
        for table in tables
        if table.file == "units.tsv"
        for row in table.rows
    }


def computed(
    row: TableRow, units: Mapping[str, Unit], bands: Mapping[str, Decimal]
) -> Iterator[Triple]:
    """Yield the computed figures of a claim.

    Args:
        row: a claim or a setting.
        units: the units by UCUM code; the unit of the row is among them.
        bands: lower limits of the CIOMS bands (proportions) by IRI.

    Raises:
        BuildError: no band begins as low as the proportion of the row.
    """
    if "unit" in row.cells:
        unit = units[row.cells["unit"]]
        is_difference = not _DIFFERENCES.isdisjoint(row.cells.values())
        yield from _quantity(row, replace(unit, offset=Decimal(0)) if is_difference else unit)
    if "sample_size" in row.cells:
        if "event_count" in row.cells:
            yield from _incidence(row, int(row.cells["event_count"]), bands)
        elif row.cells.get("frequency_origin") == _PRINTED and "reported_percentage" in row.cells:
            yield from _count(row, bands)


def _quantity(row: TableRow, unit: Unit) -> Iterator[Triple]:
    if unit.iri is not None:
        yield row.subject, URIRef(DG + "unit"), URIRef(unit.iri)
    for column, name in (("value", "siValue"), ("minimum", "siMinimum"), ("maximum", "siMaximum")):
        for cell in filter(None, row.cells.get(column, "").split("|")):
            number = unit.in_si(Decimal(cell))
            if number is not None:
                yield row.subject, URIRef(DG + name), _decimal(number)


def counts_of(percentage: str, total: int) -> range:
    """Return the counts out of ``total`` that round (half up) to a percentage as it is printed."""
    printed = Decimal(percentage)
    half = Decimal(1).scaleb(int(printed.as_tuple().exponent)) / 2
    least, beyond = ((printed + each) * total / 100 for each in (-half, half))
    return range(max(0, math.ceil(least)), min(total, math.ceil(beyond) - 1) + 1)


def _count(row: TableRow, bands: Mapping[str, Decimal]) -> Iterator[Triple]:
    """Yield the count behind a printed percentage, its limits, or that there is none."""
    share, total = row.cells["reported_percentage"], int(row.cells["sample_size"])
    found = counts_of(share, total)
    if not found:
        note = Literal(f"No whole number of {total} rounds to {share}%.")
        yield row.subject, URIRef(DG + "dataCheckNote"), note
    elif len(found) == 1:
        yield row.subject, URIRef(DG + "computedEventCount"), Literal(found[0])
        yield from _incidence(row, found[0], bands)
    else:
        yield row.subject, URIRef(DG + "leastEventCount"), Literal(found[0])
        yield row.subject, URIRef(DG + "greatestEventCount"), Literal(found[-1])


def _incidence(row: TableRow, events: int, bands: Mapping[str, Decimal]) -> Iterator[Triple]:
    total = int(row.cells["sample_size"])
    if not 0 <= events <= total or total < 1:
        return  # the shapes refuse such a row and say why
    share = Decimal(events) / Decimal(total)
    yield row.subject, URIRef(DG + "proportion"), _rounded(float(share))
    if not counts_patients(row.cells):
        return
    lower, upper = wilson_interval(events, total)
    yield row.subject, URIRef(DG + "proportionLower"), _rounded(lower)
    yield row.subject, URIRef(DG + "proportionUpper"), _rounded(upper)
    if events and row.cells.get("predicate") == "dg:hasRisk":
        fitting = [(limit, iri) for iri, limit in bands.items() if limit <= share]
        if not fitting:
            detail = f"No frequency band holds {events} of {total}."
            remedy = "Give one of the bands dg:lowerLimit 0.0."
            raise BuildError([FileProblem(row.file, row.line, "event_count", detail, remedy)])
        yield row.subject, URIRef(DG + "frequencyBand"), URIRef(max(fitting)[1])


def counts_patients(cells: Mapping[str, str]) -> bool:
    """Tell whether patients are counted, so that an interval of binomial counts makes sense."""
    return cells.get("unit_of_analysis") == "dgd:unit-of-analysis/patient"


def band_limits(triples: Iterable[Triple]) -> dict[str, Decimal]:
    """Return the lower limits of the CIOMS bands by IRI, from the controlled values."""
    return {
        str(subject): Decimal(str(value))
        for subject, predicate, value in triples
        if str(predicate) == DG + "lowerLimit"
        and subject.startswith(DGD + "frequency-band/")
        and isinstance(value, Literal)
        and value.datatype in (XSD.decimal, XSD.integer)
    }


def _rounded(share: float) -> Literal:
    return _decimal(Decimal(f"{share:.{_DECIMALS}f}"))


def _decimal(number: Decimal) -> Literal:
    return Literal(canonical_decimal(format(number, "f")), datatype=XSD.decimal)
