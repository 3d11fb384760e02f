"""What the pages about resources show, by the kind of resource."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kg import resources
from kg.namespaces import BASE, DG, DGD, GRAPH, curie
from kg.nodes import Node, Value

if TYPE_CHECKING:
    from kg.engine import Engine
    from kg.resources import Found
    from server.service import Service


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows.

    Attributes:
        template: the file name.
        content: its variables.
    """

    template: str
    content: Mapping[str, Any] = field(repr=False)


def local_path(iri: str) -> str:
    """Give the path at which one of our IRIs is served."""
    return "/" + quote(iri.removeprefix(BASE), safe="/:@!$&'()*+,;=~%")


def href(iri: str) -> str | None:
    """Give what a link to an IRI leads to: our own document, the web, or nothing."""
    if iri.startswith(BASE):
        return local_path(iri)
    return iri if iri.startswith(("http://", "https://")) else None


def page_of(service: Service, found: Found) -> Page:
    """Choose the page for a resource, and gather what it shows."""
    engine = service.graph.engine
    if found.graph is not None:
        return _whole_graph(service, found)
    node = resources.look_up(engine, found.iri)
    make = next(make for applies, make in _KINDS if applies(node))
    return make(engine, node)


def _concept(engine: Engine, node: Node) -> Page:
    parents, children = resources.hierarchy(engine, node.iri)
    claims = node.back("dg:subject")
    return Page(
        "resource_concept.html",
        {
            "node": node,
            "parents": _among(node, parents),
            "children": _among(node, children),
            "edges": _edges(node),
            "claims": _by_predicate(claims),
            "object_of": _by_predicate(_without(node.back("dg:object"), claims)),
            "facts": _facts(node, _SHOWN_OF_CONCEPT | _derived_properties(node)),
            "mentions": _by_property(resources.mentions(engine, node.iri)),
            "structured": structured_data(node),
        },
    )


def _claim(engine: Engine, node: Node) -> Page:
    del engine
    disagreements = [*node.back("dg:disagreeingClaim"), *node.back("dg:opposedClaim")]
    return Page(
        "resource_claim.html",
        {
            "node": node,
            "slots": _facts(node, _SHOWN_OF_CLAIM, _ORDER_OF_SLOTS),
            "disagreements": disagreements,
            "derivations": [each for each in node.back("prov:wasDerivedFrom") if _derives(each)],
        },
    )


def _source(engine: Engine, node: Node) -> Page:
    taken = node.back("prov:wasDerivedFrom")
    return Page(
        "resource_source.html",
        {
            "node": node,
            "claims": [each for each in taken if each["dg:predicate"]],
            "spectra": [each for each in taken if each.is_a("dg:Spectrum")],
            "mentions": _by_property(resources.mentions(engine, node.iri)),
        },
    )


def _record(engine: Engine, node: Node) -> Page:
    return Page(
        "resource_record.html",
        {
            "node": node,
            "facts": _facts(node, {"rdfs:label", "dcterms:title", "skos:definition", "rdf:type"}),
            "backlinks": _backlinks(node),
            "mentions": _by_property(resources.mentions(engine, node.iri)),
        },
    )
