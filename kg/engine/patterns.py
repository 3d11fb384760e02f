"""Regular expressions of XPath that Oxigraph, whose are those of Rust, reads otherwise or not at all."""

from __future__ import annotations

import re
from typing import Final

from kg.engine.diagnosis import limitation
from kg.engine.tokens import Token, TokenKind, first_word, significant

_FLAGS_AT: Final = {"REGEX": 2, "REPLACE": 3}
"""Which argument has the flags; the pattern is the second of both."""

_DEEPER: Final = {"(": 1, "{": 1, ")": -1, "}": -1}
_PARTS: Final = re.compile(r"\\[pP]\{Is|\\.|&&|~~|--|.", re.DOTALL)
_OPERATORS: Final = ("&&", "~~", "--")


def refuse_patterns(text: str) -> None:
    """Refuse a query with a constant pattern that would match something else, or never.

    Raises:
        EngineLimitation: there is one.
    """
    if first_word(text, *_FLAGS_AT) is None:
        return
    found = significant(text)
    for place, token in enumerate(found[:-1]):
        if token.is_word(*_FLAGS_AT) and found[place + 1].text == "(":
            function = token.text.upper()
            strings = _strings(found[place + 2 :])
            flags = strings.get(_FLAGS_AT[function], "")
            told = _unsupported(strings.get(1, ""), is_extended="x" in flags)
            if told:
                raise limitation(
                    text,
                    f"{told} in the pattern of {function} is not supported.",
                    token.offset,
                    "Write the pattern without it, or use CONTAINS, STRSTARTS, STRENDS or IN.",
                )


def _strings(found: list[Token]) -> dict[int, str]:
    """Give the arguments of a call that are nothing but a string, by their number."""
    depth = 0
    arguments: list[list[Token]] = [[]]
    for token in found:
        depth += _DEEPER.get(token.text, 0)
        if depth < 0:
            break
        if depth == 0 and token.text == ",":
            arguments.append([])
        else:
            arguments[-1].append(token)
    return {
        number: _content(argument[0].text)
        for number, argument in enumerate(arguments)
        if [each.kind for each in argument] == [TokenKind.STRING]
    }


def _content(string: str) -> str:
    inner = string[3:-3] if string[:3] in ('"""', "'''") else string[1:-1]
    return re.sub(r"\\(.)", lambda found: " " if found[1] in "tnrbf" else found[1], inner)


def _unsupported(pattern: str, *, is_extended: bool) -> str | None:
    """Say what Rust reads otherwise in a pattern, or None."""
    in_class = False
    before = ""
    part: str
    for part in _PARTS.findall(pattern):
        if part in (r"\i", r"\I", r"\c", r"\C") or part.endswith("{Is"):
            return part + ("...}" if part.endswith("{Is") else "")
        if not in_class and part[0] == "\\" and part[1:].isdigit():
            return f"The back-reference {part}"
        if in_class and part == "[":
            return "Class subtraction" if before == "-" else "An unescaped [ within brackets"
        if in_class and part in _OPERATORS:
            return f"{part} within brackets"
        if is_extended and in_class and part.isspace():
            return "White space within brackets, with the flag x,"
        if is_extended and not in_class and part == "#":
            return "The character #, with the flag x,"
        in_class = part == "[" or (in_class and part != "]")
        before = part
    return None
