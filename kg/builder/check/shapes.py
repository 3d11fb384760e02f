"""Whether the shapes can be applied, so that a malformed one is found where it stands."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Final

import shacl
from rdflib import RDF, SH, Literal, URIRef

from kg.builder.errors import FileProblem
from kg.builder.read.terms import Triple
from kg.builder.read.turtle import SKOLEM, Document
from kg.engine import QueryError, QuerySyntaxError
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import BASE, curie
from kg.sparql.bind import canonical

_KINDS: Final = (SH.NodeShape, SH.PropertyShape)
_HOLDER: Final = URIRef(BASE + ".well-known/shape")
"""A shape that exists only to hold the one that is looked at."""

_Statements = Mapping[URIRef, Sequence[Triple]]
"""What is said of each subject."""


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
    said: defaultdict[URIRef, list[Triple]] = defaultdict(list)
    for triple in (triple for document in documents for triple in document.triples):
        said[triple[0]].append(triple)
    malformed = _malformed(said)
    for document in documents:
        for subject in sorted({triple[0] for triple in document.triples}):
            faults = list(_faults(said[subject], said)) or malformed.get(subject, [])
            for detail, remedy in faults:
                yield FileProblem(document.file, document.line_of(subject), "", detail, remedy)
    targets = {value for own in said.values() for value in _values(own, SH.targetClass)}
    for kind in sorted({value for _, predicate, value in records if predicate == RDF.type}):
        if kind not in targets:
            detail = f"No shape is for {curie(kind)}, so nothing about such records is checked."
            yield FileProblem("shapes", 0, "", detail, "Restore the shape, or write one.")


def _malformed(said: _Statements) -> Mapping[URIRef, list[tuple[str, str]]]:
    """Apply the shapes that the recommendation gives for shapes; say what is wrong with which."""
    text = resources.files("pyshacl").joinpath("assets/shacl-shacl.ttl").read_text("utf-8")
    triples = (triple for own in said.values() for triple in own)
    found: dict[URIRef, list[tuple[str, str]]] = {}
    for result in shacl.Shapes.from_turtle(text).validate_text(_lines(triples), "ntriples").results:
        what = curie((result.path or "").strip("<>")) or "what it says of its path, or its kind"
        rule = result.component.removesuffix("ConstraintComponent")
        detail = f"The shape is malformed: {what} breaks {rule} in the shapes for shapes of SHACL."
        found.setdefault(URIRef(result.focus_node.strip("<>")), [(detail, "Correct it.")])
    return found


def _lines(triples: Iterable[Triple]) -> str:
    return "".join(f"{' '.join(canonical(term) for term in triple)} .\n" for triple in triples)


def _faults(own: Sequence[Triple], said: _Statements) -> Iterator[tuple[str, str]]:
    """Say what is wrong with what is said of one subject, and what to do."""
    kinds = {value for _, predicate, value in own if predicate == RDF.type}
    if SH.PropertyShape in kinds and not _values(own, SH.path):
        yield "The property shape says no property.", "Name it with sh:path."
    elif any(path.startswith(SKOLEM) for path in _values(own, SH.path)):
        detail = "The path is no single property, which is lost where the shapes are published."
        yield detail, "Write a nested shape (sh:node) or a query."
    elif kinds.intersection(_KINDS):
        try:
            shacl.Shapes.from_text(_alone(own, said), format="ntriples")
        except ValueError as error:
            reason = " ".join(str(error).removeprefix("invalid shapes graph: ").split())
            yield f"The shape cannot be applied: {reason}.", "Correct it."
    for text in _values(own, SH.select):
        prefixes = [
            name for prefix in _values(own, SH.prefixes) for name in _declared(prefix, said)
        ]
        try:
            InProcessEngine(b"", version="empty").check(" ".join([*prefixes, str(text)]))
        except QuerySyntaxError as error:
            remedy = error.hint or "Mend the query."
            yield f"Line {error.line} of the query: {error.detail}", remedy
        except QueryError as error:
            yield f"The query cannot be asked: {error}", "Mend the query."


def _alone(own: Sequence[Triple], said: _Statements) -> str:
    """Write a shape without the shapes and queries that it names, but with its lists."""
    subject = own[0][0]
    triples: list[Triple] = [
        (_HOLDER, RDF.type, SH.NodeShape),
        (_HOLDER, SH.targetNode, _HOLDER),
        (_HOLDER, SH.property if _values(own, SH.path) else SH.node, subject),
    ]
    waiting = [triple for triple in own if triple[1] != SH.sparql]
    while waiting:
        triple = waiting.pop()
        triples.append(triple)
        target = triple[2]
        if isinstance(target, URIRef) and RDF.first in {each[1] for each in said.get(target, ())}:
            waiting += said[target]
    return _lines(triples)


def _values(own: Iterable[Triple], predicate: URIRef) -> list[URIRef | Literal]:
    return [triple[2] for triple in own if triple[1] == predicate]


def _declared(prefixes: URIRef | Literal, said: _Statements) -> Iterator[str]:
    """Yield the declarations of prefixes that a query is to be read with."""
    for declaration in _values(said.get(URIRef(prefixes), ()), SH.declare):
        own = said.get(URIRef(declaration), ())
        for name, iri in zip(_values(own, SH.prefix), _values(own, SH.namespace), strict=False):
            yield f"PREFIX {name}: <{iri}>"
