"""Terms worth proposing to public ontologies: what they lack, what was looked for first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from rdflib import Dataset, URIRef

import kg
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, GRAPH, PREFIXES

_TREE: Final = {
    "Erythema": ("ClinicalCondition",),
    "MildErythema": ("Erythema",),
    "Itch": ("ClinicalCondition",),
    "NightlyItch": ("Itch",),
    "Rash": ("ClinicalCondition",),
    "Swelling": ("ClinicalCondition",),
    "RedSwelling": ("MildErythema", "Swelling"),
    "OldRash": ("ClinicalCondition",),
}
_ABOVE: Final = {
    "MildErythema": ("ClinicalCondition",),
    "NightlyItch": ("ClinicalCondition",),
    "RedSwelling": ("Erythema", "ClinicalCondition"),
}
_MAPPINGS: Final = """
    dg:ClinicalCondition skos:closeMatch obo:HP_0000118 . obo:HP_0000118 rdfs:label 'abnormality'@en .
    dg:Erythema skos:exactMatch obo:HP_0010783 . obo:HP_0010783 rdfs:label 'Erythema'@en .
    dg:Rash skos:broadMatch <http://snomed.info/id/1> . dg:Itch dg:soughtInVainIn 'mesh', 'hp' .
"""

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ask(graph: kg.KnowledgeGraph) -> Ask:
    """Return what asks the canned query over a tree of conditions, one withdrawn, and three claims."""
    ontology = "".join(
        f"dg:{name} a owl:Class ; rdfs:label {name!r}@en ; skos:definition 'A {name}.'@en . "
        for name in ("ClinicalCondition", *_TREE)
    )
    concepts = ("Swelling", "Swelling", "Itch")
    texts = {
        "ontology": f"{ontology}{_below(_TREE)} dg:OldRash owl:deprecated true .",
        "inferred": _below(_ABOVE),
        "mappings": _MAPPINGS,
        "claims": "".join(
            f"<urn:{number}> dg:predicate dg:hasRisk ; dg:object dg:{concept} . "
            for number, concept in enumerate(concepts)
        ),
    }

    def answer(more: str = "", **parameters: Any) -> list[dict[str, Any]]:
        dataset = Dataset()
        prologue = "".join(f"@prefix {name}: <{iri}> . " for name, iri in PREFIXES.items())
        for name, text in {**texts, "inferred": texts["inferred"] + more}.items():
            dataset.graph(URIRef(GRAPH + name)).parse(data=prologue + text, format="turtle")
        engine = InProcessEngine(dataset.serialize(format="nquads").encode(), version="0")
        small = kg.KnowledgeGraph(engine=engine, catalogue=graph.catalogue, release="0", nquads=b"")
        rows: Any = small.query("terms-to-propose", **parameters)
        return [*rows]

    return answer


def _below(tree: dict[str, tuple[str, ...]]) -> str:
    return "".join(
        f"dg:{name} rdfs:subClassOf dg:{parent} . "
        for name, parents in tree.items()
        for parent in parents
    )


def test_what_was_looked_for_comes_first_then_what_claims_use(ask: Ask) -> None:
    """Neither what has an equal elsewhere is proposed nor what is withdrawn."""
    columns = ("concept_label", "search", "searched", "claim_count")

    assert [tuple(row[name] for name in columns) for row in ask()] == [
        ("Itch", "no term found", "hp; mesh", 1),
        ("Rash", "only inexact terms found", None, 0),
        ("NightlyItch", "below a concept without a term", None, 0),
        ("Swelling", "not looked up", None, 2),
        ("MildErythema", "not looked up", None, 0),
        ("RedSwelling", "not looked up", None, 0),
    ]


def test_the_nearest_wider_term_is_the_own_or_that_of_the_nearest_above(ask: Ask) -> None:
    """A broad match of its own, or what equals something above; not what is further up."""
    columns = ("wider_terms", "wider_terms_iris", "through")
    found = {row["concept_label"]: tuple(row[name] for name in columns) for row in ask()}

    unlabelled = "http://snomed.info/id/1"
    erythema = ("Erythema", "http://purl.obolibrary.org/obo/HP_0010783", "Erythema")
    assert found["Rash"] == (unlabelled, unlabelled, "Rash")
    assert found["MildErythema"] == found["RedSwelling"] == erythema
    assert found["Swelling"][0] == "abnormality"


def test_a_circle_of_classes_loses_no_concept(ask: Ask) -> None:
    """Other data may say that something is above itself."""
    circle = "dg:Swelling rdfs:subClassOf dg:RedSwelling , dg:Swelling ."

    assert len(ask(circle)) == len(ask())


def test_where_all_have_a_term_the_answer_says_so(ask: Ask) -> None:
    """Asked for what is below a concept."""
    below = ask(**{"class": f"{DG}Erythema"})
    assert [row["concept_label"] for row in below] == ["MildErythema", "RedSwelling"]
    (row,) = ask(**{"class": f"{DG}Procedure"})
    assert row["gap"]
    assert row["concept_iri"] is row["search"] is None


def test_no_concept_that_is_proposed_has_an_equal(graph: kg.KnowledgeGraph) -> None:
    """Of the shipped concepts, each of which has a label and a definition."""
    rows: Any = graph.query("terms-to-propose")
    equal: Any = graph.query("SELECT ?x { ?x skos:exactMatch|skos:closeMatch [] }")

    proposed = {str(row["concept_iri"]) for row in rows}
    assert f"{DG}LaserSkinResurfacing" in proposed
    assert {str(row["x"]) for row in equal} & proposed == set()
    assert all(row["definition"] and row["concept_label"] for row in rows)
