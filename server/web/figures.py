"""Plots of spectra, as the geometry that a template draws in SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

Points = Sequence[tuple[float, float]]
"""Wavelength in nanometres and coefficient, both positive."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis.

    Attributes:
        at: where, in units of the drawing.
        text: what is written there; empty where there is no room.
        row: in which row, counted upwards from 0, the text stands.
    """

    at: float
    text: str
    row: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """A series of points, joined.

    Attributes:
        label: what it shows.
        path: its coordinates, as SVG's `points`.
        dots: the same, one by one.
    """

    label: str
    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A diagram with wavelength to the right and coefficients upwards, both logarithmic.

    Attributes:
        across: ticks of the horizontal axis.
        up: ticks of the vertical axis.
        curves: what is shown.
        lines: the wavelengths of lasers.
        width, height: of the drawing.
        left, right, top, bottom: the edges of the area that the axes bound.
    """

    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    curves: tuple[Curve, ...]
    lines: tuple[Tick, ...]

    width: ClassVar = 800
    height: ClassVar = 420
    left: ClassVar = 74
    right: ClassVar = 784
    top: ClassVar = 46
    bottom: ClassVar = 362


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from the value `low` at `start` to the value `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)


def plot(curves: Iterable[tuple[str, Points]], lines: Iterable[float]) -> Plot | None:
    """Draw curves, with the laser lines that fall between their ends.

    Args:
        curves: label and points; points that a logarithmic scale cannot show are left out.
        lines: wavelengths in nanometres.

    Returns:
        The plot, or None if there are no two points to span it.
    """
    shown = [(label, [point for point in points if min(point) > 0]) for label, points in curves]
    wavelengths = [x for _, points in shown for x, _ in points]
    coefficients = [y for _, points in shown for _, y in points]
    if len(set(wavelengths)) < 2:  # noqa: PLR2004 - two points span an axis
        return None
    across = _Axis(min(wavelengths), max(wavelengths), Plot.left, Plot.right)
    decades = _decades(min(coefficients), max(coefficients))
    up = _Axis(10.0 ** decades[0], 10.0 ** decades[-1], Plot.bottom, Plot.top)
    return Plot(
        across=tuple(Tick(across.at(each), f"{each:g}") for each in _wavelength_ticks(across)),
        up=tuple(Tick(up.at(10.0**power), _power(power)) for power in decades),
        curves=tuple(_curve(label, points, across, up) for label, points in shown),
        lines=_laser_lines(lines, across),
    )


def _decades(low: float, high: float) -> range:
    first = math.floor(math.log10(low))
    return range(first, max(math.ceil(math.log10(high)), first + 1) + 1)


_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power(power: int) -> str:
    plain = {-1: "0.1", 0: "1", 1: "10", 2: "100"}
    return plain.get(power, f"10{str(power).translate(_SUPERSCRIPTS)}")


_NICE: Final = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
_ROOM: Final = 46  # pixels that a label takes


def _wavelength_ticks(axis: _Axis) -> list[float]:
    """Choose round wavelengths that leave room for their numbers."""
    first = math.floor(math.log10(axis.low))
    last = math.ceil(math.log10(axis.high))
    nice = [each * 10.0**power for power in range(first, last + 1) for each in _NICE]
    chosen: list[float] = []
    for value in nice:
        inside = axis.low <= value <= axis.high
        if inside and (not chosen or axis.at(value) - axis.at(chosen[-1]) >= _ROOM):
            chosen.append(value)
    return chosen


def _curve(label: str, points: Points, across: _Axis, up: _Axis) -> Curve:
    dots = tuple((across.at(x), up.at(y)) for x, y in sorted(points))
    return Curve(label, " ".join(f"{x:g},{y:g}" for x, y in dots), dots)


_LINE_ROOM: Final = 34  # pixels that the name of a line takes
_ROWS: Final = 2  # of names above each other


def _laser_lines(lines: Iterable[float], axis: _Axis) -> tuple[Tick, ...]:
    """Place laser lines, their numbers in the lowest row that has room, else without number."""
    ticks: list[Tick] = []
    ends = [-math.inf] * _ROWS
    for line in sorted({each for each in lines if axis.low <= each <= axis.high}):
        at = axis.at(line)
        row = next((row for row, end in enumerate(ends) if at - end >= _LINE_ROOM), None)
        ticks.append(Tick(at, "" if row is None else f"{line:g}", row or 0))
        if row is not None:
            ends[row] = at
    return tuple(ticks)
