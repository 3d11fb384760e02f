"""Checks across the dataset: each fires on its bad example, is silent on its good one, and runs on the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdflib import OWL, RDF, SH, Dataset, Graph, URIRef

from kg.namespaces import BASE, DGD
from kg.validate import Check, CheckError, findings, read_checks, validate

_EXAMPLES = Path(__file__).parent / "checks"
_CHECKS = read_checks()


def _found(check: Check, kind: str) -> Graph:
    data = Graph().parse(_EXAMPLES / f"{check.name}-{kind}.ttl")
    return findings(data.serialize(format="nt"), [check])


def test_there_are_checks_and_every_example_belongs_to_one() -> None:
    """A check without examples, or an example without a check, would prove nothing."""
    examples = {path.stem for path in _EXAMPLES.glob("*.ttl")}

    assert len(_CHECKS) >= 10
    assert examples == {f"{check.name}-{kind}" for check in _CHECKS for kind in ("bad", "good")}


@pytest.mark.parametrize("check", _CHECKS, ids=lambda check: check.name)
def test_a_check_fires_on_its_bad_example(check: Check) -> None:
    """What it finds names an offender, the check and what to do."""
    found = _found(check, "bad")

    (result,) = found.subjects(RDF.type, SH.ValidationResult)
    assert str(found.value(result, SH.focusNode)).startswith(("https://", "http://"))
    assert found.value(result, SH.sourceShape) == URIRef(f"{DGD}check/{check.name}")
    assert found.value(result, SH.resultSeverity) == SH[check.severity]
    message = str(found.value(result, SH.resultMessage))
    assert message.startswith(check.title)
    assert message.endswith(check.remedy)


@pytest.mark.parametrize("check", _CHECKS, ids=lambda check: check.name)
def test_a_check_is_silent_on_its_good_example(check: Check) -> None:
    """The good example differs from the bad one in what the check is about."""
    assert len(_found(check, "good")) == 0


def test_checks_are_part_of_the_validation_of_a_whole_dataset() -> None:
    """A dataset with the header of the ontology is put to the checks, a part is not."""
    part = Graph().parse(_EXAMPLES / "licensed-label-bad.ttl")
    whole = part + Graph().add((URIRef(BASE + "ontology"), RDF.type, OWL.Ontology))
    check = f"{DGD}check/licensed-label"

    assert [each for each in validate(whole, accelerated=True).findings if each.shape == check]
    assert not [each for each in validate(part, accelerated=True).findings if each.shape == check]


def test_the_shipped_knowledge_passes_all_checks(dataset: Dataset) -> None:
    """No check finds a violation in the knowledge itself."""
    report = validate(dataset, accelerated=True)

    assert not [each for each in report.findings if each.severity == "Violation"]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("SELECT ?offender { ?offender ?p ?o }\n", "no header"),
        ("#+ title: A thing\n#+ severity: Grave\n#+ remedy: Mend it.\nSELECT ?x {}\n", "Grave"),
        ("#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nSELECT ?x {}\n", "?offender"),
        ("#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nASK {}\n", "?offender"),
        ("#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nSELECT {\n", "wrong: "),
    ],
    ids=["no header", "unknown severity", "other columns", "other form", "syntax"],
)
def test_a_malformed_check_is_an_error(tmp_path: Path, text: str, detail: str) -> None:
    """A check that cannot be run is not passed over."""
    (tmp_path / "wrong.rq").write_text(text, encoding="utf-8")

    with pytest.raises(CheckError) as error:
        findings("", read_checks(tmp_path))
    assert detail in str(error.value)
