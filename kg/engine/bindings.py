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
from functools import lru_cache

from rdflib import XSD, Literal, URIRef

from kg.engine.errors import BindingError
from kg.engine.interface import Term
from kg.engine.tokens import Token, TokenKind, tokens

_NOT_IN_IRI = re.compile(r"[\x00-\x20<>\"{}|^`\\]")
_NOT_IN_LITERAL = re.compile(r"[\x00\ud800-\udfff]")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES = str.maketrans(
    {
        "\\": "\\\\",
        '"': '\\"',
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
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
        return _canonical_iri(term)
    if isinstance(term, Literal):
        lexical = str(term)
        if _NOT_IN_LITERAL.search(lexical):
            raise BindingError("A literal holds a character that RDF does not allow.")
        quoted = f'"{lexical.translate(_ESCAPES)}"'
        if term.language:
            if not _LANGUAGE.match(term.language):
                raise BindingError(f"{term.language!r} is not a language tag.")
            return f"{quoted}@{term.language}"
        if term.datatype is None or term.datatype == XSD.string:
            return quoted
        return f"{quoted}^^{canonical(term.datatype)}"
    raise BindingError(f"{term!r} is neither an IRI nor a literal.")


@lru_cache(maxsize=1 << 16)
def _canonical_iri(iri: URIRef) -> str:
    if _NOT_IN_IRI.search(iri) or not _ABSOLUTE.match(iri):
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
    kinds = (TokenKind.SPACE, TokenKind.COMMENT)
    meaningful = [token for token in everything if token.kind not in kinds]
    present = {token.text[1:] for token in meaningful if token.kind is TokenKind.VARIABLE}
    absent = sorted(set(terms) - present)
    if absent:
        raise BindingError(f"The query has no variable ?{absent[0]}.")
    replaced = {
        token.offset: replacement for token, replacement in _replacements(meaningful, terms)
    }
    return "".join(replaced.get(token.offset, token.text) for token in everything)


_CLAUSE_ENDS = ("WHERE", "FROM", "HAVING", "ORDER", "LIMIT", "OFFSET", "VALUES")


def _replacements(meaningful: list[Token], terms: Mapping[str, str]) -> list[tuple[Token, str]]:
    """Pair each token of a bound variable, and each BOUND around one, with what replaces it."""
    found = []
    clause: str | None = None
    depth = 0
    for place, token in enumerate(meaningful):
        before = meaningful[place - 1] if place else None
        if token.is_word("SELECT", *_CLAUSE_ENDS):
            clause, depth = token.text.upper(), 0
        elif token.is_word("BY") and before is not None:
            clause, depth = f"{before.text.upper()} BY", 0
        elif token.text == "{":
            clause = None if clause != "VALUES" else clause
        elif token.text == "}" and clause == "VALUES":
            clause = None
        elif token.text in "()":
            depth += 1 if token.text == "(" else -1
        elif token.kind is TokenKind.VARIABLE and token.text[1:] in terms:
            name, term = token.text[1:], terms[token.text[1:]]
            if clause == "VALUES" or (before is not None and before.is_word("AS")):
                raise BindingError(f"The query itself gives ?{name} a value, so none can be bound.")
            if depth == 0 and clause == "SELECT":
                term = f"({term} AS ?{name})"
            elif depth == 0 and clause in ("GROUP BY", "ORDER BY"):
                term = f"({term})"
            elif place > 1 and meaningful[place - 2].is_word("BOUND"):
                found += [(meaningful[place - 2], ""), (meaningful[place - 1], "")]
                found += [(meaningful[place + 1], "")]
                term = "true"
            found.append((token, term))
    return found
