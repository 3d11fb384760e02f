"""What canned queries must tell whoever shows their rows without more: nothing left out, the nearest first."""

from __future__ import annotations

import csv
import io
from functools import cache
from typing import Final

import pytest

import kg
from kg.catalogue.canned_queries import ParameterError
from kg.results import select
from tests.queries.test_golden_answers import CASES, Case, by_case

_CLAIM = "https://w3id.org/dermograph/id/claim/"
_SCOPES = ("as asked", "narrower", "part", "wider")
"""What the column scope may say, from the nearest to the furthest."""


def _ask(graph: kg.KnowledgeGraph, name: str, **values: str) -> list[dict[str, str]]:
    """Return the rows of an answer that state something."""
    rows = _answer(graph, name, **values)
    return [row for row in rows if not row["gap"] and not row.get("how_found")]


def _answer(graph: kg.KnowledgeGraph, name: str, **values: str) -> list[dict[str, str]]:
    """Return all rows of an answer, those that tell of gaps too."""
    body = _body(graph, name, tuple(values.items())).decode()
    return [*csv.DictReader(io.StringIO(body, newline=""))]


@cache
def _body(graph: kg.KnowledgeGraph, name: str, values: tuple[tuple[str, str], ...]) -> bytes:
    """Return an answer, asked once; a golden one is read, as other tests show that it is given."""
    query = next(case.query for case in CASES if case.query.name == name)
    asked = Case(query, dict(values))
    golden = next(
        (case for case in CASES if case == asked), None
    )  # whose file is named in its order
    return golden.file.read_bytes() if golden else asked.answer(graph.engine)


def _claims(rows: list[dict[str, str]]) -> set[str]:
    return {row["claim"].removeprefix(_CLAIM) for row in rows}


@by_case
def test_what_is_nearest_to_the_question_comes_first(case: Case) -> None:
    """Rows about what is asked stand before those about its kinds, and these before wider ones."""
    with case.file.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("scope") and not row.get("gap")]
    # Thicknesses are measured of layers below and above the one that a laser reaches, layer by layer.
    groups = ("laser_iri", "layer_iri") if case.query.name == "reached-layers" else ()
    last: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = tuple(row[name] for name in groups)
        distance = _SCOPES.index(row["scope"])
        assert distance >= last.get(group, 0), row
        last[group] = distance


@pytest.mark.parametrize(("name", "column"), [("outcomes", "conditions_iris"), ("comparisons", "")])
def test_indications_leave_out_no_outcome_and_no_comparison(
    graph: kg.KnowledgeGraph, name: str, column: str
) -> None:
    """Whatever is known of a treatment in a condition is in the answer on treatments of conditions."""
    known = _ask(graph, name)
    everything = {
        (row["claim"], row["condition_iri"], row["treatment_iri"])
        for row in _ask(graph, "indications")
    }
    told = {claim for claim, _, _ in everything}

    if column:
        rows = {
            (row["claim"], condition, row["treatment_iri"])
            for row in known
            for condition in row[column].split("; ")
        }
        assert {row for row in rows if row[1]} <= everything
    else:
        # A ratio of what two lasers do in tissue is no result in a condition.
        compared = {row["claim"] for row in known if row["relation"] != "has ratio"}
        assert {row["claim"] for row in known if row["conditions"]} & compared <= told
        assert "A0263" not in {claim.removeprefix(_CLAIM) for claim in told}


@pytest.mark.parametrize("treatment", ["FractionalCO2LaserResurfacing", "ErYAGLaserResurfacing"])
def test_indications_of_a_treatment_leave_out_neither(
    graph: kg.KnowledgeGraph, treatment: str
) -> None:
    """Asked for a treatment, the answer has its outcomes, and its comparisons on either side."""
    asked = {"treatment": f"dg:{treatment}"}
    compared = [
        row
        for row in _ask(graph, "comparisons", **asked)
        if row["conditions"] and row["relation"] != "has ratio"
    ]
    seen = [row for row in _ask(graph, "outcomes", **asked) if row["conditions"]]

    assert compared
    assert seen
    assert _claims(compared) | _claims(seen) <= _claims(_ask(graph, "indications", **asked))


def test_indications_mark_what_is_known_of_wider_treatments(graph: kg.KnowledgeGraph) -> None:
    """What a guideline says of CO2 resurfacing is shown for fractional CO2, and marked as wider."""
    asked = _ask(graph, "indications", treatment="dg:FractionalCO2LaserResurfacing")
    scopes = {row["claim"].removeprefix(_CLAIM): row["scope"] for row in asked}

    assert scopes["B0082"] == "wider"
    assert scopes["B0125"] == "as asked"


def test_a_measure_stands_beside_the_arm_without_it(graph: kg.KnowledgeGraph) -> None:
    """None of 27 under famciclovir says nothing without the 9.4% of those who went without."""
    rows = _ask(graph, "prevention", measure="dg:AntiviralProphylaxis")
    relations = {row["claim"].removeprefix(_CLAIM): row["relation"] for row in rows}

    assert relations["B0341"] == relations["B0339"] == "under it occurred"
    assert not {"has risk"} & set(relations.values())


def test_prevention_of_pigment_change_is_shown_unasked(graph: kg.KnowledgeGraph) -> None:
    """By default the answer has every event: clobetasol with both halves of the face, hydroquinone."""
    assert {"B0480", "B0402", "B0403", "B0476", "B0481"} <= _claims(_ask(graph, "prevention"))


def test_isotretinoin_puts_label_consensus_and_trial_side_by_side(
    graph: kg.KnowledgeGraph,
) -> None:
    """Each says who speaks and what it comes to: wait, no reason to, forbidden, or what a trial saw."""
    rows = _ask(graph, "isotretinoin")
    said = {
        row["claim"].removeprefix(_CLAIM): (row["said_by"], row["verdict"])
        for row in rows
        if row["claim"]
    }

    assert said["B0236"] == ("quoted label: package insert", "asks to wait: 6 months")
    assert said["B0240"] == ("consensus statement", "finds no reason to delay")
    assert said["B0241"] == ("consensus statement", "advises against")
    assert said["B0203"] == ("professional reference page", "forbids: within the previous 6 months")
    assert said["B0245"] == ("randomised controlled trial", "did not see it (0 of 10)")
    assert all(row["verdict"] for row in rows)


@pytest.mark.parametrize("procedure", ["dg:ChemicalPeel", "dg:SkinSurgery", ""])
def test_a_label_that_stands_alone_has_its_gap_beside_it(
    graph: kg.KnowledgeGraph, procedure: str
) -> None:
    """What the consensus says of peels and surgery was not recorded: silence is no agreement."""
    values = {"procedure": procedure} if procedure else {}
    gaps = [row["gap"] for row in _answer(graph, "isotretinoin", **values)]

    assert [each for each in gaps if each.startswith("G43: Of the two consensus statements")]


def test_a_laser_has_a_number_for_each_wavelength(graph: kg.KnowledgeGraph) -> None:
    """The wavelength says where it is from: claims, the name, or the wider kind of laser."""
    rows = _ask(graph, "lasers")
    known = {
        (row["laser_label"], row["wavelength_nm"]): row["wavelength_from"]
        for row in rows
        if row["wavelength_nm"]
    }

    assert known["CO2 laser", "10600"] == "claims"
    assert known["fractional CO2 laser", "10600"] == "wider kind: CO2 laser"
    assert known["1470 nm laser", "1470"] == "name"
    assert ("KTP laser", "532") in known
    assert all(float(number) > 0 for _, number in known)
    assert len(rows) == len({(row["laser_iri"], row["wavelength_nm"]) for row in rows})


def test_comparisons_of_people_stand_before_those_of_tissue(graph: kg.KnowledgeGraph) -> None:
    """Trials come first, then what is said in general, and absorption ratios and biopsies last."""
    rows = _ask(graph, "comparisons")
    compared = {row["claim"].removeprefix(_CLAIM): row["compared"] for row in rows}
    order = ["people", "treatments in general", "lasers in general", "tissue, animals or models"]

    assert list(dict.fromkeys(row["compared"] for row in rows)) == order
    assert compared["B0125"] == "people"
    assert compared["B0560"] == "treatments in general"
    assert compared["A0163"] == "lasers in general"
    assert compared["A0686"] == compared["A2850"] == compared["A0438"] == order[-1]


def test_what_was_found_says_whether_it_is_better_for_the_patient(
    graph: kg.KnowledgeGraph,
) -> None:
    """Less pain and a lower scar score are better; no significant difference is no likeness."""
    said = {
        row["claim"].removeprefix(_CLAIM): row["direction"]
        for name in ("indications", "comparisons", "outcomes")
        for row in _ask(graph, name)
    }

    assert {said[each] for each in ("B0065", "B0125", "B0513", "B0519", "B0179")} == {"better"}
    assert {said[each] for each in ("B0143", "B0191", "B0106")} == {"better"}
    assert {said[each] for each in ("B0693", "B0702", "B0705", "B0714")} == {"better"}
    assert {said[each] for each in ("B0066", "B0159", "B0200", "B0304", "B0635")} == {"worse"}
    assert {said[each] for each in ("B0145", "B0182", "B2634")} == {"no difference shown"}
    assert said["B0185"] == said["B0018"] == "alike"
    assert said["B0140"] == "no improvement seen"
    # mixed findings, more fibrosis, poor responses, and what fell against nothing that is named
    silent = ("B0068", "A2847", "A0264", "A0686", "B0115", "B0174", "B0171", "B0707")
    assert {said[each] for each in silent} == {""}


@pytest.mark.parametrize("name", ["indications", "comparisons"])
def test_the_comparator_is_told_from_the_treatment(graph: kg.KnowledgeGraph, name: str) -> None:
    """Asked for Er:YAG, that CO2 does better must not read as if Er:YAG did."""
    rows = _ask(graph, name, treatment="dg:FractionalErYAGLaserResurfacing")
    said = {row["claim"].removeprefix(_CLAIM): row for row in rows}

    assert said["B0125"]["asked_as"] == "comparator"
    assert said["B0125"]["treatment_label"] == "fractional CO2 laser resurfacing"
    assert said["B2615"]["asked_as"] == "treatment"


def test_what_is_compared_together_is_one_row(graph: kg.KnowledgeGraph) -> None:
    """A single session at high energy is one comparator, and no claim is compared twice."""
    rows = _ask(graph, "comparisons")
    said = {row["claim"].removeprefix(_CLAIM): row for row in rows}

    assert len(said) == len(rows)
    assert said["B0161"]["compared_with"] == "high energy setting; single session"
    assert said["B0161"]["compared_with_iris"].count("; ") == 1
    care = {
        row["measure_label"]: row["combined_with"]
        for row in _ask(graph, "care")
        if row["claim"].endswith("B0582")
    }
    assert care["saline soak"] == "healing ointment; water soak"


def test_an_improvement_is_found_by_what_measures_it(graph: kg.KnowledgeGraph) -> None:
    """Asked for wrinkle improvement, the answer has the wrinkle depths and scores."""
    rows = _ask(graph, "outcomes", outcome="dg:WrinkleImprovement")
    scopes = {row["claim"].removeprefix(_CLAIM): row["scope"] for row in rows}

    assert scopes["B0141"] == "as asked"
    assert scopes["B0143"] == scopes["B0144"] == scopes["B2623"] == "narrower"
    assert "B0179" in _claims(_ask(graph, "outcomes", outcome="dg:ScarImprovement"))


@pytest.mark.parametrize(
    ("name", "values", "claim", "scope"),
    [
        ("outcomes", {"treatment": "dg:CO2LaserResurfacing"}, "B0141", "narrower"),
        ("outcomes", {"treatment": "dg:FullFieldCO2LaserResurfacing"}, "B0141", "as asked"),
        ("laser-targets", {"laser": "dg:FractionalLaser"}, "A0643", "narrower"),
        ("skin-type-evidence", {"condition": "dg:AcneScar"}, "B0225", "wider"),
        ("response-by-condition", {"treatment": "dg:CO2LaserResurfacing"}, "B0116", "narrower"),
        ("treatment-zone-size", {"laser": "dg:FractionalCO2Laser"}, "A0120", "wider"),
        ("care", {"measure": "dg:EyeProtection", "phase": "dgd:phase/during"}, "B0535", "narrower"),
    ],
)
def test_scope_is_about_all_that_is_asked(
    graph: kg.KnowledgeGraph, name: str, values: dict[str, str], claim: str, scope: str
) -> None:
    """A kind of the treatment is no more what was asked for than a kind of the condition is."""
    scopes = {row["claim"][-5:]: row["scope"] for row in _ask(graph, name, **values)}

    assert scopes[claim] == scope


@pytest.mark.parametrize("name", ["indications", "cannot-treat"])
def test_what_cannot_treat_is_not_denied_twice(graph: kg.KnowledgeGraph, name: str) -> None:
    """Beside "cannot treat", "not observed" would read as if it could."""
    rows = [row for row in _ask(graph, name) if row["relation"] == "cannot treat"]

    assert rows
    assert not [row for row in rows if row.get("finding")]


def test_a_measure_that_was_tested_is_not_advised(graph: kg.KnowledgeGraph) -> None:
    """That two times of starting did alike is neither advice, nor says that it does nothing."""
    care = {row["claim"][-5:]: row for row in _ask(graph, "care", phase="dgd:phase/before")}
    tested = {row["claim"][-5:]: row for row in _ask(graph, "prevention")}["B0461"]

    assert "B0461" not in care
    assert care["B0572"]["advice"] == "recommended"
    assert care["B0471"]["advice"] == "was given"
    assert tested["relation"] == "was tested: effectiveness"
    assert tested["says"].endswith("equally effective")
    outcomes = {row["claim"][-5:]: row["direction"] for row in _ask(graph, "outcomes")}
    assert outcomes["B0461"] == ""


def test_contraindications_can_be_asked_for_a_condition(graph: kg.KnowledgeGraph) -> None:
    """Advice on viral infection holds of active herpes, and a tendency is a state of keloid."""
    herpes = _ask(graph, "contraindications", condition="dg:ActiveHerpesSimplexInfection")
    keloid = _ask(graph, "contraindications", condition="dg:Keloid")

    assert {(row["claim"][-5:], row["scope"]) for row in herpes} == {("B0202", "wider")}
    assert {row["contraindication_label"] for row in herpes} == {"active viral infection"}
    assert {"B0204", "B0227"} <= _claims(keloid)


_KINDS: Final = """
    SELECT ?kind ?wider {
      ?kind <http://www.w3.org/2000/01/rdf-schema#subClassOf> ?wider FILTER(?kind != ?wider)
    }"""
_ASKED_IN: Final = ("condition", "procedure", "treatment", "event", "activity", "effect")


@by_case
def test_the_nearest_of_the_wider_ones_comes_first(case: Case, graph: kg.KnowledgeGraph) -> None:
    """What is said of CO2 resurfacing stands before what is said of laser skin treatment."""
    asked = [name for name in case.values if name in _ASKED_IN]
    with case.file.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("scope") == "wider"]
    if len(asked) != 1 or not rows or f"{asked[0]}_iri" not in rows[0]:
        return
    concepts = [row[f"{asked[0]}_iri"] for row in rows if not row["gap"]]
    kinds = {(str(pair["kind"]), str(pair["wider"])) for pair in select(graph.engine, _KINDS)}

    for place, concept in enumerate(concepts):
        assert not [later for later in concepts[place:] if (later, concept) in kinds]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("comparisons", ["treatment", "direction", "outcomes", "compared_with"]),
        ("isotretinoin", ["verdict", "said_by", "procedure"]),
        ("contraindications", ["contraindication", "advice", "procedure"]),
        ("outcomes", ["conditions", "treatment", "outcomes", "direction"]),
        ("adverse-event-incidence", ["event", "procedure", "finding"]),
        ("care", ["measure", "combined_with", "advice"]),
        ("safety-limits", ["organ", "quantity", "claim_says"]),  # which has the year and the remark
    ],
)
def test_what_answers_stands_first(graph: kg.KnowledgeGraph, name: str, first: list[str]) -> None:
    """The first columns, which are all that a small screen shows, answer the question."""
    columns = [
        column.removesuffix("_label")
        for column in _ask(graph, name)[0]
        if not column.endswith(("_iri", "_iris"))
    ]

    assert columns[: len(first)] == first


def test_contraindications_say_in_one_column_what_is_advised(graph: kg.KnowledgeGraph) -> None:
    """Rows can be grouped by it: strength where it is stated, else the recommendation."""
    said = {
        row["claim"].removeprefix(_CLAIM): row["advice"] for row in _ask(graph, "contraindications")
    }

    assert said["B0202"] == "absolute contraindication"
    assert said["B0210"] == "relative contraindication"
    assert said["B0570"] == "contraindication of unspecified strength"
    assert said["B0229"] == "not recommended"
    assert said["B0236"] == "wait at least"
    assert said["B0224"] == "caution"
    assert said["B0240"] == "not a contraindication"
    assert "" not in said.values()


def test_incidence_says_what_its_figures_are(graph: kg.KnowledgeGraph) -> None:
    """Nine months of a case are no frequency, nor is less than 1% a rate of 1%."""
    rows = {
        row["claim"].removeprefix(_CLAIM): row for row in _ask(graph, "adverse-event-incidence")
    }
    kinds = {claim: row["figure_kind"] for claim, row in rows.items()}

    assert kinds["B0375"] == kinds["B0378"] == kinds["B0346"] == "incidence"
    assert kinds["B0406"] == kinds["B0389"] == "upper limit"
    assert (kinds["B0416"], rows["B0416"]["reported"]) == ("cases", "9 months")
    assert kinds["B0297"] == "none"
    frequency = ("proportion", "reported_percentage", "percentage_minimum")
    for row in rows.values():
        assert any(row[name] for name in frequency) == (row["figure_kind"] == "incidence"), row

    common = _claims(_ask(graph, "adverse-event-incidence", minimum_percentage="1"))
    assert "B0389" in common
    assert not {"B0406", "B0416", "B0297"} & common


def test_a_course_names_its_treatment_and_no_day_is_rounded_to_nothing(
    graph: kg.KnowledgeGraph,
) -> None:
    """Ten seconds are not 0 days, and four hours are a sixth of one."""
    rows = {row["claim"].removeprefix(_CLAIM): row for row in _ask(graph, "downtime")}

    assert rows["A0052"]["minimum"] == "10"
    assert not rows["A0052"]["minimum_days"]
    assert rows["B0588"]["minimum_days"] == "0.167"
    assert all(bool(row["treatment_iri"]) == bool(row["treatment_label"]) for row in rows.values())
    asked = _ask(graph, "downtime", procedure="dg:FractionalCO2LaserResurfacing")
    own = [row for row in asked if row["asked_as"] == "treatment" and row["scope"] == "as asked"]
    as_asked = {row["treatment_iri"] for row in own}
    assert as_asked == {"https://w3id.org/dermograph/ontology/FractionalCO2LaserResurfacing"}


def test_what_is_said_in_general_is_no_effect_between_arms(graph: kg.KnowledgeGraph) -> None:
    """A page that calls one treatment less effective tells an order, not the result of a trial."""
    rows = _ask(graph, "comparisons")
    general = [row for row in rows if row["compared"].endswith("in general")]
    effects = {row["claim"].removeprefix(_CLAIM): row["effect"] for row in rows}

    assert effects["B0006"] == effects["B0007"] == effects["B0017"] == "rank"
    assert effects["B0563"] == "rank"
    assert effects["B2650"] == ""
    assert effects["B0125"] == "between arms"
    assert not [row for row in general if row["effect"] == "between arms" and not row["reported"]]


_HYBRID: Final = "dg:HybridFractionalLaserResurfacingCO2And1570"


def test_what_speaks_against_a_part_speaks_against_the_whole(graph: kg.KnowledgeGraph) -> None:
    """A combined procedure takes the advice against its parts, and none of their permission."""
    for procedure in (_HYBRID, "dg:FractionalCO2LaserWithPlateletRichPlasmaTreatment"):
        rows = _ask(graph, "contraindications", procedure=procedure)
        parts = [row for row in rows if row["scope"] == "part"]

        assert {"B0202", "B0203", "B0204"} <= _claims(parts)
        assert {row["advice"] for row in parts} & {
            "not a contraindication",
            "may be considered",
        } == set()
    told = {row["claim"][-5:]: row for row in _ask(graph, "isotretinoin", procedure=_HYBRID)}
    assert told["B0203"]["verdict"].startswith("forbids")
    assert "finds no reason to delay" not in {
        row["verdict"] for row in told.values() if row["scope"] == "part"
    }


@pytest.mark.parametrize("condition", ["dg:HerpesLabialis", "dg:HerpesSimplexInfection"])
def test_a_condition_is_told_what_speaks_against_it_while_active(
    graph: kg.KnowledgeGraph, condition: str
) -> None:
    """Who asks for a cold sore learns that active viral infection forbids treatment."""
    rows = _ask(graph, "contraindications", procedure="dg:CO2LaserResurfacing", condition=condition)
    told = {row["claim"].removeprefix(_CLAIM): row for row in rows}

    assert told["B0202"]["contraindication_label"] == "active viral infection"
    assert told["B0202"]["scope"] == "wider"


def test_what_is_not_known_of_a_wider_condition_is_told(graph: kg.KnowledgeGraph) -> None:
    """That active infection was read of CO2 lasers only is told to who asks for active herpes."""
    (query,) = {
        each.query.name: each.query for each in CASES if each.query.name == "contraindications"
    }.values()
    values = {
        "procedure": "dg:FractionalNonAblativeLaserResurfacing",
        "condition": "dg:ActiveHerpesSimplexInfection",
    }

    assert b"G42: " in Case(query, values).answer(graph.engine)


@pytest.mark.parametrize(
    ("name", "values", "claim", "relation"),
    [
        ("risk-factors", {"event": "dg:Infection"}, "B0228", "has its risk raised by"),
        ("complication-treatment", {"event": "dg:Hypopigmentation"}, "B0527", "is relieved by"),
        ("prevention", {"measure": "dg:AntiviralProphylaxis"}, "B0340", "under it occurred"),
    ],
)
def test_a_row_reads_from_left_to_right(
    graph: kg.KnowledgeGraph, name: str, values: dict[str, str], claim: str, relation: str
) -> None:
    """What the relation says holds of the first thing of a row, whichever way its claim puts it."""
    told = {row["claim"][-5:]: row["relation"] for row in _ask(graph, name, **values)}

    assert told[claim] == relation


def test_the_wound_of_ablation_is_no_event_of_non_ablative_treatment(
    graph: kg.KnowledgeGraph,
) -> None:
    """Asked for a non-ablative procedure, wider claims on what only ablation brings are left out."""
    rows = _ask(
        graph, "adverse-event-incidence", procedure="dg:NonAblativeFractionalResurfacing1927"
    )

    assert {row["scope"] for row in rows} >= {"wider"}
    assert {row["event_label"] for row in rows if row["scope"] == "wider"} & {
        "ectropion",
        "lower eyelid ectropion",
        "oozing",
        "toxic shock syndrome",
        "milia",
    } == set()


def test_a_mode_of_the_wider_laser_is_none_of_a_treatment_below_the_threshold(
    graph: kg.KnowledgeGraph,
) -> None:
    """Er:YAG lasers are called ablative; their smooth mode heats below the threshold of ablation."""
    rows = {row["claim"].removeprefix(_CLAIM): row for row in _ask(graph, "tissue-effects")}
    ablative = _ask(graph, "tissue-effects", mode="dgd:interaction-mode/ablative")

    assert rows["A0527"]["interaction_modes"] == ""
    assert ablative
    assert "A0527" not in _claims(ablative)


@pytest.mark.parametrize(
    ("name", "values", "told", "apart"),
    [
        ("risk-factors", {}, {"G16", "G21"}, {"G15", "G43"}),
        ("comparisons", {}, {"G32"}, {"G15", "G44"}),
        ("comparisons", {"condition": "dg:AcneScar"}, {"G04"}, {"G03", "G40"}),
        ("prevention", {}, {"G03"}, {"G19", "G44"}),
        ("care", {"phase": "dgd:phase/during"}, set(), {"G19"}),
    ],
)
def test_gaps_are_of_what_is_asked(
    graph: kg.KnowledgeGraph, name: str, values: dict[str, str], told: set[str], apart: set[str]
) -> None:
    """What is not known of a contraindication, a wavelength or a standard is not told beside it."""
    gaps = {row["gap"].partition(":")[0] for row in _answer(graph, name, **values)}

    assert told <= gaps
    assert not apart & gaps


def test_advice_to_stop_aspirin_tells_what_no_source_says(graph: kg.KnowledgeGraph) -> None:
    """It is one clinic's, of products; that prescribed aspirin may be stopped is said nowhere."""
    for phase, claim in (("before", "B0578"), ("after", "B2700")):
        asked = {"phase": f"dgd:phase/{phase}", "procedure": "dg:ErYAGLaserResurfacing"}
        rows = _answer(graph, "care", **asked)
        (row,) = (row for row in rows if row["claim"].removeprefix(_CLAIM) == claim)
        gaps = [each["gap"] for each in rows if each["measure_iri"] == row["measure_iri"]]

        assert row["measure_label"] == "stopping of aspirin-containing products"
        assert row["circumstances"] == "instruction of one clinic"
        assert [each for each in gaps if "aspirin that is prescribed" in each]
    others = _answer(graph, "care", phase="dgd:phase/before", procedure="dg:ChemicalPeel")
    assert not [each for each in others if "aspirin" in each["gap"]]


def test_why_tells_both_sides_and_what_is_disputed(graph: kg.KnowledgeGraph) -> None:
    """Whoever asks why advice is given learns who contradicts it, of what, and in which disagreement."""
    asked = ("dg:CO2LaserResurfacing", "dg:advisedAgainstIn", "dg:RecentIsotretinoinUse")
    rows = _ask(graph, "why", **dict(zip(("subject", "property", "object"), asked, strict=True)))
    by_claim = {row["claim"].removeprefix(_CLAIM): row for row in rows}

    assert by_claim["B0203"]["side"] == "for"
    assert by_claim["B0239"]["side"] == "against"
    assert by_claim["B0239"]["said_by"] == "consensus statement"
    assert by_claim["B0239"]["about_label"] == "fractional ablative laser resurfacing"
    assert "no evidence to justify delay" in by_claim["B0203"]["disputed"]
    assert {row["disagreements"] for row in rows} == {"C01"}
    assert [row["side"] for row in rows] == sorted((row["side"] for row in rows), reverse=True)


def test_why_tells_what_speaks_against_a_part_of_the_graph_that_is_apart(
    graph: kg.KnowledgeGraph,
) -> None:
    """What is reported for wider procedures has its other side too, and quotations are told as such."""
    asked = {"property": "dg:cautionWithWiderProcedure", "object": "dg:RecentIsotretinoinUse"}
    rows = _ask(graph, "why", subject="dg:FractionalLaserResurfacing", **asked)
    label = {"property": "dg:advisedAgainstIn", "object": "dg:RecentIsotretinoinUse"}
    quoted = [row["said_by"] for row in _ask(graph, "why", subject="dg:Dermabrasion", **label)]

    assert {row["side"] for row in rows} == {"for", "against"}
    assert "quoted from a label, in: consensus statement" in quoted


@pytest.mark.parametrize("wavelength", ["308", "532", "1064", "1550", "2940", "10600"])
def test_no_limit_of_exposure_stands_without_its_year_and_what_is_newer(
    graph: kg.KnowledgeGraph, wavelength: str
) -> None:
    """A limit that an app shows alone says from which year it is, and that it may be out of date."""
    rows = [each for each in _ask(graph, "safety-limits", wavelength=wavelength) if each["claim"]]
    newer = ("newer limits exist", "newer limits and guides exist", "no legal text")

    assert rows
    for row in rows:
        edition = row["warning"].removeprefix("not to judge an exposure by: ")
        assert edition != row["warning"]
        assert edition in row["claim_says"], row["claim"]
        assert any(year in edition for year in ("2010", "2011", "2013")), row["claim"]
        assert any(each in edition for each in newer), row["claim"]


def test_a_limit_that_could_not_be_read_is_a_gap(graph: kg.KnowledgeGraph) -> None:
    """From 2600 nm on the exponent is lost in the copy: only the shortest pulses have a limit."""
    rows = _answer(graph, "safety-limits", wavelength="10600", organ="dg:Eye")
    limits = {
        row["duration"]
        for row in rows
        if row["organ_label"] == "eye" and row["quantity_label"].startswith("limit of exposure")
    }

    assert limits == {"1 ns to 100 ns"}
    assert any("the exponent is missing in the copy" in row["gap"] for row in rows)


def test_evidence_is_told_by_its_kind(graph: kg.KnowledgeGraph) -> None:
    """A comparison of arms stands before change from baseline, which a list of uses or clearance is not."""
    rows = _ask(graph, "indications", condition="dg:AcneScar")
    kinds = {row["claim"].removeprefix(_CLAIM): row["evidence"] for row in rows}
    asked = [row["evidence"] for row in rows if row["scope"] == "as asked"]

    assert kinds["B0082"] == "guideline or consensus"
    assert kinds["B0632"] == kinds["B0128"] == kinds["B0126"] == "head to head"
    assert kinds["B0130"] == "change from baseline"
    assert kinds["B0121"] == "result without comparator"
    assert kinds["B0073"] == "listed use"
    assert kinds["B0092"] == "clearance"
    assert list(dict.fromkeys(asked))[:3] == [
        "guideline or consensus",
        "head to head",
        "change from baseline",
    ]
    assert all(row["compared_with"] for row in rows if row["evidence"] == "head to head")


def test_recovery_is_in_days_of_a_state_after_a_procedure(graph: kg.KnowledgeGraph) -> None:
    """Downtime has its procedure and study, and what is shorter than with another treatment says so."""
    rows = {row["claim"].removeprefix(_CLAIM): row for row in _ask(graph, "downtime")}

    assert rows["B0511"]["event_label"] == "downtime"
    assert (rows["B0511"]["value_days"], rows["B0511"]["people"]) == ("4.3", "44")
    assert rows["B0333"]["event_label"] == "healing time"
    assert rows["B0513"]["compared_with"] == "fractional Er:YAG laser resurfacing"
    assert rows["B0513"]["direction"] == "better"
    assert not rows["B0513"]["value_days"]
    asked = _ask(graph, "downtime", event="dg:Recovery")
    assert {"B0511", "B0513", "B0333", "B0519"} <= _claims(asked)


def test_what_patients_say_is_told_from_what_was_found(graph: kg.KnowledgeGraph) -> None:
    """Satisfaction and willingness come after what was found, and can be asked alone."""
    rows = _ask(graph, "outcomes", condition="dg:AcneScar")
    told = {row["claim"].removeprefix(_CLAIM): row["told_as"] for row in rows}
    alone = _ask(graph, "outcomes", outcome="dg:PatientReportedOutcome")

    assert told["B0123"] == told["B0760"] == "what patients say"
    assert told["B0121"] == "what was found"
    assert {row["told_as"] for row in alone} == {"what patients say"}
    assert {"B0123", "B0757", "B0760"} <= _claims(alone)


def test_settings_stand_beside_what_came_of_them(graph: kg.KnowledgeGraph) -> None:
    """Density is told with the hyperpigmentation of its arm, and nothing is without a setting."""
    rows = _ask(graph, "settings-used")
    told = {row["claim"].removeprefix(_CLAIM): row for row in rows}

    assert all(row["settings"] and row["claim_says"] for row in rows)
    assert "low density" in told["B0395"]["arm_name"]  # the arm itself, not its trial
    assert told["B0395"]["outcomes"] == "generalised post-inflammatory hyperpigmentation"
    assert "fluence 2.5 J/cm²" in told["B0899"]["settings"]
    assert not {"B0022", "B0020", "B0225"} & set(told)


def test_sessions_of_a_study_are_told_once(graph: kg.KnowledgeGraph) -> None:
    """However much was found, four monthly sessions are one row, which names all the claims."""
    rows = _ask(graph, "sessions", condition="dg:AtrophicAcneScar")
    for row in rows:
        assert len(row["claims"].split("; ")) == len(set(row["claims_iris"].split("; ")))
    (row,) = (
        row
        for row in rows
        if row["source"].endswith("CO2MN2024")
        and row["treatment_label"] == "microneedling"
        and (row["scope"], row["said_of"]) == ("as asked", "sessions given")
    )

    assert (row["sessions"], row["interval"]) == ("4", "1 month")
    assert {"B0648", "B0650"} <= set(row["claims"].split("; "))
    assert row["claim"].endswith("B0826")  # which says it of the sessions themselves
    assert row["conditions"].startswith("atrophic acne scar")
    assert {"B0037", "B0039"} <= _claims(rows)
    (course,) = (row for row in rows if row["source"].endswith("MAJID2014"))
    assert (course["sessions"], course["interval"]) == ("3 to 4", "6 weeks")


def test_what_most_studies_gave_is_told_beside_the_range(graph: kg.KnowledgeGraph) -> None:
    """Two to ten sessions in all, and mostly three to four."""
    (row,) = (row for row in _ask(graph, "sessions") if row["claim"].endswith("B0044"))

    assert row["sessions"] == "2 to 10; 3 to 4 (in most studies)"


def test_a_preparation_is_told_with_what_was_seen_and_did_not_cause_it(
    graph: kg.KnowledgeGraph,
) -> None:
    """Herpes under famciclovir is no risk of the drug; both vinegar recipes are there."""
    rows = _ask(graph, "preparations")
    told = {row["claim"].removeprefix(_CLAIM): row for row in rows}

    assert told["B0341"]["relation"] == "was given in a study of"
    assert told["B0341"]["outcomes"] == "herpes simplex infection"
    assert "drug dose: 250 mg" in told["B0341"]["preparation"]
    assert told["B0056"]["relation"] == "causes"
    assert {"B0485", "B0486", "B0058", "B0052"} <= set(told)
    assert "B2634" not in told  # a peel is a treatment
    assert (told["B0851"]["outcomes"], told["B0851"]["reported"]) == (
        "lidocaine toxicity; toxic level in blood",
        "above 5 ug/mL",
    )
    assert told["B0057"]["outcomes"] == "lidocaine toxicity"


def test_a_drug_of_a_combined_procedure_is_a_preparation(graph: kg.KnowledgeGraph) -> None:
    """Fluorouracil under a laser, and tranexamic acid by mouth beside one, have their dose."""
    told = {row["claim"].removeprefix(_CLAIM): row for row in _ask(graph, "preparations")}

    for claim in ("B0813", "B0814", "B0815"):
        assert told[claim]["agents"] == "topical fluorouracil treatment"
        assert told[claim]["preparation"].startswith("application duration: for 7 days")
    for claim in ("B0864", "B0865"):
        assert told[claim]["agents"] == "oral tranexamic acid"
        assert told[claim]["preparation"] == "applications per day: twice daily; drug dose: 250 mg"
        assert told[claim]["relation"] == "was given in a study of"
    asked = _ask(graph, "preparations", agent="dg:TranexamicAcid")
    assert {"B0864", "B0865"} <= _claims(asked)


@pytest.mark.parametrize("name", ["adverse-event-incidence", "contraindications", "care"])
def test_a_warning_that_is_only_quoted_stands_beside_its_gap(
    graph: kg.KnowledgeGraph, name: str
) -> None:
    """What a regulator warns of is shown where no risk could be made of it, and nowhere else."""
    rows = _answer(graph, name, procedure="dg:RadiofrequencyMicroneedling")

    assert [row for row in rows if row["claim"].endswith("B0867")]
    assert [row for row in rows if row["gap"].startswith("G48: The FDA warned")]
    if name != "adverse-event-incidence":
        assert rows[0]["claim"].endswith("B0867")  # before a row that says nothing is known
    others = _answer(graph, name, procedure="dg:CO2LaserResurfacing")
    assert "B0867" not in _claims(others)


def test_the_strength_of_a_recommendation_and_whom_it_is_for_stand_beside_it(
    graph: kg.KnowledgeGraph,
) -> None:
    """A conditional recommendation, and a result in organ transplant recipients, say so."""
    asked = {"subject": "dg:PhotodynamicTherapy", "object": "dg:ActinicKeratosis"}
    reasons = _ask(graph, "why", property="dg:treats", **asked)
    listed = {
        row["claim"].removeprefix(_CLAIM): row
        for row in _ask(graph, "indications", condition="dg:ActinicKeratosis")
    }

    graded = {row["strength"] for row in reasons if row["claim"].endswith("B0908")}
    assert graded == {"conditional recommendation"}
    assert listed["B0907"]["strength"] == "strong recommendation"
    assert listed["B2864"]["populations"] == "organ transplant"


def test_a_concept_is_told_in_a_few_rows(graph: kg.KnowledgeGraph) -> None:
    """Definition and source first, then the kinds right above it, names, and what belongs to it."""
    rows = _ask(graph, "what-is", concept="dg:FractionalCO2LaserResurfacing")
    told = {row["aspect"]: row["says"] or row["links"] for row in rows}

    assert rows[0]["aspect"] == "is"
    assert rows[0]["source"]
    assert told["is a kind of"] == "CO2 laser resurfacing; fractional ablative laser resurfacing"
    assert told["uses energy source"] == "fractional CO2 laser"
    assert "patients say" not in told
    assert len(rows) < 10


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("study", {"study": "dgd:claim/B0375"}, "which is no study or synthesis."),
        ("study", {"study": "dg:CO2Laser"}, "which is no study or synthesis."),
        ("indications", {"condition": "dg:CO2Laser"}, "which is no indication."),
        ("what-is", {"concept": "dgd:claim/B0375"}, "which is no concept."),
    ],
)
def test_a_value_of_another_kind_is_refused_in_words(
    graph: kg.KnowledgeGraph, name: str, value: dict[str, str], message: str
) -> None:
    """A claim is no study and a laser no indication: an answer of nothing would mislead."""
    with pytest.raises(ParameterError, match=message):
        graph.catalogue.bindings(name, value)

    assert graph.catalogue.bindings("study", {"study": "dgd:study/CHEYASAK2015"})


@pytest.mark.parametrize(
    ("name", "values", "apart"),
    [
        ("outcomes", {"condition": "dg:HypopigmentedScar"}, "G20"),
        ("downtime", {"event": "dg:Erythema"}, "G01"),
        ("adverse-event-incidence", {"event": "dg:Infection"}, "G04"),
        ("layer-thickness", {"layer": "dg:Epidermis"}, "G25"),
        ("spectrum", {"medium": "dg:Epidermis"}, "G26"),
        (
            "tissue-properties",
            {"tissue": "dg:Skin", "property": "dg:MelanosomeVolumeFraction"},
            "G34",
        ),
    ],
)
def test_a_gap_of_a_whole_topic_is_none_of_a_narrower_question(
    graph: kg.KnowledgeGraph, name: str, values: dict[str, str], apart: str
) -> None:
    """That adverse events are not graded says nothing of erythema, nor heat of a thickness."""
    assert not [row for row in _answer(graph, name, **values) if row["gap"].startswith(apart)]


def test_a_fee_says_in_which_currency_and_year_and_for_what(graph: kg.KnowledgeGraph) -> None:
    """What is not stated says so, and an average that is quoted is told from an opinion."""
    told = {row["claim"].removeprefix(_CLAIM): row for row in _ask(graph, "costs")}
    average, opinion = told["B0889"], told["B0890"]

    assert (average["reported"], average["unit"]) == ("2,169 USD", "{USD}")
    assert (average["fee_basis"], average["year"]) == ("not stated", "year not shown")
    assert average["hedge"] == "quoted from elsewhere"
    assert (opinion["fee_basis"], opinion["minimum"]) == ("per session", "2000")
    assert "the year of the prices is not stated" in opinion["year"]
