"""The two tiers of tests: what is left out of a run is told at its end, and with STRICT=1 fails it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_TESTS: Final = """
import pytest

@pytest.mark.long
def test_for_later(): pass

@pytest.mark.skip(reason="there is no abacus")
def test_left_out(): pass

def test_that_runs(): pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with tests, set up as ours."""
    (tmp_path / "tests").mkdir()
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    shutil.copy(_ROOT / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "tests" / "test_things.py").write_text(_TESTS, encoding="utf-8")
    return tmp_path


def _pytest(folder: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Run the tests of a folder, and give the exit code and the lines of what was left out."""
    inherited = {name: value for name, value in os.environ.items() if name != "STRICT"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={
            **inherited,
            "PYTHONPATH": str(_ROOT),
            "LEFT_OUT": str(folder / "left-out"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout.partition(" left out ")[2].splitlines()
    return done.returncode, told[1:-1]


@pytest.mark.parametrize(
    ("workers", "strict", "code"),
    [([], "0", 0), (["-n", "2"], "1", 1)],
    ids=["serially", "strictly in parallel"],
)
def test_what_was_left_out_is_told(
    workers: list[str], strict: str, code: int, folder: Path
) -> None:
    """A test that is skipped is listed with its reason, one that is left for later is counted."""
    told = ["Left to `make test-all`: 1 long", "tests/test_things.py (1): there is no abacus"]

    assert _pytest(folder, *workers, STRICT=strict) == (code, told)


def test_the_second_tier_ends_with_the_list_of_both(folder: Path) -> None:
    """What the first tier had to leave out is told at the very end, where one looks."""
    _pytest(folder)

    assert _pytest(folder, "-m", "long") == (0, ["tests/test_things.py (1): there is no abacus"])


def test_nothing_left_out_is_told_too(folder: Path) -> None:
    """A run that left nothing out says so, and passes strictly."""
    one = "tests/test_things.py::test_that_runs"

    assert _pytest(folder, one, STRICT="1") == (0, ["Nothing."])
