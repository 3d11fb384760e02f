"""The shapes of the ontology, what a part is read with, and shapes that are aimed at a part."""

import csv
import itertools
import json
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import Final

from rdflib import RDF, RDFS, SH, Graph, Literal, URIRef
from rdflib.term import Node

from kg.builder.errors import BuildError, FileProblem
from kg.builder.read.turtle import read_document
from kg.engine.dataset import Source
from kg.engine.oxigraph.engine import ntriples_of
from kg.rdf.namespaces import DGD, ONTOLOGY, expand
from kg.rdf.ntriples import graph_of
from kg.sparql.errors import DataError
from kg.text_files import ONTOLOGY_FOLDER

_BACKGROUND: Final = json.loads(Path(__file__).with_name("background.json").read_bytes())
"""The Turtle files of the ontology that hold knowledge; and what is said of each row of a table that
others refer to: the files, the column that names the row, below what its IRI stands, a property, and
its value or the column that holds it."""

_TARGETS: Final = (SH.targetClass, SH.targetNode, SH.targetSubjectsOf, SH.targetObjectsOf)


@cache
def shapes_graph(folder: Path = ONTOLOGY_FOLDER / "shapes") -> Graph:
    """Return the shapes of a folder as one graph; do not change it, it is kept.

    Args:
        folder: holds the shapes as *.ttl; by default those of the ontology.
    """
    return _joined(sorted(folder.glob("*.ttl")))


@cache
def background_graph(folder: Path = ONTOLOGY_FOLDER) -> Graph:
    """Return what a part is read with: the ontology, and the names of its records.

    Args:
        folder: an ontology folder; by default the one that is shipped. Do not change the graph.
    """
    files = (path for each in _BACKGROUND["files"] for path in sorted(folder.glob(each)))
    graph = _joined(files)
    for pattern, key, above, predicate, value in _BACKGROUND["rows"]:
        for path in sorted(folder.glob(pattern)):
            lines = path.read_text(encoding="utf-8").split("\n")
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                said = URIRef(expand(value)) if ":" in value else Literal(row[value])
                graph.add((URIRef(f"{DGD}{above}/{row[key]}"), URIRef(expand(predicate)), said))
    return graph


def with_background(part: Graph, background: Graph) -> Graph:
    """Join a part with its background.

    Of a record whose kind the part states, nothing is taken from the background, so that a file
    that was changed can be validated although its former state ships.
    """
    renewed = set(part.subjects(RDF.type))
    joined = part + Graph()
    joined += (triple for triple in background if triple[0] not in renewed)
    return joined


def _joined(paths: Iterable[Path]) -> Graph:
    graph = Graph()
    numbers = itertools.count()
    for path in paths:
        try:
            graph += graph_of(ntriples_of(Source.at(path), numbers))
        except (DataError, ValueError) as error:
            problems: list[FileProblem] = []
            read_document(path.parent, path, "", problems)
            raise BuildError(problems) from error
    return graph


def aimed_at(
    shapes: Graph, data: Graph, described: AbstractSet[str]
) -> tuple[Graph, tuple[str, ...]]:
    """Aim shapes at some subjects only.

    The focus nodes that pySHACL lets one choose would also be the only ones that its nested shapes
    look at, so that `sh:node` passes in silence; hence the targets themselves are replaced.
    Rules across records, which are aimed at the ontology, stay.

    Args:
        shapes: the shapes.
        data: what they are to be applied to.
        described: the IRIs of the subjects to aim at.

    Returns:
        The shapes, and the subjects that none of them is for, sorted.
    """
    aimed, checked = Graph(), set()
    for shape, predicate, target in shapes:
        if predicate not in _TARGETS:
            aimed.add((shape, predicate, target))
            continue
        for node in _nodes(data, predicate, target):
            if str(node) in described or str(node) == ONTOLOGY:
                aimed.add((shape, SH.targetNode, node))
                checked.add(str(node))
    return aimed, tuple(sorted(described - checked))


def _nodes(data: Graph, predicate: Node, target: Node) -> Iterable[Node]:
    """Return the nodes that one target of a shape stands for."""
    if predicate == SH.targetNode:
        return (target,)
    if predicate == SH.targetSubjectsOf:
        return data.subjects(target)
    if predicate == SH.targetObjectsOf:
        return data.objects(None, target)
    kinds = set(data.transitive_subjects(RDFS.subClassOf, target))
    return (node for kind in kinds for node in data.subjects(RDF.type, kind))
