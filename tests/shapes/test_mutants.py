"""No constraint is idle: whichever is taken out of a shape, some example is judged differently."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

import pyshacl
from rdflib import OWL, RDF, RDFS, SH, BNode, Graph, URIRef
from rdflib.collection import Collection
from rdflib.term import Node

from kg.rdf.namespaces import curie
from kg.validate import background_graph, shapes_graph
from kg.validate.verdict import accelerated_verdict

_FOLDER: Final = Path(__file__).parent
_SHAPES: Final = shapes_graph()
_LOGIC: Final = (SH["or"], SH.xone, SH["and"])
"""What takes a list of shapes, each of which has to make a difference."""
_LEADS_ON: Final = (SH.property, SH.sparql)
"""Parameters that hold no constraint of their own: see test_shapes.py for SPARQL."""
_TARGETS: Final[dict[URIRef, Callable[[Graph, Node], Iterator[Node]]]] = {
    SH.targetClass: lambda data, target: (
        each
        for kind in set(data.transitive_subjects(RDFS.subClassOf, target))
        for each in data.subjects(RDF.type, kind)
    ),
    SH.targetSubjectsOf: lambda data, target: data.subjects(URIRef(str(target))),
}
"""How the focus nodes of each kind of target are found."""

Triple = tuple[Node, Node, Node]
Judged = frozenset[tuple[str, str, str, str]]
"""The results for one shape: focus node, source shape, constraint component and value."""


def _parameters() -> set[Node]:
    """Return the parameters that make a constraint, from the vocabulary of SHACL."""
    text = resources.files(pyshacl).joinpath("assets/shacl.ttl").read_text(encoding="utf-8")
    vocabulary = Graph().parse(data=text, format="turtle")
    return {
        path
        for parameter in vocabulary.objects(None, SH.parameter)
        for path in vocabulary.objects(parameter, SH.path)
        if not vocabulary.value(parameter, SH.optional)
    }


_PARAMETERS: Final = _parameters()


@dataclass(frozen=True)
class Branch:
    """One constraint or property shape of a shape with a target, with all that it leads to.

    Attributes:
        root: the shape.
        triples: what is said of the root, as far as it belongs to the branch, and of the rest.
    """

    root: Node
    triples: frozenset[Triple]

    def without(self, triple: Triple, rest: list[Node] | None = None) -> frozenset[Triple]:
        """Take a constraint out, or put the rest of its list in its place."""
        if rest is None:
            return self.triples - {triple}
        graph, head = Graph(), BNode()
        Collection(graph, head, rest)
        return (self.triples - {triple}) | {(triple[0], triple[1], head), *graph}

    def mutants(self) -> Iterator[tuple[str, frozenset[Triple]]]:
        """Yield the branch without each of its constraints and members of lists, by a name."""
        for subject, predicate, value in sorted(self.triples):
            if predicate not in _PARAMETERS or predicate in _LEADS_ON:
                continue
            name = f"{curie(str(self.root))}: {curie(str(subject))} {curie(str(predicate))}"
            members = _members(value) if predicate in _LOGIC else []
            triple = subject, predicate, value
            yield (name if members else f"{name} {value}"), self.without(triple)
            for member in members if len(members) > 1 else []:
                rest = [each for each in members if each != member]
                yield f"{name} {curie(str(member))}", self.without(triple, rest)


def _members(head: Node) -> list[Node]:
    return list(Collection(_SHAPES, head))


def _branches(root: Node) -> Iterator[Branch]:
    for predicate, value in sorted(_SHAPES.predicate_objects(root)):
        if predicate != SH.sparql and (predicate in _PARAMETERS or predicate == SH.property):
            first = {(root, RDF.type, SH.NodeShape), (root, predicate, value)}
            yield Branch(root, frozenset(first | _reached(value)))


def _reached(start: Node) -> set[Triple]:
    """Return all that the shapes say of a node, and of what that leads to, without targets."""
    found: set[Triple] = set()
    waiting = [start]
    while waiting:
        for triple in _SHAPES.triples((waiting.pop(), None, None)):
            if triple[1] not in _TARGETS and triple not in found:
                found.add(triple)
                waiting.append(triple[2])
    return found


@dataclass
class Trial:
    """Many variants of shapes that are applied to the same examples at once.

    Attributes:
        data: the examples and their background.
        shapes: the variants, each with names of its own.
    """

    data: Graph
    shapes: Graph = field(default_factory=Graph)

    def add(self, name: str, root: Node, triples: frozenset[Triple], focus: set[Node]) -> None:
        """Add a variant of a shape, and aim it at some nodes."""
        target = URIRef(f"urn:target:{root}")
        for node in focus:
            self.data.add((node, RDF.type, target))
        rename = partial(_renamed, name, {subject for subject, _, _ in triples})
        for subject, predicate, value in triples:
            self.shapes.add((rename(subject), predicate, rename(value)))
        self.shapes.add((rename(root), SH.targetClass, target))

    def judged(self) -> dict[str, Judged]:
        """Apply all variants; give the results of each by its name."""
        report = accelerated_verdict(self.data.serialize(format="nt"), self.shapes)
        results: dict[str, set[tuple[str, str, str, str]]] = defaultdict(set)
        for result in report.subjects(RDF.type, SH.ValidationResult):
            said = [
                str(report.value(result, SH[each]))
                for each in ("sourceShape", "focusNode", "sourceConstraintComponent", "value")
            ]
            name, _, shape = said[0].removeprefix("urn:variant:").partition(":")
            results[name].add((shape, *said[1:]))  # type: ignore[arg-type]
        return {name: frozenset(each) for name, each in results.items()}


def _renamed(variant: str, described: set[Node], node: Node) -> Node:
    if node not in described:
        return node
    if isinstance(node, BNode):
        return BNode(f"variant{variant}{node}")
    return URIRef(f"urn:variant:{variant}:{node}")


def _examples() -> Graph:
    """Return the good and the bad examples, without those that are a whole ontology."""
    graph = Graph()
    for path in sorted(_FOLDER.glob("*valid/*.ttl")):
        each = Graph().parse(path)
        if not any(each.subjects(OWL.versionInfo)):
            graph += each
    return graph


def test_no_constraint_of_a_shape_is_idle() -> None:
    """Without any one constraint, or member of a list of shapes, an example is judged otherwise."""
    examples = _examples()
    described = set(examples.subjects())
    trial = Trial(examples + background_graph())
    variants: dict[str, tuple[str, str]] = {}
    for root in sorted(set(_SHAPES.subjects(RDF.type, SH.NodeShape)), key=str):
        focus = {
            node
            for kind, find in _TARGETS.items()
            for target in _SHAPES.objects(root, kind)
            for node in find(trial.data, target)
        } & described
        for branch in _branches(root) if focus else ():
            whole = str(len(variants))
            trial.add(whole, root, branch.triples, focus)
            variants[whole] = "", whole
            for meaning, triples in branch.mutants():
                name = str(len(variants))
                trial.add(name, root, triples, focus)
                variants[name] = meaning, whole
    judged = trial.judged()

    assert len(variants) > 700
    assert [
        meaning
        for name, (meaning, whole) in variants.items()
        if name != whole and judged.get(name) == judged.get(whole)
    ] == []
