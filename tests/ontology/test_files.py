"""The files of the knowledge: canonical, so that a difference between two versions shows facts only."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rdflib import Graph

from kg.releases.bundled import ONTOLOGY_FOLDER, QUERIES_FOLDER

_FILES = sorted(
    path.relative_to(folder.parent)
    for folder in (ONTOLOGY_FOLDER, QUERIES_FOLDER)
    for path in folder.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)
_TABLES = [path for path in _FILES if path.suffix == ".tsv"]
_TURTLE = [path for path in _FILES if path.suffix == ".ttl"]
_JSON = [path for path in _FILES if path.suffix == ".json"]
_ROOT = ONTOLOGY_FOLDER.parent


def _text(path: Path) -> str:
    # Not read_text, which would hide carriage returns.
    return (_ROOT / path).read_bytes().decode("utf-8")


def test_there_are_files_of_every_kind() -> None:
    """The tests below look at something, and at nothing unknown."""
    assert len(_TABLES) >= 9
    assert len(_TURTLE) >= 20
    assert len(_JSON) >= 8
    assert {path.suffix for path in _FILES} == {".ttl", ".tsv", ".json", ".jsonld", ".rq"}


@pytest.mark.parametrize("path", _FILES, ids=str)
def test_a_file_is_plain_text(path: Path) -> None:
    """UTF-8 without mark, composed characters, line feeds only, one at the end, nothing invisible."""
    text = _text(path)
    invisible = {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Zs", "Zl", "Zp")
        and character not in "\n\t "
    }

    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert unicodedata.normalize("NFC", text) == text
    assert invisible == set()


@pytest.mark.parametrize("path", [path for path in _FILES if path not in _TABLES], ids=str)
def test_lines_end_without_white_space(path: Path) -> None:
    """No line of prose or code has a tab, or a space at its end."""
    wrong = [
        number
        for number, line in enumerate(_text(path).split("\n"), start=1)
        if line != line.rstrip() or "\t" in line
    ]

    assert wrong == []


_SORTED_BY: dict[str, Callable[[dict[str, str]], Any]] = {
    "units.tsv": lambda row: row["code"],
    "points.tsv": lambda row: (row["spectrum"], Decimal(row["wavelength_nm"])),
    "dermograph.sssom.tsv": lambda row: tuple(
        row[slot] for slot in ("subject_id", "predicate_id", "object_source", "object_id")
    ),
}


def _first_cell(row: dict[str, str]) -> str:
    return next(iter(row.values()))


def _rows(path: Path) -> list[dict[str, str]]:
    lines = [line for line in _text(path).split("\n")[:-1] if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize("path", _TABLES, ids=str)
def test_a_table_is_sorted_by_its_identifier(path: Path) -> None:
    """Rows stand in the order of their identifiers, each of which stands once."""
    rows = _rows(path)
    keys = [_SORTED_BY.get(path.name, _first_cell)(row) for row in rows]

    assert rows
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("path", _TABLES, ids=str)
def test_cells_of_a_table_are_tidy(path: Path) -> None:
    """No cell has white space at its ends or twice in a row, and no row has quotes for quoting."""
    wrong = [
        (number, column, cell)
        for number, row in enumerate(_rows(path), start=2)
        for column, cell in row.items()
        if cell != cell.strip() or "  " in cell or (cell.startswith('"') and cell.count('"') == 1)
    ]

    assert wrong == []


@pytest.mark.parametrize("path", _TABLES, ids=str)
def test_no_column_is_idle_everywhere(path: Path) -> None:
    """A column that no table of the same form fills would be an invitation to guess."""
    same = [other for other in _TABLES if _header(other) == _header(path)]
    filled = {column for other in same for row in _rows(other) for column in row if row[column]}

    assert set(_header(path)) - filled <= set(_MAY_BE_IDLE)


# The statements of the founding text share the columns of claims and need few of them.
_MAY_BE_IDLE = (  # noqa: SIM905 - so many words read better as prose
    "value minimum maximum bounds statistic unit reported event_count sample_size "
    "reported_percentage unit_of_analysis condition laser technique body_site skin_type "
    "comparator outcome_measure strength phase circumstances extraction_confidence note"
).split()


def _header(path: Path) -> list[str]:
    """Return the columns; the lines before them, if any, are comments."""
    lines = _text(path).split("\n")
    return next(line for line in lines if not line.startswith("#")).split("\t")


@pytest.mark.parametrize("path", _JSON, ids=str)
def test_json_is_written_in_one_way(path: Path) -> None:
    """Two spaces of indentation, characters as themselves."""
    text = _text(path)

    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


_FOREIGN = {
    "biolink": "https://w3id.org/biolink/vocab/",
    "quantitykind": "http://qudt.org/vocab/quantitykind/",
    "qudt": "http://qudt.org/schema/qudt/",
    "sio": "http://semanticscience.org/resource/SIO_",
}
"""What only the mappings of properties speak of."""

_PREFIX = re.compile(r"^@prefix ([\w-]*): <([^>]*)> \.$", re.MULTILINE)
_STRING = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\]|\\.)*"|<[^>]*>')


@pytest.mark.parametrize("path", _TURTLE, ids=str)
def test_turtle_parses_and_says_something(path: Path) -> None:
    """Every file is Turtle by itself."""
    assert len(Graph().parse(_ROOT / path, format="turtle")) > 0


@pytest.mark.parametrize("path", _TURTLE, ids=str)
def test_turtle_declares_the_prefixes_that_it_uses(path: Path) -> None:
    """Declared in order, each once, with the namespace that it has everywhere, and used."""
    from kg.rdf.namespaces import PREFIXES

    text = _text(path)
    declared = _PREFIX.findall(text)
    names = [name for name, _ in declared]
    body = _STRING.sub(" ", _PREFIX.sub("", text))
    code = "\n".join(line.partition("# ")[0] for line in body.split("\n"))
    used = set(re.findall(r"(?<![\w:-])([\w-]+):[\w\\]", code))

    assert names == sorted(set(names))
    known = {**PREFIXES, **_FOREIGN} if path.name == "alignments.ttl" else PREFIXES
    assert {name: known.get(name) for name in names} == dict(declared)
    assert used == set(names)
    assert "@prefix" not in body


_QUERIES = [path for path in _FILES if path.suffix == ".rq" and path.parent.name != "fragments"]


@pytest.mark.parametrize("path", _QUERIES, ids=str)
def test_queries_declare_the_prefixes_that_they_use(path: Path) -> None:
    """As in Turtle; of a canned query the text that is shown and run, where fragments are in place."""
    from kg.catalogue.columns import read_table
    from kg.catalogue.fragments import expanded
    from kg.rdf.namespaces import PREFIXES
    from kg.sparql.lexer import TokenKind, significant

    text = expanded(_ROOT / path, _text(path), read_table((_ROOT / path).parent))
    found = significant(text)
    names = [token.text[:-1] for last, token in pairwise(found) if last.is_word("PREFIX")]
    used = {
        token.text.partition(":")[0]
        for last, token in pairwise(found)
        if token.kind is TokenKind.PREFIXED_NAME and not last.is_word("PREFIX")
    }
    declared = dict(re.findall(r"^PREFIX ([\w-]+): <([^>]*)>$", text, re.MULTILINE))

    assert names == sorted(set(names))
    assert used == set(names)
    assert {name: PREFIXES.get(name) for name in names} == declared


def test_every_table_is_declared_and_every_declaration_used() -> None:
    """tables.json and the folder agree: no table or schema lies about unread."""
    group = json.loads((ONTOLOGY_FOLDER / "tables.json").read_text(encoding="utf-8"))
    declared = {Path("ontology", entry["url"]) for entry in group["tables"]}
    schemas = {Path("ontology", entry["tableSchema"]) for entry in group["tables"]}

    assert declared == {path for path in _TABLES if path.parts[0] == "ontology"}
    assert schemas == {path for path in _JSON if path.parent.name == "tables"}


def test_every_turtle_file_is_read_by_the_build() -> None:
    """Turtle lies only where the build looks for it."""
    folders = {path.parent.as_posix() for path in _TURTLE}
    loose = {path.name for path in _TURTLE if path.parent.as_posix() == "ontology"}

    assert folders == {"ontology", "ontology/concepts", "ontology/shapes"}
    assert loose == {
        *("alignments.ttl", "damage-models.ttl", "dermograph.ttl", "functions.ttl", "schemes.ttl")
    }
