"""What the records of sources took from public records stands there as it was seen, and fits them."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parent.parent.parent
_LEAST_SHARE: Final = 0.9
"""Of the words of the shorter title, as many must stand in the longer."""

Row = dict[str, str]


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


_SOURCES: Final = {
    row["key"]: row
    for name in ("clinical", "physics")
    for row in _read(_ROOT / "ontology" / "sources" / f"{name}.tsv")
}
_SEEN: Final = _read(_ROOT / "docs" / "readings" / "bibliography.tsv")
_TAKEN: Final = [row for row in _SEEN if row["taken"] == "yes"]
_IDENTIFIERS: Final = [row for row in _TAKEN if row["field"] in ("doi", "pmid", "pmcid")]


def _name(row: Row) -> str:
    return f"{row['key']}-{row['field']}"


def _plain(text: str) -> str:
    """Return a text in lower case and without accents."""
    letters = unicodedata.normalize("NFKD", text.replace("ł", "l")).casefold()
    return "".join(each for each in letters if not unicodedata.combining(each))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", _plain(text)))


def test_each_row_is_whole() -> None:
    """A known source, one value of a field, an address, the words and the day; a reason if not taken."""
    assert len({(row["key"], row["field"]) for row in _SEEN}) == len(_SEEN)
    assert sorted(_SEEN, key=lambda row: row["key"]) == _SEEN
    for row in _SEEN:
        assert row["key"] in _SOURCES
        assert row["taken"] == "yes" or row["taken"].startswith("no: ")
        assert re.match("https?://|[^/]+/[^/:]+:", row["address"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", row["date"])
        assert row["words"]


@pytest.mark.parametrize("row", [each for each in _TAKEN if each["field"] != "notice"], ids=_name)
def test_what_was_taken_stands_in_the_source(row: Row) -> None:
    """The cell of the source is the value."""
    assert row["value"] == _SOURCES[row["key"]][row["field"]]


@pytest.mark.parametrize("row", _IDENTIFIERS, ids=_name)
def test_an_identifier_was_seen(row: Row) -> None:
    """It stands in the words or in the address."""
    value, seen = row["value"], f"{row['words']} {row['address']}"
    if row["field"] == "pmid":
        assert value in re.findall(r"\d+", seen)
    else:
        assert re.search(rf"{re.escape(value)}(?!\d)", seen, re.IGNORECASE)


@pytest.mark.parametrize("row", _TAKEN, ids=_name)
def test_the_title_seen_is_that_of_the_source(row: Row) -> None:
    """Nine in ten words of the shorter title stand in the longer."""
    seen, ours = _words(row["title"]), _words(_SOURCES[row["key"]]["title"])

    assert len(seen & ours) >= _LEAST_SHARE * min(len(seen), len(ours))
    assert len(seen & ours) >= min(4, len(ours))


@pytest.mark.parametrize("row", [each for each in _TAKEN if each["field"] == "title"], ids=_name)
def test_a_title_is_taken_with_its_abstract(row: Row) -> None:
    """It cannot agree with itself: the abstract that was read tells that it is the same text."""
    assert "abstract" in row["agrees"].split(", ")


@pytest.mark.parametrize("row", _TAKEN, ids=_name)
def test_something_else_agrees_with_the_source(row: Row) -> None:
    """Beside the title: the year, the first author, the container, or the abstract that was read."""
    source, words = _SOURCES[row["key"]], _words(row["words"])
    named = set(row["agrees"].split(", "))
    container = _words(re.sub(r"\d.*", "", source["container"])) - {"of", "and", "the"}

    assert named
    assert named <= {"year", "first author", "container", "abstract"}
    if "year" in named:
        assert re.search(rf"\b{source['year']}\b", row["words"])
    if "first author" in named:
        assert _plain(source["creator"]).split()[0] in _plain(row["words"])
    if "container" in named:
        assert all(any(s.startswith(w) or w.startswith(s) for s in words) for w in container)
