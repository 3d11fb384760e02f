"""Where a syntax error is and what to do about it.

The engine's parser reports the furthest point that it reached, which for many mistakes is the end
of the query. The commonest mistakes can be told from the tokens alone, with their true place; only
what remains is reported as the parser says it.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

from kg.sparql.errors import EngineLimitation, FederationRefused, QuerySyntaxError
from kg.sparql.lexer import Token, TokenKind, significant, tokens

_KEYWORDS: Final = frozenset(
    Path(__file__).with_name("keywords.txt").read_text(encoding="ascii").split()
)
"""What is a word of SPARQL: keywords, and names of functions."""

_PAIRS = {")": "(", "]": "[", "}": "{"}
_REST_OF_NAME = re.compile(r"(?:/[\w.-]*\w)+(?![\w:])")
_POSITION = re.compile(r"error at (\d+):(\d+): expected (?:one of )?(.*)", re.DOTALL)

Finding = tuple[str, int, str | None]
"""What is wrong, at which offset, and what to do."""


def diagnose(text: str, message: str, known_prefixes: Mapping[str, str]) -> QuerySyntaxError:
    """Describe why a query does not parse.

    Args:
        text: the query that was refused.
        message: what the engine's parser said, `error at LINE:COLUMN: expected ...`.
        known_prefixes: prefix names and namespaces to suggest for undeclared prefixes.
    """
    findings = chain(_slashes(text), _findings(significant(text), known_prefixes))
    finding = next(findings, None)
    if finding is not None:
        return at_offset(text, *finding)
    position = _POSITION.search(message)
    if position is None:
        return at_offset(text, "This is not legal SPARQL.", 0, message)
    line, column, expected = int(position[1]), int(position[2]), position[3]
    return _at(text, _readable(expected), line, column, None)


def at_offset(text: str, detail: str, offset: int, hint: str | None = None) -> QuerySyntaxError:
    """Make the error for what is wrong at an offset of the text, counted from 0."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return _at(text, detail, line, column, hint)


def limitation(text: str, detail: str, offset: int, hint: str) -> EngineLimitation:
    """Make the refusal of what is at an offset of the text, counted from 0."""
    return EngineLimitation(**vars(at_offset(text, detail, offset, hint)))


def service_refused(text: str, offset: int, detail: str) -> FederationRefused:
    """Make the refusal of the SERVICE at an offset of the text, counted from 0."""
    return FederationRefused(f"SERVICE at {at_offset(text, detail, offset)}")


_MANY: Final = 500
"""From how many branches or values on VALUES is told to be faster; a judgement."""


def faster_form(text: str) -> str | None:
    """Say how to ask what a query of a shape that is known to be slow asks, or None."""
    found = significant(text)
    for place, (token, following) in enumerate(pairwise(found)):
        if token.is_word("EXISTS") and following.text == "{" and _has_several(found[place + 2 :]):
            negated = place > 0 and found[place - 1].is_word("NOT")
            name = "FILTER NOT EXISTS" if negated else "FILTER EXISTS"
            instead = "MINUS { ... }" if negated else "a join with { SELECT DISTINCT ... { ... } }"
            return f"{name} over several patterns is evaluated anew for each row: use {instead}."
        if token.is_word("IN") and sum(each.text == "," for each in found[place:]) > _MANY:
            return "A long list after IN is compared with each row: use VALUES ?x { ... }."
    if sum(each.is_word("UNION") for each in found) > _MANY:
        return "So many UNIONs are slow: use one pattern with VALUES ?x { ... }."
    return None


def _has_several(found: list[Token]) -> bool:
    """Tell whether the group whose tokens these are has more than one pattern."""
    depth = 0
    for token, following in pairwise(found):
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if depth < 0:
            return False
        if token.text in (".", ";", "/") or following.is_word("FILTER"):
            return following.text != "}"
    return False


def _at(text: str, detail: str, line: int, column: int, hint: str | None) -> QuerySyntaxError:
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1]
    first = max(0, column - 60)
    window = shown[first : column + 40]
    excerpt = f"{window}\n{' ' * (column - 1 - first)}^"
    return QuerySyntaxError(detail, line=line, column=column, excerpt=excerpt, hint=hint)


def _findings(found: list[Token], known: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what the tokens tell is wrong, the likeliest cause first."""
    if not found:
        yield "The query is empty.", 0, "Begin with SELECT, ASK, CONSTRUCT or DESCRIBE."
    for token in (each for each in found if each.kind is TokenKind.INVALID):
        if token.text in "\"'":
            yield "A string is not closed.", token.offset, f"Close it with {token.text}."
        yield f"The character {token.text[0]!r} has no place here.", token.offset, None
    declared = {
        following.text[:-1] for token, following in pairwise(found) if token.is_word("PREFIX")
    }
    for token in (each for each in found if each.kind is TokenKind.PREFIXED_NAME):
        prefix = token.text.partition(":")[0]
        if prefix not in declared:
            hint = f"Put PREFIX {prefix}: <{known.get(prefix, '...')}> before the query."
            yield f"The prefix {prefix}: is not declared.", token.offset, hint
    words = [each for each in found if each.kind is TokenKind.WORD]
    for token in (each for each in words if each.text.upper() not in _KEYWORDS):
        near = difflib.get_close_matches(token.text.upper(), sorted(_KEYWORDS), n=1)
        hint = f"Did you mean {near[0]}?" if near else "Variables begin with a question mark."
        yield f"{token.text!r} is not a word of SPARQL.", token.offset, hint
    for token, following in pairwise(found):
        if token.text == following.text == "=":
            yield "SPARQL compares with a single =.", token.offset, "Write = instead of ==."
    for token in words:
        if token.is_word("TRUE", "FALSE") and token.text != token.text.lower():
            yield "Booleans are in lower case.", token.offset, f"Write {token.text.lower()}."
    yield from _unbalanced(found)
    yield from _without_dot(found)


_TERMS: Final = frozenset({"iri", "string", "variable", "blank_node", "prefixed_name", "number"})
_ROOM: Final = {"{": 3, ".": 3, "}": 3, ";": 2, ",": 1}
"""How many terms may follow each other after a mark in a group."""


def _without_dot(found: list[Token]) -> Iterator[Finding]:
    """Yield the term with which a triple begins behind another that no dot ends."""
    room, is_group, is_data = -1, False, False
    for before, token in pairwise(found):
        is_data = token.is_word("VALUES") or (is_data and token.text != "}")
        is_group = is_group or token.text == "{"
        if token.text in _ROOM and is_group and not is_data:
            room = _ROOM[token.text]
        elif (token.kind.value in _TERMS or token.text == "a") and before.text != "^^":
            if room == 0:
                hint = f"Write a dot before {token.text}, or a semicolon for the same subject."
                yield f"A dot is missing before {token.text}.", token.offset, hint
            room -= 1
        elif token.kind is not TokenKind.LANGUAGE and token.text != "^^":
            room = -1


def _slashes(text: str) -> Iterator[Finding]:
    """Yield names that are written with a slash, unless they are a path of several."""
    for token in (each for each in tokens(text) if each.kind is TokenKind.PREFIXED_NAME):
        rest = _REST_OF_NAME.match(text, token.offset + len(token.text))
        if rest and rest[0] != "/a":  # the word of SPARQL
            legal = token.text + rest[0].replace("/", "\\/")
            hint = f"Write {legal}, or the whole IRI in < >."
            yield f"A slash ends the name {token.text}.", rest.start(), hint


def _unbalanced(found: Iterable[Token]) -> Iterator[Finding]:
    still_open: list[Token] = []
    for token in (each for each in found if each.kind is TokenKind.PUNCTUATION):
        if token.text in _PAIRS.values():
            still_open.append(token)
        elif token.text in _PAIRS and (
            not still_open or still_open.pop().text != _PAIRS[token.text]
        ):
            yield f"This {token.text} closes nothing.", token.offset, "Remove it, or open it."
    for token in still_open[-1:]:
        yield f"This {token.text} is not closed.", token.offset, "Close it."


def _readable(expected: str) -> str:
    """Turn the parser's list of expectations into a sentence, leaving out character classes."""
    without_classes = re.sub(r"\[[^\]]*\](?:\s*\|\s*)?", "", expected, flags=re.DOTALL)
    wanted = [each.strip().strip('"') for each in without_classes.split(", ")]
    for sentence in (each for each in wanted if " " in each):
        return f"{sentence}."
    words = ", ".join([each for each in wanted if each][:8])
    expects = f"; expected: {words}" if words else ""
    return f"The query is not legal SPARQL from here on{expects}."
