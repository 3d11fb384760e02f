"""What people write leads to the thing that they mean."""

from __future__ import annotations

import csv
import sqlite3
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kg
from kg.catalogue.canned_queries import ParameterError
from kg.rdf.namespaces import DG, DGD, curie, expand
from kg.releases.dataset_spec import DatasetSpec
from kg.search.folding import words
from kg.search.index import NameIndex


@cache
def shipped() -> kg.KnowledgeGraph:
    """Return the shipped knowledge; generated examples share it, as they cannot have fixtures."""
    return kg.load()


WANTED: Final = Path(__file__).with_name("wanted.tsv")
"""What is written, and what is meant: by patients, doctors and physicists, misspelt and abbreviated."""


def test_the_thing_that_is_meant_is_found(graph: kg.KnowledgeGraph) -> None:
    """It comes first for nine in ten texts of the table, and among five for all but one in sixty."""
    with WANTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = [[each.thing.iri for each in graph.names.search(row["query"])[:5]] for row in rows]
    wanted = [expand(row["wanted"]) for row in rows]

    missed = [
        row["query"] for row, iri, five in zip(rows, wanted, found, strict=True) if iri not in five
    ]
    first = sum(five[:1] == [iri] for iri, five in zip(wanted, found, strict=True))
    assert len(rows) >= 120
    assert all(graph.names.thing(iri) for iri in wanted)
    assert len(missed) <= len(rows) / 60, missed
    assert first >= 0.9 * len(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Haemorrhage", "hemorrhage"),
        ("oedema", "edema"),
        ("tumours", "tumor"),
        ("CO₂ laser", "CO2 Laser"),
        ("décolletage", "Decolletage"),
        ("crow's feet", "crows feet"),
        ("post-inflammatory", "post inflammatory"),
        ("fibres", "fiber"),
        ("keratoses", "keratosis"),
        ("photo-ageing", "Photo Aging"),
        ("stabilisation", "stabilization"),
    ],
)
def test_spellings_of_one_word_are_alike(one: str, other: str) -> None:
    """Case, accents, hyphens, number and national spelling make no difference."""
    assert words(one) == words(other)


def test_words_may_come_in_any_order(graph: kg.KnowledgeGraph) -> None:
    """And what is found is the same."""
    one, other = (
        [(each.thing, each.score) for each in graph.names.search(text)]
        for text in ("scar acne", "acne scars")
    )
    assert one == other


def test_a_code_is_no_misspelling(graph: kg.KnowledgeGraph) -> None:
    """A number or code that nothing has finds nothing, and not what looks like it."""
    assert graph.names.search("B9999") == []
    assert graph.names.search("99999999") == []


def test_highlights_are_where_the_words_are(graph: kg.KnowledgeGraph) -> None:
    """Of a misspelt word too, which is told by the word that was found."""
    (first, *_) = graph.names.search("hyperpigmentaion transient")

    marked = [first.name[a:b] for a, b in first.highlights("hyperpigmentaion transient")]
    assert first.name == "transient hyperpigmentation"
    assert marked == ["transient", "hyperpigmentation"]


@given(st.text(max_size=300))
def test_any_text_can_be_looked_for(text: str) -> None:
    """Whatever is written, an answer comes, and a thing comes once."""
    found = [each.thing.iri for each in shipped().names.search(text)]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("query", "name", "text", "term"),
    [
        ("indications", "condition", "wrinkles", DG + "Rhytid"),
        ("indications", "condition", "acne scars", DG + "AcneScar"),
        (
            "indications",
            "treatment",
            "fractional CO2 laser resurfacing",
            DG + "FractionalCO2LaserResurfacing",
        ),
        ("adverse-event-incidence", "event", "PIH", DG + "PostInflammatoryHyperpigmentation"),
        ("adverse-event-incidence", "skin_type", "IV", DGD + "fitzpatrick-skin-type/IV"),
        (
            "adverse-event-incidence",
            "skin_type",
            DGD + "fitzpatrick-skin-type/IV",
            DGD + "fitzpatrick-skin-type/IV",
        ),
        (
            "adverse-event-incidence",
            "skin_type",
            "Fitzpatrick skin type 4",
            DGD + "fitzpatrick-skin-type/IV",
        ),
        ("care", "phase", "after", DGD + "phase/after"),
    ],
)
def test_a_parameter_takes_any_name_of_a_term(
    graph: kg.KnowledgeGraph, query: str, name: str, text: str, term: str
) -> None:
    """Label, synonym, lay word, abbreviation or whole IRI: of listed values too."""
    assert str(graph.catalogue.bindings(query, {name: text})[name]) == term


def test_a_name_that_means_nothing_gets_candidates(graph: kg.KnowledgeGraph) -> None:
    """Of the class that the parameter asks for, with their labels."""
    with pytest.raises(ParameterError) as raised:
        graph.catalogue.bindings("indications", {"condition": "acne scarrs"})

    assert raised.value.hint is not None
    assert "dg:AcneScar (acne scar)" in raised.value.hint


def test_a_name_of_several_is_refused_with_them(tmp_path: Path) -> None:
    """Nothing is guessed where a name is that of two terms."""
    path = tmp_path / "two.ttl"
    path.write_text(
        "@prefix dg: <https://w3id.org/dermograph/ontology/> .\n"
        "@prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n"
        '<https://w3id.org/dermograph/ontology> owl:versionInfo "0" .\n'
        'dg:A a owl:Class ; dg:usedAsIndication true ; rdfs:label "one" ; skos:altLabel "spot" .\n'
        'dg:B a owl:Class ; dg:usedAsIndication true ; rdfs:label "other" ; skos:altLabel "spot" .\n'
    )
    spec = DatasetSpec.of_files([path])
    small = DatasetSpec(spec.data, queries=dict(shipped().catalogue)).load()

    with pytest.raises(ParameterError, match="means several") as raised:
        small.catalogue.bindings("indications", {"condition": "spot"})
    assert raised.value.hint == "Did you mean dg:A (one), dg:B (other)?"


def test_an_index_that_is_kept_is_the_one_that_was_made(graph: kg.KnowledgeGraph) -> None:
    """What is found, and what belongs to a class, is the same."""
    again = NameIndex(graph.names.content)

    assert again.search("redness") == graph.names.search("redness")
    members = again.members(DG + "Procedure")
    assert members == graph.names.members(DG + "Procedure")
    assert curie(members[0].iri) == "dg:Procedure"
    assert again.is_member(DG + "Erythema", [DG + "usedAsAdverseEvent"])


def test_everything_with_a_word_is_found(graph: kg.KnowledgeGraph) -> None:
    """What so many names have that not all are ranked is found and counted all the same."""
    found = graph.names.search("laser")

    assert len(found) > 1000
    assert {each.thing.kind for each in found} >= {"source", "claim", "procedure"}


def test_a_text_is_meant_as_a_whole(graph: kg.KnowledgeGraph) -> None:
    """Words after the twelfth are not cut off a name that is the text."""
    source = next(
        each for each in graph.names.members(f"{DG}Source") if len(each.label.split()) > 13
    )

    assert source in [each.thing for each in graph.names.meant(source.label)]


def test_a_damaged_index_is_noticed(graph: kg.KnowledgeGraph) -> None:
    """A file that lost or changed a part of itself is no index, whatever it begins with."""
    content = graph.names.content
    half = len(content) // 2

    for damaged in (content[:half], content[:half] + bytes(9000) + content[half + 9000 :]):
        with pytest.raises(sqlite3.DatabaseError):
            NameIndex(damaged)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("10600 nm", "CO2Laser"),
        ("10.6 µm", "CO2Laser"),
        ("10.6 microns", "CO2Laser"),
        ("2.94 um", "ErYAGLaser"),
        ("CO2", "CO2Laser"),
        ("pregnant", "Pregnancy"),
        ("valtrex", "ValaciclovirProphylaxis"),
        ("scabbing", "Crusting"),
        ("red face", "Erythema"),
        ("eye damage", "EyeInjury"),
    ],
)
def test_lasers_are_found_by_their_wavelength_and_concepts_by_other_words(
    graph: kg.KnowledgeGraph, text: str, local: str
) -> None:
    """What is no name of a thing finds it none the less."""
    assert graph.names.search(text)[0].thing.iri == DG + local


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("how do I treat the brown spots on my hands", "solar lentigo"),
        ("what helps against wrinkles around the eyes", "periorbital rhytides"),
        ("what can I do about my acne scars", "acne scar"),
        ("why is my skin darker after laser", "darker skin type"),
    ],
)
def test_a_sentence_finds_what_its_words_name(
    graph: kg.KnowledgeGraph, text: str, label: str
) -> None:
    """Words that say nothing are left out where no name has them all; the others need not all be."""
    assert graph.names.search(text)[0].thing.label == label


def test_words_that_say_nothing_count_in_a_name(graph: kg.KnowledgeGraph) -> None:
    """They are left out of no text whose words a name has."""
    assert graph.names.search("unit of analysis")[0].thing.label == "unit of analysis"
    assert graph.names.search("the of and zzzz") == []
