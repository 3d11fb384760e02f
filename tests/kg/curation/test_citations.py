"""Sources are cited as CSL-JSON and BibTeX that reference managers read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rdflib import SKOS, Dataset, URIRef

import kg
from kg.curation.citations import (
    Citation,
    UnknownSourceError,
    as_bibtex,
    as_csl_json,
    chosen,
    citations,
)
from kg.rdf.namespaces import DGD

# The part of https://github.com/citation-style-language/schema (csl-data.json) that is used.
_NAMES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "oneOf": [
            {
                "type": "object",
                "required": ["family", "given"],
                "additionalProperties": False,
                "properties": {
                    "family": {"type": "string", "minLength": 1},
                    "given": {"type": "string", "minLength": 1},
                },
            },
            {
                "type": "object",
                "required": ["literal"],
                "additionalProperties": False,
                "properties": {"literal": {"type": "string", "minLength": 1}},
            },
        ]
    },
}
_TEXTS = (
    *("container-title", "publisher", "volume", "issue", "page", "DOI", "PMID", "PMCID", "URL"),
    "note",
)
_CSL = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "id", "title"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string", "minLength": 1},
            "type": {
                "enum": [
                    *("article-journal", "chapter", "dataset", "document", "paper-conference"),
                    *("report", "software", "thesis", "webpage"),
                ]
            },
            "author": _NAMES,
            "editor": _NAMES,
            "issued": {
                "type": "object",
                "required": ["date-parts"],
                "additionalProperties": False,
                "properties": {
                    "date-parts": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 2,
                        "items": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 3,
                            "items": {"type": "integer"},
                        },
                    }
                },
            },
            **{name: {"type": "string", "minLength": 1} for name in _TEXTS},
        },
    },
}

PLAIN = Citation(
    key="KEY",
    title="A title",
    kind="journal-article",
    creators=None,
    editors=(),
    year=None,
    container=None,
    publisher=None,
    identifiers={},
    seen=None,
    unverified=(),
    same=(),
)


@pytest.fixture(scope="module")
def records(graph: kg.KnowledgeGraph) -> list[Citation]:
    """Return all sources of the graph."""
    return citations(graph.engine)


def csl(record: Citation) -> dict[str, Any]:
    """Return a record as an item of CSL-JSON."""
    [item] = json.loads(as_csl_json([record]))
    assert isinstance(item, dict)
    return item


def entries(bibtex: str) -> list[tuple[str, str, dict[str, str]]]:
    """Read BibTeX as BibTeX does, by counting braces: type, key and fields of each entry."""
    found = []
    for start in re.finditer(r"^@(\w+)\{([^,\s{}]+),\n", bibtex, re.MULTILINE):
        place, fields = start.end(), {}
        while field := re.compile(r"\s*(\w+) = \{").match(bibtex, place):
            end = _closing(bibtex, field.end())
            assert field[1] not in fields
            fields[field[1]] = bibtex[field.end() : end]
            assert bibtex[end : end + 3] == "},\n"
            place = end + 3
        assert bibtex[place] == "}"
        found.append((start[1], start[2], fields))
    return found


def _closing(text: str, place: int) -> int:
    depth = 1
    while True:
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
        place += 1


def test_every_source_is_a_record(graph: kg.KnowledgeGraph, records: list[Citation]) -> None:
    """There is one record for each source, in the order of the keys."""
    rows: Any = graph.query(
        "SELECT ?key { ?s a <https://w3id.org/dermograph/ontology/Source> ;"
        " <http://purl.org/dc/terms/identifier> ?key } ORDER BY ?key"
    )
    assert [row["key"] for row in rows] == [record.key for record in records]
    assert len(records) > 380


def test_all_sources_are_csl_json(records: list[Citation]) -> None:
    """Every item has the form of the schema of CSL data, and nothing that it does not know."""
    items = json.loads(as_csl_json(records))

    Draft202012Validator(_CSL).validate(items)
    assert [item["id"] for item in items] == [record.key for record in records]


_NEEDED = {
    "article": "journal",
    "incollection": "booktitle",
    "inproceedings": "booktitle",
    "mastersthesis": "school",
    "techreport": "institution",
}
"""What the styles of BibTeX want of an entry besides its title."""


def test_all_sources_are_bibtex(records: list[Citation]) -> None:
    """Every entry reads back, with its own key, a title and, for an article, a journal."""
    read = entries(as_bibtex(records))

    assert [key for _, key, _ in read] == [record.key for record in records]
    assert len({key.lower() for _, key, _ in read}) == len(records)
    for kind, _, fields in read:
        assert fields["title"]
        assert _NEEDED.get(kind, "title") in fields


def test_a_record_is_cited_whole(records: list[Citation]) -> None:
    """An article has its authors, journal, volume, issue, pages, year and identifiers."""
    [nanni] = chosen(records, ["NANNI1998"])

    item = csl(nanni)
    assert item["type"] == "article-journal"
    assert item["author"] == [
        {"family": "Nanni", "given": "C. A."},
        {"family": "Alster", "given": "T. S."},
    ]
    assert item["container-title"] == "Dermatol Surg"
    assert (item["volume"], item["issue"], item["page"]) == ("24", "3", "315-320")
    assert item["issued"] == {"date-parts": [[1998]]}
    assert item["PMID"] == "9537005"
    [(kind, _, fields)] = entries(as_bibtex([nanni]))
    assert kind == "article"
    assert fields["author"] == "Nanni, C. A. and Alster, T. S."
    assert (fields["volume"], fields["number"], fields["pages"]) == ("24", "3", "315--320")


def test_what_is_unverified_is_said(records: list[Citation]) -> None:
    """A detail that awaits checking stands in the note of the record, as does what was seen."""
    unsure = [record for record in records if record.unverified]

    assert unsure
    for record in unsure:
        note = csl(record)["note"]
        assert all(detail.rstrip(".") in note for detail in record.unverified)
        assert record.seen is None or record.seen.rstrip(".") in note


@pytest.mark.parametrize(
    ("creators", "authors"),
    [
        ("Nanni CA; Alster TS", [("Nanni", "C. A."), ("Alster", "T. S.")]),
        ("van der Geer S", [("van der Geer", "S.")]),
        ("Tseng S-H", [("Tseng", "S.-H.")]),
        ("Walsh JT; et al.", [("Walsh", "J. T."), "et al."]),
        ("et al.", ["et al."]),
        ("US FDA", ["US FDA"]),
        ("Mayo Clinic staff", ["Mayo Clinic staff"]),
        ("Plastic Surgery Center NC", ["Plastic Surgery Center NC"]),
        ("Reliant Technologies; FDA", ["Reliant Technologies", "FDA"]),
    ],
)
def test_names_are_read_as_people_or_organisations(creators: str, authors: list[Any]) -> None:
    """Persons have family name and initials, and all else stays whole."""
    assert csl(replace(PLAIN, creators=creators))["author"] == _names(authors)


def _names(expected: list[Any]) -> list[dict[str, str]]:
    return [
        {"literal": each}
        if isinstance(each, str)
        else dict(zip(("family", "given"), each, strict=True))
        for each in expected
    ]


def test_editors_are_editors() -> None:
    """A book or page that only its editor stands for has no author."""
    record = replace(PLAIN, editors=("Ahluwalia G",))

    assert csl(record)["editor"] == [{"family": "Ahluwalia", "given": "G."}]
    assert "author" not in csl(record)
    [(_, _, fields)] = entries(as_bibtex([record]))
    assert fields["editor"] == "Ahluwalia, G."


def test_bibtex_says_that_there_are_others() -> None:
    """Unnamed authors are `others`, which styles print as et al."""
    [(_, _, fields)] = entries(as_bibtex([replace(PLAIN, creators="Walsh JT; US FDA; et al.")]))

    assert fields["author"] == "Walsh, J. T. and {US FDA} and others"


def test_authors_of_one_name_are_both_kept(records: list[Citation]) -> None:
    """Two authors of a paper are called Feng Y, and stand in their places."""
    [paper] = chosen(records, ["LI2023_FTL"])

    families = [author["family"] for author in csl(paper)["author"]]
    assert families == ["Li", "Qin", "Shi", "Feng", "Li", "Feng", "Li", "Wen"]


def test_records_of_one_document_name_each_other(records: list[Citation]) -> None:
    """Whoever cites both learns that they are one."""
    first, second = chosen(records, ["CAMPOLMI2012", "PMC3347966"])

    assert "Same document as: PMC3347966." in csl(first)["note"]
    assert "Same document as: CAMPOLMI2012." in csl(second)["note"]


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ("Dermatol Surg 24(3):315-320", ("Dermatol Surg", "24", "3", "315-320")),
        ("Lasers in Surgery and Medicine 9:314-326", ("Lasers in Surgery and Medicine", "9", None, "314-326")),
        ("Dermatol Surg 31(9 Pt 2):1245-1249", ("Dermatol Surg", "31", "9 Pt 2", "1245-1249")),
        ("Burns Trauma 8:tkz002", ("Burns Trauma", "8", None, "tkz002")),
        ("J Am Acad Dermatol 77(6):1133-1144.e4", ("J Am Acad Dermatol", "77", "6", "1133-1144.e4")),
        ("J Burn Care Res (1):61-69", ("J Burn Care Res", None, "1", "61-69")),
        ("J Cosmet Dermatol 22(8)", ("J Cosmet Dermatol", "22", "8", None)),
        ("J Cosmet Laser Ther, pp 173-180", ("J Cosmet Laser Ther", None, None, "173-180")),
        ("Proc. SPIE 10297", ("Proc. SPIE", "10297", None, None)),
        ("Cochrane Database Syst Rev CD011946", ("Cochrane Database Syst Rev", None, None, "CD011946")),
        ("Scientific Reports", ("Scientific Reports", None, None, None)),
        ("Archives of Dermatology (JAMA Dermatology)", ("Archives of Dermatology (JAMA Dermatology)", None, None, None)),
        ("scite.ai report of Spring 2017", ("scite.ai report of Spring 2017", None, None, None)),
        ("Medscape/eMedicine 1126583", ("Medscape/eMedicine 1126583", None, None, None)),
    ],
)  # fmt: skip
def test_containers_are_taken_apart_where_they_can_be(
    container: str, expected: tuple[str | None, ...]
) -> None:
    """Volume, issue and pages are found as far as printed; what is no such thing stays whole."""
    item = csl(replace(PLAIN, container=container))

    found = tuple(item.get(name) for name in ("container-title", "volume", "issue", "page"))
    assert found == expected


def test_an_article_whose_journal_is_not_known_is_still_one() -> None:
    """CSL does without a journal; BibTeX, which wants one, takes the article for a document."""
    assert csl(PLAIN)["type"] == "article-journal"
    [(kind, _, _)] = entries(as_bibtex([PLAIN]))
    assert kind == "misc"


@pytest.mark.parametrize(
    ("kind", "csl_type", "bibtex_type"),
    [
        ("journal-article", "article-journal", "article"),
        ("conference-paper", "paper-conference", "inproceedings"),
        ("book-chapter", "chapter", "incollection"),
        ("web-page", "webpage", "misc"),
        ("report", "report", "techreport"),
        ("masters-thesis", "thesis", "mastersthesis"),
        ("data-set", "dataset", "misc"),
        ("software", "software", "misc"),
        ("document", "document", "misc"),
    ],
)
def test_the_type_of_document_decides(kind: str, csl_type: str, bibtex_type: str) -> None:
    """Each type of document has its type in both formats."""
    record = replace(PLAIN, kind=kind, container="Somewhere", publisher="Someone")

    [(found, _, fields)] = entries(as_bibtex([record]))
    assert (csl(record)["type"], found) == (csl_type, bibtex_type)
    assert csl(record)["publisher"] == "Someone"
    assert "Someone" in fields.values()


def test_every_type_of_document_can_be_cited(dataset: Dataset) -> None:
    """The list of types has no value that a record could not be cited as."""
    scheme = URIRef(DGD + "document-type")
    kinds = [str(each).rpartition("/")[2] for each in dataset.subjects(SKOS.inScheme, scheme)]

    assert kinds
    for kind in kinds:
        assert csl(replace(PLAIN, kind=kind))["type"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_text_can_be_cited(text: str) -> None:
    """Whatever stands in a title, name, container or note, both formats read back."""
    record = replace(
        PLAIN,
        title=text,
        creators=text,
        editors=(text,),
        container=text,
        publisher=text,
        seen=text,
        unverified=(text,),
        identifiers={"URL": text, "licence": text},
    )

    Draft202012Validator(_CSL).validate(json.loads(as_csl_json([record])))
    assert csl(record)["title"] == text
    [(_, key, fields)] = entries(as_bibtex([record]))
    assert key == "KEY"
    assert fields["title"].startswith("{")


class TestChoosing:
    """Records are chosen by their keys."""

    def test_without_keys_all_are_given(self, records: list[Citation]) -> None:
        """No key means every record."""
        assert chosen(records, []) == records

    def test_keys_decide_and_their_order(self, records: list[Citation]) -> None:
        """Each record comes once, in the order of the keys."""
        keys = ["NANNI1998", "DERIVED", "NANNI1998"]

        assert [record.key for record in chosen(records, keys)] == keys[:2]

    def test_an_unknown_key_is_named_with_what_is_near(self, records: list[Citation]) -> None:
        """A key that is not there is an error, with keys that are spelt like it."""
        with pytest.raises(UnknownSourceError) as refused:
            chosen(records, ["nanni1988"])

        assert "NANNI1998" in refused.value.near
        assert "'nanni1988'" in str(refused.value)
