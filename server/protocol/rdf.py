"""Writing the service's own small graphs, such as its description, in every RDF format."""

from __future__ import annotations

from itertools import count
from typing import Final

from flask import render_template

from kg.engine import ResultKind
from kg.engine.dataset import Source
from kg.engine.interface import Query
from kg.engine.oxigraph.engine import InProcessEngine, ntriples_of
from kg.rdf.formats import TURTLE
from kg.rdf.namespaces import WRITTEN_PREFIXES
from kg.results import prologue
from kg.sparql.bind import canonical_iri, canonical_literal
from server.protocol.negotiation import Representation

_PREFIXES: Final = {
    "sd": "http://www.w3.org/ns/sparql-service-description#",
    "format": "http://www.w3.org/ns/formats/",
}
_DECLARED: Final = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in _PREFIXES.items())


def write(template: str, representation: Representation, **content: object) -> bytes:
    """Write a graph without blank nodes; the same triples give the same bytes.

    Args:
        template: writes the graph in Turtle, where all our prefixes are declared; it has `iri` and
            `literal` to write terms with.
        representation: one of the RDF formats.
        content: the variables of the template.
    """
    written = render_template(template, iri=canonical_iri, literal=_literal, **content)
    turtle = Source(f"{prologue()}{_DECLARED}{written}".encode(), TURTLE)
    lines = sorted(set(ntriples_of(turtle, count()).split("\n")))
    engine = InProcessEngine(
        "\n".join(lines).encode(), version="", prefixes={**WRITTEN_PREFIXES, **_PREFIXES}
    )
    everything = Query(
        "CONSTRUCT WHERE { ?s ?p ?o }", formats={ResultKind.GRAPH: representation.format}
    )
    return engine.run(everything).body


def _literal(text: str, language: str | None = None) -> str:
    return canonical_literal(text, language, None)
