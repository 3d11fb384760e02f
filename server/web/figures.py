"""Plots of spectra: axes with their ticks, by which a template draws them in SVG."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Points = Sequence[tuple[float, float]]
"""Wavelength in nanometres and coefficient, both positive."""


class Axis(NamedTuple):
    """A logarithmic axis.

    Attributes:
        low, high: the values at its ends.
        start, end: where these are, in units of the drawing.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)


class Plot(NamedTuple):
    """A diagram with wavelength to the right and coefficients upwards.

    Attributes:
        across, up: the axes.
        wavelengths: those that are written below.
        powers: the decades upwards.
        curves: label and points of each.
        lasers: wavelengths of lasers, each with the row, counted upwards from 0, in which its
            number has room; None: it has none.
    """

    across: Axis
    up: Axis
    wavelengths: Sequence[float]
    powers: Sequence[int]
    curves: Sequence[tuple[str, Points]]
    lasers: Sequence[tuple[float, int | None]]


def plot(curves: Iterable[tuple[str, Points]], lines: Iterable[float]) -> Plot | None:
    """Draw curves, with the laser lines that fall between their ends.

    Args:
        curves: label and points; points that a logarithmic scale cannot show are left out.
        lines: wavelengths in nanometres.

    Returns:
        The plot, or None if there are no two points to span it.
    """
    shown = [(label, sorted(each for each in points if min(each) > 0)) for label, points in curves]
    wavelengths = [x for _, points in shown for x, _ in points]
    coefficients = [y for _, points in shown for _, y in points]
    if len(set(wavelengths)) < 2:  # noqa: PLR2004 - two points span an axis
        return None
    across = Axis(min(wavelengths), max(wavelengths), 74, 784)
    first = math.floor(math.log10(min(coefficients)))
    last = max(math.ceil(math.log10(max(coefficients))), first + 1)
    up = Axis(10.0**first, 10.0**last, 362, 46)
    lasers = _placed(lines, across, _LINE_ROOM, _ROWS)
    return Plot(across, up, _ticks(across), range(first, last + 1), shown, lasers)


_NICE: Final = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
_ROOM: Final = 46  # pixels that a label takes
_LINE_ROOM: Final = 34  # pixels that the name of a line takes
_ROWS: Final = 2  # of names above each other


def _ticks(axis: Axis) -> list[float]:
    """Choose round wavelengths that leave room for their numbers."""
    powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    values = (each * 10.0**power for power in powers for each in _NICE)
    return [value for value, row in _placed(values, axis, _ROOM, 1) if row is not None]


def _placed(
    values: Iterable[float], axis: Axis, room: int, rows: int
) -> list[tuple[float, int | None]]:
    """Choose for each value on an axis the lowest row in which its label has room; None: in none."""
    placed: list[tuple[float, int | None]] = []
    ends = [-math.inf] * rows
    for value in sorted({each for each in values if axis.low <= each <= axis.high}):
        at = axis.at(value)
        row = next((row for row, end in enumerate(ends) if at - end >= room), None)
        placed.append((value, row))
        if row is not None:
            ends[row] = at
    return placed
