"""Terms worth proposing to public ontologies: our concepts that none of them is known to have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from kg.builder.read.mappings import MappingTable, Match
from kg.engine import Engine
from kg.results import Row, select, stored


class Search(StrEnum):
    """What is known of a search for a concept in public ontologies, the surest first."""

    IN_VAIN = "no term found"
    INEXACT = "only inexact terms found"
    BELOW = "below a concept without a term"
    NONE = "not looked up"


@dataclass(frozen=True, slots=True)
class TermRequest:
    """A concept that is not known to have an equal in a public ontology.

    Attributes:
        concept: its IRI.
        label, definition, synonyms: how we name and define it; `|` stands between synonyms.
        kind: the label of its top class.
        claims: how many claims use it.
        search: whether it was looked for.
        searched: ontologies that were searched in vain, as prefixes of https://bioregistry.io.
        wider: the mappings of the concept, or of those above it, to the nearest wider terms.
    """

    concept: str
    label: str
    definition: str
    synonyms: str
    kind: str
    claims: int
    search: Search
    searched: tuple[str, ...]
    wider: tuple[Match, ...]


_T = TypeVar("_T")
_Lists: TypeAlias = defaultdict[str, list[_T]]
"""Lists by the IRIs of our concepts, empty for those without any."""


def proposals(engine: Engine, table: MappingTable) -> list[TermRequest]:
    """Return the concepts that have neither an exact nor a close match.

    Those that were looked for come first, then those that more claims use.

    Args:
        engine: the graph with the concepts and the claims.
        table: the mappings of the concepts.
    """
    matches: _Lists[Match] = defaultdict(list)
    for match in table.matches:
        matches[str(match.subject)].append(match)
    parents: _Lists[str] = defaultdict(list)
    for row in select(engine, stored("parents")):
        parents[str(row["concept"])].append(str(row["parent"]))
    found = [
        _proposal(row, list(_generations(str(row["concept"]), parents)), matches)
        for row in select(engine, stored("concepts-of-the-field"))
        if not any(_is_equal(match) for match in matches[str(row["concept"])])
    ]
    places = list(Search)
    return sorted(found, key=lambda each: (places.index(each.search), -each.claims, each.label))


def _is_equal(match: Match) -> bool:
    return match.target is not None and match.predicate in ("skos:exactMatch", "skos:closeMatch")


def _proposal(
    row: Row, generations: Sequence[Sequence[str]], matches: _Lists[Match]
) -> TermRequest:
    concept = str(row["concept"])
    return TermRequest(
        concept=concept,
        label=str(row["label"]),
        definition=str(row["definition"]),
        synonyms=str(row["synonyms"] or ""),
        kind=str(row["kind"]),
        claims=int(str(row["claims"])),
        search=_search(generations, matches),
        searched=tuple(match.ontology for match in matches[concept] if match.target is None),
        wider=_wider(generations, matches),
    )


def _generations(concept: str, parents: _Lists[str]) -> Iterator[Sequence[str]]:
    """Return a concept, then what is directly above it, then what is above that, each once."""
    generation: Sequence[str] = (concept,)
    seen = {concept}
    while generation:
        yield generation
        above = (parent for each in generation for parent in parents[each])
        # Without this there is no end where something is above itself, as other data may say.
        generation = tuple(each for each in dict.fromkeys(above) if each not in seen)
        seen.update(generation)


def _search(generations: Sequence[Sequence[str]], matches: _Lists[Match]) -> Search:
    ((concept,), *above) = generations
    own = matches[concept]
    if any(match.target is None for match in own):
        return Search.IN_VAIN
    if own:
        return Search.INEXACT
    wider = (match for each in above for name in each for match in matches[name])
    return Search.BELOW if any(match.target is None for match in wider) else Search.NONE


def _wider(generations: Sequence[Sequence[str]], matches: _Lists[Match]) -> tuple[Match, ...]:
    """Return the public terms wider than a concept, those of the first generation with any.

    What equals or is wider than a concept above is wider than what is below it.
    """
    for generation in generations:
        found = {
            (match.subject, match.target): match
            for concept in generation
            for match in matches[concept]
            if match.predicate == "skos:broadMatch" or _is_equal(match)
        }
        if found:
            return tuple(found.values())
    return ()


_COLUMNS: Final = (
    *("concept", "label", "definition", "synonyms", "kind", "claims", "search", "searched"),
    *("wider_term", "wider_label", "wider_ontology", "through"),
)


def as_tsv(found: Iterable[TermRequest]) -> str:
    """Write proposals as tab-separated values; several values of a cell are separated by `|`."""
    lines = [_COLUMNS, *map(_cells, found)]
    return "".join("\t".join(cells) + "\n" for cells in lines)


def _cells(each: TermRequest) -> tuple[str, ...]:
    return (
        *(each.concept, each.label, each.definition, each.synonyms, each.kind),
        *(str(each.claims), each.search.value, "|".join(each.searched)),
        "|".join(match.cells["object_id"] for match in each.wider),
        "|".join(match.cells["object_label"] for match in each.wider),
        "|".join(match.ontology for match in each.wider),
        "|".join(match.subject for match in each.wider),
    )
