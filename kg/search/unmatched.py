"""Names of ours in a query that no triple can match, and what was probably meant."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from string import Template
from typing import Final

from kg.rdf.namespaces import BASE, DG, GRAPH, curie
from kg.results import stored_text
from kg.search.index import NameIndex, Thing
from kg.sparql.lexer import named_iris

_NEAR: Final = 3  # as many as a person tells apart at a glance


@dataclass(frozen=True)
class UnmatchedName:
    """An IRI of ours that no triple has, or none has as its predicate.

    Attributes:
        iri: the IRI.
        place: where it stands in triples: "claims", if it is the predicate of claims and of no
            triple; "other", if it is a property that nothing has; None: nowhere; or "graph", if it is
            said to be a graph and is none.
    """

    iri: str
    place: str | None
    _names: NameIndex

    @cached_property
    def near(self) -> list[Thing]:
        """What may be meant, the likeliest first, which takes as long as a search."""
        if self.place == "graph":
            return self._names.near(GRAPH + self.iri.rpartition("/")[2], _NEAR)
        return self._names.near(self.iri, _NEAR) if self.place is None else []

    @property
    def message(self) -> str:
        """What is known of it, in a sentence or two."""
        short = curie(self.iri)
        if self.place == "graph":
            return f"No graph here is called {short}."
        if self.place == "claims":
            return f"No triple has the predicate {short}; claims do: ?claim dg:predicate {short}."
        if self.place:
            return f"{short} is a property that nothing here has."
        return f"{short} is in no triple."

    def __str__(self) -> str:
        """Say all that there is to say, without formatting."""
        near = ", ".join(curie(each.iri) for each in self.near)
        return f"{self.message}{f' Near are: {near}.' if near else ''}\n{self.query or ''}".rstrip()

    @property
    def query(self) -> str | None:
        """A query that finds the claims whose predicate it is, if it is one."""
        text = Template(stored_text("claims-with.rq"))
        return text.substitute(predicate=curie(self.iri)) if self.place == "claims" else None


def unmatched_names(
    text: str, names: NameIndex, base: str = "", graphs: Iterable[str] = ()
) -> list[UnmatchedName]:
    """Return the names in a query that no triple can match, in their order, each once.

    Args:
        text: the query.
        names: the index of names.
        base: what relative IRIs are resolved against.
        graphs: those that are named beside the query.
    """
    if "\\u" in text.lower():  # names may be written with escapes, which are not read here
        return []
    named = [(iri, is_graph) for iri, _, is_graph in named_iris(text, base)]
    iris = dict(sorted([*named, *((each, True) for each in graphs)], key=itemgetter(1)))
    told = (unmatched_name(iri, names, is_graph=is_graph) for iri, is_graph in iris.items())
    found = list(filter(None, told))
    # Who names the predicate of claims beside dg:predicate knows how to ask.
    return [each for each in found if not each.place or f"{DG}predicate" not in iris]


def unmatched_name(iri: str, names: NameIndex, *, is_graph: bool) -> UnmatchedName | None:
    """Return what there is to say of an IRI of ours that no triple has at its place, or None.

    Of others only what is said to be a graph is judged: all graphs here are ours.
    """
    place = names.place_of(iri)
    if is_graph and not (place and iri.startswith(GRAPH)):
        return UnmatchedName(iri, "graph", names)
    if not iri.startswith(BASE):
        return None
    if place is None:
        return UnmatchedName(iri, None, names)
    thing = None if place == "predicate" else names.thing(iri)
    is_property = thing is not None and thing.kind.endswith(" property")
    return UnmatchedName(iri, place, names) if is_property else None
