"""Derived knowledge: exactly what the rules say, each statement with its reasons."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from rdflib import RDF, RDFS, Dataset, Graph, Literal, URIRef
from rdflib.term import Node

from kg.builder.derive.rules import read_rules
from kg.builder.read.query_files import rows_of
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES, expand
from kg.releases.bundled import ONTOLOGY_FOLDER

if TYPE_CHECKING:
    from tests.kg.conftest import SmallOntology

Statement = tuple[Node, Node, Node]

_DERIVED_FROM = URIRef(PREFIXES["prov"] + "wasDerivedFrom")
_PART_OF = URIRef(PREFIXES["obo"] + "BFO_0000050")
_OVER, _UNDER = URIRef(PREFIXES["obo"] + "BSPO_0000108"), URIRef(PREFIXES["obo"] + "BSPO_0000107")
_JUST_OVER, _JUST_UNDER = (
    URIRef(PREFIXES["obo"] + "BSPO_0015014"),
    URIRef(PREFIXES["obo"] + "BSPO_0001107"),
)
_ADJACENT = URIRef(PREFIXES["obo"] + "RO_0002220")
_FIGURES = {
    URIRef(DG + name)
    for name in (
        *("siValue", "siMinimum", "siMaximum", "unit"),
        *("proportion", "proportionLower", "proportionUpper", "frequencyBand"),
        *("computedEventCount", "leastEventCount", "greatestEventCount", "dataCheckNote"),
        *("skinTypeNotations", "settingLabels", "disagreementIdentifiers", "superclassCount"),
    )
}


def _dg(name: str) -> URIRef:
    return URIRef(DG + name)


def _rows(*names: str) -> Iterator[dict[str, str]]:
    """Yield the rows of claim tables, read without the build."""
    for name in names:
        with (ONTOLOGY_FOLDER / "claims" / name).open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


class _Derivations:
    """What the rules derived in the shipped dataset: statements, by rule, with their claims."""

    def __init__(self, dataset: Dataset) -> None:
        self.inferred: Graph = dataset.graph(URIRef(GRAPH + "inferred"))
        self.asserted: Graph = dataset.graph(URIRef(GRAPH + "ontology"))
        self.by_rule: dict[str, dict[Statement, set[str]]] = defaultdict(dict)
        self.nodes = set(self.inferred.subjects(RDF.type, _dg("Derivation")))
        for node in self.nodes:
            statement = tuple(self._one(node, part) for part in _PARTS)
            assert len(statement) == 3
            rule = str(self._one(node, _dg("rule"))).removeprefix(f"{DGD}rule/")
            assert statement not in self.by_rule[rule]
            self.by_rule[rule][statement] = {
                str(claim).removeprefix(f"{DGD}claim/")
                for claim in self.inferred.objects(node, _DERIVED_FROM)
            }

    def _one(self, node: Node, predicate: URIRef) -> Node:
        (value,) = self.inferred.objects(node, predicate)
        return value

    def of(self, *predicates: Node) -> dict[Statement, set[str]]:
        """Return all derived statements of some predicates, with all claims behind each."""
        found: dict[Statement, set[str]] = defaultdict(set)
        for statements in self.by_rule.values():
            for statement, claims in statements.items():
                if statement[1] in predicates:
                    found[statement] |= claims
        return found


_PARTS = (RDF.subject, RDF.predicate, RDF.object)


@pytest.fixture(scope="module")
def derivations(dataset: Dataset) -> _Derivations:
    """Return what the rules derived."""
    return _Derivations(dataset)


def test_founding_statements_support_nothing(derivations: _Derivations) -> None:
    """The founding text cites nothing, so no derivation rests on it."""
    founding = {row["id"] for row in _rows("founding-text.tsv")}
    named = {
        claim
        for statements in derivations.by_rule.values()
        for claims in statements.values()
        for claim in claims
    }

    assert len(founding) == 54
    assert named & founding == set()


def _closure(pairs: Iterable[tuple[Node, Node]]) -> set[tuple[Node, Node]]:
    """Return the transitive closure of a relation."""
    above: dict[Node, set[Node]] = defaultdict(set)
    for lower, upper in pairs:
        above[lower].add(upper)
    found = set()
    for start in list(above):
        waiting, seen = list(above[start]), set[Node]()
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += above.get(node, ())
        found |= {(start, node) for node in seen}
    return found


@pytest.mark.parametrize(
    ("rule", "predicate"), [("subclass-closure", RDFS.subClassOf), ("part-of", _PART_OF)]
)
def test_hierarchies_are_closed(derivations: _Derivations, rule: str, predicate: URIRef) -> None:
    """Asserted and derived statements together are the transitive closure, and no more."""
    asserted = set(derivations.asserted.subject_objects(predicate))
    derived = {(s, o) for s, _, o in derivations.by_rule[rule]}

    assert asserted | derived == _closure(asserted)
    assert asserted & derived == set()
    assert derived


def test_the_closure_of_classes_is_that_of_rdflib(derivations: _Derivations) -> None:
    """An independent implementation finds the same classes above each class."""
    for concept in set(derivations.asserted.subjects(RDFS.subClassOf)):
        above = set(derivations.asserted.transitive_objects(concept, RDFS.subClassOf)) - {concept}
        stated = set(derivations.asserted.objects(concept, RDFS.subClassOf))
        derived = set(derivations.inferred.objects(concept, RDFS.subClassOf))
        assert stated | derived == above


def test_narrower_properties_imply_the_wider_ones(derivations: _Derivations) -> None:
    """What is removed or heated is acted on, with the same claims as reasons."""
    wider = _closure(derivations.asserted.subject_objects(RDFS.subPropertyOf))
    marked = set(derivations.asserted.subjects(_dg("derivesEdge"), Literal(True)))
    expected: dict[Statement, set[str]] = defaultdict(set)
    for (s, p, o), claims in derivations.of(*marked).items():
        for narrow, wide in wider:
            if (
                narrow == p
                and wide in marked
                and (s, p, o) in _not_only_by(derivations, "subproperty")
            ):
                expected[s, wide, o] |= claims

    assert set(derivations.by_rule["subproperty"]) == set(expected)
    for statement, claims in derivations.by_rule["subproperty"].items():
        assert claims, statement
        assert claims <= expected[statement]


def _not_only_by(derivations: _Derivations, rule: str) -> set[Statement]:
    return {
        statement
        for name, statements in derivations.by_rule.items()
        if name != rule
        for statement in statements
    }


def test_the_order_of_layers_is_complete_and_sound(derivations: _Derivations) -> None:
    """Order is transitive, immediate order implies order, both run both ways, and none is circular."""
    claims = derivations.by_rule["edge-physics"]
    stated = {(s, o) for s, p, o in claims if p in (_OVER, _JUST_OVER)}
    over = {(s, o) for s, p, o in derivations.of(_OVER)}
    under = {(s, o) for s, p, o in derivations.of(_UNDER)}

    part_of = _closure(derivations.asserted.subject_objects(_PART_OF))
    ranks = {s: int(str(o)) for s, o in derivations.asserted.subject_objects(_dg("depthRank"))}
    spans = {
        whole: {rank for part, rank in ranks.items() if part == whole or (part, whole) in part_of}
        for whole, wide in _closure(derivations.asserted.subject_objects(RDFS.subClassOf))
        if wide == _dg("TissueLayer")
    }
    ranked = {
        (s, o)
        for s in spans
        for o in spans
        if spans[s] and spans[o] and max(spans[s]) < min(spans[o])
    }

    assert len(stated) >= 5
    assert over == _closure(stated | ranked)
    for upper, lower in pairwise(("Epidermis", "DermoEpidermalJunction", "Dermis", "Hypodermis")):
        assert (_dg(upper), _dg(lower)) in over
    assert (_dg("StratumBasale"), _dg("PapillaryDermis")) in over
    adjacent = {(s, o) for s, p, o in derivations.inferred if p == _ADJACENT}
    assert adjacent == {(o, s) for s, o in adjacent} != set()
    assert {(o, s) for s, o in over} <= under
    assert not {(s, o) for s, o in over if s == o or (o, s) in over}
    just_over = {(s, o) for s, p, o in claims if p == _JUST_OVER}
    assert {(o, s) for s, o in just_over} <= {(s, o) for s, _, o in derivations.of(_JUST_UNDER)}


def test_an_emission_claim_gives_the_wavelength_in_nanometres(derivations: _Derivations) -> None:
    """Each single wavelength that is stated stands as a number on its source."""
    factor = {"um": Decimal(1000), "nm": Decimal(1)}
    expected: dict[tuple[Node, Decimal], set[str]] = defaultdict(set)
    for row in _rows("clinical.tsv", "physics.tsv"):
        if row["predicate"] != "dg:emissionWavelength":
            continue
        for value in filter(None, row["value"].split("|")):
            number = Decimal(value) * factor[row["unit"]]
            expected[URIRef(expand(row["subject"])), number].add(row["id"])
    derived = {
        (s, Decimal(str(o))): claims
        for (s, _, o), claims in derivations.by_rule["emitted-wavelength"].items()
    }

    assert derived == expected
    assert (_dg("CO2Laser"), Decimal(10600)) in derived


def test_a_kind_of_source_has_what_the_wider_kind_has(derivations: _Derivations) -> None:
    """Gain medium and chromophore are handed down the hierarchy of energy sources."""
    below = _closure(derivations.asserted.subject_objects(RDFS.subClassOf))
    handed = (_dg("hasGainMedium"), _dg("targetsChromophore"))
    expected = {
        (kind, p, o)
        for s, p, o in derivations.by_rule["edge-physics"]
        if p in handed and (s, _dg("EnergySource")) in below
        for kind, wide in below
        if wide == s
    }

    assert set(derivations.by_rule["inherited-physics"]) == expected
    assert expected


_AXES = {
    "definedEnergySource": "usesEnergySource",
    "definedGainMedium": "hasGainMedium",
    "definedInteractionMode": "hasInteractionMode",
    "definedDeliveryMode": "hasDeliveryMode",
}
"""The axes that definitions state, each with the edge that it gives."""


def test_a_procedure_or_laser_has_what_its_definition_says(derivations: _Derivations) -> None:
    """Axes hold of all kinds, the most specific value of each, and rest on no claim."""
    below = _closure(derivations.asserted.subject_objects(RDFS.subClassOf))
    expected = set()
    for axis, edge in _AXES.items():
        own = set(derivations.asserted.subject_objects(_dg(axis)))
        held = own | {(kind, o) for s, o in own for kind, wide in below if wide == s}
        expected |= {
            (kind, _dg(edge), o)
            for kind, o in held
            if not any(k == kind and (narrow, o) in below for k, narrow in held)
        }
    derived = derivations.by_rule["definition"]
    edges = {each for each in derived if each[1] != _dg("emitsWavelengthInNanometre")}

    assert edges == expected
    assert set().union(*derived.values()) == set()
    uses = _dg("usesEnergySource")
    assert (_dg("FractionalCO2LaserResurfacing"), uses, _dg("FractionalCO2Laser")) in edges
    assert (_dg("FractionalCO2LaserResurfacing"), uses, _dg("Laser")) not in edges
    hybrid = _dg("HybridFractionalLaserResurfacing1470And2940")
    assert len({o for s, p, o in edges if s == hybrid and p == _dg("hasInteractionMode")}) == 2


def test_every_laser_procedure_leads_to_wavelength_medium_and_chromophore(
    derivations: _Derivations,
) -> None:
    """From CO2 resurfacing one comes to 10600 nm, carbon dioxide and water; a name is enough."""
    edges = {(s, p, o) for s, p, o in derivations.inferred if p != RDFS.subClassOf}
    laser = _dg("CO2Laser")

    assert (_dg("CO2LaserResurfacing"), _dg("usesEnergySource"), laser) in edges
    assert (laser, _dg("hasGainMedium"), _dg("CarbonDioxideGas")) in edges
    assert (laser, _dg("targetsChromophore"), _dg("Water")) in edges
    named = {s: Decimal(str(o)) for s, p, o in edges if p == _dg("emitsWavelengthInNanometre")}
    assert named[_dg("Laser1340")] == 1340
    treatments = {
        s for s, o in derivations.inferred.subject_objects(RDFS.subClassOf)
        if o == _dg("LaserSkinTreatment")
    }  # fmt: skip
    assert len(treatments) > 50
    assert treatments <= {s for s, p, _ in edges if p == _dg("usesEnergySource")}


def test_every_derived_statement_has_a_derivation_and_every_derivation_a_statement(
    derivations: _Derivations,
) -> None:
    """Nothing stands in the graph `inferred` unexplained but computed figures and texts."""
    explained = {
        statement for statements in derivations.by_rule.values() for statement in statements
    }
    standing = {
        (s, p, o)
        for s, p, o in derivations.inferred
        if s not in derivations.nodes
        and not (p in _FIGURES and str(s).startswith((DG, f"{DGD}claim/", f"{DGD}setting/")))
    }

    assert standing == explained
    assert len(explained) > 1000


def test_a_text_repeats_all_that_its_claim_says(
    dataset: Dataset, derivations: _Derivations
) -> None:
    """Each skin type, setting and disagreement of a claim once, sorted; and nothing else has one."""
    claims = dataset.graph(URIRef(GRAPH + "claims"))
    notation, identifier = (
        URIRef(PREFIXES["skos"] + "notation"),
        URIRef(PREFIXES["dcterms"] + "identifier"),
    )
    said: dict[tuple[Node, Node], set[str]] = defaultdict(set)
    for claim in claims.subjects(_dg("predicate")):
        for stated, text, name in (
            ("skinType", "skinTypeNotations", notation),
            ("setting", "settingLabels", RDFS.label),
        ):
            for value in claims.objects(claim, _dg(stated)):
                (label,) = dataset.objects(value, name)
                said[claim, _dg(text)].add(str(label))
    for side in ("disagreeingClaim", "opposedClaim"):
        for disagreement, claim in claims.subject_objects(_dg(side)):
            (number,) = claims.objects(disagreement, identifier)
            said[claim, _dg("disagreementIdentifiers")].add(str(number))
    standing = {
        (s, p): str(o)
        for s, p, o in derivations.inferred
        if p
        in {_dg(name) for name in ("skinTypeNotations", "settingLabels", "disagreementIdentifiers")}
    }

    assert standing == {key: "; ".join(sorted(texts)) for key, texts in said.items()}
    assert len(standing) > 1500


def test_the_narrower_a_class_the_more_superclasses_it_counts(
    dataset: Dataset, derivations: _Derivations
) -> None:
    """A class counts one more than each that it is a kind of, or several more."""
    counts = {s: int(str(o)) for s, p, o in derivations.inferred if p == _dg("superclassCount")}

    assert len(counts) > 1000
    for narrower, wider in dataset.subject_objects(RDFS.subClassOf):
        assert counts[narrower] > counts.get(wider, 0) or narrower == wider


def test_every_derivation_names_a_rule_that_is_described(derivations: _Derivations) -> None:
    """A rule can be read: its title, what it concludes, and its SPARQL."""
    files = {path.stem for path in (ONTOLOGY_FOLDER / "rules").glob("*.rq")}

    elsewhere = ("remark-", "wider-", "claim-texts", "superclass-count")
    assert set(derivations.by_rule) == {name for name in files if not name.startswith(elsewhere)}
    for rule in files:
        described = dict(derivations.asserted.predicate_objects(URIRef(f"{DGD}rule/{rule}")))
        assert described[RDF.type] == _dg("InferenceRule")
        assert str(described[RDFS.label])
        assert str(described[URIRef(PREFIXES["skos"] + "definition")]).endswith(".")
        text = (ONTOLOGY_FOLDER / "rules" / f"{rule}.rq").read_text(encoding="utf-8")
        assert str(described[_dg("ruleQuery")]) == text


def test_claims_are_given_where_claims_are_the_reason(derivations: _Derivations) -> None:
    """Only what the concepts themselves state rests on no claim."""
    without = {
        rule
        for rule, statements in derivations.by_rule.items()
        for claims in statements.values()
        if not claims
    }

    # Remarks are of derivations themselves, and studies are counted of disagreements too; what
    # definitions, ranks and kinds say needs no claim.
    assert without == {
        *("subclass-closure", "part-of", "definition", "layer-order", "role", "count-studies")
    }
    known = {row["id"] for row in _rows("clinical.tsv", "physics.tsv")}
    named = {
        claim
        for statements in derivations.by_rule.values()
        for claims in statements.values()
        for claim in claims
    }
    assert named <= known


def test_derivations_are_labelled_in_words(derivations: _Derivations) -> None:
    """A derivation reads as a sentence, so that an account of reasons can be shown."""
    labels = {str(derivations.inferred.value(node, RDFS.label)) for node in derivations.nodes}

    assert len(labels) == len(derivations.nodes)
    assert "erbium:YAG laser" in " ".join(labels) or "Er:YAG laser" in " ".join(labels)
    assert not any("http" in label for label in labels)


_EDGE = (
    "#+ title: a test rule\n#+ description: It is tried.\n"
    "PREFIX dg: <https://w3id.org/dermograph/ontology/>\n"
)


def _graph(ontology: SmallOntology, name: str = "inferred") -> Graph:
    dataset = Dataset()
    dataset.parse(data=ontology.build().nquads, format="nquads")
    return dataset.graph(URIRef(GRAPH + name))


def test_rules_run_until_nothing_new_follows(ontology: SmallOntology) -> None:
    """The conclusion of one rule is a premise of another, and of itself."""
    ontology.write(
        "rules/a.rq",
        _EDGE + "SELECT ?subject ?predicate ?object ?claim { ?d a dg:Derivation ;"
        " <http://www.w3.org/1999/02/22-rdf-syntax-ns#predicate> dg:hasRisk ;"
        " <http://www.w3.org/1999/02/22-rdf-syntax-ns#subject> ?subject ;"
        " <http://www.w3.org/1999/02/22-rdf-syntax-ns#object> ?object ;"
        " <http://www.w3.org/ns/prov#wasDerivedFrom> ?claim . BIND(dg:acts AS ?predicate) }",
    )
    ontology.write(
        "rules/b.rq",
        _EDGE + "SELECT ?subject ?predicate ?object ?claim { ?claim dg:subject ?subject ;"
        " dg:object ?object ; dg:predicate ?predicate . ?predicate dg:derivesEdge true }",
    )

    inferred = _graph(ontology)
    assert (_dg("LaserResurfacing"), _dg("acts"), _dg("Erythema")) in inferred
    assert (_dg("LaserResurfacing"), _dg("acts"), _dg("Itch")) in inferred


def test_a_statement_that_two_rules_conclude_has_two_derivations(ontology: SmallOntology) -> None:
    """Reasons stand side by side."""
    body = "SELECT (dg:Itch AS ?subject) (dg:acts AS ?predicate) (dg:Erythema AS ?object) {}"
    ontology.write("rules/a.rq", _EDGE + body)
    ontology.write("rules/b.rq", _EDGE + body)

    inferred = _graph(ontology)
    assert {str(each) for each in inferred.objects(None, _dg("rule"))} == {
        f"{DGD}rule/a",
        f"{DGD}rule/b",
    }
    assert len(set(inferred.subjects(RDF.type, _dg("Derivation")))) == 2


def test_a_risk_goes_up_and_never_down(derivations: _Derivations) -> None:
    """It holds of wider procedures up to laser skin resurfacing, and of wider events that are named."""
    above = _closure(derivations.asserted.subject_objects(RDFS.subClassOf))
    grouping = set(derivations.asserted.subjects(_dg("groupingClass")))
    direct = {each for each in derivations.by_rule["edge-risk"] if each[1] == _dg("hasRisk")}
    resurfacing = {s for s, o in above if o == _dg("LaserSkinResurfacing")}
    resurfacing |= {_dg("LaserSkinResurfacing")}

    derived = derivations.by_rule["risk-of-wider"]
    assert len(derived) > 100
    for s, _, o in derived:
        assert o not in grouping
        assert any(
            (kind == s or ((kind, s) in above and s in resurfacing))
            and (event == o or (event, o) in above)
            for kind, _, event in direct
        )
    pair = _dg("CombinedCO2ErYAGLaserResurfacing"), _dg("Pruritus")
    assert (pair[0], _dg("hasRisk"), pair[1]) in direct
    assert (_dg("AblativeLaserResurfacing"), _dg("hasRisk"), pair[1]) in derived
    assert (_dg("ErYAGLaserResurfacing"), _dg("hasRisk"), pair[1]) not in derived


def _remarks(derivations: _Derivations, rule: str, *statement: str) -> dict[str, set[str]]:
    """Return what is remarked of a derivation, by property."""
    subject, predicate, value = map(_dg, statement)
    (node,) = (
        each
        for each in derivations.inferred.subjects(RDF.subject, subject)
        if (each, RDF.predicate, predicate) in derivations.inferred
        and (each, RDF.object, value) in derivations.inferred
        and (each, _dg("rule"), URIRef(f"{DGD}rule/{rule}")) in derivations.inferred
    )
    found: dict[str, set[str]] = defaultdict(set)
    for property_, each in derivations.inferred.predicate_objects(node):
        found[str(property_).removeprefix(DG)].add(str(each).rpartition("/")[2])
    return found


def test_a_derivation_tells_what_it_rests_on_and_what_speaks_against_it(
    derivations: _Derivations,
) -> None:
    """Kinds of source, independent sources of both sides, claims against, disagreements, how long to wait."""
    label = _remarks(
        derivations,
        "edge-advice",
        "LaserSkinTreatment",
        "advisedAgainstIn",
        "RecentIsotretinoinUse",
    )
    assert label["reportedWait"] == {"6 months", "5-6 months after treatment"}
    assert label["hedge"] == {"quoted-label"}
    lupus = ("LaserSkinResurfacing", "advisedAgainstIn", "SystemicLupusErythematosus")
    assert _remarks(derivations, "edge-advice", *lupus)["strength"] == {"relative"}
    preferred = ("Cryosurgery", "treats", "ActinicKeratosis")
    assert _remarks(derivations, "edge-treats", *preferred)["strength"] == {"strong"}
    transplanted = ("FractionalErYAGLaserAssistedDaylightPhotodynamicTherapy", *preferred[1:])
    assert _remarks(derivations, "edge-treats", *transplanted)["population"] == {"OrganTransplant"}
    children = ("VbeamPrimaPerfecta", "usedFor", "PortWineStain")
    assert _remarks(derivations, "edge-used", *children)["population"] == {"PaediatricAge"}
    consensus = ("FullFieldLaserResurfacing", "advisedAgainstIn", "RecentIsotretinoinUse")
    assert not _remarks(derivations, "edge-advice", *consensus)["hedge"]
    # A consensus and a review quote labels here; the consensus itself says the contrary.
    assert label["kindOfSource"] == {"regulatory-document"}
    assert label["disputed"] == {"C01"}
    assert {"B0240", "B0243"} <= label["claimAgainst"]
    assert {"SPRING2017", "WALDMAN2017"} <= label["sourceAgainst"]
    clobetasol = _remarks(
        derivations,
        "edge-prevention",
        "ShortCourseClobetasol",
        "prevents",
        "PostInflammatoryHyperpigmentation",
    )
    assert clobetasol["kindOfSource"] == {"randomised-controlled-trial"}
    assert clobetasol["technique"] == {"FractionalCO2LaserResurfacing"}
    assert clobetasol["skinType"] == {"IV"}
    scars = _remarks(
        derivations, "edge-treats", "FractionalCO2LaserResurfacing", "treats", "SurgicalScar"
    )
    assert scars["claimAgainst"] >= {"B0182"}
    deep = _remarks(derivations, "edge-used", "AblativeLaserResurfacing", "usedFor", "DeepRhytid")
    assert deep["disputed"] == {"C128"}
    rubbed = _remarks(
        derivations,
        "edge-physics",
        "MonopolarRadiofrequencySource",
        "produces",
        "ThermalCollagenContraction",
    )
    assert rubbed["specimen"] == {"rabbit-in-vivo"}
    raised = _remarks(derivations, "risk-of-wider", "CO2LaserResurfacing", "hasRisk", "Ectropion")
    assert raised["derivedFromEdgeOf"] == {"FullFieldCO2LaserResurfacing"}


def test_two_readings_of_one_document_are_one_source(derivations: _Derivations) -> None:
    """The list of sources counts independent ones."""
    inferred = derivations.inferred
    lists = {
        node: (
            set(inferred.objects(node, _dg("restsOnSource"))),
            set(inferred.objects(node, _DERIVED_FROM)),
        )
        for node in inferred.subjects(_dg("restsOnSource"))
    }

    assert all(1 <= len(sources) <= len(claims) for sources, claims in lists.values())
    assert lists.keys() == set(inferred.subjects(_dg("kindOfSource")))
    named = {str(each).rpartition("/")[2] for sources, _ in lists.values() for each in sources}
    assert "NANNI1998" in named
    assert "MAYO2_EXPECT" in named


def test_a_report_at_second_hand_counts_as_the_study_that_it_reports_on() -> None:
    """Beside the study the news text of it is no second source; alone under an edge it is the one."""
    study, news = (URIRef(f"{DGD}source/{key}") for key in ("WARD2008", "WARD2008_NEWS"))
    of_both, of_news = (URIRef(f"{DGD}derivation/{name}") for name in ("both", "news"))
    claims = {URIRef(f"{DGD}claim/{name}"): source for name, source in (("A", study), ("B", news))}
    rule = next(
        each for each in read_rules(ONTOLOGY_FOLDER, []) if each.file.endswith("remark-sources.rq")
    )
    facts = Graph().add((news, _dg("reportsOn"), study))
    facts.add((_dg("hasRisk"), _dg("derivesEdge"), Literal(lexical_or_value=True)))
    for claim, source in claims.items():
        facts.add((claim, _DERIVED_FROM, source)).add((source, RDF.type, _dg("Source")))
        facts.add((of_both, _DERIVED_FROM, claim))
    facts.add((of_news, _DERIVED_FROM, [*claims][1]))
    for edge in (of_both, of_news):
        facts.add((edge, RDF.predicate, _dg("hasRisk")))
    engine = InProcessEngine(b"", version="of this test")
    engine.add(facts.serialize(format="nt").encode())

    _, rows = rows_of(rule.file, rule.text, engine)
    found = {
        tuple(row[name]["value"] for name in ("subject", "predicate", "object")) for row in rows
    }
    rests = str(_dg("restsOnSource"))
    assert {each for each in found if each[1] == rests} == {
        (str(of_both), rests, str(study)),
        (str(of_news), rests, str(news)),
    }


def test_rules_of_a_later_stage_see_what_earlier_ones_concluded(ontology: SmallOntology) -> None:
    """What is not so is asked only once all that is so is there; edges are concluded once."""
    said = "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>\n"
    closure = "SELECT (dg:Itch AS ?subject) (dg:acts AS ?predicate) (dg:Erythema AS ?object) {}"
    denial = (
        "SELECT (dg:Itch AS ?subject) (dg:mentions AS ?predicate) (dg:Erythema AS ?object) {"
        " FILTER NOT EXISTS { dg:Itch dg:acts dg:Erythema } }"
    )
    ontology.write(
        "rules/a.rq", _EDGE.replace("#+ desc", "#+ stage: edges\n#+ desc") + said + denial
    )
    ontology.write("rules/b.rq", _EDGE.replace("#+ desc", "#+ stage: hierarchy\n#+ desc") + closure)

    inferred = _graph(ontology)
    assert (_dg("Itch"), _dg("acts"), _dg("Erythema")) in inferred
    assert (_dg("Itch"), _dg("mentions"), _dg("Erythema")) not in inferred


_MISTAKES = (
    ("SELECT ?subject { }", 1, "The file has no header"),
    ("#+title: x\nSELECT ?x {}", 1, "Put a space after #+"),
    ("#+ title: x\nSELECT ?x {}", 1, "'description' is a required property"),
    ("#+ title: x\n#+ description: y\n#+ author: z\nSELECT ?x {}", 3, "author is unknown"),
    ("#+ title: x\n#+ description: [\nSELECT ?x {}", 2, "not YAML"),
    ("#+ title: x\n#+ title: y\n#+ description: z\nSELECT ?x {}", 2, "title is given twice"),
    ("#+ title: 5\n#+ description: y\nSELECT ?x {}", 1, "not of type 'string'"),
    (_EDGE + "SELECT ?subject WHRE {}", 4, "'WHRE' is not a word of SPARQL."),
    (_EDGE + "\nSELECT * {\n ?s ex:p ?o }", 6, "The prefix ex: is not declared."),
    (_EDGE + "SELECT ?subject ?predicate { ?subject ?predicate 1 }", 0, "gives subject predicate"),
    (_EDGE + "SELECT ?subject ?predicate ?object ?why { }", 0, "gives subject predicate object why"),
    (_EDGE + "ASK {}", 0, "The rule gives no rows."),
    (_EDGE + "CONSTRUCT WHERE { ?s ?p ?o }", 0, "The rule gives no rows."),
    (_EDGE + "SELECT ?subject ?predicate ?object {}", 0, "concludes nothing nothing nothing"),
    (_EDGE + "SELECT (1 AS ?subject) (2 AS ?predicate) (3 AS ?object) {}", 0, "concludes 1 2 3"),
    (_EDGE + "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", 0, "SERVICE"),
    (_EDGE + "INSERT DATA { dg:a dg:b dg:c }", 0, "SPARQL Update"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    _MISTAKES,
    ids=[ascii(each[2]) + str(n) for n, each in enumerate(_MISTAKES)],
)
def test_a_malformed_rule_stops_the_build(
    ontology: SmallOntology, text: str, line: int, detail: str
) -> None:
    """File and, where there is one, line of the mistake are named, with what to do."""
    ontology.write("rules/broken.rq", text)

    (problem,) = ontology.problems()
    assert (problem.file, problem.line) == ("rules/broken.rq", line)
    assert detail in problem.detail
    assert problem.remedy


def test_a_rule_that_is_not_utf_8_stops_the_build(ontology: SmallOntology) -> None:
    """Other encodings are refused."""
    ontology.path("rules/broken.rq").write_bytes(b"#+ title: \xe9\n")

    (problem,) = ontology.problems()
    assert (problem.file, problem.line) == ("rules/broken.rq", 1)
    assert "UTF-8" in problem.detail


def test_all_malformed_headers_are_told_at_once(ontology: SmallOntology) -> None:
    """Each broken rule is on the list."""
    for name in ("a", "b"):
        ontology.write(f"rules/{name}.rq", "ASK {}")

    assert [each.file for each in ontology.problems()] == ["rules/a.rq", "rules/b.rq"]


def test_rules_are_read_in_the_order_of_their_names() -> None:
    """The shipped rules have names, titles and files that belong together."""
    rules = read_rules(ONTOLOGY_FOLDER, [])

    assert [rule.file for rule in rules] == sorted(rule.file for rule in rules)
    assert len({rule.title for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert str(rule.iri) == f"{DGD}rule/{rule.file.removeprefix('rules/').removesuffix('.rq')}"
