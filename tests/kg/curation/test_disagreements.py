"""Claims that may disagree are found, and those that a curator has judged are not found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rdflib import XSD, Literal, URIRef

import kg
from kg.curation.disagreements import candidates
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, DGD, PREFIXES, expand

Facts = Mapping[str, object]

ONE: Facts = {
    "subject": URIRef(DG + "Epidermis"),
    "predicate": URIRef(DG + "thickness"),
    "finding": URIRef(DGD + "finding/present"),
    "source": URIRef(DGD + "source/ONE"),
    "siValue": "1",
}
OTHER: Facts = {**ONE, "source": URIRef(DGD + "source/OTHER"), "siValue": "2"}
NOT_OBSERVED = URIRef(DGD + "finding/not-observed")


def found(*claims: Facts, more: str = "") -> list[tuple[str, str]]:
    """Return the candidates among claims, by the numbers of the claims.

    Args:
        *claims: values by the names of properties; a list holds several values.
        more: further triples, as N-Triples.
    """
    lines = [more]
    for number, claim in enumerate(claims):
        for name, value in {"label": f"claim {number}", **claim}.items():
            for each in value if isinstance(value, list) else [value]:
                term = each if isinstance(each, URIRef | Literal) else _literal(name, each)
                lines.append(f"<urn:{number}> <{_property(name)}> {term.n3()} .")
    engine = InProcessEngine("\n".join(lines).encode(), version="0")
    return [(one[0][4:], other[0][4:]) for one, other in candidates(engine)]


_OUTSIDE = {"source": "prov:wasDerivedFrom", "label": "rdfs:label", "type": "rdf:type"}


def _property(name: str) -> str:
    return expand(_OUTSIDE[name]) if name in _OUTSIDE else DG + name


def _literal(name: str, value: object) -> Literal:
    numeric = name.startswith(("si", "value", "proportion", "reportedPercentage"))
    return Literal(str(value), datatype=XSD.decimal) if numeric else Literal(str(value))


def without(claim: Facts, *names: str) -> dict[str, object]:
    """Return a claim without some of what it says."""
    return {name: value for name, value in claim.items() if name not in names}


def test_figures_that_lie_apart_are_a_candidate() -> None:
    """Two sources that give different figures for the same are found."""
    assert found(ONE, OTHER) == [("0", "1")]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({"siValue": "1"}, {"siValue": "1"}, False),
        ({"siMinimum": "1", "siMaximum": "2"}, {"siMinimum": "2", "siMaximum": "3"}, False),
        ({"siMinimum": "1", "siMaximum": "2"}, {"siMinimum": "2.1", "siMaximum": "3"}, True),
        ({"siMinimum": "1", "siMaximum": "3"}, {"siValue": "2"}, False),
        ({"siValue": "1", "siMinimum": "0", "siMaximum": "2"}, {"siValue": "2"}, False),
        ({"siMinimum": "5"}, {"siValue": "2"}, True),
        ({"siMinimum": "5"}, {"siValue": "6"}, False),
        ({"siMaximum": "1"}, {"siValue": "2"}, True),
        ({"siMaximum": "1"}, {"siMinimum": "2"}, True),
        ({"siMaximum": "2"}, {"siMinimum": "1", "siMaximum": "3"}, False),
        ({"siValue": ["1", "3"]}, {"siValue": "2"}, False),
        ({}, {"siValue": "2"}, False),
        (
            {"proportionLower": "0.1", "proportionUpper": "0.2"},
            {"proportionLower": "0.3", "proportionUpper": "0.4"},
            True,
        ),
        (
            {"proportionLower": "0.1", "proportionUpper": "0.3"},
            {"proportionLower": "0.2", "proportionUpper": "0.4"},
            False,
        ),
        ({"reportedPercentage": "15"}, {"reportedPercentage": "20"}, True),
        (
            {"reportedPercentage": "15"},
            {"proportionLower": "0.1", "proportionUpper": "0.2"},
            False,
        ),
        ({"reportedPercentage": "15"}, {"siValue": "2"}, False),
    ],
)  # fmt: skip
def test_only_figures_that_cannot_both_hold_count(one: Facts, other: Facts, *, apart: bool) -> None:
    """Ranges and intervals that overlap agree; a limit agrees with everything on its side."""
    claims = [{**without(ONE, "siValue"), **one}, {**without(OTHER, "siValue"), **other}]

    assert bool(found(*claims)) is apart


@pytest.mark.parametrize(
    "difference",
    [
        {"subject": URIRef(DG + "Dermis")},
        {"predicate": URIRef(DG + "depth")},
        {"object": URIRef(DG + "Erythema")},
        {"bodySite": URIRef(DG + "Face")},
        {"skinType": URIRef(DGD + "fitzpatrick-skin-type/I")},
        {"specimen": URIRef(DGD + "specimen/animal-ex-vivo")},
        {"unitOfAnalysis": URIRef(DGD + "unit-of-analysis/treatment")},
        {"statistic": URIRef(DGD + "statistic/median")},
        {"followUpInDays": Literal(183)},
        {"coIntervention": URIRef(DG + "Sunscreen")},
        {"population": URIRef(DG + "Pregnancy")},
        {"source": ONE["source"]},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_claims_of_other_things_are_no_candidates(difference: Facts) -> None:
    """Another subject, population, unit of analysis or time explains different figures."""
    assert found(ONE, {**OTHER, **difference}) == []


def unit(code: str, *kinds: str, factor: bool = True) -> str:
    """Return a unit with the kinds of quantity that are measured in it, as N-Triples."""
    about = f"<urn:unit-{code}>"
    stated = [f'{about} <{PREFIXES["skos"]}notation> "{code}" .']
    stated += [f"{about} <{DG}quantityKind> <urn:kind:{kind}> ." for kind in kinds]
    stated += [f'{about} <{DG}factorToSI> "1"^^<{XSD.decimal}> .'] * factor
    return "".join(f"{line}\n" for line in stated)


UNITS = (
    unit("um", "Depth", "Width")
    + unit("mm", "Width")
    + unit("pc", "Ratio")
    + unit("score")
    + unit("Hz", "Frequency")
    + unit("daily", "Frequency", factor=False)
)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({"unitCode": "um", "siValue": "1"}, {"unitCode": "mm", "siValue": "2"}, True),
        ({"unitCode": "um", "siValue": "1"}, {"unitCode": "pc", "siValue": "2"}, False),
        ({"unitCode": "um", "siValue": "1"}, {"siValue": "2"}, False),
        ({"unitCode": "score", "siValue": "1"}, {"unitCode": "score", "siValue": "2"}, True),
        ({"unitCode": "score", "siValue": "1"}, {"unitCode": "pc", "siValue": "2"}, False),
        ({"unitCode": "daily", "value": "1"}, {"unitCode": "daily", "value": "2"}, True),
        ({"unitCode": "daily", "value": "1"}, {"unitCode": "Hz", "siValue": "2"}, False),
        (
            {"unitCode": "um", "siValue": "1", "value": "5"},
            {"unitCode": "mm", "siValue": "1", "value": "6"},
            False,
        ),
        (
            {"unitCode": "um", "siValue": "1", "value": "5"},
            {"unitCode": "mm", "siValue": "2", "value": "5"},
            True,
        ),
    ],
)  # fmt: skip
def test_only_figures_of_one_kind_are_compared(one: Facts, other: Facts, *, apart: bool) -> None:
    """Figures are compared in SI units, or as stated in one unit that cannot be converted."""
    claims = [{**without(ONE, "siValue"), **one}, {**without(OTHER, "siValue"), **other}]

    assert bool(found(*claims, more=UNITS)) is apart


@pytest.mark.parametrize(("wavelength", "apart"), [("0.5", True), ("0.6", False)])
def test_settings_keep_claims_apart(wavelength: str, *, apart: bool) -> None:
    """Figures under equal settings are compared, under different settings they are not."""
    settings = "".join(
        f"<urn:s{number}> <{DG}parameter> <{DG}Wavelength> .\n"
        f'<urn:s{number}> <{DG}siValue> "{value}"^^<{XSD.decimal}> .\n'
        for number, value in enumerate(("0.5", wavelength))
    )
    claims = [{**each, "setting": URIRef(f"urn:s{n}")} for n, each in enumerate((ONE, OTHER))]

    assert bool(found(*claims, more=settings)) is apart


def test_wording_does_not_keep_figures_apart() -> None:
    """Words that no slot holds may explain a difference; that is for the curator to judge."""
    assert found({**ONE, "objectText": "of adults"}, {**OTHER, "circumstances": "in summer"})


def test_what_one_finds_and_the_other_does_not_is_a_candidate() -> None:
    """Findings of two sources that differ are found, if they speak of the same thing."""
    affirmed = without(ONE, "siValue")
    denied = {**without(OTHER, "siValue"), "finding": NOT_OBSERVED}

    assert found(affirmed, denied) == [("0", "1")]
    assert found({**affirmed, "objectText": "a"}, {**denied, "objectText": "b"}) == []
    term = {"object": URIRef(DG + "Erythema")}
    assert found({**affirmed, **term, "objectText": "a"}, {**denied, **term}) == [("0", "1")]
    assert found({**affirmed, "strength": URIRef(DGD + "strength/absolute")}, denied)


@pytest.mark.parametrize(
    ("strength", "apart"), [("absolute", True), ("relative", False), ("unspecified", False)]
)
def test_other_strengths_are_a_candidate(strength: str, *, apart: bool) -> None:
    """What one forbids and the other only advises against is found, if both say how strongly."""
    one = {**without(ONE, "siValue"), "strength": URIRef(DGD + "strength/relative")}
    other = {**without(OTHER, "siValue"), "strength": URIRef(f"{DGD}strength/{strength}")}

    assert bool(found(one, other)) is apart


def test_the_founding_text_is_not_compared() -> None:
    """Statements of the founding text have assessments of their own."""
    assert found(ONE, {**OTHER, "type": URIRef(DG + "FoundingTextStatement")}) == []


def test_what_is_judged_is_not_found_again() -> None:
    """Claims of one recorded disagreement are no candidates."""
    judged = f"<urn:d> <{DG}disagreeingClaim> <urn:0> .\n<urn:d> <{DG}opposedClaim> <urn:1> .\n"

    assert found(ONE, OTHER, more=judged) == []


def test_candidates_of_the_graph_are_named_and_unjudged(graph: kg.KnowledgeGraph) -> None:
    """Each candidate names two claims of different sources, in a fixed order."""
    pairs = candidates(graph.engine)

    assert pairs == sorted(pairs)
    for (one, says), (other, opposes) in pairs:
        rows: Any = graph.query(
            "SELECT DISTINCT ?source { VALUES ?claim { "
            f"<{one}> <{other}> }} ?claim <{PREFIXES['prov']}wasDerivedFrom> ?source }}"
        )
        assert len(rows) == 2
        assert says
        assert opposes
