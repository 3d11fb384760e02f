"""Checks across the dataset: each fires on its bad example, is silent on its good one, and runs on the whole."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from rdflib import DCTERMS, RDF, SH, Dataset, Graph, URIRef

from kg.rdf.namespaces import DG, DGD, ONTOLOGY
from kg.validate import Check, CheckError, background_graph, findings, read_checks, validate

_EXAMPLES = Path(__file__).parent / "checks"
_CHECKS = read_checks()


def _path(check: Check, kind: str) -> Path:
    return _EXAMPLES / f"{check.name}-{kind}.ttl"


def _found(check: Check, kind: str) -> Graph:
    data = Graph().parse(_path(check, kind))
    return findings(data.serialize(format="nt"), [check])


def _marked(path: Path) -> list[str]:
    """Return the subjects that an example marks as offenders, each on the line after the mark."""
    lines = path.read_text(encoding="utf-8").splitlines()
    prefixes = {name: str(iri) for name, iri in Graph().parse(path).namespaces()}
    written = [line.split()[0] for mark, line in pairwise(lines) if mark == "# offender"]
    return [
        each[1:-1]
        if each.startswith("<")
        else prefixes[each.partition(":")[0]] + each.partition(":")[2]
        for each in written
    ]


def test_there_are_checks_and_every_example_belongs_to_one() -> None:
    """A check without examples, or an example without a check, would prove nothing."""
    examples = {path.stem for path in _EXAMPLES.glob("*.ttl")}

    assert len(_CHECKS) >= 10
    assert examples == {f"{check.name}-{kind}" for check in _CHECKS for kind in ("bad", "good")}


@pytest.mark.parametrize("check", _CHECKS, ids=lambda check: check.name)
def test_a_check_fires_on_its_bad_example(check: Check) -> None:
    """What it finds are the marked offenders, each with the check and what to do."""
    found, marked = _found(check, "bad"), _marked(_path(check, "bad"))

    assert marked
    assert sorted(map(str, found.objects(None, SH.focusNode))) == sorted(marked)
    for result in found.subjects(RDF.type, SH.ValidationResult):
        assert found.value(result, SH.sourceShape) == URIRef(f"{DGD}check/{check.name}")
        assert found.value(result, SH.resultSeverity) == SH[check.severity]
        message = str(found.value(result, SH.resultMessage))
        assert message.startswith(check.title)
        assert message.endswith(check.remedy)


@pytest.mark.parametrize("check", _CHECKS, ids=lambda check: check.name)
def test_a_check_is_silent_on_its_good_example(check: Check) -> None:
    """The good example differs from the bad one in what the check is about."""
    assert len(_found(check, "good")) == 0


def test_checks_are_part_of_the_validation() -> None:
    """A whole dataset and a part are put to the checks, a part for what it describes only."""
    part = Graph().parse(_EXAMPLES / "vague-label-bad.ttl")
    itself = (URIRef(f"{DGD}dataset"), DCTERMS.conformsTo, URIRef(ONTOLOGY))
    whole = part + Graph().add(itself)
    check = f"{DGD}check/vague-label"
    expected = sorted(_marked(_EXAMPLES / "vague-label-bad.ttl"))

    for data, background in ((whole, None), (part, background_graph()), (Graph(), part)):
        report = validate(data, background=background, accelerated=True)
        found = sorted(each.record for each in report.findings if each.shape == check)
        assert found == (expected if len(data) else [])


_ANY_UNIT = {
    *("hasOutcome", "isComparedWith", "hasParameter", "threshold"),
    *("ResultInComparisonArm", "ResultInStudyArm", "StandardDeviation"),
}
"""What may be a number of anything, so that no unit is wrong."""


def test_every_quantity_has_its_units_listed(dataset: Dataset) -> None:
    """A property or parameter that takes numbers cannot take them in whichever unit."""
    texts = [check.text for check in _CHECKS if check.name.startswith("unit-of-")]
    listed = {name for text in texts for name in re.findall(r'\(dg:(\w+) " ', text)}
    numbers = {subject for subject, _, _ in dataset.triples((None, URIRef(DG + "unitCode"), None))}
    states = (None, URIRef(DG + "predicate"), URIRef(DG + "hasProperty"))
    stating = numbers & {subject for subject, _, _ in dataset.triples(states)}
    measured = {
        str(quantity).removeprefix(DG)
        for subject in numbers
        for name in (("object",) if subject in stating else ("predicate", "parameter"))
        for quantity in dataset.objects(subject, URIRef(DG + name))
    }

    assert measured - listed == _ANY_UNIT


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("SELECT ?offender { ?offender ?p ?o }\n", "no header"),
        ("#+ title: A thing\n#+ severity: Grave\n#+ remedy: Mend it.\nSELECT ?x {}\n", "Grave"),
        ("#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nSELECT ?x {}\n", "?offender"),
        ("#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nASK {}\n", "?offender"),
        (
            "#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nSELECT {\n",
            "checks/wrong.rq, line 4: ",
        ),
    ],
    ids=["no header", "unknown severity", "other columns", "other form", "syntax"],
)
def test_a_malformed_check_is_an_error(tmp_path: Path, text: str, detail: str) -> None:
    """A check that cannot be run is not passed over."""
    (tmp_path / "wrong.rq").write_text(text, encoding="utf-8")

    with pytest.raises(CheckError) as error:
        findings("", read_checks(tmp_path))
    assert detail in str(error.value)
