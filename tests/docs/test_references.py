"""What the guides name is there: addresses of the service, canned queries, commands, files, headings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from click import Context

from server.cli import main
from server.protocol.endpoints import ENDPOINTS

_ROOT: Final = Path(__file__).parents[2]
_GUIDES: Final = [
    *(_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "server/http1/README.md")),
    *(path for path in sorted((_ROOT / "docs").glob("*.md")) if path.name != "quality.md"),
]
_FILES: Final = [
    str(path.relative_to(_ROOT))
    for room in ("kg", "server", "ontology", "queries", "tests", "docs", "benchmarks")
    for path in (_ROOT / room).rglob("*")
    if "golden" not in path.parts
] + [path.name for path in _ROOT.iterdir()]

_ADDRESS: Final = re.compile(r"`(/[^`\s?]*)|http://localhost:8080(/[^`'\"\s?]*)")
_NOT_AN_ADDRESS: Final = {"/data"}
_QUERY: Final = re.compile(
    r"(?<!\w)/queries/([a-z][a-z-]*)|dermograph query ([a-z]+-?[a-z-]*)(?=[ `\n])"
)
_COMMAND: Final = re.compile(r"(?<![\w/-])(?:\.venv/bin/)?dermograph ([a-z]+)\b(?=[^\n]*`|.*\n```)")
_FILE: Final = re.compile(r"`((?:[\w.*-]+/)*[\w*-]+\.(?:py|rq|ttl|tsv|toml|md|html))`")
_LINK: Final = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)")

_ROUTE: Final = re.compile(
    "|".join(
        ".+".join(re.escape(part) for part in re.split("<[^>]*>", path))
        for row in ENDPOINTS.values()
        for path in row.paths
    )
)

by_guide = pytest.mark.parametrize("guide", _GUIDES, ids=lambda path: str(path.relative_to(_ROOT)))


def _named(pattern: re.Pattern[str], guide: Path) -> set[str]:
    found = pattern.finditer(guide.read_text(encoding="utf-8"))
    return {next(filter(None, each.groups())) for each in found}


def _heading(text: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")


@by_guide
def test_addresses_are_answered(guide: Path) -> None:
    """Each address of the service that a guide names is one of the table of endpoints."""
    named = _named(_ADDRESS, guide) - _NOT_AN_ADDRESS

    assert [each for each in sorted(named) if not _ROUTE.fullmatch(each)] == []


@by_guide
def test_canned_queries_are_there(guide: Path) -> None:
    """Each canned query that a guide names has its file."""
    named = _named(_QUERY, guide)

    assert [each for each in named if not (_ROOT / "queries" / f"{each}.rq").exists()] == []


@by_guide
def test_commands_are_there(guide: Path) -> None:
    """Each command that a guide names is one of the command line."""
    assert _named(_COMMAND, guide) <= set(main.list_commands(Context(main)))


@by_guide
def test_files_are_there(guide: Path) -> None:
    """Each file that a guide names is there, whole or as the end of a path; NAME stands for any."""
    patterns = {
        name: re.compile(rf"(.*/)?{re.escape(name)}".replace(r"\*", ".*").replace("NAME", ".*"))
        for name in _named(_FILE, guide)
    }

    assert [n for n, each in patterns.items() if not any(map(each.fullmatch, _FILES))] == []


@by_guide
def test_links_lead_to_a_heading(guide: Path) -> None:
    """Each link of a guide leads to a file, and to a heading in it where it names one."""
    for target, anchor in _LINK.findall(guide.read_text(encoding="utf-8")):
        path = guide.parent / target if target else guide
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_heading, headings), (target, anchor)
