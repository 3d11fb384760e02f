"""Reading what is to be validated: graphs, N-Quads and files, all into triples of one graph."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rdflib import Dataset, Graph, URIRef

from kg.builder.errors import FileProblem
from kg.builder.read.turtle import lines_of_subjects
from kg.engine.dataset import Source
from kg.engine.oxigraph.engine import ntriples_of
from kg.rdf import jsonld
from kg.rdf.formats import JSONLD, NQUADS, NTRIPLES
from kg.rdf.namespaces import ABSOLUTE_IRI, GRAPH
from kg.rdf.ntriples import graph_of
from kg.sparql.errors import DataError

Data = Graph | bytes | Path | Sequence[Path]
"""What can be validated. A Dataset is a Graph; bytes are N-Quads."""

_SHAPES: Final = GRAPH + "shapes"

_SHOWN: Final = 60
"""How many characters of a faulty text are shown."""


class ValidationInputError(Exception):
    """What was handed in cannot be read.

    Attributes:
        problem: what is wrong, in which file (`data` where data were handed in directly) and line.
    """

    def __init__(self, file: Path | None, line: int, detail: str, remedy: str) -> None:
        self.problem = FileProblem(str(file or "data"), line, "", detail, remedy)
        super().__init__(str(self.problem))


def graph_of_material(ntriples: str) -> Graph:
    """Return triples that have been read as a graph in memory.

    Raises:
        ValidationInputError: a triple is of RDF 1.2.
    """
    try:
        return graph_of(ntriples)
    except ValueError as error:
        detail = f"This is no triple of RDF 1.1, to which shapes can be applied: {error}"
        raise ValidationInputError(None, 0, detail, "Take it out.") from error


def read(data: Data) -> tuple[str, Mapping[str, str]]:
    """Read what is to be validated.

    Args:
        data: graphs, N-Quads or files.

    Returns:
        Its triples, as N-Triples; and for IRIs of subjects, the file and line that describe them, of
        which several are separated by semicolons.

    Raises:
        ValidationInputError: a file is missing, of an unknown kind, or cannot be parsed.
    """
    if isinstance(data, Graph):
        return _ntriples(data), {}
    if isinstance(data, bytes):
        return _parsed(Source(data, NQUADS), None, itertools.count()), {}
    paths = [data] if isinstance(data, Path) else list(data)
    if not paths:
        raise ValidationInputError(None, 0, "No file was given.", "Name at least one.")
    numbers = itertools.count()
    context = jsonld.Context.published()
    read_files = [_read_file(path, context, numbers) for path in paths]
    places: dict[str, list[str]] = defaultdict(list)
    for _, described in read_files:
        for iri, place in described.items():
            places[iri].append(place)
    origins = {iri: "; ".join(dict.fromkeys(several)) for iri, several in places.items()}
    return "".join(ntriples for ntriples, _ in read_files), origins


def _ntriples(graph: Graph) -> str:
    """Write the triples of a graph, or of all named graphs of a dataset but that of the shapes.

    Raises:
        ValidationInputError: RDF does not allow what rdflib does: such an IRI, or half a character.
    """
    joined = graph
    if isinstance(graph, Dataset):
        joined = Graph()
        for each in graph.graphs():
            if str(each.identifier) != _SHAPES:
                joined += each
    for term in {term for triple in joined for term in triple}:
        if isinstance(term, URIRef) and not ABSOLUTE_IRI.fullmatch(term):
            detail = f"{str(term)!r} is not an absolute IRI."
            remedy = "Correct it, and encode what IRIs may not hold."
            raise ValidationInputError(None, 0, detail, remedy)
        if jsonld.SURROGATE.search(str(term)):
            detail = f"{str(term)[:_SHOWN]!r} holds half of a character."
            raise ValidationInputError(None, 0, detail, "Write the whole character.")
    return joined.serialize(format="nt")


def _read_file(
    path: Path, context: jsonld.Context, numbers: Iterator[int]
) -> tuple[str, Mapping[str, str]]:
    try:
        source = Source.at(path)
        with source.opened() as file:
            content = file.read()
    except DataError as error:
        tables = " Tables are checked with --add, see docs/first-study.md."
        remedy = (error.hint or "Check the path.") + tables * (path.suffix in (".csv", ".tsv"))
        raise ValidationInputError(path, 0, error.detail, remedy) from error
    ntriples = _parsed(replace(source, content=content, compressed=False), path, numbers, context)
    if not ntriples:
        raise ValidationInputError(path, 0, "It holds no statement.", "Check that it is RDF.")
    described = {line.partition("> ")[0][1:] for line in ntriples.split("\n")}
    lines = lines_of_subjects(content.decode(errors="replace"))
    origins = {iri: f"{path}, line {n}" for iri, n in lines.items() if iri in described}
    return ntriples, origins


def _parsed(
    source: Source, path: Path | None, numbers: Iterator[int], context: jsonld.Context | None = None
) -> str:
    """Read a source; JSON-LD without fetching a context, of which the one given is known."""
    try:
        if context is None or source.format != JSONLD:
            return ntriples_of(source, numbers, but=(_SHAPES,))
        assert isinstance(source.content, bytes), "it has been read"
        triples = jsonld.read(source.content, context, source.base_iri)
        return ntriples_of(Source(triples, NTRIPLES), numbers)
    except (jsonld.JsonLdError, DataError) as error:
        reason = error.detail if isinstance(error, DataError) else str(error)
        # Of JSON-LD, the line would be that of the triples.
        line = error.line if isinstance(error, DataError) and source.format != JSONLD else None
        detail = f"It cannot be parsed: {' '.join(reason.split()).rstrip('.')}."
        slash = " In a short name, write a slash as \\/." if "'/'" in reason else ""
        remedy = f"Mend the syntax there.{slash}"
        raise ValidationInputError(path, line or 0, detail, remedy) from error
