"""Whether canned queries speak only of terms that the graph has: a misspelt one would find nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kg.catalogue.canned_queries import CannedQuery
from kg.catalogue.fragments import line_of_file
from kg.catalogue.front_matter import CatalogueError
from kg.rdf.namespaces import BASE, curie, expand
from kg.sparql.lexer import named_iris


def refuse_unknown_terms(queries: Mapping[str, CannedQuery], nquads: bytes) -> None:
    """Stop where a canned query, its defaults or its examples name a term that is not there.

    Args:
        queries: the canned queries by name.
        nquads: all that there is.

    Raises:
        CatalogueError: says for each such term the file, the line and what to do.
    """
    known = set(re.findall(r"<([^<>]*)>", nquads.decode()))
    lines = [
        f"queries/{name}.rq, line {line_of_file(query.text, line)}: {curie(iri)} is unknown. Correct it."
        for name, query in queries.items()
        for iri, line in dict(_terms(query.text)).items()
        if iri.startswith(BASE) and iri not in known
    ]
    if lines:
        raise CatalogueError("\n".join(lines))


def _terms(text: str) -> Iterator[tuple[str, int]]:
    """Yield the IRIs that a query and its header name, each with its line."""
    for iri, offset, _ in named_iris(text):
        yield iri, text.count("\n", 0, offset) + 1
    header = "".join(re.findall(r"\A(?:#\+.*\n)*", text))
    for found in re.finditer(r"\bdgd?:[\w./-]*\w", header):
        yield expand(found[0]), text.count("\n", 0, found.end()) + 1
