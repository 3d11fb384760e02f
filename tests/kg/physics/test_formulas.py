"""Physics is computed as published, in any fitting unit, and never in an unfitting one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kg
from kg.physics import formulas
from kg.physics.formulas import (
    UNITS,
    Dimension,
    Quantity,
    absorption_depth,
    absorption_ratio,
    effective_penetration_depth,
    read_spectrum,
    thermal_relaxation_time,
)
from kg.physics.units import UnitError
from kg.rdf.namespaces import DG, DGF

WATER_DIFFUSIVITY = Quantity(1e-7, "m2/s")
DIFFUSION_LENGTH = 4.0
figures = st.floats(min_value=1e-6, max_value=1e6)


def units_of(dimension: Dimension) -> list[str]:
    """Return the units that measure something."""
    return [unit for unit, (measured, _) in UNITS.items() if measured is dimension]


def unfit_for(dimension: Dimension) -> list[str]:
    """Return the units that measure something else."""
    return [unit for unit, (measured, _) in UNITS.items() if measured is not dimension]


lengths = st.builds(Quantity, figures, st.sampled_from(units_of(Dimension.LENGTH)))
coefficients = st.builds(Quantity, figures, st.sampled_from(units_of(Dimension.RECIPROCAL_LENGTH)))
diffusivities = st.builds(Quantity, figures, st.sampled_from(units_of(Dimension.DIFFUSIVITY)))


class TestQuantity:
    """A number is nothing without its unit."""

    @pytest.mark.parametrize("unit", ["", "furlong", "µm", "CM-1", " um", "um "])
    def test_an_unknown_unit_is_refused_by_name(self, unit: str) -> None:
        """A unit that is not known, however near, makes no quantity."""
        with pytest.raises(UnitError) as refused:
            Quantity(1, unit)

        assert repr(unit) in str(refused.value)

    @pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
    def test_what_is_not_finite_is_refused(self, value: float) -> None:
        """Infinity and not-a-number make no quantity."""
        with pytest.raises(ValueError, match="finite"):
            Quantity(value, "um")

    @pytest.mark.parametrize(
        ("value", "unit", "other", "expected"),
        [
            (2.94, "um", "nm", 2940),
            (0.1, "mm", "um", 100),
            (11.7, "um", "mm", 0.0117),
            (1, "mm-1", "cm-1", 10),
            (0.001, "cm2/s", "m2/s", 1e-7),
            (25, "ms", "us", 25_000),
            (300, "ps", "ns", 0.3),
        ],
    )
    def test_conversion_shows_no_noise(
        self, value: float, unit: str, other: str, expected: float
    ) -> None:
        """A converted figure is the decimal number that one would write, to the last digit."""
        assert Quantity(value, unit).to(other) == Quantity(expected, other)

    @given(lengths, st.sampled_from(units_of(Dimension.LENGTH)))
    def test_conversion_goes_back(self, length: Quantity, unit: str) -> None:
        """What is converted there and back is what it was."""
        assert math.isclose(length.to(unit).to(length.unit).value, length.value)

    @given(st.sampled_from(list(UNITS)), st.sampled_from(list(UNITS)), figures)
    def test_only_units_of_one_dimension_convert(
        self, unit: str, other: str, number: float
    ) -> None:
        """A conversion gives a number where both units measure the same, and an error otherwise."""
        quantity = Quantity(number, unit)
        if UNITS[unit][0] is UNITS[other][0]:
            assert quantity.to(other).unit == other
        else:
            with pytest.raises(UnitError, match=other):
                quantity.to(other)

    def test_what_outgrows_a_float_is_an_error(self) -> None:
        """A number too large in the other unit is an error, not infinity."""
        with pytest.raises(ValueError, match="too large"):
            Quantity(1e308, "m").to("nm")


class TestFormulas:
    """Each formula holds in every unit, for every figure."""

    @given(coefficients)
    def test_the_absorption_depth_is_the_reciprocal(self, absorption: Quantity) -> None:
        """Depth times coefficient is one, whatever the unit of the coefficient."""
        depth = absorption_depth(absorption)

        per_micrometre = absorption.to("m-1").value * 1e-6
        assert depth.unit == "um"
        assert math.isclose(depth.value * per_micrometre, 1)

    @given(coefficients)
    def test_without_scattering_diffusion_theory_gives_a_fixed_share(
        self, absorption: Quantity
    ) -> None:
        """With no scattering the effective depth is the absorption depth over the root of three."""
        effective = effective_penetration_depth(absorption, Quantity(0, "cm-1"))

        assert math.isclose(effective.value, absorption_depth(absorption).value / math.sqrt(3))

    @given(coefficients, coefficients, coefficients)
    def test_more_scattering_means_less_depth(
        self, absorption: Quantity, one: Quantity, other: Quantity
    ) -> None:
        """Of two media the one that scatters more lets light less deep."""
        less, more = sorted((one, other), key=lambda each: each.to("m-1").value)

        deep = effective_penetration_depth(absorption, less)
        shallow = effective_penetration_depth(absorption, more)
        assert shallow.value <= deep.value

    @given(coefficients, coefficients)
    def test_the_ratio_turns_round(self, one: Quantity, other: Quantity) -> None:
        """The ratio of two coefficients is the reciprocal of the ratio the other way."""
        assert math.isclose(absorption_ratio(one, other) * absorption_ratio(other, one), 1)

    @given(lengths, st.floats(min_value=0.5, max_value=100), diffusivities)
    def test_the_relaxation_time_grows_with_the_square(
        self, size: Quantity, factor: float, diffusivity: Quantity
    ) -> None:
        """Twice the size takes four times as long; twice the factor half as long."""
        time = thermal_relaxation_time(size, factor, diffusivity)
        doubled = Quantity(size.value * 2, size.unit)

        longer = thermal_relaxation_time(doubled, factor, diffusivity)
        shorter = thermal_relaxation_time(size, factor * 2, diffusivity)
        assert time.unit == "us"
        assert math.isclose(longer.value, 4 * time.value)
        assert math.isclose(shorter.value, time.value / 2)

    @pytest.mark.parametrize(
        "compute",
        [
            lambda unit: absorption_depth(Quantity(1, unit)),
            lambda unit: absorption_ratio(Quantity(1, unit), Quantity(1, "cm-1")),
            lambda unit: absorption_ratio(Quantity(1, "cm-1"), Quantity(1, unit)),
            lambda unit: effective_penetration_depth(Quantity(1, unit), Quantity(1, "cm-1")),
            lambda unit: effective_penetration_depth(Quantity(1, "cm-1"), Quantity(1, unit)),
        ],
        ids=["depth", "ratio of", "ratio to", "absorption", "scattering"],
    )
    @pytest.mark.parametrize("unit", unfit_for(Dimension.RECIPROCAL_LENGTH))
    def test_a_coefficient_has_a_unit_of_coefficients(
        self, compute: Callable[[str], object], unit: str
    ) -> None:
        """Where a coefficient is wanted, any other unit is an error that names it."""
        with pytest.raises(UnitError, match=unit):
            compute(unit)

    @pytest.mark.parametrize("unit", unfit_for(Dimension.LENGTH))
    def test_a_size_and_a_wavelength_have_a_unit_of_length(self, unit: str) -> None:
        """Where a length is wanted, any other unit is an error."""
        with pytest.raises(UnitError, match="length"):
            thermal_relaxation_time(Quantity(1, unit), 4, WATER_DIFFUSIVITY)
        with pytest.raises(UnitError, match="nm"):
            read_spectrum([(400, 1)], Quantity(400, unit))

    @pytest.mark.parametrize("unit", unfit_for(Dimension.DIFFUSIVITY))
    def test_a_diffusivity_has_a_unit_of_diffusivities(self, unit: str) -> None:
        """Where a diffusivity is wanted, any other unit is an error."""
        with pytest.raises(UnitError, match="diffusivity"):
            thermal_relaxation_time(Quantity(1, "um"), 4, Quantity(1, unit))

    @pytest.mark.parametrize("value", [0, -1, -1e-300])
    @pytest.mark.parametrize(
        "compute",
        [
            lambda value: absorption_depth(Quantity(value, "cm-1")),
            lambda value: absorption_ratio(Quantity(1, "cm-1"), Quantity(value, "cm-1")),
            lambda value: effective_penetration_depth(Quantity(value, "cm-1"), Quantity(1, "cm-1")),
            lambda value: thermal_relaxation_time(Quantity(value, "um"), 4, WATER_DIFFUSIVITY),
            lambda value: thermal_relaxation_time(Quantity(1, "um"), value, WATER_DIFFUSIVITY),
            lambda value: thermal_relaxation_time(Quantity(1, "um"), 4, Quantity(value, "m2/s")),
        ],
        ids=["depth", "ratio", "effective depth", "size", "factor", "diffusivity"],
    )
    def test_what_must_be_above_zero_is(
        self, compute: Callable[[float], object], value: float
    ) -> None:
        """A figure of zero or less where the formula divides is an error, not a number."""
        with pytest.raises(ValueError, match="above 0"):
            compute(value)

    def test_scattering_is_not_negative(self) -> None:
        """A negative scattering coefficient is an error."""
        with pytest.raises(ValueError, match="negative"):
            effective_penetration_depth(Quantity(1, "cm-1"), Quantity(-0.1, "cm-1"))

    @given(st.floats(min_value=1e-150, max_value=1e150), st.floats(0, 1e150))
    def test_extremes_give_a_number(self, absorption: float, scattering: float) -> None:
        """However large or small the figures, no step overflows or vanishes on the way."""
        pair = Quantity(absorption, "cm-1"), Quantity(scattering, "cm-1")

        assert 0 < absorption_depth(pair[0]).value < math.inf
        assert 0 < effective_penetration_depth(*pair).value < math.inf

    def test_what_outgrows_a_float_is_an_error(self) -> None:
        """A result that no float holds is an error, not infinity."""
        tiny, huge = Quantity(5e-324, "cm-1"), Quantity(1e308, "cm-1")
        for compute in (
            lambda: absorption_depth(tiny),
            lambda: absorption_ratio(huge, tiny),
            lambda: effective_penetration_depth(tiny, Quantity(0, "cm-1")),
        ):
            with pytest.raises(ValueError, match="too large"):
                compute()

    def test_what_no_float_holds_apart_from_zero_is_an_error(self) -> None:
        """A result that a float would round to zero is an error, not zero."""
        tiny, huge = Quantity(5e-324, "cm-1"), Quantity(1e308, "cm-1")
        for compute in (
            lambda: absorption_ratio(tiny, huge),
            lambda: thermal_relaxation_time(Quantity(1e-200, "um"), 4, WATER_DIFFUSIVITY),
            lambda: Quantity(5e-324, "nm").to("m"),
        ):
            with pytest.raises(ValueError, match="too small"):
                compute()
        assert Quantity(0.0, "nm").to("m").value == 0


class TestSpectra:
    """A spectrum is read between its points, and not beyond them."""

    POINTS = ((400.0, 10.0), (500.0, 20.0), (600.0, 0.0))

    def test_a_point_is_read_as_it_stands(self) -> None:
        """At a point its own value is given, and not marked."""
        for wavelength, value in self.POINTS:
            reading = read_spectrum(self.POINTS, Quantity(wavelength, "nm"))
            assert (reading.value, reading.interpolated) == (value, False)

    def test_the_unit_of_the_wavelength_does_not_matter(self) -> None:
        """The same wavelength in micrometres hits the same point."""
        assert read_spectrum(self.POINTS, Quantity(0.5, "um")).interpolated is False

    @given(st.floats(min_value=400.001, max_value=599.999))
    def test_between_points_the_value_is_interpolated_and_marked(self, wavelength: float) -> None:
        """Between two points the value lies on the line through them, and says that it does."""
        reading = read_spectrum(self.POINTS, Quantity(wavelength, "nm"))

        rising = wavelength <= 500
        expected = (wavelength - 300) / 10 if rising else (600 - wavelength) / 5
        assert math.isclose(reading.value, expected)
        assert reading.interpolated is (wavelength != 500)

    @pytest.mark.parametrize("wavelength", [399.9, 600.1, 0, -500, 1e9])
    def test_nothing_is_extrapolated(self, wavelength: float) -> None:
        """Outside the spectrum there is an error that says what it covers."""
        with pytest.raises(ValueError, match="400 to 600 nm"):
            read_spectrum(self.POINTS, Quantity(wavelength, "nm"))

    def test_an_empty_spectrum_covers_nothing(self) -> None:
        """A spectrum without points gives an error."""
        with pytest.raises(ValueError, match="nothing"):
            read_spectrum((), Quantity(400, "nm"))


@dataclass(frozen=True)
class Computed:
    """A derived claim with what it was computed from.

    Attributes:
        claim: its identifier.
        function: the last part of the IRI of the function.
        printed: the figures as they were printed.
        unit: their unit.
        inputs: of each input the properties by name.
        settings: value and unit by the name of the parameter.
    """

    claim: str
    function: str
    printed: tuple[str, ...]
    unit: str
    inputs: tuple[dict[str, str], ...]
    settings: dict[str, Quantity]


def described(graph: kg.KnowledgeGraph, claim: str, link: str) -> tuple[dict[str, str], ...]:
    """Return the properties of what a claim points to, by their names, as text."""
    rows: Any = graph.query(
        f"SELECT ?x ?p ?v {{ ?c <http://purl.org/dc/terms/identifier> '{claim}' ;"
        f" <{DG}{link}> ?x . ?x ?p ?v }} ORDER BY ?x"
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        name = row["p"].rpartition("/")[2]
        found.setdefault(row["x"], {})[name] = str(row["v"])
    return tuple(found.values())


@pytest.fixture(scope="module")
def computed(graph: kg.KnowledgeGraph) -> list[Computed]:
    """Return all claims that the graph says are computed."""
    rows: Any = graph.query(
        f"""PREFIX dg: <{DG}>
        SELECT DISTINCT ?id ?function ?unit ?figure ?minimum ?maximum {{
          ?claim dg:computedBy ?function ; dg:unitCode ?unit ; dg:reportedFigure ?figure ;
                 <http://purl.org/dc/terms/identifier> ?id .
          OPTIONAL {{ ?claim dg:minimum ?minimum ; dg:maximum ?maximum }}
        }} ORDER BY ?id"""
    )
    return [
        Computed(
            claim=row["id"],
            function=row["function"].removeprefix(DGF),
            printed=(row["figure"],)
            if row["minimum"] is None
            else (str(row["minimum"]), str(row["maximum"])),
            unit=row["unit"],
            inputs=described(graph, row["id"], "computedFrom"),
            settings={
                each["parameter"].removeprefix(DG): Quantity(float(each["value"]), each["unitCode"])
                for each in described(graph, row["id"], "setting")
            },
        )
        for row in rows
    ]


def of_function(computed: list[Computed], function: str, number: int) -> list[Computed]:
    """Return the claims that one function computes; there are as many as expected."""
    found = [each for each in computed if each.function == function]
    assert len(found) == number
    return found


def rounds_to(value: float, printed: str) -> bool:
    """Tell whether a value, rounded to the digits that are printed, is what is printed."""
    place = Decimal(1).scaleb(int(Decimal(printed).as_tuple().exponent))
    return Decimal(repr(value)).quantize(place) == Decimal(printed).quantize(place)


def coefficient(point: dict[str, str], name: str) -> Quantity:
    """Return a coefficient of a spectral point."""
    return Quantity(float(point[f"{name}CoefficientPerCentimetre"]), "cm-1")


class TestDerivedClaims:
    """The figures of the derived claims of the graph come out as they are printed."""

    def test_every_derived_claim_says_what_it_is_computed_from(
        self, graph: kg.KnowledgeGraph, computed: list[Computed]
    ) -> None:
        """Each claim whose source is a calculation names its function and inputs, no other does."""
        rows: Any = graph.query(
            "SELECT ?id { ?c <http://www.w3.org/ns/prov#wasDerivedFrom>"
            " <https://w3id.org/dermograph/id/source/DERIVED> ;"
            " <http://purl.org/dc/terms/identifier> ?id ."
            f" ?c <{DG}predicate> ?p }}"
        )
        assert {row["id"] for row in rows} == {each.claim for each in computed}
        assert all(each.inputs for each in computed)

    def test_absorption_depths(self, computed: list[Computed]) -> None:
        """The depths in water are those of the points, rounded as printed."""
        for each in of_function(computed, "absorptionDepth", 14):
            (point,) = each.inputs
            wavelength = each.settings["Wavelength"].to("nm").value
            depth = absorption_depth(coefficient(point, "absorption")).to(each.unit)

            assert float(point["wavelengthInNanometre"]) == wavelength
            assert rounds_to(depth.value, each.printed[0]), each

    def test_absorption_ratios(self, computed: list[Computed]) -> None:
        """The ratio in each of the two spectra of water is the value of a claim, as printed."""
        spectra = set()
        for each in of_function(computed, "absorptionRatio", 10):
            above, below = (
                each.settings[name].to("nm").value for name in ("Wavelength", "ReferenceWavelength")
            )
            absorption = {
                float(point["wavelengthInNanometre"]): coefficient(point, "absorption")
                for point in each.inputs
            }
            (spectrum,) = {point["spectrum"] for point in each.inputs}
            spectra.add(spectrum)
            ratio = absorption_ratio(absorption[above], absorption[below])
            assert rounds_to(ratio, each.printed[0].partition(" (")[0]), each
        assert len(spectra) == 2

    def test_effective_depths_from_points(self, computed: list[Computed]) -> None:
        """The depths from one spectral point each come out as printed."""
        from_points = [
            each
            for each in of_function(computed, "effectivePenetrationDepth", 11)
            if len(each.inputs) == 1
        ]
        assert len(from_points) == 4
        for each in from_points:
            (point,) = each.inputs
            depth = effective_penetration_depth(
                coefficient(point, "absorption"), coefficient(point, "reducedScattering")
            )
            assert rounds_to(depth.to(each.unit).value, each.printed[0]), each

    def test_effective_depths_from_rounded_figures(self, computed: list[Computed]) -> None:
        """The depths from figures that were printed rounded lie within what rounding allows."""
        from_claims = [
            each
            for each in of_function(computed, "effectivePenetrationDepth", 11)
            if len(each.inputs) > 1
        ]
        assert len(from_claims) == 7
        for each in from_claims:
            wavelength = each.settings["Wavelength"]
            ranges = _ranges(each, wavelength)
            depths = [
                effective_penetration_depth(Quantity(a, "cm-1"), Quantity(s, "cm-1"))
                .to(each.unit)
                .value
                for a, s in product(ranges["absorption"], ranges["scattering"])
            ]
            low, high = _rounding(each.printed[0])
            assert min(depths) <= high, each
            assert max(depths) >= low, each

    def test_relaxation_times(self, computed: list[Computed]) -> None:
        """The times follow from a claimed size and diffusivity, with the factor of the formula."""
        for each in of_function(computed, "thermalRelaxationTime", 4):
            (size,) = (one for one in each.inputs if "predicate" in one)
            (diffusivity,) = (one for one in each.inputs if "parameter" in one)
            time = thermal_relaxation_time(
                Quantity(float(size["value"]), size["unitCode"]),
                DIFFUSION_LENGTH,
                Quantity(float(diffusivity["value"]), diffusivity["unitCode"]),
            )
            assert rounds_to(time.to(each.unit).value, each.printed[0]), each


def _rounding(printed: str) -> tuple[float, float]:
    """Return the bounds of the numbers that round to what is printed."""
    half = Decimal(5).scaleb(int(Decimal(printed).as_tuple().exponent) - 1)
    return float(Decimal(printed) - half), float(Decimal(printed) + half)


def _ranges(claim: Computed, wavelength: Quantity) -> dict[str, tuple[float, ...]]:
    """Return the least and the greatest coefficients that the inputs of a claim can mean."""
    ranges: dict[str, tuple[float, ...]] = {}
    for each in claim.inputs:
        if "predicate" in each:
            name = "absorption" if "absorption" in each["predicate"] else "scattering"
            assert each["unitCode"] == "cm-1"
            ranges[name] = _rounding(each["reportedFigure"])
    points = [
        (
            float(point["wavelengthInNanometre"]),
            coefficient(point, "reducedScattering").value,
        )
        for point in claim.inputs
        if "wavelengthInNanometre" in point
    ]
    if points:
        assert "scattering" not in ranges
        ranges["scattering"] = (formulas.read_spectrum(sorted(points), wavelength).value,)
    return ranges
