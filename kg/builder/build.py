"""The build: files to one dataset in named graphs, the same bytes every time."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Final

from rdflib import DCTERMS, OWL, RDFS, URIRef

from kg.builder import description
from kg.builder.check.context import problems_of_context
from kg.builder.check.references import References
from kg.builder.check.shapes import problems_of_shapes
from kg.builder.derive import figures, rules
from kg.builder.errors import BuildError, FileProblem, refuse
from kg.builder.label.sentences import composed
from kg.builder.read import mappings
from kg.builder.read.added import read_added
from kg.builder.read.table_schemas import GROUP
from kg.builder.read.tables import SourceTable, read_tables
from kg.builder.read.terms import Triple
from kg.builder.read.turtle import Document, read_document
from kg.rdf.namespaces import GRAPH, ONTOLOGY
from kg.rdf.rdflib_logging import without_remarks_of_rdflib
from kg.sparql.bind import canonical, canonical_iri
from kg.text_files import knowledge_files

_ONTOLOGY_FILE: Final = "dermograph.ttl"
"""The one Turtle file that there must be."""

_FILES: Final = json.loads(Path(__file__).with_name("files.json").read_bytes())
"""Which other Turtle files, and which tables, by file or folder, go into which named graph (all other
tables go into `claims`); what else is read, here or when the dataset is validated or served; and for
the endings of files that nothing reads, where such files belong."""

_PREMISES: Final[tuple[str, ...]] = ("ontology", "claims", "sources", "added", "inferred")
"""The named graphs that rules see."""

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


def build(folder: Path, progress: Progress = lambda _: None, added: Sequence[Path] = ()) -> Build:
    """Build the dataset from a folder of files, as described in docs/model.md.

    Args:
        folder: the ontology folder.
        progress: is told each step.
        added: files with further records, as described in docs/first-study.md.

    Raises:
        BuildError: a file is malformed, or names a term, unit or source that is not there.
    """
    with without_remarks_of_rdflib():
        documents, tables, inference, references = _read(folder, progress, added)
    graphs: dict[str, set[Triple]] = defaultdict(set)
    origins: dict[str, str] = {}
    for document in documents:
        graphs[document.graph] |= document.triples
        origins |= {iri: f"{document.file}, line {n}" for iri, n in document.lines.items()}
    for table in tables:
        for row in table.rows:
            graphs[_graph_of(table)] |= set(row.triples)
            if table.schema.key is not None:
                origins[str(row.subject)] = f"{row.file}, line {row.line}"
            if table.metadata and not row.triples:
                graphs[_graph_of(table)].add(mappings.search_in_vain(row.subject, row.cells))
    labels = _labels(graphs.values())
    for table, triple in composed(tables, labels):
        graphs[_graph_of(table)].add(triple)
    progress("computing figures")
    units, bands = figures.units_of(tables), figures.band_limits(graphs["ontology"])
    for row in (row for table in tables for row in table.rows):
        if {"predicate", "parameter"} & row.cells.keys():  # a claim or a setting
            graphs["inferred"] |= set(figures.computed(row, units, bands))
    progress("applying rules")
    for rule in inference:
        graphs["ontology"] |= set(rule.triples())
        origins[str(rule.iri)] = rule.file
    seen = [name for name in _PREMISES if name in graphs]
    premises = {name: "".join(_lines(graphs[name], "")).encode() for name in seen}
    derived = rules.infer(premises, inference, labels)
    for name in (name for name, triples in derived.items() if triples):
        refuse(references.unknown_conclusions(derived[name], inference))
        graphs[name] |= derived[name]
    release = _release(graphs["ontology"])
    described = description.describe(graphs, release, added)
    graphs["dataset"] = set(described)
    for table in tables:
        number = sum(bool(row.triples) for row in table.rows)
        graphs["dataset"] |= set(mappings.description(table.metadata, number))
    progress("writing")
    counts = {name: len(graphs[name]) for name in sorted(graphs)}
    return Build(_nquads(graphs), release, counts, origins)


def _read(
    folder: Path, progress: Progress, added: Sequence[Path]
) -> tuple[list[Document], list[SourceTable], list[rules.Rule], References]:
    """Read all files, and stop with all that is wrong in them.

    Raises:
        BuildError: something is.
    """
    problems: list[FileProblem] = []
    progress("reading Turtle")
    documents = [read_document(folder, folder / _ONTOLOGY_FILE, "ontology", problems)]
    for pattern, graph in _FILES["turtle"].items():
        paths = sorted(folder.glob(pattern))
        documents += (read_document(folder, path, graph, problems) for path in paths)
    progress("reading tables")
    tables = read_tables(folder, problems, partial(read_added, added, problems))
    inference = rules.read_rules(folder, problems)
    if not tables or not documents[0].text:
        raise BuildError(problems)  # without either, all would be unknown
    references = References(documents, tables, inference)
    told = {(each.file, each.line, each.column) for each in problems}
    unknown = references.problems()
    problems += (each for each in unknown if (each.file, each.line, each.column) not in told)
    problems += problems_of_context(folder, references.described)
    shapes = [document for document in documents if document.graph == "shapes"]
    # The records are what has graphs of its own.
    records = (each for each in tables if _graph_of(each) not in ("ontology", "mappings"))
    rows = (row for each in records for row in each.rows)
    problems += problems_of_shapes(shapes, (triple for row in rows for triple in row.triples))
    problems += _unread(folder, tables)
    refuse(problems)
    return documents, tables, inference, references


def _unread(folder: Path, tables: Iterable[SourceTable]) -> Iterator[FileProblem]:
    """Find files that nothing reads, whose knowledge would be missing in silence."""
    known = {folder / name for table in tables for name in (table.file, table.schema.file)}
    known |= {folder / _ONTOLOGY_FILE, folder / GROUP}
    known |= {
        path for pattern in (*_FILES["turtle"], *_FILES["others"]) for path in folder.glob(pattern)
    }
    for path in knowledge_files(folder):
        if path not in known and path.suffix != ".md":
            name = path.relative_to(folder).as_posix()
            remedy = _FILES["homes"].get(path.suffix, "Take it out of the folder.")
            yield FileProblem(name, 0, "", "Nothing reads this file.", remedy)


def _graph_of(table: SourceTable) -> str:
    """Return the named graph of a table."""
    if table.schema.adds_to:
        return "added"
    graphs: Mapping[str, str] = _FILES["tables"]
    return graphs.get(table.file) or graphs.get(table.file.partition("/")[0], "claims")


def _labels(graphs: Iterable[set[Triple]]) -> dict[str, str]:
    return {
        str(subject): str(value)
        for triples in graphs
        for subject, predicate, value in triples
        if predicate in (RDFS.label, DCTERMS.title)
    }


def _release(triples: Iterable[Triple]) -> str:
    for subject, predicate, value in triples:
        if str(subject) == ONTOLOGY and predicate == OWL.versionInfo:
            return str(value)
    detail = "The ontology has no owl:versionInfo."
    raise BuildError([FileProblem("dermograph.ttl", 0, "", detail, "State the release there.")])


def _nquads(graphs: Mapping[str, set[Triple]]) -> bytes:
    """Write canonical N-Quads, sorted by code point."""
    written = (_lines(triples, f" <{GRAPH}{name}>") for name, triples in graphs.items())
    return "".join(sorted(chain.from_iterable(written))).encode()


def _lines(triples: Iterable[Triple], graph: str) -> Iterator[str]:
    iri = cache(canonical_iri)  # few IRIs stand in many lines
    for subject, predicate, value in triples:
        written = iri(value) if isinstance(value, URIRef) else canonical(value)
        yield f"{iri(subject)} {iri(predicate)} {written}{graph} .\n"
