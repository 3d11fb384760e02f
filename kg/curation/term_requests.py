"""Terms worth proposing to public ontologies: our concepts that none of them is known to have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kg.builder.read.mappings import MappingTable, Match
from kg.engine import Engine
from kg.results import Row, Rows, select, stored


class Search(StrEnum):
    """What is known of a search for a concept in public ontologies, the surest first."""

    IN_VAIN = "no term found"
    INEXACT = "only inexact terms found"
    BELOW = "below a concept without a term"
    NONE = "not looked up"


@dataclass(frozen=True, slots=True)
class Wider:
    """A term of a public ontology that is wider than a concept of ours.

    Attributes:
        iri, short: the term, in full and in short.
        label: its label there; empty where that may not be published.
        ontology: its ontology, as a prefix of https://bioregistry.io, such as `maxo`.
        through: the IRI of our concept that is mapped to it: the concept itself or one above it.
    """

    iri: str
    short: str
    label: str
    ontology: str
    through: str


@dataclass(frozen=True, slots=True)
class TermRequest:
    """A concept that is not known to have an equal in a public ontology.

    Attributes:
        concept: its IRI.
        label, definition, synonyms: how we name and define it.
        kind: the label of its top class.
        claims: how many claims use it.
        search: whether it was looked for.
        searched: ontologies that were searched in vain, as prefixes of https://bioregistry.io.
        wider: the nearest terms of public ontologies that are wider.
    """

    concept: str
    label: str
    definition: str
    synonyms: tuple[str, ...]
    kind: str
    claims: int
    search: Search
    searched: tuple[str, ...]
    wider: tuple[Wider, ...]


def proposals(engine: Engine, table: MappingTable) -> list[TermRequest]:
    """Return the concepts that have neither an exact nor a close match.

    Those that were looked for come first, then those that more claims use.

    Args:
        engine: the graph with the concepts and the claims.
        table: the mappings of the concepts.
    """
    matches: defaultdict[str, list[Match]] = defaultdict(list)
    for match in table.matches:
        matches[str(match.subject)].append(match)
    parents = _grouped(select(engine, stored("parents")), "parent")
    synonyms = _grouped(select(engine, stored("synonyms")), "synonym")
    claims = {
        str(row["concept"]): int(str(row["claims"]))
        for row in select(engine, stored("claims-by-concept"))
    }
    found = [
        _proposal(row, matches, parents, synonyms, claims)
        for row in select(engine, stored("concepts-of-the-field"))
        if not any(_is_equal(match) for match in matches.get(str(row["concept"]), ()))
    ]
    places = list(Search)
    return sorted(found, key=lambda each: (places.index(each.search), -each.claims, each.label))


def _grouped(rows: Rows, column: str) -> Mapping[str, Sequence[str]]:
    """Return for each concept the values of a column, each once."""
    return {
        concept: tuple(dict.fromkeys(str(row[column]) for row in group))
        for concept, group in rows.by("concept").items()
    }


def _is_equal(match: Match) -> bool:
    return match.target is not None and match.predicate in ("skos:exactMatch", "skos:closeMatch")


def _proposal(
    row: Row,
    matches: Mapping[str, Sequence[Match]],
    parents: Mapping[str, Sequence[str]],
    synonyms: Mapping[str, Sequence[str]],
    claims: Mapping[str, int],
) -> TermRequest:
    concept = str(row["concept"])
    generations = list(_generations(concept, parents))
    own = matches.get(concept, ())
    return TermRequest(
        concept=concept,
        label=str(row["label"]),
        definition=str(row["definition"]),
        synonyms=tuple(synonyms.get(concept, ())),
        kind=str(row["kind"]),
        claims=claims.get(concept, 0),
        search=_search(generations, matches),
        searched=tuple(match.ontology for match in own if match.target is None),
        wider=_wider(generations, matches),
    )


def _generations(concept: str, parents: Mapping[str, Sequence[str]]) -> Iterator[Sequence[str]]:
    """Return a concept, then what is directly above it, then what is above that, each once."""
    generation: Sequence[str] = (concept,)
    seen = {concept}
    while generation:
        yield generation
        above = (parent for each in generation for parent in parents.get(each, ()))
        # Without this there is no end where something is above itself, as other data may say.
        generation = tuple(each for each in dict.fromkeys(above) if each not in seen)
        seen.update(generation)


def _search(generations: Sequence[Sequence[str]], matches: Mapping[str, Sequence[Match]]) -> Search:
    ((concept,), *above) = generations
    own = matches.get(concept, ())
    if any(match.target is None for match in own):
        return Search.IN_VAIN
    if own:
        return Search.INEXACT
    wider = (match for each in above for name in each for match in matches.get(name, ()))
    return Search.BELOW if any(match.target is None for match in wider) else Search.NONE


def _wider(
    generations: Sequence[Sequence[str]], matches: Mapping[str, Sequence[Match]]
) -> tuple[Wider, ...]:
    """Return the public terms wider than a concept, those of the first generation with any.

    What equals or is wider than a concept above is wider than what is below it.
    """
    for generation in generations:
        found = dict.fromkeys(
            Wider(
                str(match.target),
                match.cells["object_id"],
                match.cells["object_label"],
                match.ontology,
                concept,
            )
            for concept in generation
            for match in matches.get(concept, ())
            if match.predicate == "skos:broadMatch" or _is_equal(match)
        )
        if found:
            return tuple(found)
    return ()


_COLUMNS: Final = (
    *("concept", "label", "definition", "synonyms", "kind", "claims", "search", "searched"),
    *("wider_term", "wider_label", "wider_ontology", "through"),
)


def as_tsv(found: Iterable[TermRequest]) -> str:
    """Write proposals as tab-separated values; several values of a cell are separated by `|`."""
    lines = [_COLUMNS, *map(_cells, found)]
    return "".join("\t".join(cells) + "\n" for cells in lines)


_OF_WIDER: Final = ("short", "label", "ontology", "through")


def _cells(each: TermRequest) -> tuple[str, ...]:
    return (
        *(each.concept, each.label, each.definition, "|".join(each.synonyms), each.kind),
        *(str(each.claims), each.search.value, "|".join(each.searched)),
        *("|".join(getattr(term, name) for term in each.wider) for name in _OF_WIDER),
    )
