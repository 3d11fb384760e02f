"""Reading what surrounds a resource, node by node, as pages and reports do."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from rdflib import Literal, URIRef

from kg.engine import Answer
from kg.rdf.namespaces import curie, expand

_expand = lru_cache(maxsize=1024)(expand)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Triples, found by subject and by object.

    Attributes:
        forward: by subject and property the values, both IRIs.
        backward: by value and property the subjects.
    """

    forward: Mapping[str, Mapping[str, list[URIRef | Literal]]] = field(repr=False)
    backward: Mapping[str, Mapping[str, list[str]]] = field(repr=False)

    @classmethod
    def read(cls, answer: Answer) -> Neighbourhood:
        """Read triples from an answer with the rows ?subject ?property ?value in SPARQL JSON."""
        forward: defaultdict[str, Any] = defaultdict(lambda: defaultdict(list))
        backward: defaultdict[str, Any] = defaultdict(lambda: defaultdict(list))
        for row in answer.solutions()[1]:
            subject, property_ = row["subject"]["value"], row["property"]["value"]
            value = _term(row["value"])
            forward[subject][property_].append(value)
            if isinstance(value, URIRef):
                backward[str(value)][property_].append(subject)
        return cls(forward, backward)


def _term(value: Mapping[str, Any]) -> URIRef | Literal:
    if value["type"] == "uri":
        return URIRef(value["value"])
    if value["type"] == "triple":
        return Literal(json.dumps(value["value"], ensure_ascii=False))
    language = value.get("xml:lang")
    datatype = None if language else value.get("datatype")
    return Literal(value["value"], lang=language, datatype=datatype, normalize=False)


@dataclass(frozen=True, slots=True)
class Node:
    """A resource among its surroundings.

    Properties are named in short, such as `dg:subject`. Nodes are equal if their IRIs are.

    Attributes:
        iri: what it is identified by.
        around: where the rest is found.
    """

    iri: str
    around: Neighbourhood = field(repr=False, compare=False)

    def __getitem__(self, name: str) -> list[Node | Literal]:
        """Return the values of a property: things by their names, then literals by their text."""
        return self.values_of(Node(_expand(name), self.around))

    def values_of(self, property_: Node) -> list[Node | Literal]:
        """Return the values of a property that is known as a node, of whatever vocabulary."""
        values = self.around.forward.get(self.iri, {}).get(property_.iri, [])
        reached = (
            Node(str(value), self.around) if isinstance(value, URIRef) else value
            for value in values
        )
        return sorted(reached, key=_order)

    def nodes(self, name: str) -> list[Node]:
        """Return the values of a property that are things, by their names."""
        return [value for value in self[name] if isinstance(value, Node)]

    def one(self, name: str) -> Node | Literal | None:
        """Return the value of a property that has one at most, or the first."""
        return next(iter(self[name]), None)

    def text(self, name: str) -> str | None:
        """Return the value of a property as text: the name of a thing, the words of a literal."""
        value = self.one(name)
        return value.name if isinstance(value, Node) else None if value is None else str(value)

    def back(self, name: str) -> list[Node]:
        """Return the things that have this as value of a property, by their names."""
        subjects = self.around.backward.get(self.iri, {}).get(_expand(name), [])
        return sorted((Node(subject, self.around) for subject in subjects), key=_order)

    def properties(self) -> list[Node]:
        """Return the properties that are known of it, by their names."""
        known = self.around.forward.get(self.iri, {})
        return sorted((Node(iri, self.around) for iri in known), key=_order)

    def is_a(self, name: str) -> bool:
        """Tell whether it is stated to be an instance of a class."""
        return any(kind.iri == _expand(name) for kind in self.nodes("rdf:type"))

    @property
    def name(self) -> str:
        """What people call it; failing that, its IRI in short form."""
        return self._label or curie(self.iri)

    @property
    def named(self) -> bool:
        """Whether it has a name of its own."""
        return self._label is not None

    @property
    def _label(self) -> str | None:
        known = self.around.forward.get(self.iri, {})
        names: Iterable[str] = ("rdfs:label", "dcterms:title", "dg:topic")
        found = (value for name in names for value in known.get(_expand(name), ()))
        return next((str(value) for value in found), None)


def _order(value: Node | Literal) -> tuple[bool, str, str]:
    if isinstance(value, Node):
        return False, value.name.casefold(), value.iri
    return True, str(value), ""


Value: TypeAlias = Node | Literal
