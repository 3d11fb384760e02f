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

import kg
from kg.citations import Citation, UnknownSourceError, as_bibtex, as_csl_json, chosen, citations

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
                "enum": ["article-journal", "chapter", "dataset", "document", "report", "webpage"]
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
    creator=None,
    year=None,
    container=None,
    identifiers={},
    design="cohort",
    seen=None,
    unverified=(),
)


@pytest.fixture(scope="module")
def records(graph: kg.KnowledgeGraph) -> list[Citation]:
    """Give all sources of the graph."""
    return citations(graph.engine)


def csl(record: Citation) -> dict[str, Any]:
    """Give a record as an item of CSL-JSON."""
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
    assert len(records) > 300


def test_all_sources_are_csl_json(records: list[Citation]) -> None:
    """Every item has the form of the schema of CSL data, and nothing that it does not know."""
    items = json.loads(as_csl_json(records))

    Draft202012Validator(_CSL).validate(items)
    assert [item["id"] for item in items] == [record.key for record in records]


def test_all_sources_are_bibtex(records: list[Citation]) -> None:
    """Every entry reads back, with its own key, a title and, for an article, a journal."""
    read = entries(as_bibtex(records))

    assert [key for _, key, _ in read] == [record.key for record in records]
    assert len({key.lower() for _, key, _ in read}) == len(records)
    for kind, _, fields in read:
        assert fields["title"]
        needed = {"article": "journal", "incollection": "booktitle", "techreport": "institution"}
        assert needed.get(kind, "title") in fields


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
    ("creator", "authors", "editors"),
    [
        ("Nanni CA; Alster TS", [("Nanni", "C. A."), ("Alster", "T. S.")], []),
        ("Hale GM|Querry MR", [("Hale", "G. M."), ("Querry", "M. R.")], []),
        ("van der Geer S", [("van der Geer", "S.")], []),
        ("Tseng S-H", [("Tseng", "S. H.")], []),
        ("Ahluwalia G (ed)", [], [("Ahluwalia", "G.")]),
        ("(editor Khan T)", [], [("Khan", "T.")]),
        ("Onikoyi O; chief ed Elston DM", [("Onikoyi", "O.")], [("Elston", "D. M.")]),
        ("Walsh JT et al.", [("Walsh", "J. T."), "et al."], []),
        ("Lin MJ; Dubin DP; et al", [("Lin", "M. J."), ("Dubin", "D. P."), "et al."], []),
        ("et al", ["et al."], []),
        ("US FDA", ["US FDA"], []),
        ("Mayo Clinic staff", ["Mayo Clinic staff"], []),
        ("Plastic Surgery Center NC", ["Plastic Surgery Center NC"], []),
        ("Reliant Technologies / FDA", ["Reliant Technologies / FDA"], []),
    ],
)
def test_names_are_read_as_people_or_organisations(
    creator: str, authors: list[Any], editors: list[Any]
) -> None:
    """Persons have family name and initials, editors are editors, all else stays whole."""

    def names(found: list[Any]) -> list[Any]:
        return [
            {"literal": each}
            if isinstance(each, str)
            else dict(zip(("family", "given"), each, strict=True))
            for each in found
        ]

    item = csl(replace(PLAIN, creator=creator))

    assert item.get("author", []) == names(authors)
    assert item.get("editor", []) == names(editors)


def test_bibtex_says_that_there_are_others() -> None:
    """Unnamed authors are `others`, which styles print as et al."""
    [(_, _, fields)] = entries(as_bibtex([replace(PLAIN, creator="Walsh JT et al.; US FDA")]))

    assert fields["author"] == "Walsh, J. T. and {US FDA} and others"


def test_what_names_cannot_hold_stays_as_printed() -> None:
    """Words beside the names are kept in the note."""
    printed = "Serowka KL et al, reported by Laser Focus World"

    item = csl(replace(PLAIN, creator=printed))
    assert item["author"] == [{"family": "Serowka", "given": "K. L."}, {"literal": "et al."}]
    assert printed in item["note"]


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


def test_a_remark_is_no_journal() -> None:
    """A container that only remarks on what was not seen goes into the note."""
    item = csl(replace(PLAIN, container="(journal not shown in excerpt)"))

    assert item["type"] == "document"
    assert "container-title" not in item
    assert "journal not shown in excerpt" in item["note"]


@pytest.mark.parametrize(
    ("design", "csl_type", "bibtex_type"),
    [
        ("cohort", "article-journal", "article"),
        ("textbook-chapter", "chapter", "incollection"),
        ("reference-web-page", "webpage", "misc"),
        ("regulatory-document", "report", "techreport"),
        ("data-set", "dataset", "misc"),
        ("editorial", "document", "misc"),
    ],
)
def test_the_kind_of_source_decides_the_type(design: str, csl_type: str, bibtex_type: str) -> None:
    """Each design of study or kind of document has its type in both formats."""
    record = replace(PLAIN, design=design, container="Somewhere")

    [(kind, _, _)] = entries(as_bibtex([record]))
    assert (csl(record)["type"], kind) == (csl_type, bibtex_type)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_text_can_be_cited(text: str) -> None:
    """Whatever stands in a title, name, container or note, both formats read back."""
    record = replace(
        PLAIN,
        title=text,
        creator=text,
        container=text,
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
