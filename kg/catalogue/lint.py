"""Whether canned queries speak only of terms that the graph has: a misspelt one would find nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rdflib import URIRef

from kg.catalogue.canned_queries import CannedQuery, CatalogueError
from kg.engine import Engine
from kg.rdf.namespaces import BASE, curie
from kg.results import select, stored
from kg.sparql.lexer import TokenKind, namespaces, significant


def refuse_unknown_terms(queries: Mapping[str, CannedQuery], engine: Engine) -> None:
    """Stop where a canned query, its defaults or its examples name a term that is not there.

    Args:
        queries: the canned queries by name.
        engine: answers what there is.

    Raises:
        CatalogueError: says for each such term the file, the line and what to do.
    """
    named = {query.name: list(_terms(query)) for query in queries.values()}
    ours = sorted({iri for terms in named.values() for iri, _ in terms if iri.startswith(BASE)})
    asked = stored("unknown-terms", terms=" ".join(f"<{each}>" for each in ours))
    unknown = {str(row["term"]) for row in select(engine, asked)}
    lines = [
        f"queries/{name}.rq, line {line}: {curie(iri)} is unknown. Correct it."
        for name, terms in named.items()
        for iri, line in dict(terms).items()
        if iri in unknown
    ]
    if lines:
        raise CatalogueError("\n".join(lines))


def _terms(query: CannedQuery) -> Iterator[tuple[str, int]]:
    """Yield the IRIs that a query names, each with its line."""
    declared = namespaces(query.text)
    for token in significant(query.text):
        line = query.text.count("\n", 0, token.offset) + 1
        prefix, _, local = token.text.partition(":")
        if token.kind is TokenKind.IRI and token.text[1:-1] not in declared.values():
            yield token.text[1:-1], line
        elif token.kind is TokenKind.PREFIXED_NAME and local:
            yield declared.get(prefix, "") + local.replace("\\", ""), line
    for iri in _values(query):
        yield iri, _line_of_value(query.text, iri)


def _values(query: CannedQuery) -> Iterator[str]:
    """Yield the IRIs that are defaults of parameters, or values of them in examples."""
    for parameter in query.parameters:
        given = [parameter.default, *(example.get(parameter.name) for example in query.examples)]
        for text in (each for each in given if each is not None and parameter.type == "iri"):
            term = parameter.term(text)
            assert isinstance(term, URIRef), "the parameter is an IRI"
            yield str(term)


def _line_of_value(text: str, iri: str) -> int:
    """Return the line of the header that holds a value, as it may be written; 1 if none does."""
    local = iri.rpartition("/")[2]
    numbered = enumerate(text.split("\n"), start=1)
    return next((n for n, line in numbered if line.startswith("#+") and local in line), 1)
