"""The units of measurement of ontology/units.tsv, and quantities as people write them."""

import csv
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Final

from kg.search.folding import words
from kg.text_files import ONTOLOGY_FOLDER

_SPELLINGS: Final[Mapping[str, str]] = json.loads(
    Path(__file__).with_name("spellings.json").read_text(encoding="utf-8")
)
"""What else people write for a unit, with its code."""

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)\s*"
    r"(?P<unit>[^\s0-9.,+-].*)?"
)
_SIGNS: Final = str.maketrans({"\N{GREEK SMALL LETTER MU}": "u", "\N{MINUS SIGN}": "-"})
EXACT: Final = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero])
"""More digits than any number that a query can hold; what has more still is an error."""


class UnitError(ValueError):
    """A unit that is unknown, or does not measure what is wanted; the message names it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measurement.

    Attributes:
        code: its UCUM code.
        iri: its QUDT IRI, or None.
        factor: what a number in it is multiplied by to be in SI base units, or None.
        offset: what is added afterwards, in SI base units.
        label: its name.
        dimension: the unit of the SI that measures the same, as a product of base units, or None.
    """

    code: str
    iri: str | None
    factor: Decimal | None
    offset: Decimal
    label: str = ""
    dimension: str | None = None

    def in_si(self, number: Decimal) -> Decimal | None:
        """Convert a number in this unit to SI base units; None where no factor is known."""
        return None if self.factor is None else number * self.factor + self.offset


def unit_of(row: Mapping[str, str]) -> Unit:
    """Return the unit of a row of units.tsv."""
    return Unit(
        code=row["code"],
        iri=row.get("unit") or None,
        factor=Decimal(row["factor_to_si"]) if row.get("factor_to_si") else None,
        offset=Decimal(row.get("offset_to_si") or "0"),
        label=row["label"],
        dimension=row.get("dimension"),
    )


@cache
def units() -> dict[str, Unit]:
    """Return the units by their UCUM codes."""
    with (ONTOLOGY_FOLDER / "units.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["code"]: unit_of(row) for row in rows}


def read_quantity(text: str, code: str | None) -> Decimal:
    """Return a number as people write it, with or without a unit, in a unit, exactly.

    Args:
        text: such as `1064`, `1.064 um` or `2 weeks`.
        code: of the unit of numbers without one, and of the result; None: there is none.

    Raises:
        UnitError: what follows the number is no unit that measures the same; names those that do.
        ValueError: there is no number.
        ArithmeticError: it cannot be written exactly in the unit.
    """
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    number = Decimal(found["number"])
    if found["unit"] is None:
        return number
    if code is None:
        raise UnitError(f"{text!r} has a unit. Write the number alone.")
    unit = units()[code]
    same = [each for each in units().values() if each.dimension == unit.dimension and each.factor]
    written = _written(found["unit"])
    other = next((each for each in same if each.code == written), None)
    if other is None or other.factor is None or unit.factor is None:
        what = "does not measure the same as" if written in units() else "is no unit like"
        taken = ", ".join(each.code for each in same)
        raise UnitError(f"{found['unit']!r} {what} {code} ({unit.label}). Take one of {taken}.")
    in_si = EXACT.add(EXACT.multiply(number, other.factor), other.offset)
    return EXACT.divide(EXACT.subtract(in_si, unit.offset), unit.factor)


def _written(text: str) -> str:
    """Return the code of the unit that a text names, or the text."""
    plain = re.sub(r"[\s^·]", "", unicodedata.normalize("NFKC", text).translate(_SIGNS))
    code = _SPELLINGS.get(plain, plain)
    name = words(text)
    called = [each.code for each in units().values() if name and words(each.label) == name]
    return code if code in units() else [*called, text][0]
