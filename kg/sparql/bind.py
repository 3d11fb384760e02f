"""Binding values to the variables of a query.

A bound variable is replaced, token by token, by its value as an RDF term in canonical form, as
the substitution of https://github.com/w3c/sparql-dev/blob/main/SEP/SEP-0007/sep-0007.md does on
the algebra. Only whole terms take the place of whole variables, never text the place of text, so a
value cannot change the structure of the query; and the result is plain SPARQL, so that every
engine understands it. (pyoxigraph's own substitutions reach only variables of the projection.)
"""

import re
from collections.abc import Mapping
from typing import TypeAlias

from rdflib import XSD, Literal, URIRef

from kg.rdf.namespaces import ABSOLUTE_IRI
from kg.sparql.errors import BindingError
from kg.sparql.lexer import TRIVIA, Token, TokenKind, tokens

Term: TypeAlias = URIRef | Literal
"""A value that can be bound to a variable."""

_NOT_IN_LITERAL = re.compile(r"[\x00\ud800-\udfff]")
# Percent signs that encode nothing, and brackets anywhere but around an IP address.
_MISPLACED = re.compile(
    r"%(?![0-9A-Fa-f]{2})|(?<!//)\[|\[(?![0-9A-Fa-f:.]+\])|(?<![0-9A-Fa-f:.])\]"
)
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


def canonical_literal(text: str, language: str | None = None, datatype: str | None = None) -> str:
    """Write a literal in the canonical form of N-Triples; a language comes before a datatype.

    Raises:
        BindingError: as ``canonical``.
    """
    if _NOT_IN_LITERAL.search(text):
        raise BindingError("A literal holds a character that RDF does not allow.")
    quoted = f'"{text.translate(_ESCAPES)}"'
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
    if not ABSOLUTE_IRI.fullmatch(iri) or _MISPLACED.search(iri):
        raise BindingError(f"{str(iri)!r} is not an absolute IRI.")
    return f"<{iri}>"


def bind(text: str, bindings: Mapping[str, Term]) -> str:
    """Return the query with each bound variable replaced by its value.

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
    replaced = _replacements(meaningful, terms, present)
    return "".join(replaced.get(token.offset, token.text) for token in everything)


_CLAUSES = ("SELECT", "WHERE", "FROM", "HAVING", "ORDER", "LIMIT", "OFFSET", "VALUES")


def _replacements(
    meaningful: list[Token], terms: Mapping[str, str], present: set[str]
) -> dict[int, str]:
    """Return what replaces each token of a bound variable, and each BOUND around one, by its offset."""
    # Where a variable stands decides what it may become: a column has to keep its name, a key of
    # GROUP BY or ORDER BY is an expression in parentheses, and BOUND takes nothing but variables.
    found: dict[int, str] = {}
    clause = ""  # its keywords; empty inside a pattern
    depth = 0  # how many parentheses are open since it began
    # The bound variables that this SELECT clause and those around it name.
    selected: frozenset[str] = frozenset()
    around: list[tuple[str, int, frozenset[str]]] = []
    nothing = Token(TokenKind.SPACE, "", 0)
    for two_before, before, token in zip(
        [nothing, nothing, *meaningful], [nothing, *meaningful], meaningful, strict=False
    ):
        if token.text == "{":
            around.append((clause, depth, selected))
            clause, depth = "", 0
        elif token.text == "}":
            clause, depth, selected = around.pop() if around else ("", 0, frozenset())
            clause = "" if clause == "VALUES" else clause
        elif token.is_word(*_CLAUSES):
            clause, depth = token.text.upper(), 0
        elif token.is_word("BY"):
            clause, depth = f"{before.text.upper()} BY", 0
        elif token.kind is not TokenKind.VARIABLE:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        elif (name := token.text[1:]) in terms:
            if clause == "VALUES" or before.is_word("AS"):
                raise BindingError(f"The query itself gives ?{name} a value, so none can be bound.")
            here = clause if depth == 0 else ""
            if two_before.is_word("BOUND"):
                found |= {two_before.offset: "", token.offset: "true"}
            elif here == "SELECT":
                # A column that a SELECT around this one names too is of no use here, and illegal.
                hidden = name in selected
                column = _unused(f"{name}_bound{token.offset}", present) if hidden else name
                found[token.offset] = f"({terms[name]} AS ?{column})"
            else:  # spaces keep it from running into what is written next to it
                is_key = here in ("GROUP BY", "ORDER BY")
                found[token.offset] = f"({terms[name]})" if is_key else f" {terms[name]} "
            if here == "SELECT":
                selected |= {name}
    return found


def _unused(name: str, present: set[str]) -> str:
    return name if name not in present else _unused(f"{name}_", present)
