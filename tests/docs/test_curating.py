"""The guide for curators is true: its changes are in the graph, and its messages are those of a build."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from kg.builder.build import build
from kg.builder.errors import BuildError
from kg.validate import validate

_ROOT: Final = Path(__file__).parent.parent.parent
_GUIDE: Final = (_ROOT / "docs" / "curating.md").read_text(encoding="utf-8")
_CLAIMS: Final = "claims/clinical.tsv"
_CHANGES: Final = re.findall(
    r"^```diff\n\+\+\+ b/(\S+)\n(.*?)^```$", _GUIDE, re.MULTILINE | re.DOTALL
)
_FAULTS: Final = re.findall(
    r"^\| `(\w+)=([^`]+)` \|(?: `(\S+)` \|)? (.+) \|$", _GUIDE, re.MULTILINE
)


@pytest.mark.parametrize(("path", "change"), _CHANGES)
def test_the_changes_that_it_shows_are_in_the_graph(path: str, change: str) -> None:
    """What is shown as added stands in its file, line by line."""
    added = "\n".join(line.removeprefix("+") for line in change.splitlines())

    assert f"\n{added}\n" in (_ROOT / path).read_text(encoding="utf-8")


def _with_faults(folder: Path, faults: list[tuple[str, str]]) -> Path:
    """Return a copy of the knowledge with a copy of the guide's claim for each faulty cell."""
    shutil.copytree(_ROOT / "ontology", folder)
    header, *rows = (folder / _CLAIMS).read_text(encoding="utf-8").splitlines()
    names = header.split("\t")
    (row,) = (
        dict(zip(names, row.split("\t"), strict=True)) for row in rows if row.startswith("B0407\t")
    )
    for number, (name, cell) in enumerate(faults):
        faulty = row | {"id": f"B{9000 + number}"} | {name: cell}
        rows.append("\t".join(faulty[each] for each in names))
    (folder / _CLAIMS).write_text("\n".join((header, *rows, "")), encoding="utf-8")
    return folder


@pytest.mark.long
def test_the_messages_are_those_of_a_build(tmp_path: Path) -> None:
    """Each fault that the guide lists is told in its words."""
    of_files = [(name, cell) for name, cell, shape, _ in _FAULTS if not shape]
    of_data = dict.fromkeys((name, cell) for name, cell, shape, _ in _FAULTS if shape)

    with pytest.raises(BuildError) as caught:
        build(_with_faults(tmp_path / "files", of_files))
    built = build(_with_faults(tmp_path / "data", list(of_data)))
    report = validate(built.nquads, origins=built.origins, accelerated=True).as_text()

    assert len(of_files) > 5
    assert len(of_data) > 2
    for *_, shape, message in _FAULTS:
        told = report if shape else str(caught.value)
        assert message in told
        assert shape in told
