"""The claims: all of the founding text with its assessment, and sources and units behind every claim."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from rdflib import OWL, RDF, RDFS, Dataset, Graph, Literal, URIRef

from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES, expand
from kg.releases.bundled import ONTOLOGY_FOLDER

_EXPECTED = Path(__file__).with_name("founding-text-assessments.tsv")
_SOURCE = URIRef(PREFIXES["prov"] + "wasDerivedFrom")


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a table by their first cell."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {next(iter(row.values())): row for row in rows}


_STATEMENTS = _read(_EXPECTED)
_CLAIMS = {
    name: row
    for table in ("clinical.tsv", "physics.tsv")
    for name, row in _read(ONTOLOGY_FOLDER / "claims" / table).items()
}

_NO_ENGLISH = {
    "word-twice": r"(?i:\b([a-z]{2,})[ -]\1\b)",
    "year-twice": r"\b(\d{4}) year|\byear (\d{4}) \2",
    "name-of-a-term": r"\b(dg|dgd|obo|xsd):|https?://",
    "duration-of-xsd": r"\bPT?\d+[YMWDHS]\b",
    "code-of-a-unit": r"[{}]|\d (um|us|Cel|wk|mo|a|d)\b|\b[cm]?m2\b|\bcm-1\b",
    "article": r"\ba [aeio]",
    "space": r"  | [,;:.)]|\( |\(\)|; ?\[",
    "negated-in-front": r"^negated",
    "limit-twice": r"\bat (most|least) (at|up|<|>)|[<>]=?\d",
    "one-of-many": r"(?<![\d.])1 (patients|sessions|weeks|months|years|days|hours|passes)\b",
}
_LABELS = {
    "claim/B0146": "wrinkle improvement with CO2 laser resurfacing: higher than with Er:YAG laser "
    "resurfacing (wrinkle improvement better with CO2 overall, n = 21); for rhytides; face; "
    "skin types I to III; p value less than 0.03; split-face design [KHATRI1999]",
    "claim/B0400": "post-inflammatory hyperpigmentation with picosecond fractional laser treatment: "
    "lower, relative risk 0.16 (95% CI 0.06 to 0.45), than with fractional laser resurfacing; "
    "for acne scar [LI2023FPL]",
    "claim/B0245": "hypertrophic scar or keloid after 1550 nm non-ablative fractional "
    "resurfacing: not observed (0 of 10 patients; not ruled out up to 27.8%) (normal healing in "
    "all; no hypertrophic scar or keloid); for acne scar; in people with recent isotretinoin use; "
    "face; interval between sessions 4 weeks; session count 3; split-face design; time before "
    "treatment at most 1 month (since isotretinoin) [NAFLISO2017]",
    "claim/B0325": "erythema after CO2 laser resurfacing: 95%, 20 of 21 sites; face; "
    "skin types I to III; follow-up: 2 weeks; split-face design [KHATRI1999]",
    "claim/B0375": "hyperpigmentation after full-field CO2 laser resurfacing: 37% of 500 patients "
    "(183 to 187, computed) (higher in darker phototypes) [NANNI1998]",
    "claim/B0203": "CO2 laser resurfacing is absolutely contraindicated in recent isotretinoin use "
    "(within the previous 6 months, oral isotretinoin); in an article on laser resurfacing of the "
    "eyelids; time before treatment at most 6 months [MEDSCAPE_EYELID]",
    "claim/B0246": "in recent isotretinoin use, wait 5 to 6 months before laser skin treatment "
    "(5-6 months after treatment, Canadian product monograph: avoid aggressive dermabrasion and "
    "cutaneous laser after treatment); quoted from a label; time before treatment 5 to 6 months "
    "(after the end of isotretinoin) [BLAKELY2022]",
    "claim/B0502": "tanning: wait at least 6 months (avoid tanning; sun avoided fully for a shorter "
    "time); after the procedure; laser skin resurfacing [DARTMOUTH]",
    "claim/B0466": "aciclovir prophylaxis may be considered for CO2 laser resurfacing (400 mg every "
    "8 hours, 14 days from at least 2 days before surgery); before the procedure; application "
    "interval 8 hours; course duration 14 days; drug dose 400 mg; time before treatment at least "
    "2 days (start) [KHAN2008]",
    "claim/B0526": "fractional non-ablative laser resurfacing may relieve hypopigmentation (might "
    "help); after the procedure [MAYO_RISKS]",
    "claim/A0053": "CO2 laser resurfacing leaves epidermis intact (partly intact after three "
    "passes, in rats); finding: mixed; with TruPulse; raster scanning; in living rats; number of "
    "passes 3 [CHOI1999_THERMO]",
    "claim/B0565": "adverse event: no relation was found with age, skin phototype, treated body site, energy "
    "parameter and treatment density (equal across age, skin type, site and settings, except "
    "post-inflammatory hyperpigmentation, which rises with darker skin); 1550 nm non-ablative "
    "fractional resurfacing [GRABER2008]",
    "claim/B0263": "fractional ablative laser resurfacing is recommended for face (the author limits "
    "it to facial skin; non-ablative preferred for other sites); suggested by the authors "
    "[TF2012_AFR]",
    "claim/B0389": "post-inflammatory hyperpigmentation after fractional ablative laser resurfacing: "
    "up to 92.3%; for acne scar; duration of the event at most 6 months [ONG2012]",
    "claim/B0070": "laser skin resurfacing is used for solar lentigo [MAYO2_OVER]",
    "claim/B0367": "nontuberculous mycobacterial infection: multidrug antimycobacterial therapy given "
    "(multidrug regimen, 4-month multidrug regimen); after the procedure; course duration 4 months "
    "[CULTON2013]",
    "claim/B0467": "ciprofloxacin prophylaxis is recommended for CO2 laser resurfacing (500 mg twice "
    "daily, 14 days from 48 h before); before the procedure; except very small areas; suggested by "
    "the authors; applications per day 2; course duration 14 days; drug dose 500 mg; time before "
    "treatment 48 hours (start) [KHAN2008]",
    "claim/B0130": "acne scar score with 1064 nm picosecond fractional laser treatment: measured "
    "value lower than before, from 1.8 to 1.1 (acne scar score fell, n = 19); follow-up: 3 months; "
    "p value less than 0.001; score after treatment 1.1; score before treatment 1.8; session count "
    "4 [BERNSTEIN2017]",
    "claim/B0387": "post-inflammatory hyperpigmentation after fractional CO2 laser resurfacing: 51% of "
    "sessions; Asian; skin type IV [MANUSK2010]",
    "claim/B0385": "duration of hyperpigmentation with dual-mode Er:YAG laser resurfacing: lower, by "
    "6 weeks, than with multi-pass CO2 laser resurfacing (hyperpigmentation resolves sooner with "
    "dual-mode Er:YAG than with multi-pass CO2) [SKINDC]",
    "claim/B0783": "scar score with fractional CO2 laser resurfacing: lower than with no treatment (scar "
    "score of the treated half against the untreated half, n = 20 patients); for hypertrophic scar; "
    "in people with paediatric age; measured by Patient and Observer Scar Assessment Scale; age less "
    "than 12 years; follow-up: 6 months; children under 12; early-stage scars, each split in two "
    "halves; interval between sessions 1 month; low energy setting; number enrolled 23 patients; "
    "session count 3 [WON2022PED]",
    "claim/B0912": "topical antibiotic is to be used sparingly for ablative laser resurfacing (very "
    "sparingly); after the procedure; German S2k guideline on laser therapy of the skin, as told by "
    "a summary page that appears to be sponsored by industry (dexpanthenol); calendar year 2022 (of "
    "the guideline) [S2K2022]",
    "claim/B0513": "downtime with fractional CO2 laser resurfacing: lower, weighted mean difference "
    "-2.11 (95% CI -3.11 to -1.10), than with fractional Er:YAG laser resurfacing (shorter downtime "
    "with CO2; unit of the difference not stated); for acne scar [CO2ERMETA2024]",
    "claim/B0222": "in pregnancy, wait before laser skin treatment (considered inherently safe but best "
    "deferred in some until after delivery because it hurts) [NONABL78]",
    "claim/B0578": "stopping of aspirin-containing products is recommended for Er:YAG laser resurfacing "
    "(10 days before and 2 weeks after, stop aspirin-containing products before and after); before "
    "the procedure; instruction of one clinic; time before treatment 10 days [FEINSTEIN]",
    "claim/A0540": "ruby laser: first use on skin in the early 1960s (Goldman and colleagues) "
    "[KAUVAR_TATTOO]",
    "claim/A0067": "pulsed CO2 laser: first clinical use in the mid 1990s (short-pulsed high-energy "
    "systems) [PUBMED17870524]",
    "setting/B0067/split-face-design": "split-face design",
}


def _read_settings() -> dict[str, dict[str, str]]:
    """Return the rows of both tables of settings by their names."""
    tables = ("settings-clinical.tsv", "settings-physics.tsv")
    return {k: v for name in tables for k, v in _read(ONTOLOGY_FOLDER / "claims" / name).items()}


@pytest.fixture(scope="module")
def claims(dataset: Dataset) -> Graph:
    """Return the named graph of claims."""
    return dataset.graph(URIRef(GRAPH + "claims"))


def _names(graph: Graph, statement: URIRef, predicate: str) -> set[str]:
    """Return the identifiers of what a statement points at."""
    return {
        str(each).rsplit("/", 1)[-1] for each in graph.objects(statement, URIRef(expand(predicate)))
    }


def test_all_statements_of_the_founding_text_are_there(claims: Graph) -> None:
    """S01 to S54: 40 supported, 14 imprecise."""
    statements = {
        str(each).rsplit("/", 1)[-1]
        for each in claims.subjects(RDF.type, URIRef(DG + "FoundingTextStatement"))
    }

    assert statements == set(_STATEMENTS) == {f"S{number:02}" for number in range(1, 55)}
    assessed = Counter(row["assessment"] for row in _STATEMENTS.values())
    assert assessed == {"supported": 40, "imprecise": 14}


@pytest.mark.parametrize("name", sorted(_STATEMENTS))
def test_a_statement_is_assessed_as_the_review_of_the_literature_found(
    claims: Graph, name: str
) -> None:
    """Assessment, wording, standard term, cited sources and the claims for or against it."""
    statement = URIRef(f"{DGD}claim/{name}")
    expected = _STATEMENTS[name]

    assert _names(claims, statement, "dg:assessment") == {expected["assessment"]}
    assert set(expected["sources"].split("|")) <= _names(claims, statement, "dcterms:references")
    assert _names(claims, statement, "prov:wasDerivedFrom") == {"FOUNDING_TEXT"}
    assert len(_names(claims, statement, "dg:wording")) == 1
    assert _names(claims, statement, "dg:standardTerm")
    assert len(_names(claims, statement, "dg:standardTermText")) == 1
    supporting = _names(claims, statement, "dg:supportedBy")
    correcting = _names(claims, statement, "dg:correctedBy")
    assert supporting | correcting <= set(_CLAIMS)
    assert supporting & correcting == set()
    if expected["assessment"] == "imprecise":
        assert correcting
        assert len(_names(claims, statement, "dg:correction")) == 1
    else:
        assert not _names(claims, statement, "dg:correction")


def test_supported_statements_are_supported_by_claims(claims: Graph) -> None:
    """No statement that is said to be supported stands alone."""
    alone = {
        name
        for name, row in _STATEMENTS.items()
        if row["assessment"] == "supported"
        and not _names(claims, URIRef(f"{DGD}claim/{name}"), "dg:supportedBy")
    }

    assert alone == set()


def test_every_claim_cites_a_source_that_is_described(dataset: Dataset, claims: Graph) -> None:
    """One source each, with a title and a design."""
    sources = dataset.graph(URIRef(GRAPH + "sources"))
    described = set(sources.subjects(RDF.type, URIRef(DG + "Source")))

    for name in (*_CLAIMS, *_STATEMENTS):
        (source,) = claims.objects(URIRef(f"{DGD}claim/{name}"), _SOURCE)
        assert source in described, name
    for source in described:
        assert sources.value(source, URIRef(expand("dcterms:title"))) is not None
        assert sources.value(source, URIRef(expand("dg:studyDesign"))) is not None


def test_a_claim_says_something(claims: Graph) -> None:
    """Each claim has an object, wording or a figure."""
    says = ("object", "objectText", "value", "minimum", "maximum", "reportedFigure")
    figures = ("reportedPercentage", "eventCount", "sampleSize")
    silent = {
        name
        for name in (*_CLAIMS, *_STATEMENTS)
        if not any(
            claims.value(URIRef(f"{DGD}claim/{name}"), URIRef(DG + each)) is not None
            for each in (*says, *figures)
        )
    }

    assert silent == set()


def test_figures_fit_their_bounds() -> None:
    """Minimum is not above maximum, a value lies between, and no more have an event than there are."""
    wrong = []
    for name, row in _CLAIMS.items():
        low, high = (float(row[key]) if row[key] else None for key in ("minimum", "maximum"))
        values = [float(value) for value in row["value"].split("|") if value]
        if low is not None and high is not None and low > high:
            wrong.append(name)
        wrong += [
            name
            for value in values
            if low is not None and row["bounds"].endswith("range") and value < low
        ]
        wrong += [
            name
            for value in values
            if high is not None and row["bounds"].endswith("range") and value > high
        ]
        if (
            row["event_count"]
            and row["sample_size"]
            and int(row["event_count"]) > int(row["sample_size"])
        ):
            wrong.append(name)
        if row["reported_percentage"] and not 0 <= float(row["reported_percentage"]) <= 100:
            wrong.append(name)

    assert wrong == []


def test_reported_percentages_agree_with_counts() -> None:
    """Where a source reports counts and a percentage, they agree to what it rounds."""
    wrong = {}
    for name, row in _CLAIMS.items():
        if row["event_count"] and row["sample_size"] and row["reported_percentage"]:
            computed = 100 * int(row["event_count"]) / int(row["sample_size"])
            decimals = len(row["reported_percentage"].partition(".")[2])
            if abs(computed - float(row["reported_percentage"])) > 1.01 * 10**-decimals:
                wrong[name] = (computed, row["reported_percentage"])

    assert wrong == {}


def test_follow_up_has_one_place() -> None:
    """When a result was assessed stands at the claim; a setting says when an event or care was."""
    settings = _read_settings().values()
    used = {row["parameter"] for row in settings if row["parameter"].startswith("dg:Time")}

    assert "dg:TimeAfterTreatment" not in used
    assert {"dg:TimeOfEventAfterTreatment", "dg:TimeOfCareAfterTreatment"} <= used
    for row in settings:
        if row["parameter"] == "dg:TimeOfCareAfterTreatment":
            assert re.search(r"Care|Comparison", _CLAIMS[row["claim"]]["kind"]), row


def test_numbers_have_units() -> None:
    """A quantity without a unit could be anything."""
    bare = [
        name
        for name, row in _CLAIMS.items()
        if (row["value"] or row["minimum"] or row["maximum"]) and not row["unit"]
    ]

    assert bare == []


def test_disagreements_name_claims_of_both_sides(dataset: Dataset) -> None:
    """The two sides of a disagreement are different claims that exist."""
    rows = _read(ONTOLOGY_FOLDER / "claims" / "disagreements.tsv")

    one_sided = {name for name, row in rows.items() if not row["claims_b"]}
    assert one_sided == {"P08", "P121"}
    for name, row in rows.items():
        first, second = (set(row[f"claims_{side}"].split("|")) - {""} for side in "ab")
        assert first, name
        assert first <= set(_CLAIMS), name
        assert second <= set(_CLAIMS), name
        assert first & second == set(), name
        node = URIRef(f"{DGD}disagreement/{name}")
        assert (node, RDF.type, URIRef(DG + "Disagreement")) in dataset


def test_a_property_that_only_claims_name_says_so(dataset: Dataset, claims: Graph) -> None:
    """Who asks for its statements finds none, and reads why: no other property has the note."""
    terms, note = dataset.graph(URIRef(GRAPH + "ontology")), URIRef(PREFIXES["skos"] + "scopeNote")
    stated = set(claims.objects(None, URIRef(DG + "predicate")))
    silent = {
        each
        for each in stated & set(terms.subjects(RDF.type, OWL.ObjectProperty))
        if next(dataset.triples((None, each, None)), None) is None
    }
    told = {term for term, text in terms.subject_objects(note) if "(dg:predicate)" in str(text)}

    assert told == silent


def test_labels_of_claims_are_sentences(claims: Graph) -> None:
    """Every claim is labelled in words, with its source in brackets."""
    for name in (*_CLAIMS, *_STATEMENTS):
        (text,) = claims.objects(URIRef(f"{DGD}claim/{name}"), RDFS.label)
        assert re.search(r" \[[A-Z0-9_]+\]$", str(text)), name


@pytest.mark.parametrize("pattern", _NO_ENGLISH.values(), ids=_NO_ENGLISH)
def test_labels_of_claims_and_settings_are_good_english(claims: Graph, pattern: str) -> None:
    """What the build composes says nothing twice and keeps names, codes and durations to itself."""
    odd = []
    for name, row in (_CLAIMS | _read_settings()).items():
        kind = "setting" if "/" in name else "claim"
        (text,) = claims.objects(URIRef(f"{DGD}{kind}/{name}"), RDFS.label)
        composed = str(text).replace(row.get("object_text") or "\n", "this")
        odd += [str(text)] if re.search(pattern, composed) else []

    assert odd == []


@pytest.mark.parametrize(("name", "text"), _LABELS.items(), ids=_LABELS)
def test_labels_say_all_that_bears_on_the_claim(claims: Graph, name: str, text: str) -> None:
    """Figures with units, those studied, the circumstances, and whether it is denied."""
    assert claims.value(URIRef(DGD + name), RDFS.label) == Literal(text, lang="en")
