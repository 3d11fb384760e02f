"""Binding values to the variables of a query.

A bound variable is replaced, token by token, by its value as an RDF term in canonical form, as
the substitution of https://github.com/w3c/sparql-dev/blob/main/SEP/SEP-0007/sep-0007.md does on
the algebra. Only whole terms take the place of whole variables, never text the place of text, so a
value cannot change the structure of the query; and the result is plain SPARQL, so that every
engine understands it. (pyoxigraph's own substitutions reach only variables of the projection.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rdflib import XSD, Literal, URIRef

from kg.engine.errors import BindingError
from kg.engine.interface import Term
from kg.engine.tokens import TRIVIA, Token, TokenKind, tokens

_NOT_IN_IRI = re.compile(r"[\x00-\x20<>\"{}|^`\\\ud800-\udfff]")
_NOT_IN_LITERAL = re.compile(r"[\x00\ud800-\udfff]")
# Percent signs that encode nothing, and brackets anywhere but around an IP address.
_MISPLACED = re.compile(
    r"%(?![0-9A-Fa-f]{2})|(?<!//)\[|\[(?![0-9A-Fa-f:.]+\])|(?<![0-9A-Fa-f:.])\]"
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*\Z")


def canonical(term: Term) -> str:
    """Write a term in the canonical form of N-Triples.

    Raises:
        BindingError: the term is an IRI that is relative or has characters no IRI may have,
            a literal with an ill-formed language tag or with characters that SPARQL cannot
            hold, or no term at all.
    """
    if isinstance(term, URIRef):
        return canonical_iri(term)
    if isinstance(term, Literal):
        return canonical_literal(str(term), term.language, term.datatype)
    raise BindingError(f"{term!r} is neither an IRI nor a literal.")


def canonical_literal(lexical: str, language: str | None, datatype: str | None) -> str:
    """Write a literal in the canonical form of N-Triples; a language comes before a datatype.

    Raises:
        BindingError: as ``canonical``.
    """
    if _NOT_IN_LITERAL.search(lexical):
        raise BindingError("A literal holds a character that RDF does not allow.")
    quoted = f'"{lexical.translate(_ESCAPES)}"'
    if language:
        if not _LANGUAGE.match(language):
            raise BindingError(f"{language!r} is not a language tag.")
        return f"{quoted}@{language}"
    if datatype is None or datatype == str(XSD.string):
        return quoted
    return f"{quoted}^^{canonical_iri(datatype)}"


def canonical_iri(iri: str) -> str:
    """Write an IRI in the canonical form of N-Triples.

    Raises:
        BindingError: as ``canonical``.
    """
    if _NOT_IN_IRI.search(iri) or _MISPLACED.search(iri) or not _ABSOLUTE.match(iri):
        raise BindingError(f"{str(iri)!r} is not an absolute IRI.")
    return f"<{iri}>"


def bind(text: str, bindings: Mapping[str, Term]) -> str:
    """Give the query with each bound variable replaced by its value.

    In a SELECT or GROUP BY clause the value becomes an expression, named as the variable was, so
    that results keep their columns; `SELECT *` no longer has a column for it.

    Args:
        text: a query that parses.
        bindings: values by variable name, without question mark.

    Raises:
        BindingError: a variable does not occur, or the query itself gives it a value (AS,
            VALUES), or a value is no RDF term.
    """
    if not bindings:
        return text
    terms = {name: canonical(term) for name, term in bindings.items()}
    everything = list(tokens(text))
    meaningful = [token for token in everything if token.kind not in TRIVIA]
    present = {token.text[1:] for token in meaningful if token.kind is TokenKind.VARIABLE}
    absent = sorted(set(terms) - present)
    if absent:
        raise BindingError(f"The query has no variable ?{absent[0]}.")
    replaced = {
        token.offset: replacement
        for token, replacement in _replacements(meaningful, terms, present)
    }
    return "".join(replaced.get(token.offset, token.text) for token in everything)


_CLAUSE_ENDS = ("WHERE", "FROM", "HAVING", "ORDER", "LIMIT", "OFFSET", "VALUES")


@dataclass(frozen=True, slots=True)
class _Position:
    """Where in a query a walk over its tokens is."""

    clause: str = ""  # its keywords; none inside a pattern
    depth: int = 0  # of parentheses since the clause began
    selected: frozenset[str] = frozenset()  # bound variables that this SELECT and those around name

    def after(self, token: Token, before: Token | None) -> _Position:
        """Give the position after a token that is neither brace nor variable."""
        if token.is_word("SELECT", *_CLAUSE_ENDS):
            return replace(self, clause=token.text.upper(), depth=0)
        if token.is_word("BY") and before is not None:
            return replace(self, clause=f"{before.text.upper()} BY", depth=0)
        return replace(self, depth=self.depth + {"(": 1, ")": -1}.get(token.text, 0))


def _replacements(
    meaningful: list[Token], terms: Mapping[str, str], present: set[str]
) -> list[tuple[Token, str]]:
    """Pair each token of a bound variable, and each BOUND around one, with what replaces it."""
    found = []
    here = _Position()
    around: list[_Position] = []
    for place, token in enumerate(meaningful):
        before = meaningful[place - 1] if place else None
        if token.text == "{":
            around.append(here)
            here = _Position(selected=here.selected)
        elif token.text == "}":
            here = around.pop() if around else _Position()
            here = replace(here, clause="") if here.clause == "VALUES" else here
        elif token.kind is not TokenKind.VARIABLE:
            here = here.after(token, before)
        elif (name := token.text[1:]) in terms:
            if here.clause == "VALUES" or (before is not None and before.is_word("AS")):
                raise BindingError(f"The query itself gives ?{name} a value, so none can be bound.")
            if place > 1 and meaningful[place - 2].is_word("BOUND"):
                found += [(meaningful[place - 2], ""), (token, "true")]
            else:
                # A column that a SELECT around this one names too is of no use here, and illegal.
                hidden = name in here.selected
                column = _unused(f"{name}_bound{place}", present) if hidden else name
                found.append((token, _expression(terms[name], here, column)))
            if here.clause == "SELECT" and here.depth == 0:
                here = replace(here, selected=here.selected | {name})
    return found


def _unused(name: str, present: set[str]) -> str:
    return name if name not in present else _unused(f"{name}_", present)


def _expression(term: str, here: _Position, column: str) -> str:
    """Write a term so that it can stand where a variable stands.

    Spaces keep it from running into what is written next to it.
    """
    if here.depth == 0 and here.clause == "SELECT":
        return f"({term} AS ?{column})"
    if here.depth == 0 and here.clause in ("GROUP BY", "ORDER BY"):
        return f"({term})"
    return f" {term} "
