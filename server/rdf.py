"""Writing the service's own small graphs, such as its description, in every RDF format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from rdflib import Literal, URIRef

from kg.engine import ResultKind
from kg.engine.bindings import canonical
from kg.engine.inprocess import InProcessEngine
from kg.engine.interface import Query
from kg.namespaces import WRITTEN_PREFIXES
from server.negotiation import Representation

Triple: TypeAlias = tuple[URIRef, URIRef, URIRef | Literal]

_PREFIXES = {
    **WRITTEN_PREFIXES,
    "sd": "http://www.w3.org/ns/sparql-service-description#",
    "format": "http://www.w3.org/ns/formats/",
}


def write(triples: Iterable[Triple], representation: Representation) -> bytes:
    """Write a graph without blank nodes; the same triples give the same bytes."""
    lines = sorted({f"{' '.join(canonical(term) for term in triple)} .\n" for triple in triples})
    engine = InProcessEngine("".join(lines).encode(), version="", prefixes=_PREFIXES)
    everything = Query(
        "CONSTRUCT WHERE { ?s ?p ?o }", formats={ResultKind.GRAPH: representation.format}
    )
    return engine.run(everything).body
