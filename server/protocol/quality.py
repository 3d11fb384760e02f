"""Quality lists: what the headers Accept and Accept-Encoding hold, values with weights.

The grammar is that of https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2, and what clients are
known to send besides: `q=.2` for `q=0.2`, and more than three digits in q, up to twelve.
"""

from __future__ import annotations

import re
from typing import Final


class MalformedElement(ValueError):
    """An element does not follow the grammar; the message completes a sentence about it."""


# Possessive, so that no header takes more than linear time.
_QUOTED: Final = r'"(?:[^"\\]|\\.?)*+"?'
_ELEMENTS: Final = re.compile(rf'(?:[^",]|{_QUOTED})++', re.DOTALL)
_PIECES: Final = re.compile(rf'(?:[^";]|{_QUOTED})++', re.DOTALL)
WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""The regular expression of a token, https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2."""

_PARAMETER: Final = re.compile(rf'({WORD})\s*=\s*({WORD}|"(?:[^"\\]|\\.)*+")', re.DOTALL)
_QUALITY: Final = re.compile(r"0|1|0?\.[0-9]{1,12}|0\.|1\.0{0,12}")
_SHOWN: Final = 80


def elements(header: str) -> list[str]:
    """Split a list into its elements, as they are written; empty ones are left out."""
    return [element for each in _ELEMENTS.findall(header) if (element := each.strip())]


def weighted(element: str) -> tuple[str, tuple[tuple[str, str], ...], float]:
    """Return the value of an element, its parameters before the weight, and the weight.

    Value and names of parameters are in lower case, values of parameters without quotes. The value,
    a media range or a content coding, is not checked.

    Raises:
        MalformedElement: a parameter or the weight does not follow the grammar.
    """
    value, _, rest = element.partition(";")
    parameters: list[tuple[str, str]] = []
    quality = "1"
    for piece in filter(None, map(str.strip, _PIECES.findall(rest))):
        name, given = _parameter(piece)
        if name == "q":
            quality = given
            break  # what follows the weight was an extension of it, which nothing ever used
        parameters.append((name, given))
    if not _QUALITY.fullmatch(quality):
        raise MalformedElement("has a q that is not a number from 0 to 1")
    return value.strip().lower(), tuple(parameters), float(quality)


def _parameter(piece: str) -> tuple[str, str]:
    match = _PARAMETER.fullmatch(piece)
    if match is None:
        raise MalformedElement(f"has the malformed parameter {shortened(piece)!r}")
    value = match[2]
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    return match[1].lower(), value


def shortened(text: str) -> str:
    """Return the beginning of a text, as far as an error message shows it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
