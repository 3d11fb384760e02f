"""The page on quality checks: every check that it names exists, and none in the folder is left out."""

from __future__ import annotations

import re
from pathlib import Path

from kg.rdf.namespaces import expand
from kg.releases.bundled import ONTOLOGY_FOLDER
from kg.validate import read_checks, shapes_graph

_ROOT = ONTOLOGY_FOLDER.parent
_PAGE = (_ROOT / "docs" / "quality-checks.md").read_text(encoding="utf-8")
_NAMED = set(re.findall(r"`([^`]+)`", _PAGE))


def test_every_shape_that_the_page_names_exists() -> None:
    """`dg:...Shape` and `dg:...Shape-...` are shapes, property shapes or constraints."""
    shapes = {str(subject) for subject in shapes_graph().subjects()}
    named = {name for name in _NAMED if re.fullmatch(r"dg:\w+Shape(-\w+)?", name)}

    assert len(named) > 30
    assert {name for name in named if expand(name) not in shapes} == set()


def test_every_check_is_on_the_page() -> None:
    """The page lists what ontology/checks/ holds."""
    assert {check.name for check in read_checks()} <= _NAMED


def test_every_file_that_the_page_names_exists() -> None:
    """Paths with a slash lead to files or folders of the project."""
    paths = {name for name in _NAMED if re.fullmatch(r"[\w-]+(/[\w.-]*)+", name)}

    assert len(paths) > 8
    assert {path for path in paths if not Path(_ROOT, path).exists()} == set()
