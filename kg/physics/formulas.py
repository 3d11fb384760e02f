"""The physics of light and heat in skin, as far as it can be computed from published figures.

Quantities carry their unit (a UCUM code); a unit that does not fit is an error, never a number.
A float stands for the decimal number that it is written as, and is computed with exactly, so that
no result shows the noise of binary fractions.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import Enum
from fractions import Fraction
from typing import Final

from kg.physics.units import UnitError, units


class Dimension(Enum):
    """What a unit measures, with its SI unit as ontology/units.tsv writes it."""

    LENGTH = "m"
    RECIPROCAL_LENGTH = "m-1"
    TIME = "s"
    DIFFUSIVITY = "m2.s-1"


UNITS: Final = {
    unit.code: (Dimension(unit.dimension), Fraction(unit.factor))
    for unit in units().values()
    if unit.dimension in [each.value for each in Dimension] and unit.factor
}
"""For each unit what it measures, and how many of the SI unit it is."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit.

    Attributes:
        value: a finite number.
        unit: a UCUM code of UNITS.

    Raises:
        UnitError: the unit is unknown.
        ValueError: the value is not finite.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        """Refuse what is no quantity."""
        if self.unit not in UNITS:
            raise UnitError(f"The unit {self.unit!r} is unknown; known are {', '.join(UNITS)}.")
        if not math.isfinite(self.value):
            raise ValueError(f"{self.value} is not a finite number.")

    def to(self, unit: str) -> Quantity:
        """Convert to another unit of the same dimension.

        Raises:
            UnitError: the unit is unknown or measures something else.
            ValueError: the number is too large or too small for a float.
        """
        dimension, _ = UNITS[self.unit]
        return _in_unit(self.in_si(dimension), dimension, unit)

    def in_si(self, dimension: Dimension) -> Fraction:
        """Return the number in the SI unit of a dimension, exactly.

        Raises:
            UnitError: the unit of this quantity measures something else.
        """
        own, factor = UNITS[self.unit]
        if own is not dimension:
            what = dimension.name.lower().replace("_", " ")
            raise UnitError(f"{self.unit} is not a unit of {what}.")
        return Fraction(str(self.value)) * factor


def _in_unit(number: Fraction, dimension: Dimension, unit: str) -> Quantity:
    """Return a number in the SI unit of a dimension as a quantity in another unit of it."""
    Quantity(0.0, unit).in_si(dimension)  # raises where the unit measures something else
    return Quantity(_as_float(number / UNITS[unit][1]), unit)


def _as_float(number: Fraction) -> float:
    """Return the nearest float, but not infinity for what is finite nor 0 for what is not 0."""
    try:
        nearest = float(number)
    except OverflowError as error:
        raise ValueError("The number is too large.") from error
    if number and not nearest:
        raise ValueError("The number is too small.")
    return nearest


def absorption_depth(absorption: Quantity) -> Quantity:
    """Return the depth at which light has fallen to 1/e by absorption alone, without scattering.

    The depth is 1 / mu_a, from the Beer-Lambert law; see S. L. Jacques, Optical properties of
    biological tissues: a review, Phys. Med. Biol. 58 (2013) R37, doi:10.1088/0031-9155/58/11/R37.

    Args:
        absorption: absorption coefficient, a reciprocal length above 0.

    Returns:
        The depth in micrometres.

    Raises:
        UnitError: it is no reciprocal length.
        ValueError: it is not above 0.
    """
    coefficient = _positive(absorption, Dimension.RECIPROCAL_LENGTH, "absorption coefficient")
    return _in_unit(1 / coefficient, Dimension.LENGTH, "um")


def effective_penetration_depth(absorption: Quantity, reduced_scattering: Quantity) -> Quantity:
    """Return the depth at which diffuse light falls to 1/e in scattering tissue.

    The depth is 1 / sqrt(3 mu_a (mu_a + mu_s')), from diffusion theory; see S. L. Jacques, Optical
    properties of biological tissues: a review, Phys. Med. Biol. 58 (2013) R37,
    doi:10.1088/0031-9155/58/11/R37. It holds where scattering is much stronger than absorption.

    Args:
        absorption: absorption coefficient, a reciprocal length above 0.
        reduced_scattering: reduced scattering coefficient, a reciprocal length of 0 or more.

    Returns:
        The depth in micrometres.

    Raises:
        UnitError: one of them is no reciprocal length.
        ValueError: absorption is not above 0, or scattering is negative.
    """
    absorbed = _positive(absorption, Dimension.RECIPROCAL_LENGTH, "absorption coefficient")
    scattered = reduced_scattering.in_si(Dimension.RECIPROCAL_LENGTH)
    if scattered < 0:
        raise ValueError("The reduced scattering coefficient is negative.")
    depth = 1 / _root(3 * absorbed * (absorbed + scattered))
    return _in_unit(depth, Dimension.LENGTH, "um")


def absorption_ratio(one: Quantity, other: Quantity) -> float:
    """Return how many times more strongly one coefficient absorbs than another.

    Args:
        one: absorption coefficient, a reciprocal length above 0.
        other: likewise.

    Raises:
        UnitError: one of them is no reciprocal length.
        ValueError: one of them is not above 0, or the ratio is too large or too small for a float.
    """
    above = _positive(one, Dimension.RECIPROCAL_LENGTH, "first absorption coefficient")
    below = _positive(other, Dimension.RECIPROCAL_LENGTH, "second absorption coefficient")
    return _as_float(above / below)


def thermal_relaxation_time(size: Quantity, factor: float, diffusivity: Quantity) -> Quantity:
    """Return the time in which a heated target loses heat to what surrounds it.

    The time is d^2 / (g kappa), from the diffusion of heat. What the factor g is depends on the
    shape of the target and on how much of the heat is meant to be lost, half or 63%, and
    publications differ; so it must be stated. No source of the graph states one for a cylinder, a
    sphere or a plane, so none is offered by name. With 4 it is the time in which heat spreads over
    the size, by the diffusion length sqrt(4 kappa t), as in the source AUTHOREA_DIFF.

    Args:
        size: thickness or diameter of the target, a length above 0.
        factor: the factor g, above 0, without unit.
        diffusivity: thermal diffusivity of the tissue, above 0; of water 1e-7 m2/s.

    Returns:
        The time in microseconds.

    Raises:
        UnitError: the size is no length, or the diffusivity no diffusivity.
        ValueError: one of the three is not above 0.
    """
    thickness = _positive(size, Dimension.LENGTH, "size")
    kappa = _positive(diffusivity, Dimension.DIFFUSIVITY, "thermal diffusivity")
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"The factor {factor} is not a finite number above 0.")
    return _in_unit(thickness**2 / (Fraction(str(factor)) * kappa), Dimension.TIME, "us")


@dataclass(frozen=True, slots=True)
class Reading:
    """A coefficient read from a spectrum.

    Attributes:
        value: the coefficient, in the unit of the spectrum.
        interpolated: whether it lies between two points of the spectrum.
    """

    value: float
    interpolated: bool


def read_spectrum(points: Sequence[tuple[float, float]], wavelength: Quantity) -> Reading:
    """Read a spectrum at a wavelength, interpolating linearly between neighbouring points.

    Args:
        points: wavelengths in nanometres and coefficients, in ascending order of wavelength,
            each wavelength once.
        wavelength: a length within the spectrum.

    Raises:
        ValueError: the wavelength lies outside the spectrum; nothing is extrapolated.
        UnitError: the wavelength is no length.
    """
    wanted = wavelength.to("nm").value
    wavelengths = [each for each, _ in points]
    place = bisect_left(wavelengths, wanted)
    if place < len(points) and wavelengths[place] == wanted:
        return Reading(points[place][1], interpolated=False)
    if place in (0, len(points)):
        shown = f"{wavelengths[0]:g} to {wavelengths[-1]:g} nm" if points else "nothing"
        raise ValueError(f"The spectrum covers {shown}, not {wanted:g} nm.")
    (low, at_low), (high, at_high) = points[place - 1], points[place]
    share = (wanted - low) / (high - low)
    return Reading(at_low + share * (at_high - at_low), interpolated=True)


def _positive(quantity: Quantity, dimension: Dimension, name: str) -> Fraction:
    value = quantity.in_si(dimension)
    if value <= 0:
        raise ValueError(f"The {name} is not above 0.")
    return value


_PRECISE: Final = Context(prec=34)
"""Twice the digits of a float, and a range that no product of floats leaves."""


def _root(number: Fraction) -> Fraction:
    numerator, denominator = Decimal(number.numerator), Decimal(number.denominator)
    return Fraction(_PRECISE.sqrt(_PRECISE.divide(numerator, denominator)))
