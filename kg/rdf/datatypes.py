"""Which texts stand for values of the datatypes of XML Schema, by their lexical spaces.

See https://www.w3.org/TR/xmlschema11-2/. rdflib reads more than these, such as `3_7` for a number,
and Oxigraph leaves some types unread.
"""

import calendar
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Final

from kg.text_files import patterns

XSD: Final = "http://www.w3.org/2001/XMLSchema#"

_TABLE: Final = Path(__file__).with_suffix(".toml")
_RANGES: Final[dict[str, list[float]]] = tomllib.loads(_TABLE.read_text("utf-8"))["ranges"]
INTEGERS: Final = tuple(_RANGES)
"""The names of the types of integers."""

_FORMS: Final = {name: re.compile(each, re.ASCII) for name, each in patterns(_TABLE)[1].items()}
_LEAP_YEAR: Final = 2000
"""Stands for the year of days that are in none."""


def is_ill_typed(text: str, datatype: str | None) -> bool:
    """Tell whether a text is known to stand for no value of a datatype.

    Args:
        text: the text, without quotes and escapes.
        datatype: the IRI of the datatype; of those that are not of XML Schema nothing is known.
    """
    if datatype is None or not datatype.startswith(XSD):
        return False
    name = datatype.removeprefix(XSD)
    form = _FORMS.get("integer" if name in _RANGES else name)
    if form is None:
        return False
    match = form.fullmatch(text)
    if match is None:
        return True
    if name in _RANGES:
        least, greatest = _RANGES[name]
        return not least <= Decimal(text) <= greatest  # int() refuses thousands of digits
    parts = match.groupdict()
    if "day" not in parts:
        return False
    # The calendar is the same each 400 years, also before the year 1, and so the last digits decide.
    year = int(parts["year"][-4:]) % 400 + 400 if "year" in parts else _LEAP_YEAR
    return int(parts["day"]) > calendar.monthrange(year, int(parts["month"]))[1]
