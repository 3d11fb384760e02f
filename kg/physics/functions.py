"""The physics of kg.physics.formulas as functions that queries can call, such as dgf:absorptionDepth.

What each function takes and gives is described in ontology/functions.ttl. They have this in common:

- Numbers may be of any numeric type; results are `xsd:double`, since they are computed and not
  read from a source, and since no decimal of the engine holds very small or very large ones.
- A unit is a string, a UCUM code as in `dg:unitCode`. One that is unknown, or measures something
  else, fails the whole query: FunctionMisused. So does a wrong number of arguments.
- What has no answer, such as the absorption outside a spectrum or a depth where nothing is
  absorbed, has no value, as an error of SPARQL's own functions: the variable stays unbound.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from rdflib import XSD, Literal, URIRef

from kg.engine import Engine, ExtensionFunction, FunctionMisused, Term
from kg.physics import formulas
from kg.physics.formulas import Quantity
from kg.physics.units import UnitError
from kg.rdf.datatypes import INTEGERS
from kg.rdf.namespaces import DGD, DGF
from kg.results import select, stored

_INTERPOLATED: Final = DGD + "point-origin/linear-interpolation"

Points: TypeAlias = list[tuple[float, float]]
"""Wavelengths in nanometres, ascending, with a coefficient in reciprocal centimetres for each."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A spectrum as functions read it.

    Attributes:
        absorption, scattering: the absorption and the reduced scattering coefficients.
        interpolated: wavelengths of points that were interpolated before they came here.
    """

    absorption: Points
    scattering: Points
    interpolated: frozenset[float]


_NO_SPECTRUM: Final = Spectrum([], [], frozenset())
"""What any other IRI stands for."""


def functions_over(engine: Engine) -> dict[str, ExtensionFunction]:
    """Return the functions that queries of an engine can call, by their IRIs.

    Args:
        engine: holds the spectra that some of the functions read.
    """
    spectra = read_spectra(engine)

    def is_interpolated(spectrum: Spectrum, wavelength: Quantity) -> bool:
        reading = formulas.read_spectrum(spectrum.absorption, wavelength)
        return reading.interpolated or wavelength.to("nm").value in spectrum.interpolated

    def in_unit(compute: Callable[..., Quantity]) -> Callable[..., float]:
        return lambda *given: compute(*given[:-1]).to(given[-1]).value

    named: _Parameter = (1, lambda iri: spectra.get(_iri(iri), _NO_SPECTRUM))
    table: Mapping[str, tuple[tuple[_Parameter, ...], Callable[..., float | bool]]] = {
        "absorptionDepth": ((_QUANTITY, _UNIT), in_unit(formulas.absorption_depth)),
        "effectivePenetrationDepth": (
            (_NUMBER, _NUMBER, _UNIT, _UNIT),
            in_unit(
                lambda absorption, scattering, unit: formulas.effective_penetration_depth(
                    Quantity(absorption, unit), Quantity(scattering, unit)
                )
            ),
        ),
        "absorptionRatio": ((_QUANTITY, _QUANTITY), formulas.absorption_ratio),
        "thermalRelaxationTime": (
            (_QUANTITY, _NUMBER, _QUANTITY, _UNIT),
            in_unit(formulas.thermal_relaxation_time),
        ),
        "absorptionAt": (
            (named, _QUANTITY),
            lambda spectrum, at: formulas.read_spectrum(spectrum.absorption, at).value,
        ),
        "reducedScatteringAt": (
            (named, _QUANTITY),
            lambda spectrum, at: formulas.read_spectrum(spectrum.scattering, at).value,
        ),
        "isInterpolated": ((named, _QUANTITY), is_interpolated),
        "convert": ((_QUANTITY, _UNIT), in_unit(lambda quantity: quantity)),
    }
    return {DGF + name: _function(DGF + name, *row) for name, row in table.items()}


def read_spectra(engine: Engine) -> dict[str, Spectrum]:
    """Return the spectra that an engine holds by their IRIs."""
    points = select(engine, stored("spectral-points")).by("spectrum")
    return {iri: _spectrum(rows) for iri, rows in points.items()}


def _spectrum(rows: list[dict[str, Any]]) -> Spectrum:
    def points(column: str) -> Points:
        return [
            (float(row["wavelength"]), float(row[column]))
            for row in rows
            if row[column] is not None
        ]

    interpolated = (float(row["wavelength"]) for row in rows if str(row["origin"]) == _INTERPOLATED)
    return Spectrum(points("absorption"), points("scattering"), frozenset(interpolated))


def _number(number: Term) -> float:
    if not isinstance(number, Literal) or number.datatype not in _NUMERIC:
        raise ValueError(f"{number} is no number.")
    return float(number)


def _unit(unit: Term) -> str:
    if not isinstance(unit, Literal) or unit.datatype not in (None, XSD.string) or unit.language:
        raise UnitError(f"{unit} is no unit: give a UCUM code as a string, such as 'um'.")
    return Quantity(0.0, str(unit)).unit


def _iri(iri: Term) -> str:
    if not isinstance(iri, URIRef):
        raise ValueError(f"{iri} is no IRI.")  # noqa: TRY004 - a value without an answer
    return str(iri)


def _quantity(number: Term, unit: Term) -> Quantity:
    # The unit first: a wrong one is an error whatever the number is.
    code = _unit(unit)
    return Quantity(_number(number), code)


_NUMERIC: Final = frozenset(XSD[name] for name in (*INTEGERS, "decimal", "double", "float"))

_Parameter: TypeAlias = tuple[int, Callable[..., Any]]
"""How many arguments of a call make one argument of the computation, and how they are read: what is
no unit is a UnitError, what else does not fit is a ValueError."""

_NUMBER: Final[_Parameter] = (1, _number)
_UNIT: Final[_Parameter] = (1, _unit)
_QUANTITY: Final[_Parameter] = (2, _quantity)


def _function(
    iri: str, parameters: tuple[_Parameter, ...], compute: Callable[..., float | bool]
) -> ExtensionFunction:
    expected = sum(width for width, _ in parameters)

    def call(*arguments: Term) -> Literal | None:
        if len(arguments) != expected:
            raise FunctionMisused(iri, f"It takes {expected} arguments, not {len(arguments)}.")
        rest = iter(arguments)
        try:
            given = [read(*(next(rest) for _ in range(width))) for width, read in parameters]
            return Literal(compute(*given))
        except UnitError as error:
            raise FunctionMisused(iri, str(error)) from error
        except ValueError:
            return None

    return call
