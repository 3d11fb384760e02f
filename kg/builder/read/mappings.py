"""Mappings to other ontologies: an SSSOM table, read as it stands and as triples.

See https://mapping-commons.github.io/sssom/. The table itself is the published artefact; the graph
gets the mapping predicates, the labels of what is mapped to, where a term was looked for in vain
(`sssom:NoTermFound`), and a description of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from rdflib import DCAT, DCTERMS, RDF, RDFS, VOID, Literal, URIRef

from kg.builder.errors import BuildError, FileProblem, refuse
from kg.builder.read.terms import Triple, fault_of_term
from kg.rdf.namespaces import DG, DGD, GRAPH, expand
from kg.text_files import read_text_file

TABLE: Final = "mappings/dermograph.sssom.tsv"
"""The published table, in the ontology folder."""

_NOT_FOUND: Final = "sssom:NoTermFound"
_SOUGHT_IN_VAIN_IN: Final = URIRef(f"{DG}soughtInVainIn")
_READ: Final = json.loads(Path(__file__).with_name("sssom.json").read_bytes())
"""The columns of SSSOM that tell more of a mapping and leave what it says as it is, unlike
`predicate_modifier` and `mapping_cardinality`, and those that are needed; the mapping predicates; what
SSSOM maps beside terms; the slots of the header that leave the rows as they are, while others would
count for each; and the property for each slot that is told, with the kind of literals that its
values are; null: they are IRIs."""


@dataclass(frozen=True, slots=True)
class Match:
    """A row of the table.

    Attributes:
        line: its line in the file, counted from 1.
        subject: the IRI of our term.
        predicate: a SKOS mapping predicate in short form.
        target: the IRI of the term of the other ontology; None: none was found there.
        cells: the cells by their columns, as they are written.
    """

    line: int
    subject: URIRef
    predicate: str
    target: URIRef | None
    cells: Mapping[str, str] = field(repr=False)

    @property
    def ontology(self) -> str:
        """The prefix of the other ontology at https://bioregistry.io, such as `maxo`."""
        return self.cells["object_source"].partition(":")[2]

    def triples(self) -> Iterator[Triple]:
        """Say that it maps, or that nothing was found, and what is mapped to is called."""
        if self.target is None:
            yield self.subject, _SOUGHT_IN_VAIN_IN, Literal(self.ontology)
            return
        yield self.subject, URIRef(expand(self.predicate)), self.target
        if self.cells["object_label"]:
            yield self.target, RDFS.label, Literal(self.cells["object_label"], lang="en")


@dataclass(frozen=True, slots=True)
class MappingTable:
    """A mapping table that has been read.

    Attributes:
        metadata: the slots of its header by their names.
        matches: its rows, in order.
    """

    metadata: Mapping[str, Any]
    matches: tuple[Match, ...] = field(repr=False)

    @property
    def found(self) -> list[Match]:
        """The rows that map, which are all but those that tell of a search in vain."""
        return [match for match in self.matches if match.target is not None]

    def description(self) -> Iterator[Triple]:
        """Describe the table by the slots of its header, if these give it an IRI."""
        if "mapping_set_id" not in self.metadata:
            return
        mapping_set = URIRef(self.metadata["mapping_set_id"])
        yield mapping_set, RDF.type, DCAT.Dataset
        yield mapping_set, RDF.type, VOID.Dataset
        yield mapping_set, DCTERMS.conformsTo, URIRef("https://w3id.org/sssom/")
        for slot, (name, kind) in _READ["told"].items():
            values = self.metadata.get(slot, [])
            for value in values if isinstance(values, list) else [values]:
                told = URIRef(value) if kind is None else Literal(value, normalize=False, **kind)
                yield mapping_set, URIRef(expand(name)), told
        yield mapping_set, VOID.triples, Literal(len(self.found))
        yield mapping_set, RDFS.seeAlso, URIRef(GRAPH + "mappings")
        yield URIRef(DGD + "dataset"), RDFS.seeAlso, mapping_set


def read_table(folder: Path) -> MappingTable:
    """Read the mapping table of a folder, row by row; a folder without one has no mappings.

    Raises:
        BuildError: it is no sound text, is malformed, or uses a prefix or predicate that it may not.
    """
    if not (folder / TABLE).exists():
        return MappingTable({}, ())
    problems: list[FileProblem] = []
    text = read_text_file(folder, TABLE, problems)
    refuse(problems)
    lines = text.removesuffix("\n").split("\n")
    start = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    metadata = _metadata([line[1:] for line in lines[:start]])
    columns = lines[start].split("\t") if len(lines) > start else []
    refuse(FileProblem(TABLE, start + 1, "", *each) for each in _faults_of_columns(columns))
    matches: list[Match] = []
    for number, line in enumerate(lines[start + 1 :], start=start + 2):
        try:
            matches.append(_match(number, line, columns, metadata["curie_map"]))
        except ValueError as error:
            column, detail = error.args
            problems.append(FileProblem(TABLE, number, column, detail, "Correct the row."))
    refuse(problems)
    table = MappingTable(metadata, tuple(matches))
    faults = filter(None, (fault_of_term(value) for _, _, value in table.description()))
    refuse(FileProblem(TABLE, 1, "", fault, "Correct the header.") for fault in faults)
    return table


def _faults_of_columns(columns: list[str]) -> Iterator[tuple[str, str]]:
    """Say what is wrong with the columns, and what to do."""
    missing = [name for name in _READ["needed"] if name not in columns]
    if missing:
        yield f"The columns {', '.join(missing)} are missing.", "Add them."
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        yield f"The column {name} is given twice.", "Keep one."
    for name in sorted(set(columns).difference(_READ["columns"])):
        detail = f"The column {name!r} is not read here, and may change what the rows say."
        yield detail, "Correct its name, or take it out."


def _metadata(header: list[str]) -> Mapping[str, Any]:
    try:
        metadata: Any = yaml.safe_load("\n".join(header))
    except yaml.YAMLError as error:
        detail = f"The header is not YAML: {error}"
        raise BuildError([FileProblem(TABLE, 1, "", detail, "Mend it.")]) from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("curie_map"), dict):
        raise BuildError([FileProblem(TABLE, 1, "", "The header has no curie_map.", "Add it.")])
    for slot in sorted(set(metadata).difference(_READ["slots"])):
        line = next((n for n, each in enumerate(header, 1) if each.startswith(f"{slot}:")), 1)
        detail = f"The slot {slot!r} is not read here, and may change what the rows say."
        refuse([FileProblem(TABLE, line, "", detail, "Correct its name, or take it out.")])
    return metadata


def _match(number: int, line: str, columns: list[str], prefixes: Mapping[str, str]) -> Match:
    """Read a row.

    Raises:
        ValueError: with the column, if it is about one, and what is wrong.
    """
    if line.startswith("#"):
        raise ValueError("", "A line of the header, with # before it, stands among the rows.")
    values = line.split("\t")
    if len(values) != len(columns):
        raise ValueError("", f"The row has {len(values)} cells instead of {len(columns)}.")
    cells = dict(zip(columns, values, strict=True))
    predicate = cells.get("predicate_id", "")
    if predicate not in _READ["predicates"]:
        raise ValueError("predicate_id", f"{predicate!r} is no SKOS mapping predicate.")
    if not cells.get("object_source"):
        raise ValueError("object_source", "The row does not say which ontology it is about.")
    for column in ("subject_type", "object_type"):
        if cells.get(column) in _READ["no_terms"]:
            raise ValueError(column, f"A {cells[column]} is no term that has a mapping here.")
    in_vain = cells.get("object_id") == _NOT_FOUND
    target = None if in_vain else _iri("object_id", cells, prefixes)
    return Match(number, _iri("subject_id", cells, prefixes), predicate, target, cells)


def _iri(column: str, cells: Mapping[str, str], prefixes: Mapping[str, str]) -> URIRef:
    prefix, colon, local = cells.get(column, "").partition(":")
    if not colon or prefix not in prefixes:
        raise ValueError(column, f"The prefix of {cells.get(column, '')!r} is not in curie_map.")
    return URIRef(prefixes[prefix] + local)
