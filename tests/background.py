"""A small part of the ontology, which examples are validated with in a fraction of the time."""

from __future__ import annotations

from collections.abc import Iterable

from rdflib import SKOS, Graph, Literal

from kg.validate import background_graph


def background_of(graphs: Iterable[Graph]) -> Graph:
    """Return what the ontology says of the terms and units that data name, and of what that names.

    It stands in for the whole ontology where a test is about what the data say.
    """
    ontology, part = background_graph(), Graph()
    waiting = {term for graph in graphs for triple in graph for term in triple}
    seen = set()
    while waiting:
        term = waiting.pop()
        seen.add(term)
        if isinstance(term, Literal):
            waiting |= set(ontology.subjects(SKOS.notation, term)) - seen
        for triple in ontology.triples((term, None, None)):
            part.add(triple)
            waiting |= set(triple) - seen
    return part
