"""A lexer for SPARQL, which tells variables and keywords from what only looks like them.

The engines parse queries; this exists for what their interfaces do not offer: binding values to
variables, recognising SERVICE and volatile functions, and saying where a syntax error is. A token
stream is not fooled by comments, strings, IRIs or prefixed names as a search in the text would be.
The terminals follow https://www.w3.org/TR/sparql11-query/#sparqlGrammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class TokenKind(Enum):
    """The kinds of token that are told apart."""

    SPACE = "space"
    COMMENT = "comment"
    IRI = "iri"
    STRING = "string"
    VARIABLE = "variable"
    BLANK_NODE = "blank_node"
    PREFIXED_NAME = "prefixed_name"
    LANGUAGE = "language"
    NUMBER = "number"
    WORD = "word"
    PUNCTUATION = "punctuation"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query.

    Attributes:
        kind: what it is.
        text: exactly as written.
        offset: position of its first character in the query, from 0.
    """

    kind: TokenKind
    text: str
    offset: int

    def is_word(self, *words: str) -> bool:
        """Tell whether this is one of the keywords, which are written in upper case here."""
        return self.kind is TokenKind.WORD and self.text.upper() in words


# Bounded, so that a long run of names and dots is not scanned again from each of its names.
_NAME = r"[^\W_](?:[\w·.-]{0,126}[\w·-])?"
_LOCAL = r"(?:[\w:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%])"
_LOCAL_REST = r"(?:[\w:·.-]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%])"
_LOCAL_LAST = r"(?:[\w:·-]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%])"
_TERMINALS = re.compile(
    "|".join(
        (
            r"(?P<space>\s+)",
            r"(?P<comment>\#[^\n\r]*)",
            r"(?P<iri><[^<>\"{}|^`\x00-\x20]*>)",
            (
                r"(?P<string>'''(?:'{0,2}(?:[^'\\]|\\.))*'''"
                r'|"""(?:"{0,2}(?:[^"\\]|\\.))*"""'
                r"|'(?:[^'\\\n\r]|\\.)*'"
                r'|"(?:[^"\\\n\r]|\\.)*")'
            ),
            r"(?P<variable>[?$][\w·]+)",
            r"(?P<blank_node>_:[\w·](?:[\w·.-]*[\w·-])?)",
            rf"(?P<prefixed_name>(?:{_NAME})?:(?:{_LOCAL}(?:{_LOCAL_REST}*{_LOCAL_LAST})?)?)",
            r"(?P<language>@[A-Za-z]+(?:-+[A-Za-z0-9]+)*)",
            r"(?P<number>(?:\d+\.\d*|\.?\d+)(?:[eE][+-]?\d+)?)",
            r"(?P<word>[A-Za-z]\w*)",
            (
                r"(?P<punctuation>\^\^|&&|\|\||!=|<=|>=|<<\(|\)>>|<<|>>|\{\||\|\}"
                r"|[(){}\[\].,;=<>!*/+\-|^?&~])"
            ),
            r"(?P<invalid>.)",
        )
    ),
    re.DOTALL,
)


def tokens(text: str) -> Iterator[Token]:
    """Split a query into tokens that together are exactly the text; never raises.

    What is no SPARQL token, such as a string without its end, comes as INVALID characters.
    """
    for match in _TERMINALS.finditer(text):
        assert match.lastgroup is not None
        yield Token(TokenKind(match.lastgroup), match.group(), match.start())


def significant(text: str) -> list[Token]:
    """Split a query into tokens, leaving out space and comments."""
    skipped = (TokenKind.SPACE, TokenKind.COMMENT)
    return [token for token in tokens(text) if token.kind not in skipped]


_VOLATILE = ("NOW", "RAND", "UUID", "STRUUID", "BNODE")


def is_repeatable(text: str) -> bool:
    """Tell whether a query gives the same answer whenever it is asked of the same data.

    It does not when it calls a function whose value changes from call to call, or asks a
    remote endpoint.
    """
    return not any(token.is_word(*_VOLATILE, "SERVICE") for token in significant(text))


def has_dataset_clause(text: str) -> bool:
    """Tell whether a query names its dataset with FROM or FROM NAMED."""
    return any(token.is_word("FROM") for token in significant(text))


def service_offset(text: str) -> int | None:
    """Give the position of the first SERVICE keyword, or None."""
    for token in significant(text):
        if token.is_word("SERVICE"):
            return token.offset
    return None
