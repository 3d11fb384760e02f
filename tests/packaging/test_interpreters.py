"""Other versions of Python: the library and the service work in each that this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.interpreters

_ROOT: Final = Path(__file__).parents[2]
_ESSENTIALS: Final = (
    "tests/kg/test_library.py",
    "tests/kg/test_isolated.py",
    "tests/server/test_connection.py",
    "tests/server/test_isolation.py",
    "tests/server/test_serve.py",
    "tests/server/test_sparql.py",
)
"""What differs between versions: processes, sockets, files, and the libraries that are compiled."""


def _interpreter(version: str) -> str | None:
    """Give an interpreter of a version: one on the path, or one that pyenv installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")


def _run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_the_essentials_work_in_another_version(version: str) -> None:
    """With the same libraries as here, it builds the knowledge, and isolates, stops and answers."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return  # all other tests run in it
    interpreter = _interpreter(version)
    if interpreter is None:
        pytest.skip(f"there is no Python {version}")
    folder = _ROOT / ".venv" / f"python{version}"
    python = folder / "bin" / "python"

    if not python.exists():
        _run(interpreter, "-m", "venv", folder)
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "-r", "requirements.lock")  # fmt: skip

    # Builds are kept apart, so that those of this version stay where they are looked for.
    _run(python, "-m", "pytest", *_ESSENTIALS, PYTHONPATH=str(_ROOT),
         XDG_CACHE_HOME=str(folder / "cache"))  # fmt: skip
