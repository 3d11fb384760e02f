"""Mappings to other ontologies: an SSSOM table to SKOS triples.

See https://mapping-commons.github.io/sssom/. The table itself is the published artefact; the graph
gets the mapping predicates and the labels of what is mapped to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from rdflib import RDFS, SKOS, Literal, URIRef

from kg.build.errors import BuildError, Problem
from kg.build.tables import Triple

_FILE: Final = "mappings/dermograph.sssom.tsv"
_PREDICATES: Final = {
    f"skos:{name}": SKOS[name]
    for name in ("exactMatch", "closeMatch", "broadMatch", "narrowMatch", "relatedMatch")
}
_NEEDED: Final = ("subject_id", "predicate_id", "object_id", "object_label")


@dataclass(frozen=True, slots=True)
class Mappings:
    """A mapping table that has been read.

    Attributes:
        file: its name, relative to the folder.
        rows: line, counted from 1, and triples of each row.
    """

    file: str
    rows: tuple[tuple[int, tuple[Triple, ...]], ...]


def read_mappings(folder: Path) -> Mappings:
    """Read the mapping table of a folder; a folder without one has no mappings.

    Raises:
        BuildError: the table is malformed, or uses a prefix or predicate that it may not.
    """
    path = folder / _FILE
    if not path.exists():
        return Mappings(_FILE, ())
    lines = path.read_text(encoding="utf-8").splitlines()
    header = [line[1:] for line in lines if line.startswith("#")]
    prefixes = _prefixes(header)
    columns = lines[len(header)].split("\t") if len(lines) > len(header) else []
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        detail = f"The columns {', '.join(missing)} are missing."
        raise BuildError([Problem(_FILE, len(header) + 1, "", detail, "Add them.")])
    problems: list[Problem] = []
    rows = []
    for number, line in enumerate(lines[len(header) + 1 :], start=len(header) + 2):
        cells = dict(zip(columns, line.split("\t"), strict=False))
        try:
            rows.append((number, tuple(_triples(cells, prefixes))))
        except ValueError as error:
            column, detail = error.args
            problems.append(Problem(_FILE, number, column, detail, "Correct the row."))
    if problems:
        raise BuildError(problems)
    return Mappings(_FILE, tuple(rows))


def _prefixes(header: list[str]) -> Mapping[str, str]:
    try:
        metadata: Any = yaml.safe_load("\n".join(header))
    except yaml.YAMLError as error:
        raise BuildError([Problem(_FILE, 1, "", f"The header is not YAML: {error}", "")]) from error
    prefixes = metadata.get("curie_map") if isinstance(metadata, dict) else None
    if not isinstance(prefixes, dict):
        raise BuildError([Problem(_FILE, 1, "", "The header has no curie_map.", "Add it.")])
    return {str(name): str(iri) for name, iri in prefixes.items()}


def _triples(cells: Mapping[str, str], prefixes: Mapping[str, str]) -> Iterator[Triple]:
    """Give what a row says.

    Raises:
        ValueError: with the column and what is wrong with it.
    """
    predicate = cells.get("predicate_id", "")
    if predicate not in _PREDICATES:
        raise ValueError("predicate_id", f"{predicate!r} is no SKOS mapping predicate.")
    subject = _iri("subject_id", cells, prefixes)
    target = _iri("object_id", cells, prefixes)
    yield subject, URIRef(_PREDICATES[predicate]), target
    if cells.get("object_label"):
        yield target, RDFS.label, Literal(cells["object_label"], lang="en")


def _iri(column: str, cells: Mapping[str, str], prefixes: Mapping[str, str]) -> URIRef:
    prefix, colon, local = cells.get(column, "").partition(":")
    if not colon or prefix not in prefixes:
        raise ValueError(column, f"The prefix of {cells.get(column, '')!r} is not in curie_map.")
    return URIRef(prefixes[prefix] + local)
