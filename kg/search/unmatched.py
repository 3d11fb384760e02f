"""Names of ours in a query that no triple can match, and what was probably meant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from string import Template
from typing import Final

from kg.rdf.namespaces import BASE, DG, curie
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
            triple; "other", if it is a property that nothing has; None: nowhere.
    """

    iri: str
    place: str | None
    _names: NameIndex

    @cached_property
    def near(self) -> list[Thing]:
        """What may be meant, the likeliest first, which takes as long as a search."""
        return self._names.near(self.iri, _NEAR) if self.place is None else []

    @property
    def message(self) -> str:
        """What is known of it, in a sentence or two."""
        short = curie(self.iri)
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


def unmatched_names(text: str, names: NameIndex) -> list[UnmatchedName]:
    """Return the names of ours in a query that no triple can match, in their order, each once."""
    if "\\u" in text.lower():  # names may be written with escapes, which are not read here
        return []
    iris = dict.fromkeys(iri for iri, _ in named_iris(text) if iri.startswith(BASE))
    found = filter(None, (unmatched_name(iri, names) for iri in iris))
    # Who names the predicate of claims beside dg:predicate knows how to ask.
    return [each for each in found if not each.place or f"{DG}predicate" not in iris]


def unmatched_name(iri: str, names: NameIndex) -> UnmatchedName | None:
    """Return what there is to say of an IRI of ours that no triple has at its place, or None."""
    place = names.place_of(iri)
    if place is None:
        return UnmatchedName(iri, None, names)
    thing = None if place == "predicate" else names.thing(iri)
    is_property = thing is not None and thing.kind.endswith(" property")
    return UnmatchedName(iri, place, names) if is_property else None
