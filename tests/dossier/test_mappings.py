"""Every verified mapping of the dossier is published, or listed with the reason why it is not."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
import yaml
from rdflib import RDFS, SKOS, Graph, Literal, URIRef

from kg.rdf.namespaces import DG, DGD
from kg.releases.bundled import ONTOLOGY_FOLDER

Row = dict[str, str]
Table = Callable[[str], list[Row]]

_PUBLISHED = ONTOLOGY_FOLDER / "mappings" / "dermograph.sssom.tsv"


def _key(subject: str, target: str) -> tuple[str, str]:
    """Name a mapping by what the dossier calls its subject, and its object."""
    return subject, target.replace("%25", "%")


@pytest.fixture(scope="module")
def published() -> list[Row]:
    """Return the rows of the published table."""
    lines = _PUBLISHED.read_text("utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _expanded(name: str, prefixes: Mapping[str, str]) -> URIRef:
    prefix, _, local = name.partition(":")
    return URIRef(prefixes[prefix] + local)


def _proposed(row: Row) -> set[tuple[str, str]]:
    """Return the mappings of the dossier that a published row stands for."""
    subjects = re.search(r"dossier_subject=([^|]*)", row["other"])
    assert subjects, row
    return {_key(subject, row["object_id"]) for subject in subjects[1].split("; ") if subject}


def test_each_mapping_is_either_published_or_listed_as_unmatched(
    published: list[Row], table: Table
) -> None:
    """All 739 are accounted for, and none twice."""
    verified = {
        _key(row["subject_label"], row["object_id"])
        for row in table("alignment/mappings.sssom.tsv")
    }
    used = set().union(*map(_proposed, published))
    unmatched = {
        _key(row["dossier_subject"], row["object_id"]) for row in table("alignment/unmatched.tsv")
    }

    assert len(table("alignment/mappings.sssom.tsv")) == len(verified) == 739
    assert used & unmatched == set()
    assert verified == used | unmatched


def test_only_what_would_say_nothing_true_is_not_published(table: Table) -> None:
    """It is evidence codes that are used as they are, frequency bins, and populations."""
    unmatched = table("alignment/unmatched.tsv")

    assert Counter(row["disposition"] for row in unmatched) == {
        "used directly": 11,
        "would be false": 6,
        "no term of ours": 2,
    }
    assert all(row["reason"] for row in unmatched)


def test_a_changed_predicate_is_told_with_its_reason(published: list[Row], table: Table) -> None:
    """Where the published predicate is not the one verified, both stand in the row, and why."""
    verified = {
        _key(row["subject_label"], row["object_id"]): row["predicate_id"]
        for row in table("alignment/mappings.sssom.tsv")
    }
    for row in published:
        before = {verified[key] for key in _proposed(row)}
        told = set(re.findall(r"dossier_predicate=([^|]+)", row["other"]))
        assert told <= before, row
        assert not before or row["predicate_id"] in before or told, row
        assert not told or row["comment"], row


def test_objects_and_their_labels_are_those_that_were_read(
    published: list[Row], table: Table
) -> None:
    """No object is published that was not verified, and none under another label.

    What was read after the dossier is listed with the public record in which it was seen.
    """
    read = {
        (row["object_id"].replace("%", "%25"), row["object_label"])
        for row in table("alignment/mappings.sssom.tsv")
    } | {("sssom:NoTermFound", "")}
    later = {
        (row["object_id"], row["object_label"]): row["verified_in"]
        for row in table("alignment/read-later.tsv")
    }

    assert {(row["object_id"], row["object_label"]) for row in published} <= read | later.keys()
    assert {
        (row["object_id"], row["object_label"]): row["other"].partition("verified_in=")[2]
        for row in published
        if (row["object_id"], row["object_label"]) in later
    } == later


def test_every_published_row_is_in_the_graph(
    published: list[Row], graph_named: Callable[[str], Graph]
) -> None:
    """As the SKOS relation between our term and the object, whose label is there too.

    A search in vain is no relation; a concept that was found nowhere equals nothing in the graph.
    """
    mappings = graph_named("mappings")
    header = [line[1:] for line in _PUBLISHED.read_text("utf-8").splitlines() if line[0] == "#"]
    prefixes = yaml.safe_load("\n".join(header))["curie_map"]
    for row in published:
        subject, target = (_expanded(row[slot], prefixes) for slot in ("subject_id", "object_id"))
        relation: URIRef = SKOS[row["predicate_id"].removeprefix("skos:")]
        label = Literal(row["object_label"], lang="en")
        in_vain = row["object_id"] == "sssom:NoTermFound"
        assert ((subject, relation, target) in mappings) != in_vain, row
        assert not in_vain or not any(mappings.objects(subject, SKOS.exactMatch)), row
        assert not row["object_label"] or (target, RDFS.label, label) in mappings, row


def test_our_terms_are_told_as_they_are(
    published: list[Row], graph_named: Callable[[str], Graph]
) -> None:
    """Label and kind of our side of a row are those of the graph, so that the file stands alone."""
    ontology = graph_named("ontology")
    inferred = graph_named("inferred")
    for row in published:
        prefix, _, local = row["subject_id"].partition(":")
        subject = URIRef({"DG": DG, "DGD": DGD}[prefix] + local)
        assert str(ontology.value(subject, RDFS.label)) == row["subject_label"], row
        if row["subject_type"] == "owl class":
            kind = URIRef(DG + row["subject_category"].removeprefix("DG:"))
            below = (subject, RDFS.subClassOf, kind)
            assert subject == kind or below in ontology or below in inferred, row
