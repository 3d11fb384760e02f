"""The physics of light and heat in skin, as far as it can be computed from published figures.

Quantities carry their unit (a UCUM code); a unit that does not fit is an error, never a number.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


class UnitError(ValueError):
    """A unit that is unknown, or does not measure what is wanted; the message names it."""


class Dimension(Enum):
    """What a unit measures, with its SI unit."""

    LENGTH = "m"
    RECIPROCAL_LENGTH = "m-1"
    TIME = "s"
    DIFFUSIVITY = "m2/s"


_UNITS: Final = {
    "nm": (Dimension.LENGTH, 1e-9),
    "um": (Dimension.LENGTH, 1e-6),
    "mm": (Dimension.LENGTH, 1e-3),
    "cm": (Dimension.LENGTH, 1e-2),
    "m": (Dimension.LENGTH, 1.0),
    "m-1": (Dimension.RECIPROCAL_LENGTH, 1.0),
    "cm-1": (Dimension.RECIPROCAL_LENGTH, 1e2),
    "mm-1": (Dimension.RECIPROCAL_LENGTH, 1e3),
    "ns": (Dimension.TIME, 1e-9),
    "us": (Dimension.TIME, 1e-6),
    "ms": (Dimension.TIME, 1e-3),
    "s": (Dimension.TIME, 1.0),
    "m2/s": (Dimension.DIFFUSIVITY, 1.0),
    "cm2/s": (Dimension.DIFFUSIVITY, 1e-4),
    "mm2/s": (Dimension.DIFFUSIVITY, 1e-6),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit.

    Attributes:
        value: a finite number.
        unit: a UCUM code that this module knows.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        """Refuse what is no quantity."""
        if self.unit not in _UNITS:
            raise UnitError(f"The unit {self.unit!r} is unknown; known are {', '.join(_UNITS)}.")
        if not math.isfinite(self.value):
            raise ValueError(f"{self.value} is not a finite number.")

    def to(self, unit: str) -> Quantity:
        """Convert to another unit of the same dimension.

        Raises:
            UnitError: the unit is unknown or measures something else.
        """
        dimension, factor = _UNITS[self.unit]
        target = Quantity(0.0, unit)
        if _UNITS[target.unit][0] is not dimension:
            raise UnitError(f"{unit} does not measure what {self.unit} does.")
        return Quantity(self.value * factor / _UNITS[unit][1], unit)

    def in_si(self, dimension: Dimension) -> float:
        """Give the number in the SI unit of a dimension.

        Raises:
            UnitError: the unit of this quantity measures something else.
        """
        own, factor = _UNITS[self.unit]
        if own is not dimension:
            raise UnitError(f"{self.unit} is not a unit of {dimension.name.lower()}.")
        return self.value * factor


def absorption_depth(absorption: Quantity) -> Quantity:
    """Give the depth at which light has fallen to 1/e by absorption alone, without scattering.

    The depth is 1 / mu_a, from the Beer-Lambert law; see S. L. Jacques, Optical properties of
    biological tissues: a review, Phys. Med. Biol. 58 (2013) R37, doi:10.1088/0031-9155/58/11/R37.

    Args:
        absorption: absorption coefficient, a reciprocal length above 0.

    Returns:
        The depth in micrometres.
    """
    coefficient = _positive(absorption, Dimension.RECIPROCAL_LENGTH, "absorption coefficient")
    return Quantity(1 / coefficient, "m").to("um")


def effective_penetration_depth(absorption: Quantity, reduced_scattering: Quantity) -> Quantity:
    """Give the depth at which diffuse light falls to 1/e in scattering tissue.

    The depth is 1 / sqrt(3 mu_a (mu_a + mu_s')), from diffusion theory; see S. L. Jacques, Optical
    properties of biological tissues: a review, Phys. Med. Biol. 58 (2013) R37,
    doi:10.1088/0031-9155/58/11/R37. It holds where scattering is much stronger than absorption.

    Args:
        absorption: absorption coefficient, a reciprocal length above 0.
        reduced_scattering: reduced scattering coefficient, a reciprocal length of 0 or more.

    Returns:
        The depth in micrometres.
    """
    absorbed = _positive(absorption, Dimension.RECIPROCAL_LENGTH, "absorption coefficient")
    scattered = reduced_scattering.in_si(Dimension.RECIPROCAL_LENGTH)
    if scattered < 0:
        raise ValueError("The reduced scattering coefficient is negative.")
    return Quantity(1 / math.sqrt(3 * absorbed * (absorbed + scattered)), "m").to("um")


def absorption_ratio(one: Quantity, other: Quantity) -> float:
    """Give how many times more strongly one coefficient absorbs than another.

    Args:
        one: absorption coefficient, a reciprocal length above 0.
        other: likewise.
    """
    above = _positive(one, Dimension.RECIPROCAL_LENGTH, "first absorption coefficient")
    below = _positive(other, Dimension.RECIPROCAL_LENGTH, "second absorption coefficient")
    return above / below


class Geometry(Enum):
    """The shape of a heated target, with the factor that its relaxation time is divided by.

    DIFFUSION is the plain diffusion length, d = sqrt(4 kappa t), of a layer of thickness d.
    The other factors are for the time in which the centre of a target of thickness or diameter d
    cools by half; see R. R. Anderson, J. A. Parrish, Selective photothermolysis, Science 220 (1983)
    524-527, doi:10.1126/science.6836297, and H. P. Berlien, G. J. Mueller (eds.), Applied Laser
    Medicine (2003).
    """

    DIFFUSION = 4
    PLANE = 8
    CYLINDER = 16
    SPHERE = 24


THERMAL_DIFFUSIVITY_OF_WATER: Final = Quantity(1e-7, "m2/s")
"""About that of water, as the dossier assumes for soft tissue; an order of magnitude."""


def thermal_relaxation_time(
    size: Quantity,
    geometry: Geometry,
    diffusivity: Quantity = THERMAL_DIFFUSIVITY_OF_WATER,
) -> Quantity:
    """Give the time in which a heated target loses heat to what surrounds it.

    The time is d^2 / (g kappa); see ``Geometry`` for the factor and its sources. Definitions
    differ between sources (cooling by half or by 63%), so the geometry must be stated.

    Args:
        size: thickness or diameter of the target, a length above 0.
        geometry: its shape.
        diffusivity: thermal diffusivity of the tissue.

    Returns:
        The time in microseconds.
    """
    thickness = _positive(size, Dimension.LENGTH, "size")
    kappa = _positive(diffusivity, Dimension.DIFFUSIVITY, "thermal diffusivity")
    return Quantity(thickness**2 / (geometry.value * kappa), "s").to("us")


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
    wanted = wavelength.in_si(Dimension.LENGTH) * 1e9
    wavelengths = [each for each, _ in points]
    place = bisect_left(wavelengths, wanted - 1e-6)
    if place < len(points) and math.isclose(wavelengths[place], wanted, abs_tol=1e-6):
        return Reading(points[place][1], interpolated=False)
    if place in (0, len(points)):
        shown = f"{wavelengths[0]:g} to {wavelengths[-1]:g} nm" if points else "nothing"
        raise ValueError(f"The spectrum covers {shown}, not {wanted:g} nm.")
    (low, at_low), (high, at_high) = points[place - 1], points[place]
    share = (wanted - low) / (high - low)
    return Reading(at_low + share * (at_high - at_low), interpolated=True)


def _positive(quantity: Quantity, dimension: Dimension, name: str) -> float:
    value = quantity.in_si(dimension)
    if value <= 0:
        raise ValueError(f"The {name} is not above 0.")
    return value
