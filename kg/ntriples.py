"""Reading N-Triples as an engine writes them: one triple a line, terms one space apart."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED: Final = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


def split(line: str) -> tuple[str, str, str]:
    """Give subject, predicate and object of a line, each as it is written."""
    subject, predicate, rest = line.split(" ", 2)
    return subject, predicate, rest.removesuffix(" .")


def unescaped(text: str) -> str:
    """Resolve the escapes in what an IRI or a literal holds."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    short, long, letter = match.groups()
    return _ESCAPED.get(letter, letter) if letter else chr(int(short or long, 16))
