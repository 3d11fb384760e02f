"""Writing the service's own small graphs, such as its description, in every RDF format."""

from __future__ import annotations

from typing import Final

from flask import render_template

from kg.rdf.namespaces import WRITTEN_PREFIXES
from kg.results import prologue, written_anew
from kg.sparql.bind import canonical_iri, canonical_literal
from server.protocol.negotiation import Representation

_PREFIXES: Final = {
    "csvw": "http://www.w3.org/ns/csvw#",
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
    written = render_template(template, iri=canonical_iri, literal=canonical_literal, **content)
    turtle = f"{prologue()}{_DECLARED}{written}".encode()
    return written_anew(turtle, representation.format, {**WRITTEN_PREFIXES, **_PREFIXES})
