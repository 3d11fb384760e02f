"""The numbers that the build computes: intervals against published ones, SI values, bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import XSD, Dataset, Graph, Literal, URIRef

from kg.builder.derive.figures import counts_of, units_of, wilson_interval
from kg.builder.read.tables import read_tables
from kg.physics.units import Unit
from kg.rdf.namespaces import DG, DGD, GRAPH
from kg.releases.bundled import ONTOLOGY_FOLDER

if TYPE_CHECKING:
    from tests.kg.conftest import SmallOntology

_PATIENT = "dgd:unit-of-analysis/patient"

# R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine
# 17 (1998) 857-872, table I, method 3 (score without continuity correction).
_PUBLISHED = (
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
)


@pytest.mark.parametrize(("events", "total", "lower", "upper"), _PUBLISHED)
def test_wilson_intervals_are_those_of_newcombe(
    events: int, total: int, lower: float, upper: float
) -> None:
    """The intervals agree with a published table to its four places."""
    low, high = wilson_interval(events, total)

    assert round(low, 4) == lower
    assert round(high, 4) == upper


_TOTALS = st.integers(1, 100_000)
_COUNTS = _TOTALS.flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(_COUNTS)
def test_an_interval_holds_its_proportion(counts: tuple[int, int]) -> None:
    """Limits are proportions, in order, with what was observed between them."""
    events, total = counts
    low, high = wilson_interval(events, total)

    assert 0 <= low <= events / total + 1e-12
    assert events / total - 1e-12 <= high <= 1
    assert low < high


@given(_COUNTS)
def test_intervals_of_an_event_and_of_its_absence_mirror_each_other(
    counts: tuple[int, int],
) -> None:
    """What holds for having an event holds, turned round, for not having it."""
    events, total = counts
    low, high = wilson_interval(events, total)
    mirrored_low, mirrored_high = wilson_interval(total - events, total)

    assert math.isclose(low, 1 - mirrored_high, abs_tol=1e-12)
    assert math.isclose(high, 1 - mirrored_low, abs_tol=1e-12)


@given(_TOTALS.flatmap(lambda total: st.tuples(st.integers(0, total - 1), st.just(total))))
def test_more_events_move_the_interval_up(counts: tuple[int, int]) -> None:
    """Both limits grow with the number of events."""
    events, total = counts
    less, more = wilson_interval(events, total), wilson_interval(events + 1, total)

    assert less[0] < more[0]
    assert less[1] < more[1] or math.isclose(more[1], 1)


@given(_COUNTS)
def test_more_units_narrow_the_interval(counts: tuple[int, int]) -> None:
    """The same proportion of twice as many is known better."""
    events, total = counts
    low, high = wilson_interval(events, total)
    twice_low, twice_high = wilson_interval(2 * events, 2 * total)

    assert twice_high - twice_low < high - low


@pytest.mark.parametrize(("events", "total"), [(1, 0), (-1, 10), (11, 10), (0, -1)])
def test_what_is_no_proportion_has_no_interval(events: int, total: int) -> None:
    """Counts that cannot be are refused."""
    with pytest.raises(ValueError, match="is no proportion"):
        wilson_interval(events, total)


@pytest.fixture(scope="module")
def units() -> Mapping[str, Unit]:
    """Return the units by their codes."""
    return units_of(read_tables(ONTOLOGY_FOLDER, []))


@pytest.mark.parametrize(
    ("code", "number", "in_si"),
    [
        ("um", "2.94", "0.00000294"),
        ("nm", "2940", "0.00000294"),
        ("mm", "1.5", "0.0015"),
        ("Cel", "37", "310.15"),
        ("Cel", "-273.15", "0"),
        ("J/cm2", "5", "50000"),
        ("mJ", "70", "0.07"),
        ("ms", "1", "0.001"),
        ("us", "250", "0.00025"),
        ("ns", "90", "0.00000009"),
        ("ps", "1", "0.000000000001"),
        ("cm-1", "12500", "1250000"),
        ("%", "12.5", "0.125"),
        ("d", "2", "172800"),
        ("wk", "1", "604800"),
        ("mo", "12", "31557600"),
        ("a", "1", "31557600"),
        ("h", "1", "3600"),
        ("min", "1", "60"),
        ("kW/cm2", "1", "10000000"),
        ("{pass}", "3", "3"),
        ("1", "0.5", "0.5"),
    ],
)
def test_numbers_are_converted_to_si(
    units: Mapping[str, Unit], code: str, number: str, in_si: str
) -> None:
    """Each unit has its exact factor, and degrees Celsius their offset."""
    assert units[code].in_si(Decimal(number)) == Decimal(in_si)


def test_a_unit_without_factor_is_not_converted(units: Mapping[str, Unit]) -> None:
    """Where no exact factor is known, no number is made up."""
    assert units["/d"].in_si(Decimal(1)) is None


def test_units_of_time_length_and_energy_agree_with_each_other(
    units: Mapping[str, Unit],
) -> None:
    """A thousand of one are one of the next."""
    for small, large, ratio in (
        ("ps", "ns", 1000),
        ("ns", "us", 1000),
        ("us", "ms", 1000),
        ("ms", "s", 1000),
        ("s", "min", 60),
        ("min", "h", 60),
        ("h", "d", 24),
        ("d", "wk", 7),
        ("mo", "a", 12),
        ("nm", "um", 1000),
        ("um", "mm", 1000),
        ("mJ", "J", 1000),
    ):
        assert units[small].in_si(Decimal(ratio)) == units[large].in_si(Decimal(1)), small


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=4))
def test_conversion_is_exact(number: Decimal) -> None:
    """Decimals are converted without the error of binary fractions."""
    unit = Unit(code="x", iri=None, factor=Decimal("0.001"), offset=Decimal("273.15"))

    assert unit.in_si(number) == (number * 1000 + Decimal(273150000)) / 1000000


def _figures(ontology: SmallOntology, identifier: str) -> dict[str, list[str]]:
    """Return what the build computes for a claim, by property name."""
    dataset = Dataset()
    dataset.parse(data=ontology.build().nquads, format="nquads")
    found: dict[str, list[str]] = {}
    claim = URIRef(f"{DGD}claim/{identifier}")
    for predicate, value in dataset.graph(URIRef(GRAPH + "inferred")).predicate_objects(claim):
        found.setdefault(str(predicate).removeprefix(DG), []).append(str(value))
    return {name: sorted(values) for name, values in found.items()}


def test_a_quantity_is_given_in_si(ontology: SmallOntology) -> None:
    """Value, minimum and maximum each have their number in SI."""
    ontology.claim("B0009", value="10|30", minimum="1", maximum="50.5", unit="um")
    found = _figures(ontology, "B0009")

    assert found == {
        "siValue": ["0.00001", "0.00003"],
        "siMinimum": ["0.000001"],
        "siMaximum": ["0.0000505"],
    }


def test_a_temperature_is_given_in_kelvin(ontology: SmallOntology) -> None:
    """Degrees Celsius are shifted."""
    assert _figures(ontology, "A0001") == {"siValue": ["293.15", "313.15"]}


def test_a_quantity_without_factor_has_no_si_value(ontology: SmallOntology) -> None:
    """No number is better than a wrong one."""
    ontology.claim("B0009", value="2", unit="/d")

    assert _figures(ontology, "B0009") == {}


def test_an_incidence_has_proportion_interval_and_band(ontology: SmallOntology) -> None:
    """12 of 63 are 0.190476, with the Wilson interval to six places."""
    found = _figures(ontology, "B0001")
    low, high = wilson_interval(12, 63)

    assert found == {
        "proportion": ["0.190476"],
        "proportionLower": [f"{low:.6f}".rstrip("0")],
        "proportionUpper": [f"{high:.6f}".rstrip("0")],
        "frequencyBand": [f"{DGD}frequency-band/common"],
    }


@pytest.mark.parametrize(
    ("events", "total", "band"),
    [
        ("1", "10001", "very-rare"),
        ("1", "10000", "rare"),
        ("1", "1001", "rare"),
        ("1", "1000", "uncommon"),
        ("1", "101", "uncommon"),
        ("1", "100", "common"),
        ("99", "1000", "common"),
        ("1", "10", "very-common"),
        ("10", "10", "very-common"),
    ],
)
def test_bands_begin_at_their_limits(
    ontology: SmallOntology, events: str, total: str, band: str
) -> None:
    """One in ten is very common, one in a hundred common, and so on, by CIOMS."""
    for old in ("dg:lowerLimit 0.01 .", "dg:lowerLimit 0.0 ."):
        ontology.replace("dermograph.ttl", old, "skos:notation 'none' .")
    ontology.write("schemes.ttl", _shipped_bands())
    ontology.claim("B0009", event_count=events, sample_size=total, unit_of_analysis=_PATIENT)

    assert _figures(ontology, "B0009")["frequencyBand"] == [f"{DGD}frequency-band/{band}"]


def _shipped_bands() -> str:
    """Return the limits of the shipped bands, as Turtle."""
    schemes = Graph().parse(ONTOLOGY_FOLDER / "schemes.ttl")
    limits = schemes.subject_objects(URIRef(DG + "lowerLimit"))
    return "".join(f"<{band}> <{DG}lowerLimit> {limit} .\n" for band, limit in limits)


def test_only_risks_have_a_band(ontology: SmallOntology) -> None:
    """The proportion who improve is not an adverse reaction."""
    ontology.claim("B0009", predicate="dg:mentions", event_count="5", sample_size="10")

    assert _figures(ontology, "B0009")["proportion"] == ["0.5"]
    assert "frequencyBand" not in _figures(ontology, "B0009")


def test_an_event_that_was_not_seen_has_no_band(ontology: SmallOntology) -> None:
    """None in fifty is a proportion with an upper limit, and no claim to be very rare."""
    ontology.claim("B0009", event_count="0", sample_size="50", unit_of_analysis=_PATIENT)
    found = _figures(ontology, "B0009")

    assert found["proportion"] == found["proportionLower"] == ["0"]
    assert float(found["proportionUpper"][0]) == pytest.approx(0.0713, abs=5e-5)
    assert "frequencyBand" not in found


@pytest.mark.parametrize(("events", "total"), [("5", ""), ("", "10"), ("11", "10"), ("0", "0")])
def test_counts_that_make_no_proportion_give_no_figure(
    ontology: SmallOntology, events: str, total: str
) -> None:
    """Nothing is computed from half of a fraction or from an impossible one."""
    ontology.claim("B0009", event_count=events, sample_size=total, unit_of_analysis=_PATIENT)

    assert _figures(ontology, "B0009") == {}


def test_a_proportion_that_no_band_holds_stops_the_build(ontology: SmallOntology) -> None:
    """The lowest band must begin at nothing."""
    ontology.replace("dermograph.ttl", "dg:lowerLimit 0.0 .", "rdfs:label 'x'@en .")
    ontology.claim("B0009", event_count="1", sample_size="1000", unit_of_analysis=_PATIENT)

    (problem,) = ontology.problems()
    assert (problem.file, problem.line, problem.column) == ("claims/clinical.tsv", 6, "event_count")
    assert "No frequency band" in problem.detail


def test_every_shipped_incidence_has_its_figures(dataset: Dataset) -> None:
    """Proportions agree with the counts, and so do intervals, which only counts of patients have."""
    claims = dataset.graph(URIRef(GRAPH + "claims"))
    inferred = dataset.graph(URIRef(GRAPH + "inferred"))
    patients = URIRef(f"{DGD}unit-of-analysis/patient")
    checked = {True: 0, False: 0}
    for claim, total in claims.subject_objects(URIRef(DG + "sampleSize")):
        events = claims.value(claim, URIRef(DG + "eventCount")) or inferred.value(
            claim, URIRef(DG + "computedEventCount")
        )
        if events is None:
            continue
        is_of_patients = (claim, URIRef(DG + "unitOfAnalysis"), patients) in claims
        low, high = wilson_interval(int(str(events)), int(str(total)))
        expected = (int(str(events)) / int(str(total)), low, high)
        for name, share in zip(("", "Lower", "Upper"), expected, strict=True):
            stated = inferred.value(claim, URIRef(f"{DG}proportion{name}"))
            if name and not is_of_patients:
                assert stated is None, claim
                continue
            assert isinstance(stated, Literal), claim
            assert stated.datatype == XSD.decimal
            assert abs(float(str(stated)) - share) <= 5.1e-7, claim
        checked[is_of_patients] += 1
    assert min(checked.values()) > 20


def test_what_is_not_counted_in_patients_has_no_interval(ontology: SmallOntology) -> None:
    """Sites or treatments of one patient are no independent trials."""
    ontology.claim("B0009", event_count="1", sample_size="4")

    assert set(_figures(ontology, "B0009")) == {"proportion"}


@pytest.mark.parametrize(
    ("percentage", "size", "figures"),
    [
        ("37", "500", {"leastEventCount": ["183"], "greatestEventCount": ["187"]}),
        ("35", "45", {"dataCheckNote": ["No whole number of 45 rounds to 35%."]}),
        ("9.4", "127", {"computedEventCount": ["12"], "proportion": ["0.094488"]}),
    ],
)
def test_a_printed_percentage_has_the_counts_behind_it(
    ontology: SmallOntology, percentage: str, size: str, figures: dict[str, list[str]]
) -> None:
    """One count is computed, of several the least and greatest; if there is none, it is said."""
    ontology.claim(
        "B0009",
        reported_percentage=percentage,
        sample_size=size,
        frequency_origin="dgd:frequency-origin/printed",
    )

    assert _figures(ontology, "B0009") == figures


@pytest.mark.parametrize(
    ("percentage", "total", "counts"),
    [
        ("37", 500, [183, 184, 185, 186, 187]),
        ("9.4", 127, [12]),
        ("35", 45, []),
        ("100", 60, [60]),
        ("0", 10, [0]),
        ("0.8", 490, [4]),
        ("50", 1, []),
        ("62.5", 8, [5]),
    ],
)
def test_the_counts_behind_a_percentage_are_those_that_round_to_it(
    percentage: str, total: int, counts: list[int]
) -> None:
    """At the precision of the print, half up."""
    assert list(counts_of(percentage, total)) == counts


@given(total=st.integers(1, 5000), data=st.data(), places=st.integers(0, 2))
def test_a_count_is_among_those_behind_its_own_percentage(
    total: int, data: st.DataObject, places: int
) -> None:
    """Whatever the count, its percentage, rounded half up, leads back to it."""
    events = data.draw(st.integers(0, total))
    unit = Decimal(1).scaleb(-places)
    printed = (Decimal(100 * events) / total).quantize(unit, rounding=ROUND_HALF_UP)

    found = counts_of(str(printed), total)

    assert events in found
    assert all(
        (Decimal(100 * each) / total).quantize(unit, rounding=ROUND_HALF_UP) == printed
        for each in (found[0], found[-1])
    )
