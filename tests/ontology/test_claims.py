"""The claims: all of the founding text with its assessment, and sources and units behind every claim."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from rdflib import RDF, Dataset, Graph, URIRef

from kg.namespaces import DG, DGD, GRAPH, PREFIXES, expand
from kg.shipped import ONTOLOGY_FOLDER

_EXPECTED = Path(__file__).with_name("founding-text-assessments.tsv")
_SOURCE = URIRef(PREFIXES["prov"] + "wasDerivedFrom")


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Give the rows of a table by their first cell."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {next(iter(row.values())): row for row in rows}


_STATEMENTS = _read(_EXPECTED)
_CLAIMS = {
    name: row
    for table in ("clinical.tsv", "physics.tsv")
    for name, row in _read(ONTOLOGY_FOLDER / "claims" / table).items()
}


@pytest.fixture(scope="module")
def claims(dataset: Dataset) -> Graph:
    """Give the named graph of claims."""
    return dataset.graph(URIRef(GRAPH + "claims"))


def _names(graph: Graph, statement: URIRef, predicate: str) -> set[str]:
    """Give the identifiers of what a statement points at."""
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
    """All but those whose source is cited for the statement as a whole."""
    alone = {
        name
        for name, row in _STATEMENTS.items()
        if row["assessment"] == "supported"
        and not _names(claims, URIRef(f"{DGD}claim/{name}"), "dg:supportedBy")
    }

    assert alone == {"S19"}


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


def test_every_source_is_cited(dataset: Dataset) -> None:
    """A source that nothing rests on is not listed."""
    sources = set(
        dataset.graph(URIRef(GRAPH + "sources")).subjects(RDF.type, URIRef(DG + "Source"))
    )
    cited = {
        o for s, _, o in dataset.triples((None, None, None)) if o in sources and s not in sources
    }

    assert {str(each) for each in sources - cited} == set()


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
    assert one_sided == {"P21"}
    assert len(rows) == 48
    for name, row in rows.items():
        first, second = (set(row[f"claims_{side}"].split("|")) - {""} for side in "ab")
        assert first, name
        assert first <= set(_CLAIMS), name
        assert second <= set(_CLAIMS), name
        assert first & second == set(), name
        node = URIRef(f"{DGD}disagreement/{name}")
        assert (node, RDF.type, URIRef(DG + "Disagreement")) in dataset


def test_labels_of_claims_are_sentences(claims: Graph) -> None:
    """Every claim is labelled in words, with its source in brackets."""
    label = URIRef("http://www.w3.org/2000/01/rdf-schema#label")
    for name in (*_CLAIMS, *_STATEMENTS):
        (text,) = claims.objects(URIRef(f"{DGD}claim/{name}"), label)
        assert re.search(r" \[[A-Z0-9_]+\]$", str(text)), name
        assert not re.search(r"\b(dg|dgd|obo):|https?://w3id", str(text)), name
        assert "  " not in str(text), name
