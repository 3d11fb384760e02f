"""Whether the shapes can be applied, so that a malformed one is found where it stands."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Final

import shacl
from rdflib import RDF, SH, Graph, URIRef
from rdflib.term import Node

from kg.builder.errors import FileProblem
from kg.builder.read.terms import Triple
from kg.builder.read.turtle import SKOLEM, Document
from kg.engine import QueryError, QuerySyntaxError
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import BASE, curie

_KINDS: Final = (SH.NodeShape, SH.PropertyShape)
_HOLDER: Final = URIRef(BASE + ".well-known/shape")
"""A shape that exists only to hold the one that is looked at."""


def problems_of_shapes(
    documents: Iterable[Document], records: Iterable[Triple]
) -> Iterator[FileProblem]:
    """Find shapes that cannot be applied, and classes of records that no shape is for.

    Args:
        documents: the files that hold shapes; without any, nothing is found.
        records: what is said of the records.
    """
    if not (documents := list(documents)):
        return
    said = Graph()
    for document in documents:
        said += document.triples
    malformed = _malformed(said)
    for document in documents:
        for subject in sorted({triple[0] for triple in document.triples}):
            faults = list(_faults(subject, said)) or malformed.get(subject, [])
            for detail, remedy in faults:
                yield FileProblem(document.file, document.line_of(subject), "", detail, remedy)
    targets = set(said.objects(None, SH.targetClass))
    for kind in sorted({value for _, predicate, value in records if predicate == RDF.type}):
        if kind not in targets:
            detail = f"No shape is for {curie(kind)}, so nothing about such records is checked."
            yield FileProblem("shapes", 0, "", detail, "Restore the shape, or write one.")


def _malformed(said: Graph) -> Mapping[Node, list[tuple[str, str]]]:
    """Apply the shapes that the recommendation gives for shapes; say what is wrong with which."""
    text = resources.files("pyshacl").joinpath("assets/shacl-shacl.ttl").read_text("utf-8")
    report = shacl.Shapes.from_turtle(text).validate_text(said.serialize(format="nt"), "ntriples")
    found: dict[Node, list[tuple[str, str]]] = {}
    for result in report.results:
        what = curie((result.path or "").strip("<>")) or "what it says of its path, or its kind"
        rule = result.component.removesuffix("ConstraintComponent")
        detail = f"The shape is malformed: {what} breaks {rule} in the shapes for shapes of SHACL."
        found.setdefault(URIRef(result.focus_node.strip("<>")), [(detail, "Correct it.")])
    return found


def _faults(subject: URIRef, said: Graph) -> Iterator[tuple[str, str]]:
    """Say what is wrong with what is said of one subject, and what to do."""
    kinds, paths = set(said.objects(subject, RDF.type)), list(said.objects(subject, SH.path))
    if SH.PropertyShape in kinds and not paths:
        yield "The property shape says no property.", "Name it with sh:path."
    elif any(str(path).startswith(SKOLEM) for path in paths):
        detail = "The path is no single property, which is lost where the shapes are published."
        yield detail, "Write a nested shape (sh:node) or a query."
    elif kinds.intersection(_KINDS):
        try:
            shacl.Shapes.from_text(_alone(subject, said).serialize(format="nt"), format="ntriples")
        except ValueError as error:
            reason = " ".join(str(error).removeprefix("invalid shapes graph: ").split())
            yield f"The shape cannot be applied: {reason}.", "Correct it."
    for text in said.objects(subject, SH.select):
        prefixes = [
            f"PREFIX {name}: <{iri}>"
            for each in said.objects(subject, SH.prefixes / SH.declare)
            for name in said.objects(each, SH.prefix)
            for iri in said.objects(each, SH.namespace)
        ]
        try:
            InProcessEngine(b"", version="empty").check(" ".join([*prefixes, str(text)]))
        except QuerySyntaxError as error:
            remedy = error.hint or "Mend the query."
            yield f"Line {error.line} of the query: {error.detail}", remedy
        except QueryError as error:
            yield f"The query cannot be asked: {error}", "Mend the query."


def _alone(subject: URIRef, said: Graph) -> Graph:
    """Return a shape without the shapes and queries that it names, but with its lists."""
    alone = Graph()
    for node in (subject, *said.transitiveClosure(_lists, subject)):
        alone += said.triples((node, None, None))
    alone.remove((subject, SH.sparql, None))
    alone.add((_HOLDER, RDF.type, SH.NodeShape))
    alone.add((_HOLDER, SH.targetNode, _HOLDER))
    alone.add((_HOLDER, SH.property if (subject, SH.path, None) in said else SH.node, subject))
    return alone


def _lists(node: URIRef, said: Graph) -> Iterator[URIRef]:
    """Yield the values of a node that are lists, as is the rest of a list."""
    for value in said.objects(node):
        if isinstance(value, URIRef) and (value, RDF.first, None) in said:
            yield value
