"""Building: files to one dataset in named graphs, the same bytes every time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rdflib import OWL, RDFS, Literal, URIRef

from kg.build import description, figures, rules
from kg.build.errors import BuildError, Problem
from kg.build.mappings import Mappings, read_mappings
from kg.build.sentences import label
from kg.build.tables import Row, Table, Triple, read_tables, term_of
from kg.build.turtle import fault, lines_of_subjects, read_turtle
from kg.engine.bindings import canonical
from kg.namespaces import DG, DGD, GRAPH, ONTOLOGY, PREFIXES, curie

__all__ = ["Build", "BuildError", "Problem", "build"]

_TURTLE: Final = (
    ("dermograph.ttl", "ontology"),
    ("schemes.ttl", "ontology"),
    ("concepts/*.ttl", "ontology"),
    ("functions.ttl", "ontology"),
    ("alignments.ttl", "mappings"),
    ("shapes/*.ttl", "shapes"),
)
"""Which Turtle files go into which named graph."""

_TABLES: Final = {"units.tsv": "ontology", "sources": "sources", "spectra": "spectra"}
"""Which tables, by file or folder, go into which named graph; all others go into `claims`."""

_PREMISES: Final = ("ontology", "claims", "inferred")
"""The named graphs that rules see."""

_TITLE: Final = URIRef(PREFIXES["dcterms"] + "title")

Progress = Callable[[str], None]
"""Is told the name of each step as it begins."""


@dataclass(frozen=True, slots=True)
class Build:
    """A dataset that has been built.

    Attributes:
        nquads: the dataset: canonical N-Quads, sorted, without blank nodes.
        release: the version of the ontology, `owl:versionInfo`.
        counts: number of triples of each named graph, by its name.
        origins: for each subject, by IRI, where it is described: `claims/clinical.tsv, line 7`.
    """

    nquads: bytes = field(repr=False)
    release: str
    counts: Mapping[str, int]
    origins: Mapping[str, str] = field(repr=False)

    @property
    def version(self) -> str:
        """The version of the data: changes exactly when the dataset does."""
        return hashlib.sha256(self.nquads).hexdigest()[:16]


def build(folder: Path, progress: Progress = lambda _: None) -> Build:
    """Build the dataset from a folder of files, as described in docs/model.md.

    Args:
        folder: the ontology folder.
        progress: is told each step.

    Raises:
        BuildError: a file is malformed, or names a term, unit or source that is not there.
    """
    progress("reading Turtle")
    documents = [_read_document(folder, path, name) for path, name in _turtle_files(folder)]
    progress("reading tables")
    tables = read_tables(folder)
    graphs: dict[str, set[Triple]] = defaultdict(set)
    origins: dict[str, str] = {}
    for document in documents:
        graphs[document.graph] |= document.triples
        origins |= {iri: f"{document.file}, line {n}" for iri, n in document.lines.items()}
    for table in tables:
        for row in table.rows:
            graphs[_graph_of(table)] |= set(row.triples)
            origins[str(row.subject)] = f"{row.file}, line {row.line}"
    mappings = read_mappings(folder)
    for _, triples in mappings.rows:
        graphs["mappings"] |= set(triples)
    _refuse_unknown_terms(graphs, documents, tables, mappings)
    labels = _labels(graphs.values())
    for table in tables:
        for row in table.rows:
            text = label(row, labels)
            if text is not None:
                graphs[_graph_of(table)].add((row.subject, RDFS.label, Literal(text, lang="en")))
    progress("computing figures")
    units, bands = figures.units_of(tables), figures.band_limits(graphs["ontology"])
    for row in (row for table in tables for row in table.rows if _has_figures(row)):
        graphs["inferred"] |= set(figures.computed(row, units, bands))
    progress("applying rules")
    inference = rules.read_rules(folder)
    for rule in inference:
        graphs["ontology"] |= set(rule.triples())
        origins[str(rule.iri)] = rule.file
    premises = {name: graphs[name] for name in _PREMISES}
    graphs["inferred"] |= rules.infer(_nquads(premises), inference, labels)
    release = _release(graphs["ontology"])
    graphs["dataset"] = set(description.describe(graphs, release))
    progress("writing")
    counts = {name: len(graphs[name]) for name in sorted(graphs)}
    return Build(_nquads(graphs), release, counts, origins)


@dataclass(frozen=True, slots=True)
class _Document:
    """A Turtle file that has been read.

    Attributes:
        file: its name, relative to the folder.
        graph: the named graph that it belongs to.
        triples: what it says.
        lines: the line, counted from 1, on which each of its subjects begins, by IRI.
    """

    file: str
    graph: str
    triples: set[Triple]
    lines: Mapping[str, int]


def _turtle_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for pattern, graph in _TURTLE:
        for path in sorted(folder.glob(pattern)):
            yield path, graph


def _read_document(folder: Path, path: Path, graph: str) -> _Document:
    triples = set(read_turtle(folder, path))
    lines = {_written_iri(text): line for text, line in lines_of_subjects(path).items()}
    name = str(path.relative_to(folder))
    problems = {
        Problem(name, lines.get(str(triple[0]), 0), "", detail, "Correct it.")
        for triple in triples
        for detail in map(fault, triple)
        if detail is not None
    }
    if problems:
        raise BuildError(list(problems))
    return _Document(name, graph, triples, lines)


def _written_iri(text: str) -> str:
    """Give the IRI that a subject of a Turtle file, as it is written there, stands for."""
    try:
        return text[1:-1] if text.startswith("<") else str(term_of(text))
    except ValueError:
        return text


def _has_figures(row: Row) -> bool:
    """Tell whether a row is a claim or a setting, of which figures can be computed."""
    return "predicate" in row.cells or "parameter" in row.cells


def _graph_of(table: Table) -> str:
    return _TABLES.get(table.file) or _TABLES.get(table.file.partition("/")[0], "claims")


def _labels(graphs: Iterable[set[Triple]]) -> dict[str, str]:
    return {
        str(subject): str(value)
        for triples in graphs
        for subject, predicate, value in triples
        if predicate in (RDFS.label, _TITLE)
    }


def _refuse_unknown_terms(
    graphs: Mapping[str, set[Triple]],
    documents: Iterable[_Document],
    tables: Iterable[Table],
    mappings: Mappings,
) -> None:
    """Stop where something of ours is named that no file describes."""
    described = {
        str(subject)
        for name, triples in graphs.items()
        if name != "mappings"
        for subject, _, _ in triples
    }
    problems = {
        Problem(document.file, document.lines.get(str(subject), 0), "", _unknown(term), _REMEDY)
        for document in documents
        for subject, predicate, value in document.triples
        for term in (predicate, value)
        if _is_ours(term) and str(term) not in described and predicate != OWL.versionIRI
    }
    problems |= {
        Problem(row.file, row.line, _column_of(row, term), _unknown(term), _REMEDY)
        for table in tables
        for row in table.rows
        for _, *rest in row.triples
        for term in rest
        if _is_ours(term) and str(term) not in described
    }
    problems |= {
        Problem(mappings.file, line, "subject_id", _unknown(subject), _REMEDY)
        for line, triples in mappings.rows
        for subject, _, _ in triples
        if _is_ours(subject) and str(subject) not in described
    }
    if problems:
        raise BuildError(list(problems))


_REMEDY: Final = "Correct it, or describe it in a file of concepts, sources or claims."


def _is_ours(term: URIRef | Literal) -> bool:
    return isinstance(term, URIRef) and str(term).startswith((DG, DGD))


def _unknown(term: object) -> str:
    return f"{curie(str(term))} is unknown."


def _column_of(row: Row, term: object) -> str:
    """Give the column whose cell names a term, or nothing where the mapping itself names it."""
    for column, cell in row.cells.items():
        if any(
            part in (curie(str(term)), str(term).rpartition("/")[2]) for part in cell.split("|")
        ):
            return column
    return ""


def _release(triples: Iterable[Triple]) -> str:
    for subject, predicate, value in triples:
        if str(subject) == ONTOLOGY and predicate == OWL.versionInfo:
            return str(value)
    detail = "The ontology has no owl:versionInfo."
    raise BuildError([Problem("dermograph.ttl", 0, "", detail, "State the release there.")])


def _nquads(graphs: Mapping[str, set[Triple]]) -> bytes:
    """Write canonical N-Quads, sorted by code point."""
    lines = [
        f"{canonical(subject)} {canonical(predicate)} {canonical(value)} <{GRAPH}{name}> .\n"
        for name, triples in graphs.items()
        for subject, predicate, value in triples
    ]
    return "".join(sorted(lines)).encode()
