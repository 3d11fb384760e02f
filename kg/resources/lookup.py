"""What is known of one resource: its description, asked from an engine.

The description of a resource is a graph of three rings. It is the same in every format.

1. The resource: every triple that has it as subject.
2. What it points to, such as the settings of a claim, and the records that speak of it: claims
   about it, gaps in the evidence on it, derivations of its plain edges and the claims behind them,
   the points of a spectrum, direct subclasses, the members of a scheme, what was taken from a
   source or computed from it. Of these the triples whose property is listed in
   kg/queries/rings.json, but for its backlinks. Of what is reported for wider procedures, the
   derivations only: figures of other treatments have no place here.
3. What the summaries point to: kind and name, and of a source how to find it.

So every statement about a concept comes with its source, and the size depends on how much is
known of one thing, never on the size of the graph.
"""

import json
from dataclasses import dataclass
from string import Template
from typing import Final

from rdflib import URIRef

from kg.engine import Answer, Engine, Format, Query, ResultKind
from kg.rdf.formats import JSON
from kg.rdf.namespaces import DG, GRAPH, ONTOLOGY, PREFIXES, WIDER
from kg.resources.neighbourhood import Neighbourhood, Node
from kg.results import Rows, ask, select, stored, stored_text

_LISTS: Final = {
    name: ", ".join(properties)
    for name, properties in json.loads(stored_text("rings.json")).items()
}
"""Properties, by what they are to a description: those that tell of a thing what it is and what it
is called (names), those of a record whose values the third ring names (links), what else the second
ring tells of a record (others), and those by which records speak of a resource (backlinks)."""


_SECOND_RING: Final = Template(stored_text("second-ring.rq"))
_PARTS: Final = {
    **_LISTS,
    "second_ring_as_subject": _SECOND_RING.substitute(_LISTS, variable="subject"),
    "second_ring_as_near": _SECOND_RING.substitute(_LISTS, variable="near"),
}

GRAPH_CONTENT: Final = "CONSTRUCT { ?s ?p ?o } WHERE { GRAPH ?graph { ?s ?p ?o } }"
"""The query for the triples of the named graph ?graph."""

MOST_MENTIONS: Final = 200
"""How many records that name a resource are listed."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an IRI that was asked for turns out to stand for.

    Attributes:
        iri: the IRI itself; of the ontology, whatever way of asking for it led here.
        graph: the named graph whose triples are what there is to say; None: its description is.
    """

    iri: str
    graph: str | None = None


_IS_GRAPH: Final = "ASK { GRAPH ?resource { ?s ?p ?o } }"
_IS_KNOWN: Final = f"""
ASK {{ {{ ?resource ?property ?value }} UNION {{ GRAPH <{WIDER}> {{ ?resource ?property ?value }} }} }}
"""


def find(engine: Engine, iri: str) -> Found | None:
    """Find what an IRI stands for, or None if nothing is known of it.

    The IRI of the ontology, with or without slash, and the IRI of its present version stand for
    the whole ontology; the IRI of a named graph stands for its triples.

    Raises:
        kg.engine.BindingError: it is no legal IRI.
    """
    resource = {"resource": URIRef(iri)}
    release = f"ASK {{ <{ONTOLOGY}> <{PREFIXES['owl']}versionIRI> ?resource }}"
    if iri in (ONTOLOGY, DG) or (iri.startswith(DG) and ask(engine, release, resource)):
        graph = GRAPH + "ontology"
        is_there = ask(engine, _IS_GRAPH, {"resource": URIRef(graph)})
        return Found(ONTOLOGY, graph) if is_there else None
    if iri.startswith(GRAPH) and ask(engine, _IS_GRAPH, resource):
        return Found(iri, iri)
    return Found(iri) if ask(engine, _IS_KNOWN, resource) else None


def describe(engine: Engine, found: Found, written: Format, max_bytes: int | None = None) -> Answer:
    """Return what there is to say of a resource, as a graph in one of the RDF formats.

    Args:
        engine: what is asked.
        found: the resource.
        written: the format.
        max_bytes: the most that it may be; None: any.

    Raises:
        kg.engine.ResultTooLarge: it is more.
    """
    formats = {ResultKind.GRAPH: written}
    if found.graph is not None:
        text, bindings = GRAPH_CONTENT, {"graph": URIRef(found.graph)}
    else:
        text, bindings = stored("description", **_PARTS), {"resource": URIRef(found.iri)}
    return engine.run(Query(text, bindings, formats=formats, max_bytes=max_bytes))


def look_up(engine: Engine, iri: str) -> Node:
    """Return a resource as a node that can be read together with its surroundings."""
    text, bindings = stored("surroundings", **_PARTS), {"resource": URIRef(iri)}
    answer = engine.run(Query(text, bindings, formats={ResultKind.SOLUTIONS: JSON}))
    return Node(iri, Neighbourhood.read(answer))


def mentions(engine: Engine, iri: str) -> Rows:
    """Return the records that name a resource otherwise, such as in a qualifier.

    That is property, words for it, iri and name of the record. If there are more than
    MOST_MENTIONS, one more than that is given.
    """
    text = stored("mentions", backlinks=_LISTS["backlinks"], most=str(MOST_MENTIONS + 1))
    return select(engine, text, {"resource": URIRef(iri)})


def asked(engine: Engine, name: str, iri: str | None = None) -> Rows:
    """Return the rows of one of the queries that the library asks itself, `kg/queries/NAME.rq`.

    Args:
        engine: what is asked.
        name: hierarchy, the parents and the children of a concept, as stated; wider, what is
            reported for wider procedures, the nearest first; laser-lines, the wavelengths at which
            energy sources emit; top-concepts, properties; contents, what a named graph describes.
        iri: what it is asked about, if it is about one thing.
    """
    return select(engine, stored(name), {"resource": URIRef(iri)} if iri else {})
