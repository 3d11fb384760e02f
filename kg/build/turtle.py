"""Turtle files to triples without blank nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rdflib import BNode, Graph, Literal, URIRef
from rdflib.compare import to_canonical_graph
from rdflib.plugins.parsers.notation3 import BadSyntax

from kg.build.errors import BuildError, Problem
from kg.build.tables import Triple
from kg.engine import BindingError
from kg.engine.bindings import canonical
from kg.namespaces import BASE

_SKOLEM = BASE + ".well-known/genid/"
_NUMBER = re.compile(r"^@?prefix|^PREFIX")


def read_turtle(folder: Path, path: Path) -> Iterator[Triple]:
    """Read a Turtle file.

    A blank node, such as a member of a list, becomes an IRI made from what is said of it, so that
    it is the same in every build and can be looked up.

    Args:
        folder: what the name of the file is given relative to in messages.
        path: the file.

    Raises:
        BuildError: the file is not Turtle.
    """
    graph = Graph()
    try:
        graph.parse(path, format="turtle")
    except (BadSyntax, UnicodeDecodeError, ValueError) as error:
        raise BuildError([_problem(str(path.relative_to(folder)), error)]) from error
    if any(isinstance(term, BNode) for triple in graph for term in triple):
        graph = to_canonical_graph(graph)
    for subject, predicate, value in graph:
        yield _named(subject), URIRef(str(predicate)), _named_or_literal(value)


def lines_of_subjects(path: Path) -> dict[str, int]:
    """Give the line, counted from 1, on which each subject of a hand-kept Turtle file begins.

    Subjects are taken as they are written at the beginning of a line.
    """
    lines: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line and not line[0].isspace() and line[0] not in "#.]" and not _NUMBER.match(line):
            lines.setdefault(line.split(maxsplit=1)[0], number)
    return lines


def fault(term: URIRef | Literal) -> str | None:
    """Say what is wrong with a term that a Turtle file has, or give None.

    The parser lets relative IRIs, illegal characters and values of the wrong type pass.
    """
    if isinstance(term, URIRef) and term.startswith("file:"):
        return f"An IRI is relative: {term.rpartition('/')[2]}."
    if isinstance(term, Literal) and term.ill_typed:
        return f"{str(term)!r} is not of the type {term.datatype}."
    try:
        canonical(term)
    except BindingError as error:
        return str(error)
    return None


def _problem(name: str, error: Exception) -> Problem:
    line = error.lines + 1 if isinstance(error, BadSyntax) else 0
    reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
    if isinstance(error, BadSyntax):
        reason = getattr(error, "_why", reason)
    return Problem(name, line, "", f"This is not Turtle: {reason}.", "Mend the syntax there.")


def _named(node: object) -> URIRef:
    return URIRef(_SKOLEM + str(node)) if isinstance(node, BNode) else URIRef(str(node))


def _named_or_literal(node: object) -> URIRef | Literal:
    return node if isinstance(node, Literal) else _named(node)
