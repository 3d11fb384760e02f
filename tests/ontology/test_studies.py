"""Studies: each claim is of the study that it tells of, at the level of its design as it uses it."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final

import pyoxigraph as ox
import pytest
from rdflib import RDF, Dataset, Graph, Literal, URIRef

from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER


def _table(name: str) -> list[dict[str, str]]:
    with (ONTOLOGY_FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


_LEVELS: Final = _table("levels.tsv")
_PAGE: Final = Path(__file__).parents[2] / "docs" / "model.md"
_RULE: Final = (ONTOLOGY_FOLDER / "rules" / "design-level.rq").read_text(encoding="utf-8")

_SOURCES: Final = {
    "review-of-randomised-trials": "systematic-review randomised",
    "review-of-controlled-studies": "systematic-review controlled",
    "review-designs-not-seen": "systematic-review not-seen",
    "review-without-comparison": "systematic-review randomised",
    "review-of-case-reports": "systematic-review case-reports",
    "randomised-comparison": "randomised-controlled-trial randomised split-face",
    "non-randomised-comparison": "cohort not-stated parallel-groups",
    "historical-comparison": "cohort not-randomised historical-controls",
    "one-group": "randomised-controlled-trial randomised parallel-groups",
    "case-series": "case-series not-applicable single-group",
}
"""For each design as a claim uses it, the design of a study, or a review, that it can come from."""

_ALONE: Final = ("review-without-comparison", "review-of-case-reports", "one-group", "case-series")

_CLAIMS: Final = {
    ("benefit", True): "a dg:OutcomeClaim ; dg:finding dgd:finding\\/present",
    ("harm", True): "a dg:CourseClaim ; dg:reportedFigure '5 days'",
    ("frequency", True): "a dg:AdverseEventClaim ; dg:finding dgd:finding\\/present ; dg:sampleSize 50",
    ("benefit", False): "a dg:ComparisonClaim ; dg:finding dgd:finding\\/higher ; dg:effectKind dgd:effect-kind\\/between-arms",
    ("harm", False): "a dg:ComparisonClaim ; dg:finding dgd:finding\\/lower ; dg:outcomeMeasure dg:Downtime ; dg:effectKind dgd:effect-kind\\/between-arms",
}  # fmt: skip
"""For each kind of question, and whether there is no comparison, a claim."""

_TEXTS: Final = {
    "advice-of-study": "dg:hedge dgd:hedge\\/stated ; dg:recommendation dgd:recommendation\\/recommended",
    "authors-suggestion": "dg:hedge dgd:hedge\\/authors-suggestion ; dg:finding dgd:finding\\/lower",
    "background-of-study": "dg:hedge dgd:hedge\\/stated ; dg:finding dgd:finding\\/present ; dg:locator 'Introduction'",
    "quoted": "dg:hedge dgd:hedge\\/quoted ; dg:finding dgd:finding\\/present",
    "quoted-label": "dg:hedge dgd:hedge\\/quoted-label ; dg:finding dgd:finding\\/present",
    "not-in-people": "dg:hedge dgd:hedge\\/stated ; dg:finding dgd:finding\\/present ; dg:specimen dgd:specimen\\/animal",
}
"""Claims of a study that have no step, as they are put or as it was no study of people."""


def _made_up(key: str) -> str:
    """Write a claim that must come out at a level, with its source and study."""
    question, _, used = key.partition("-")
    claim, source = "<urn:claim> dg:predicate dg:hasOutcome ; prov:wasDerivedFrom <urn:source>", ""
    if key in _TEXTS:
        return f"{claim} ; a dg:CareClaim ; {_TEXTS[key]} . <urn:source> a dg:Source ; dg:studyDesign dgd:study-design\\/cohort ."
    if used not in _SOURCES or question not in ("benefit", "harm", "frequency"):
        text = "a dg:CareClaim ; dg:hedge dgd:hedge\\/stated ; dg:finding dgd:finding\\/lower"
        return f"{claim} ; {text} . <urn:source> a dg:Source ; dg:studyDesign dgd:study-design\\/{key} ."
    design, *rest = _SOURCES[used].split()
    source = f"<urn:source> a dg:Source ; dg:studyDesign dgd:study-design\\/{design} . <urn:study> dg:reportedIn <urn:source> ;"
    if design == "systematic-review":
        source += f" a dg:Synthesis ; dg:pooledDesign dgd:pooled-design\\/{rest[0]} ."
    else:
        source += (
            f" a dg:Study ; dg:studyDesign dgd:study-design\\/{design} ;"
            f" dg:allocation dgd:allocation\\/{rest[0]} ; dg:comparisonStructure dgd:comparison-structure\\/{rest[1]} ."
        )
    body = _CLAIMS[question, used in _ALONE]
    return f"{claim} ; dg:hedge dgd:hedge\\/stated ; {body} . {source} dg:Downtime rdfs:subClassOf dg:Recovery ."


@pytest.mark.parametrize("row", _LEVELS, ids=lambda row: row["key"])
def test_every_cell_of_the_table_of_levels_is_reached(row: dict[str, str]) -> None:
    """A claim of that question, with that design as it uses it, has that level and no other."""
    store = ox.Store()
    names = {**PREFIXES, "dg": DG, "dgd": DGD}
    prefixes = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in names.items())
    store.update(f"{prefixes}INSERT DATA {{ {_made_up(row['key'])} }}")
    rows = store.query(_RULE)
    assert isinstance(rows, ox.QuerySolutions)

    assert [each["object"].value for each in rows] == [f"{DGD}design-level/{row['key']}"]


def test_the_documentation_prints_the_table_of_levels() -> None:
    """Each row with a question stands there with its step and its words, and each other design too."""
    page = _PAGE.read_text(encoding="utf-8")

    for row in _LEVELS:
        question = row["question"].rpartition("/")[2]
        step = row["step"] or "none"
        line = f"| {question} | {row['design_used']} | {step} | {row['step_wording']} |\n"
        assert (line if question else row["design_used"]) in page


@pytest.fixture(scope="module")
def inferred(dataset: Dataset) -> Graph:
    """Return what the rules derived."""
    return dataset.graph(URIRef(GRAPH + "inferred"))


def _claim(name: str) -> URIRef:
    return URIRef(f"{DGD}claim/{name}")


def _of_study(inferred: Graph, name: str) -> set[str]:
    return {
        str(study).removeprefix(DGD)
        for study in inferred.objects(_claim(name), URIRef(DG + "ofStudy"))
    }


def _level(inferred: Graph, name: str) -> str:
    return str(inferred.value(_claim(name), URIRef(DG + "designLevel"))).rpartition("/")[2]


@pytest.mark.parametrize(
    ("claim", "study"),
    [
        ("B0407", {"study/WARD2008"}),
        ("B0426", {"study/WARD2008"}),  # from the news of the same study
        ("B0125", {"synthesis/CO2ERMETA2024"}),
        ("B0408", set()),  # from the introduction
        ("B0358", set()),  # quoted from elsewhere in a case report
        ("B0477", set()),  # what the authors of a trial suggest
        ("B0082", set()),  # a guideline
    ],
)
def test_a_claim_is_of_the_study_that_it_tells_of(
    inferred: Graph, claim: str, study: set[str]
) -> None:
    """Paper and news are one study; what is quoted or suggested, and a guideline, is of none."""
    assert _of_study(inferred, claim) == study


@pytest.mark.parametrize(
    ("claim", "level"),
    [
        ("B0480", "benefit-randomised-comparison"),
        ("B0403", "frequency-one-group"),  # one half of the faces in the same trial
        ("B2661", "benefit-historical-comparison"),
        ("B0164", "harm-non-randomised-comparison"),  # with those who had declined
        ("B2634", "benefit-randomised-comparison"),  # of the same trial, between its arms
        ("B0146", "benefit-non-randomised-comparison"),  # how sides were allocated was not seen
        ("B0375", "frequency-one-group"),
        ("B0386", "frequency-case-series"),
        ("B0179", "benefit-review-of-randomised-trials"),
        ("B0180", "benefit-review-of-controlled-studies"),
        ("B0400", "harm-review-designs-not-seen"),
        ("B0435", "frequency-review-of-case-reports"),
        ("B0408", "background-of-study"),
        ("B0452", "authors-suggestion"),
        ("B0236", "quoted-label"),
        ("B0240", "consensus-statement"),
    ],
)
def test_the_level_is_that_of_the_design_as_the_claim_uses_it(
    inferred: Graph, claim: str, level: str
) -> None:
    """One arm of a trial, told alone, is no comparison; a review counts by what is pooled."""
    assert _level(inferred, claim) == level


def test_every_study_has_a_result_and_every_result_its_study(
    inferred: Graph,
) -> None:
    """No record stands without a claim, and no step of a study's design without the study."""
    records = {
        f"{DGD}{kind}/{row['key']}"
        for kind, name in (("study", "studies"), ("synthesis", "syntheses"))
        for row in _table(f"studies/{name}.tsv")
    }
    told = set(inferred.subject_objects(URIRef(DG + "ofStudy")))
    steps = {row["key"] for row in _LEVELS if row["step"]}
    graded = {
        claim
        for claim, level in inferred.subject_objects(URIRef(DG + "designLevel"))
        if str(level).rpartition("/")[2] in steps
    }

    assert {str(study) for _, study in told} == records
    assert graded <= {claim for claim, _ in told}


def test_a_trial_without_its_result_has_no_level(inferred: Graph) -> None:
    """The results of one trial were cut off, so it answers nothing."""
    assert (_claim("B0482"), URIRef(DG + "designLevel"), None) not in inferred


def test_studies_are_counted_once(dataset: Dataset, inferred: Graph) -> None:
    """What may be the same people counts once, and no text or synthesis is a study."""
    counted = URIRef(DG + "restsOnStudy")
    overlap = {URIRef(f"{DGD}study/TANZI2003{letter}") for letter in "AB"}
    kinds = {
        kind
        for study in inferred.objects(None, counted)
        for _, _, kind, _ in dataset.quads((study, RDF.type, None, None))
    }

    assert kinds == {URIRef(DG + "Study")}
    for derivation in set(inferred.subjects(counted)):
        assert len(overlap & set(inferred.objects(derivation, counted))) < 2


def test_a_disagreement_tells_the_studies_and_the_strongest_step_of_each_side(
    inferred: Graph,
) -> None:
    """Hypopigmentation after full-field CO2: 500 patients against 47, both followed."""
    (about,) = {URIRef(f"{DGD}disagreement/C02")}
    studies = {
        name: {str(each).rpartition("/")[2] for each in inferred.objects(about, URIRef(DG + name))}
        for name in ("restsOnStudy", "studyAgainst")
    }

    assert studies == {"restsOnStudy": {"NANNI1998"}, "studyAgainst": {"WARD2008"}}
    for name in ("strongestStep", "strongestStepAgainst"):
        assert [*inferred.objects(about, URIRef(DG + name))] == [Literal(3)]


def test_every_study_says_what_was_not_seen_and_what_was_not_done() -> None:
    """No study is called free of bias or retraction, and no abstract is said to hide its funding."""
    for row in _table("studies/studies.tsv"):
        assert row["risk_of_bias"].endswith("/not-assessed")
        assert row["retraction"].endswith("/not-checked")
        assert not (row["text_read"].endswith("abstract") and "/not-stated" in row["funding"])
        assert (
            re.search(r"\d", row["enrolment_reported"]) or not row["people"] or row["people"] == "1"
        )


def test_what_was_read_since_stands_in_the_records() -> None:
    """Each cell that was read in a public page holds what was seen there, with address, words and day."""
    records = {
        row["key"]: row
        for name in ("studies", "syntheses")
        for row in _table(f"studies/{name}.tsv")
    }
    readings = _table("../docs/readings/studies.tsv")

    assert len({(row["key"], row["field"]) for row in readings}) == len(readings)
    for row in readings:
        assert records[row["key"]][row["field"]] == row["value"]
        assert re.match("https?://", row["address"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", row["date"])
        assert row["words"]
