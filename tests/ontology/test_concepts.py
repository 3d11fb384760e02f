"""The concepts: one hierarchy without holes or circles, names that are unique, definitions that define."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from rdflib import OWL, RDF, RDFS, Dataset, Graph, Literal, URIRef
from rdflib.term import Node

from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER

_DEFINITION = URIRef(PREFIXES["skos"] + "definition")
_ALTERNATIVE = URIRef(PREFIXES["skos"] + "altLabel")
_LAY_TERM, _ABBREVIATION = URIRef(DG + "layTerm"), URIRef(DG + "abbreviation")
_DEFINITION_SOURCE = URIRef(PREFIXES["obo"] + "IAO_0000119")
_RANK = URIRef(DG + "depthRank")
_OVER = URIRef(PREFIXES["obo"] + "BSPO_0000108")


@pytest.fixture(scope="module")
def terms(dataset: Dataset) -> Graph:
    """Return the named graph of concepts, properties and controlled values."""
    return dataset.graph(URIRef(GRAPH + "ontology"))


def _tops() -> set[Node]:
    """Return the top classes that docs/model.md names."""
    model = (ONTOLOGY_FOLDER.parent / "docs" / "model.md").read_text(encoding="utf-8")
    listed = model.partition("The top classes")[2].partition("\n\n")[0]
    return {URIRef(DG + name) for name in re.findall(r"`dg:(\w+)`", listed)}


def _below(terms: Graph, top: Node) -> set[Node]:
    found = terms.transitive_subjects(RDFS.subClassOf, top)
    return {each for each in found if each is not None and each != top}


@pytest.fixture(scope="module")
def concepts(terms: Graph) -> set[Node]:
    """Return all concepts: what is below a top class, and the top classes."""
    return {concept for top in _tops() for concept in {top, *_below(terms, top)}}


def test_the_top_classes_are_those_of_the_model(terms: Graph) -> None:
    """docs/model.md names every class that nothing is above, records aside."""
    classes = set(terms.subjects(RDF.type, OWL.Class))
    uncovered = {each for each in classes if terms.value(each, RDFS.subClassOf) is None}

    assert len(_tops()) >= 15
    assert uncovered - _tops() <= {URIRef(DG + name) for name in _RECORDS}
    assert _tops() <= uncovered


_RECORDS = {
    "Arm", "Claim", "DamageModel", "Derivation", "DesignLevel", "Disagreement", "EdgePolicy", "EvidenceGap", "EvidenceSearch",
    "ExtensionFunction", "InferenceRule", "Setting", "Source", "SpectralPoint", "Spectrum", "StudyOrSynthesis",
}  # fmt: skip


def test_every_concept_is_below_one_top_class(terms: Graph, concepts: set[Node]) -> None:
    """Each class is a kind of record or below a top class; top classes do not overlap."""
    records = {
        each for name in _RECORDS for each in {URIRef(DG + name), *_below(terms, URIRef(DG + name))}
    }
    classes = set(terms.subjects(RDF.type, OWL.Class))
    overlap = Counter(concept for top in _tops() for concept in _below(terms, top))

    assert classes - concepts - records == set()
    assert {concept for concept, count in overlap.items() if count > 1} == set()
    assert len(concepts) > 700


def test_top_classes_are_disjoint(terms: Graph) -> None:
    """Each pair of top classes of the model is declared disjoint, in one direction at least."""
    tops = sorted(_tops(), key=str)
    together = [
        (first, second)
        for index, first in enumerate(tops)
        for second in tops[index + 1 :]
        if (first, OWL.disjointWith, second) not in terms
        and (second, OWL.disjointWith, first) not in terms
    ]

    assert together == []


def test_no_concept_is_below_two_disjoint_ones(terms: Graph, concepts: set[Node]) -> None:
    """What is disjoint has nothing in common."""
    both = {
        (first, second): shared
        for first, second in terms.subject_objects(OWL.disjointWith)
        if (shared := {first, *_below(terms, first)} & {second, *_below(terms, second)})
    }

    assert both == {}
    assert set(terms.objects(None, OWL.disjointWith)) <= concepts | set(
        terms.subjects(RDF.type, OWL.Class)
    )


@pytest.mark.parametrize("name", ["rdfs:subClassOf", "obo:BFO_0000050", "rdfs:subPropertyOf"])
def test_hierarchies_have_no_circle(terms: Graph, name: str) -> None:
    """Nothing is above itself."""
    prefix, _, local = name.partition(":")
    predicate = URIRef(PREFIXES[prefix] + local)
    circular = {
        subject
        for subject, above in terms.subject_objects(predicate)
        if subject in set(terms.transitive_objects(above, predicate))
    }

    assert circular == set()


def test_no_hierarchy_states_what_follows(terms: Graph) -> None:
    """A parent that another parent implies is not stated again."""
    redundant = {
        (str(concept), str(parent))
        for concept, parent in terms.subject_objects(RDFS.subClassOf)
        for other in terms.objects(concept, RDFS.subClassOf)
        if other != parent and parent in set(terms.transitive_objects(other, RDFS.subClassOf))
    }

    assert redundant == set()


def test_labels_are_unique_among_concepts_and_among_values(terms: Graph) -> None:
    """No two classes, no two properties and no two values of a scheme share a label."""
    seen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subject, label in terms.subject_objects(RDFS.label):
        kind = str(subject).rsplit("/", 1)[0]
        if str(subject).startswith(DG) and (subject, RDF.type, OWL.Class) not in terms:
            kind = "property"
        seen[kind, str(label).lower()].append(str(subject))

    assert {key: each for key, each in seen.items() if len(each) > 1} == {}


def test_definitions_are_unique_among_concepts(terms: Graph, concepts: set[Node]) -> None:
    """Two concepts with one definition would be one concept."""
    seen = defaultdict(list)
    for concept in concepts:
        seen[str(terms.value(concept, _DEFINITION))].append(concept)

    assert {text: each for text, each in seen.items() if len(each) > 1} == {}


def test_every_concept_has_label_definition_and_source(terms: Graph, concepts: set[Node]) -> None:
    """One English label, one English definition, and where the definition is from."""
    wrong = {
        str(concept)
        for concept in concepts
        if [_language(each) for each in terms.objects(concept, RDFS.label)] != ["en"]
        or [_language(each) for each in terms.objects(concept, _DEFINITION)] != ["en"]
        or not set(terms.objects(concept, _DEFINITION_SOURCE))
    }

    assert wrong == set()


def _language(node: Node) -> str | None:
    assert isinstance(node, Literal)
    return node.language


def test_a_definition_names_the_parent(terms: Graph, concepts: set[Node]) -> None:
    """Definitions have the form "A GENUS that ...", with a parent as genus."""
    wrong = {}
    for concept in concepts - _tops():
        definition = str(terms.value(concept, _DEFINITION))
        parents = [
            str(terms.value(parent, RDFS.label)).lower()
            for parent in terms.objects(concept, RDFS.subClassOf)
        ]
        start = definition.lower().partition(" that ")[0]
        if not (
            re.match(r"(A|An|The) ", definition)
            and definition.endswith(".")
            and any(parent in start for parent in parents)
        ):
            wrong[str(concept)] = definition

    assert wrong == {}


def test_another_name_of_a_concept_is_the_label_of_no_other(terms: Graph) -> None:
    """A synonym means exactly the same, so it is no other concept's name, nor given twice."""
    labels = {
        str(label): concept
        for concept, label in terms.subject_objects(RDFS.label)
        if (concept, RDF.type, OWL.Class) in terms
    }
    names = [
        (concept, str(name))
        for predicate in (_ALTERNATIVE, _LAY_TERM)
        for concept, name in terms.subject_objects(predicate)
    ]

    assert len(names) > 300
    assert [each for each in names if labels.get(each[1], each[0]) != each[0]] == []
    assert [each for each in names if labels.get(each[1]) == each[0]] == []
    assert [each for each, count in Counter(names).items() if count > 1] == []


def test_adverse_events_are_known_in_lay_words(dataset: Dataset, terms: Graph) -> None:
    """Conditions used as adverse events, which patients ask about, have words that patients use."""
    inferred = dataset.graph(URIRef(GRAPH + "inferred"))
    events = set(inferred.subjects(URIRef(DG + "usedAsAdverseEvent"), Literal(True)))
    worded = {event for event in events if terms.value(event, _LAY_TERM) is not None}

    assert len(worded) >= 35


# The Fitzpatrick skin types are written with Roman numerals.
_VALUE = r"[a-z0-9]+(?:[-/][a-z0-9]+)*(?:/[IV]+)?"


def test_names_of_terms_have_one_form(terms: Graph) -> None:
    """Classes begin with a capital, properties in lower case; values are words with hyphens."""
    odd = set()
    for subject in set(terms.subjects()):
        iri = str(subject)
        if iri.startswith(DG):
            is_class = (subject, RDF.type, OWL.Class) in terms
            pattern = r"[A-Z][A-Za-z0-9]*" if is_class else r"[a-z][A-Za-z0-9]*"
            odd |= {iri} if not re.fullmatch(pattern, iri.removeprefix(DG)) else set()
        elif iri.startswith(DGD):
            path = iri.removeprefix(DGD)
            odd |= {iri} if not re.fullmatch(_VALUE, path) else set()

    assert odd == set()


def test_nothing_of_ours_is_named_without_being_described(dataset: Dataset) -> None:
    """No reference dangles: whatever of ours is mentioned has statements of its own."""
    triples = list(dataset.triples((None, None, None)))
    described = {s for s, _, _ in triples}
    mentioned = {
        term
        for _, p, o in triples
        for term in (p, o)
        if isinstance(term, URIRef)
        and str(term).startswith((DG, DGD))
        and str(term) != DG
        and p != OWL.versionIRI
    }

    assert mentioned - described == set()
    assert len(mentioned) > 2000


def test_every_property_that_is_used_is_declared_or_known(dataset: Dataset, terms: Graph) -> None:
    """Ours are declared; others come from vocabularies that this list admits."""
    used = {str(p) for _, p, _ in dataset.triples((None, None, None))}
    declared = {
        str(subject)
        for kind in (OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty)
        for subject in terms.subjects(RDF.type, kind)
    }
    namespaces = ("dcat", "dcterms", "bibo", "vann", "void", "rdf", "rdfs", "owl", "skos", "prov")
    known = tuple(PREFIXES[name] for name in (*namespaces, "sh", "schema"))

    assert {each for each in used if each.startswith(DG)} - declared == set()
    others = {each for each in used if not each.startswith(DG) and not each.startswith(known)}
    assert others - {PREFIXES["obo"] + "IAO_0000119"} <= declared


_RELATIONS = Path(__file__).parents[1] / "dossier" / "alignment" / "relations.tsv"
"""The relations of other vocabularies, with the labels that they had when they were read."""


def _relations() -> dict[str, str]:
    """Return the label of each relation by its CURIE."""
    with _RELATIONS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["object_id"]: row["object_label"] for row in rows}


def test_reused_relations_bear_the_labels_that_they_were_read_with(terms: Graph) -> None:
    """A property of the OBO Foundry means here what it means there, and is called the same."""
    reused = {
        str(each).removeprefix(PREFIXES["obo"]).replace("_", ":"): str(
            terms.value(each, RDFS.label)
        )
        for kind in (OWL.ObjectProperty, OWL.AnnotationProperty)
        for each in terms.subjects(RDF.type, kind)
        if not str(each).startswith(DG)
    }

    assert len(reused) >= 7
    assert reused.items() <= _relations().items()


def test_no_relation_is_minted_anew(dataset: Dataset, terms: Graph) -> None:
    """A property of ours that has the name of a known relation says how it relates to it."""
    known = {label.lower() for label in _relations().values()}
    mappings = dataset.graph(URIRef(GRAPH + "mappings"))
    namesakes = {
        each
        for each in terms.subjects(RDF.type, OWL.ObjectProperty)
        if str(each).startswith(DG) and str(terms.value(each, RDFS.label)).lower() in known
    }

    assert URIRef(DG + "treats") in namesakes
    assert {str(each) for each in namesakes if (each, None, None) not in mappings} == set()


def test_kinds_of_quantity_are_those_that_the_dossier_verified(terms: Graph) -> None:
    """A unit measures kinds of quantity whose identifiers were looked up in QUDT."""
    files = (_RELATIONS.parent / name for name in ("mappings.sssom.tsv", "read-later.tsv"))
    lines = "".join(path.read_text(encoding="utf-8") for path in files)
    verified = {
        f"{_KINDS}{name}" for name in re.findall(r"(?m)(?:^|\t)quantitykind:(\w+)\t", lines)
    }
    kinds = {str(each) for each in terms.objects(None, URIRef(DG + "quantityKind"))}

    assert len(kinds) >= 10
    assert kinds - verified == set()


_KINDS = "http://qudt.org/vocab/quantitykind/"


def test_every_declared_property_is_used(dataset: Dataset, terms: Graph) -> None:
    """A property is used by statements or by claims, or it is withdrawn."""
    used: set[Node] = set()
    for _, p, o in dataset.triples((None, None, None)):
        used |= {p, o} if p != RDFS.subPropertyOf else {p}
    idle = {
        str(each)
        for kind in (OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty)
        for each in terms.subjects(RDF.type, kind)
        if str(each).startswith(DG)
        and each not in used
        and (each, OWL.deprecated, None) not in terms
    }

    assert idle == set()


def test_every_class_of_claims_has_claims(dataset: Dataset, terms: Graph) -> None:
    """A kind of claim that nobody makes is not declared."""
    claims = dataset.graph(URIRef(GRAPH + "claims"))
    made = set(claims.objects(None, RDF.type))

    assert _below(terms, URIRef(DG + "Claim")) - made == set()


def test_every_scheme_has_values_and_every_value_a_scheme(terms: Graph) -> None:
    """Controlled values belong together, and none is an orphan."""
    skos = PREFIXES["skos"]
    schemes = set(terms.subjects(RDF.type, URIRef(skos + "ConceptScheme")))
    values = set(terms.subjects(RDF.type, URIRef(skos + "Concept")))
    home = {value: terms.value(value, URIRef(skos + "inScheme")) for value in values}

    assert set(home.values()) == schemes
    assert len(schemes) >= 10
    for value, scheme in home.items():
        assert str(value).startswith(f"{scheme}/"), value


def test_the_layers_of_the_skin_have_an_order(dataset: Dataset, terms: Graph) -> None:
    """Ranks run from 1 at the surface without gap, each once, and agree with the claims."""
    ranks = {layer: int(str(rank)) for layer, rank in terms.subject_objects(_RANK)}
    names = [str(layer).removeprefix(DG) for layer in sorted(ranks, key=lambda each: ranks[each])]

    assert names == [
        "StratumCorneum",
        "StratumLucidum",
        "StratumGranulosum",
        "StratumSpinosum",
        "StratumBasale",
        "DermoEpidermalJunction",
        "PapillaryDermis",
        "ReticularDermis",
        "Hypodermis",
    ]
    assert sorted(ranks.values()) == list(range(1, 10))
    ordered = [
        (upper, lower)
        for upper, _, lower in dataset.triples((None, _OVER, None))
        if upper in ranks and lower in ranks
    ]
    assert len(ordered) >= 5
    assert all(ranks[upper] < ranks[lower] for upper, lower in ordered)


def test_layers_are_in_order_across_levels(dataset: Dataset) -> None:
    """Wholes, parts and neighbours: each of these lies nearer to the surface than the next."""
    order = {
        ("Epidermis", "Dermis"), ("Epidermis", "Hypodermis"), ("Dermis", "Hypodermis"),
        ("Epidermis", "DermoEpidermalJunction"), ("DermoEpidermalJunction", "Dermis"),
        ("StratumBasale", "PapillaryDermis"), ("StratumBasale", "Dermis"),
        ("PapillaryDermis", "ReticularDermis"), ("ViableEpidermis", "Dermis"),
        ("SuprabasalEpidermis", "StratumBasale"), ("SuprabasalEpidermis", "Dermis"),
        ("StratumCorneum", "Hypodermis"),
    }  # fmt: skip
    stated = {
        (str(upper).removeprefix(DG), str(lower).removeprefix(DG))
        for upper, _, lower in dataset.triples((None, _OVER, None))
    }
    under = URIRef(PREFIXES["obo"] + "BSPO_0000107")
    back = {
        (str(upper).removeprefix(DG), str(lower).removeprefix(DG))
        for lower, _, upper in dataset.triples((None, under, None))
    }

    assert order <= stated
    assert stated == back
    assert not {(lower, upper) for upper, lower in stated} & stated


def test_infrared_lasers_are_those_that_emit_in_the_infrared(dataset: Dataset) -> None:
    """A laser whose wavelengths are all beyond 780 nm is one, and no other is."""
    emits = URIRef(DG + "emitsWavelengthInNanometre")
    waves = defaultdict(set)
    for laser, _, value in dataset.triples((None, emits, None)):
        waves[laser].add(float(str(value)))
    below = {each for each, _, _ in dataset.triples((None, RDFS.subClassOf, _INFRARED))}
    named = {each for each, _, _ in dataset.triples((None, URIRef(DG + "wavelengthInName"), None))}

    assert len(below) > 30
    assert {str(each) for each in below if min(waves[each], default=1000) < 780} == set()
    assert {str(each) for each in named if min(waves[each]) > 780} <= {str(each) for each in below}


_INFRARED = URIRef(DG + "InfraredLaser")
_OTHER_NAMES = (_ALTERNATIVE, _LAY_TERM, _ABBREVIATION)


def test_a_class_with_one_kind_is_spoken_of(dataset: Dataset, terms: Graph) -> None:
    """A class that only stands between two others, and that nobody names, says nothing."""
    claims = dataset.graph(URIRef(GRAPH + "claims"))
    mappings = dataset.graph(URIRef(GRAPH + "mappings"))
    kinds = Counter(terms.objects(None, RDFS.subClassOf))
    idle = {
        str(each).removeprefix(DG)
        for each, count in kinds.items()
        if count == 1
        and str(each).startswith(DG)
        and not [name for other in _OTHER_NAMES for name in terms.objects(each, other)]
        and (None, None, each) not in claims
        and (each, None, None) not in mappings
        and not {p for _, p in terms.subject_predicates(each)} - {RDFS.subClassOf, OWL.disjointWith}
        and {p for p in terms.predicates(each) if "defin" in str(p)} <= {_DEFINITION}
    }

    assert idle == set()


def test_the_header_of_the_ontology_is_complete(terms: Graph) -> None:
    """Version IRI, licence, preferred prefix and dates are stated."""
    header = URIRef(DG.rstrip("/"))
    release = str(terms.value(header, OWL.versionInfo))

    assert terms.value(header, OWL.versionIRI) == URIRef(f"{DG}{release}")
    assert terms.value(header, URIRef(PREFIXES["dcterms"] + "license")) == URIRef(
        "https://creativecommons.org/licenses/by/4.0/"
    )
    assert str(terms.value(header, URIRef(PREFIXES["vann"] + "preferredNamespacePrefix"))) == "dg"
    assert str(terms.value(header, URIRef(PREFIXES["vann"] + "preferredNamespaceUri"))) == DG


@pytest.mark.parametrize(
    "path", sorted((ONTOLOGY_FOLDER / "concepts").glob("*.ttl")), ids=lambda path: path.stem
)
def test_a_file_of_concepts_has_one_subject(path: Path, terms: Graph) -> None:
    """All concepts of a file are below one top class, or are that class's neighbours."""
    graph = Graph().parse(path)
    subjects = set(graph.subjects(RDF.type, OWL.Class))
    above = {wide for each in subjects for wide in terms.transitive_objects(each, RDFS.subClassOf)}
    tops = _tops() & above

    assert subjects
    assert 1 <= len(tops) <= 2
