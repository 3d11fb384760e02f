"""Shapes: each rejects its bad examples for the stated reason, accepts its good ones, and is no dead letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import pyshacl
import pytest
from rdflib import RDF, SH, BNode, Dataset, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.term import Node

import kg
from kg.rdf.namespaces import BASE, DG, GRAPH, PREFIXES, curie, expand
from kg.rdf.ntriples import graph_of
from kg.validate import Finding, background_graph, shapes_graph, validate
from kg.validate.verdict import accelerated_verdict
from tests.background import background_of
from tests.conftest import Once

_FOLDER = Path(__file__).parent
_VALID = sorted((_FOLDER / "valid").glob("*.ttl"))
_INVALID = sorted((_FOLDER / "invalid").glob("*.ttl"))

_OUTSIDE = {
    "bibo:doi",
    "bibo:editor",
    "bibo:pmid",
    "dcat:Dataset",
    "dcterms:bibliographicCitation",
    "dcterms:conformsTo",
    "dcterms:created",
    "dcterms:creator",
    "dcterms:description",
    "dcterms:identifier",
    "dcterms:isReplacedBy",
    "dcterms:issued",
    "dcterms:license",
    "dcterms:modified",
    "dcterms:publisher",
    "dcterms:references",
    "dcterms:source",
    "dcterms:title",
    "owl:AnnotationProperty",
    "owl:Class",
    "owl:DatatypeProperty",
    "owl:ObjectProperty",
    "owl:Ontology",
    "owl:deprecated",
    "owl:versionIRI",
    "owl:versionInfo",
    "prov:wasDerivedFrom",
    "rdf:object",
    "rdf:predicate",
    "rdf:subject",
    "rdf:type",
    "rdfs:label",
    "schema:domainIncludes",
    "skos:Concept",
    "skos:ConceptScheme",
    "skos:altLabel",
    "skos:definition",
    "skos:example",
    "skos:hiddenLabel",
    "skos:inScheme",
    "skos:notation",
    "vann:preferredNamespacePrefix",
    "vann:preferredNamespaceUri",
    "void:uriSpace",
}
"""The terms of other vocabularies that shapes are aimed at or speak of."""

_NOT_YET_USED = {
    "dcterms:isReplacedBy": "no term has been withdrawn so far",
    "owl:deprecated": "no term has been withdrawn so far",
}
"""Targets that nothing in the knowledge meets, each with the reason."""

_SHAPES = shapes_graph()

Constraint = tuple[str, str]
"""A shape, property shape or SPARQL constraint, and the constraint component, both as CURIEs."""


def _is_alone(path: Path) -> bool:
    """Whether an example speaks of the ontology itself, of which there is one."""
    return f"\n<{BASE}ontology> " in path.read_text(encoding="utf-8")


def _groups(paths: list[Path]) -> Iterator[list[Path]]:
    """Put together the examples that can be validated together without touching each other."""
    whole = [path for path in paths if "a dcat:Dataset" in path.read_text(encoding="utf-8")]
    yield from ([path] for path in paths if _is_alone(path))
    if whole:
        yield whole
    yield [path for path in paths if path not in whole and not _is_alone(path)]


def _few_at_once(paths: list[Path]) -> Iterator[list[Path]]:
    """Take such groups apart into some that pySHACL is done with in a few seconds."""
    for group in _groups(paths):
        yield from (group[n : n + 80] for n in range(0, len(group), 80))


def _some_of_each_kind() -> list[Path]:
    """Choose examples: the first bad one for each constraint component, and every tenth of all."""
    first: dict[str, Path] = {}
    for path in _INVALID:
        for _, statement in sorted(_expected(path)):
            first.setdefault(statement.split()[-1], path)
    alike = [path for path in _VALID + _INVALID if not _is_alone(path)]
    return sorted({*first.values(), *alike[::10]})


def _background(paths: list[Path]) -> Graph:
    return background_of(Graph().parse(path) for path in paths)


@pytest.fixture(scope="module")
def accelerated_findings(once: Once) -> set[Finding]:
    """Return what the shapes find in all examples; for the checks see test_checks.py."""
    findings: set[Finding] = once("findings", _found_in_all)
    return findings


def _found_in_all() -> set[Finding]:
    found = (
        finding
        for group in _groups(_VALID + _INVALID)
        for finding in validate(group, background=_background(group), accelerated=True).findings
    )
    return {finding for finding in found if finding.shape.startswith(DG)}


def _file(finding: Finding) -> str:
    assert finding.origin is not None
    return finding.origin.rpartition(", line ")[0]


def _expected(path: Path) -> set[tuple[str, str]]:
    """Return what an example says that it violates: pairs of a record and a statement about it."""
    expected, statements = set(), []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# violates: "):
            statements.append(line.removeprefix("# violates: "))
        elif line and not line[0].isspace() and not line.startswith(("@", "#")):
            subject = line.split(maxsplit=1)[0]
            iri = subject[1:-1] if subject.startswith("<") else expand(subject)
            expected |= {(iri, statement) for statement in statements}
            statements = []
    return expected


def _statement(finding: Finding) -> str:
    path = re.sub(r"[^/<>\s]+://[^<>\s]+", lambda match: curie(match[0]), finding.path or "")
    parts = [curie(finding.shape), re.sub("[<>()]", "", path), curie(finding.constraint)]
    return " ".join(part for part in parts if part)


@pytest.mark.parametrize("paths", [_VALID, _INVALID], ids=["valid", "invalid"])
def test_neither_folder_of_examples_is_empty(paths: list[Path]) -> None:
    """There are good and bad examples."""
    assert len(paths) > 10


@pytest.mark.parametrize("path", _INVALID, ids=lambda path: path.stem)
def test_bad_example_is_rejected_for_the_stated_reasons_and_no_other(
    path: Path, accelerated_findings: set[Finding]
) -> None:
    """A bad example breaks exactly the constraints that it names, on the records that it says."""
    found = {
        (finding.record, _statement(finding))
        for finding in accelerated_findings
        if _file(finding) == str(path)
    }

    assert _expected(path)
    assert _expected(path) == found


@pytest.mark.parametrize("path", _VALID, ids=lambda path: path.stem)
def test_good_example_is_accepted(path: Path, accelerated_findings: set[Finding]) -> None:
    """A good example breaks nothing, and says so by naming no violation."""
    assert not _expected(path)
    assert not {finding for finding in accelerated_findings if _file(finding) == str(path)}


@pytest.mark.long
def test_pyshacl_judges_some_examples_as_the_fast_engine_does() -> None:
    """Both engines find the same, down to value and message, for each constraint component."""
    for paths in _groups(_some_of_each_kind()):
        _assert_judged_alike(paths)


@pytest.mark.long
@pytest.mark.parametrize(
    "paths", [*_few_at_once(_VALID), *_few_at_once(_INVALID)], ids=lambda paths: paths[0].stem
)
def test_pyshacl_judges_the_examples_as_the_fast_engine_does(paths: list[Path]) -> None:
    """Both engines find the same, down to value and message, in every example."""
    _assert_judged_alike(paths)


def _assert_judged_alike(paths: list[Path]) -> None:
    background = _background(paths)

    reference, accelerated = (
        set(validate(paths, background=background, accelerated=fast).findings)
        for fast in (False, True)
    )

    assert reference == accelerated


@pytest.mark.long
def test_pyshacl_judges_the_shipped_knowledge_as_the_fast_engine_does(dataset: Dataset) -> None:
    """Both engines find the same in the knowledge itself, and neither finds a violation."""
    reference, accelerated = validate(dataset), validate(dataset, accelerated=True)

    assert reference.conforms, reference.as_text()
    assert reference == accelerated


def _node_shapes() -> list[Node]:
    return sorted(_SHAPES.subjects(RDF.type, SH.NodeShape), key=str)


def _targets(shape: Node) -> list[tuple[Node, Node]]:
    kinds = (SH.targetClass, SH.targetNode, SH.targetSubjectsOf, SH.targetObjectsOf)
    return [(kind, target) for kind in kinds for target in _SHAPES.objects(shape, kind)]


_TARGETED = [shape for shape in _node_shapes() if _targets(shape)]


@cache
def _components() -> dict[Node, Node]:
    """Return the constraint component of each parameter, from the vocabulary of SHACL."""
    vocabulary = _of_pyshacl("shacl")
    return {
        path: component
        for component, parameter in vocabulary.subject_objects(SH.parameter)
        for path in vocabulary.objects(parameter, SH.path)
        if not vocabulary.value(parameter, SH.optional)
    }


def _of_pyshacl(name: str) -> Graph:
    """Return the vocabulary of SHACL, `shacl`, or its shapes for shapes, `shacl-shacl`."""
    text = resources.files(pyshacl).joinpath(f"assets/{name}.ttl").read_text(encoding="utf-8")
    return Graph().parse(data=text, format="turtle")


def _constraints(shape: Node) -> Iterator[Constraint]:
    """Yield the constraints of a node shape and of its property shapes."""
    components = _components()
    for predicate, value in _SHAPES.predicate_objects(shape):
        if predicate == SH.property:
            yield from _constraints(value)
        elif predicate in components:
            name = value if predicate == SH.sparql else shape
            yield curie(str(name)), curie(str(components[predicate]))


@pytest.mark.parametrize("shape", _TARGETED, ids=lambda shape: curie(str(shape)))
def test_every_constraint_has_a_bad_example(shape: Node) -> None:
    """For each constraint of the shape and its property shapes a bad example breaks it."""
    broken = {
        (statement.split()[0], statement.split()[-1])
        for path in _INVALID
        for _, statement in _expected(path)
    }

    assert set(_constraints(shape)) - broken == set()


@pytest.mark.parametrize("shape", _TARGETED, ids=lambda shape: curie(str(shape)))
def test_every_shape_has_a_good_example_of_its_name(shape: Node) -> None:
    """A good example bears the name of the shape, so that a curator can look it up."""
    name = curie(str(shape)).removeprefix("dg:")

    assert [path for path in _VALID if path.stem.partition("-")[0] == name]


def _examples(paths: list[Path]) -> Graph:
    graph = Graph()
    for path in paths:
        graph.parse(path)
    return graph


def test_every_property_shape_meets_a_value_in_a_good_example() -> None:
    """No property shape is accepted only because the examples lack its property."""
    used = set(_examples(_VALID).predicates())
    paths = {
        path
        for shape in _TARGETED
        for property_shape in _SHAPES.objects(shape, SH.property)
        for path in _predicates(_SHAPES.value(property_shape, SH.path))
    }

    assert paths - used == set()


def _predicates(path: Node | None) -> list[Node]:
    return list(Collection(_SHAPES, path)) if isinstance(path, BNode) else [path] if path else []


# SHACL passes in silence over what it does not know. These tests do not.


def test_every_shacl_term_exists() -> None:
    """A misspelt constraint such as sh:minCuont would never be applied."""
    known = {str(subject) for subject in _of_pyshacl("shacl").subjects()}
    used = {str(term) for triple in _SHAPES for term in triple if str(term).startswith(str(SH))}

    assert used - known - {str(SH)} == set()


def test_every_class_and_property_that_shapes_speak_of_is_declared() -> None:
    """A misspelt target class or path would never meet anything."""
    declared = {str(subject) for subject, _ in background_graph().subject_objects(RDF.type)}
    spoken_of = {str(target) for shape in _TARGETED for _, target in _targets(shape)}
    spoken_of |= {
        str(predicate) for path in _SHAPES.objects(None, SH.path) for predicate in _predicates(path)
    }
    comparisons = (SH["class"], SH.lessThan, SH.lessThanOrEquals, SH.disjoint, SH.equals)
    spoken_of |= {str(term) for name in comparisons for term in _SHAPES.objects(None, name)}

    assert {curie(term) for term in spoken_of - declared} - _OUTSIDE == set()


def test_the_list_of_outside_terms_names_only_what_shapes_use() -> None:
    """The list of terms of other vocabularies may shrink, and never grows by itself."""
    used = {curie(str(term)) for triple in _SHAPES for term in triple}

    assert _OUTSIDE - used == set()
    assert sorted(_OUTSIDE) == list(dict.fromkeys(sorted(_OUTSIDE)))


@pytest.mark.parametrize(
    ("kind", "target"),
    sorted({target for shape in _TARGETED for target in _targets(shape)}),
    ids=lambda term: curie(str(term)),
)
def test_every_target_meets_something_in_the_shipped_knowledge(
    kind: Node, target: Node, dataset: Dataset
) -> None:
    """A shape that is aimed at nothing checks nothing."""
    if kind == SH.targetClass:
        met = _instances(dataset, target)
    else:
        subject, predicate = (target, None) if kind == SH.targetNode else (None, target)
        met = any(dataset.triples((subject, predicate, None)))

    assert met != (curie(str(target)) in _NOT_YET_USED)


def _instances(data: Graph, target: Node) -> bool:
    kinds = data.transitive_subjects(URIRef(PREFIXES["rdfs"] + "subClassOf"), target)
    return any(any(data.triples((None, RDF.type, kind))) for kind in kinds)


def test_every_shape_is_named() -> None:
    """Only lists and paths, which SHACL wants to be so, are blank nodes."""
    kinds = (SH.NodeShape, SH.PropertyShape, SH.SPARQLConstraint, SH.PrefixDeclaration)
    named = {subject for kind in kinds for subject in _SHAPES.subjects(RDF.type, kind)}
    blank = {subject for subject in _SHAPES.subjects() if isinstance(subject, BNode)}

    assert not {subject for subject in named if isinstance(subject, BNode)}
    assert {predicate for node in blank for predicate in _SHAPES.predicates(node)} <= {
        RDF.first,
        RDF.rest,
        RDF.type,
    }


def test_every_shape_that_can_fail_tells_what_to_do() -> None:
    """Whoever breaks a constraint reads a whole English sentence."""
    speaking = set(_SHAPES.subjects(RDF.type, SH.PropertyShape))
    speaking |= set(_SHAPES.subjects(RDF.type, SH.SPARQLConstraint))
    direct = (SH.pattern, SH["or"], SH.xone)
    speaking |= {
        each for each in _TARGETED if any((each, name, None) in _SHAPES for name in direct)
    }

    for shape in speaking:
        messages = list(_SHAPES.objects(shape, SH.message))
        assert len(messages) == 1, shape
        assert getattr(messages[0], "language", None) == "en", shape
        assert re.fullmatch(r"(?s)[A-Z{].{10,}[.\"]", str(messages[0])), shape


def test_shapes_keep_to_the_shapes_of_shacl() -> None:
    """The shapes are well-formed by the shapes that the recommendation gives for them."""
    shapes_of_shapes = _of_pyshacl("shacl-shacl")

    report = accelerated_verdict(_SHAPES.serialize(format="nt"), shapes_of_shapes)

    assert list(report.objects(None, SH.conforms)) == [Literal(True)], report.serialize()


def test_queries_of_shapes_use_only_declared_prefixes() -> None:
    """A prefix that rdflib knows by itself would hide that its declaration is missing."""
    declared = {str(prefix) for prefix in _SHAPES.objects(None, SH.prefix)}
    for constraint, text in _SHAPES.subject_objects(SH.select):
        used = set(
            re.findall(r"(?<![\w<?:])([a-z]+):\w", re.sub(r'"[^"]*"|<[^>]*>', "", str(text)))
        )
        assert used <= declared, constraint


def test_prefixes_of_shapes_are_those_of_the_library() -> None:
    """A prefix means the same in shapes as everywhere else."""
    for declaration in _SHAPES.objects(None, SH.declare):
        prefix, namespace = (
            str(_SHAPES.value(declaration, name)) for name in (SH.prefix, SH.namespace)
        )
        assert PREFIXES[prefix] == namespace


def test_the_shapes_are_published_with_the_knowledge(dataset: Dataset) -> None:
    """Each shape can be looked up in the graph of shapes."""
    published = set(dataset.graph(URIRef(GRAPH + "shapes")).subjects(RDF.type, SH.NodeShape))

    assert published == set(_node_shapes())


def _published(graph: kg.KnowledgeGraph) -> Graph:
    end = f" <{GRAPH}shapes> ."
    lines = graph.nquads.decode().split("\n")
    return graph_of(
        "".join(f"{line.removesuffix(end)} .\n" for line in lines if line.endswith(end))
    )


def test_each_published_list_is_one(graph: kg.KnowledgeGraph) -> None:
    """No list of a file runs into that of another: each node has one member and one rest."""
    published = _published(graph)

    nodes = set(published.subjects(RDF.first)) | set(published.subjects(RDF.rest))
    assert len(nodes) > 100
    for node in nodes:
        assert len(list(published.objects(node, RDF.first))) == 1, node
        assert len(list(published.objects(node, RDF.rest))) == 1, node


def test_the_published_shapes_judge_as_the_files_do(graph: kg.KnowledgeGraph) -> None:
    """Who applies the graph of the shapes finds in the bad examples what the files find."""
    examples = _examples(_INVALID)
    data = examples + background_of([examples])
    ntriples = data.serialize(format="nt")

    by_files = _results(accelerated_verdict(ntriples, _SHAPES))

    assert len(by_files) > 500
    assert _results(accelerated_verdict(ntriples, _published(graph))) == by_files


def _results(report: Graph) -> list[tuple[str, ...]]:
    told = (SH.focusNode, SH.sourceShape, SH.sourceConstraintComponent, SH.value)
    return sorted(
        tuple(str(report.value(result, each)) for each in told)
        for result in report.subjects(RDF.type, SH.ValidationResult)
    )
