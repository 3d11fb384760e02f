"""Regular expressions of XPath that Oxigraph, whose are those of Rust, reads otherwise or not at all."""

import re
from collections.abc import Iterator
from typing import Final

from rdflib import Literal

from kg.rdf.ntriples import unescaped
from kg.sparql.lexer import Token, TokenKind, first_word, significant, tokens
from kg.sparql.syntax_errors import limitation

_FLAGS_AT: Final = {"REGEX": 2, "REPLACE": 3}
"""Which argument, counted from 0, has the flags; argument 1 of both is the pattern."""
_REPLACEMENT_AT: Final = 2

_DEEPER: Final = {"(": 1, "{": 1, ")": -1, "}": -1}
_PARTS: Final = re.compile(r"\\[pP]\{Is|\\.|&&|~~|--|\(\?|.", re.DOTALL)
_OPERATORS: Final = ("&&", "~~", "--")
_IN_REPLACEMENT: Final = re.compile(r"\$([0-9]+)|\\([\\$])|([\\$])")


def with_patterns_of_xpath(text: str) -> str:
    r"""Write a query so that what is constant in REGEX and REPLACE does what XPath says.

    In a replacement `$1` is a group, of as many digits as there are groups, and `\$` and `\\` stand
    for the second character (https://www.w3.org/TR/xpath-functions-31/#func-replace). To Rust `$1x`
    is a group of that name, and a backslash is itself.

    Raises:
        EngineLimitation: a pattern would match something else, or never; a replacement is an error.
    """
    if first_word(text, *_FLAGS_AT) is None:
        return text
    found = significant(text)
    written: dict[int, str] = {}
    for place, token in enumerate(found[:-1]):
        if not token.is_word(*_FLAGS_AT) or found[place + 1].text != "(":
            continue
        function = token.text.upper()
        strings = _strings(found[place + 2 :])
        pattern = _content(strings.get(1))
        is_extended = "x" in _content(strings.get(_FLAGS_AT[function]))
        fault = _unsupported(pattern, is_extended=is_extended)
        if fault:
            raise limitation(
                text,
                f"{fault} in the pattern of {function} is not supported.",
                token.offset,
                "Write the pattern without it, or use CONTAINS, STRSTARTS, STRENDS or IN.",
            )
        if function == "REPLACE" and _REPLACEMENT_AT in strings:
            given = strings[_REPLACEMENT_AT]
            content = _content(given)
            put = _replacement(content, _groups(pattern) if 1 in strings else None)
            if put is None:
                raise limitation(
                    text,
                    "The replacement is an error in XPath: a $ is not followed by a digit, or a "
                    "backslash by neither $ nor a backslash.",
                    given.offset,
                    r'Write "\\$" for a dollar sign, and "\\\\" for a backslash.',
                )
            written[given.offset] = given.text if put == content else Literal(put).n3()
    if not written:
        return text
    return "".join(written.get(token.offset, token.text) for token in tokens(text))


def _strings(found: list[Token]) -> dict[int, Token]:
    """Return the arguments of a call that are nothing but a string, by their number."""
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
        number: argument[0]
        for number, argument in enumerate(arguments)
        if [each.kind for each in argument] == [TokenKind.STRING]
    }


def _content(string: Token | None) -> str:
    if string is None:
        return ""
    quotes = 3 if string.text[:3] in ('"""', "'''") else 1
    return unescaped(string.text[quotes:-quotes])


def _groups(pattern: str) -> int:
    """Return how many groups a pattern has that a replacement can name."""
    return sum(part == "(" and not in_class for part, in_class, _ in _parts(pattern))


def _parts(pattern: str) -> Iterator[tuple[str, bool, str]]:
    """Yield the parts of a pattern, with whether each is within brackets, and the one before it."""
    in_class, before = False, ""
    for part in _PARTS.findall(pattern):
        yield part, in_class, before
        in_class, before = part == "[" or (in_class and part != "]"), part


def _replacement(given: str, groups: int | None) -> str | None:
    """Write a replacement for Rust; None if it is an error.

    Args:
        given: as XPath has it.
        groups: how many groups the pattern has; None: that is not known, and one digit is taken.
    """
    if any(alone for _, _, alone in _IN_REPLACEMENT.findall(given)):
        return None

    def put(found: re.Match[str]) -> str:
        if found[2]:
            return "$$" if found[2] == "$" else "\\"
        digits = found[1]
        length = len(digits)
        while length > 1 and int(digits[:length]) > (groups or 0):
            length -= 1
        return f"${{{digits[:length]}}}{digits[length:]}"

    return _IN_REPLACEMENT.sub(put, given)


def _unsupported(pattern: str, *, is_extended: bool) -> str | None:
    """Say what Rust reads otherwise in a pattern, or None."""
    for part, in_class, before in _parts(pattern):
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
    return None
