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
    "tests/kg/engine/test_isolated.py",
    "tests/server/http1/test_http1.py",
    "tests/server/test_isolation.py",
    "tests/server/test_serve.py",
    "tests/server/sparql/test_sparql.py",
)
"""What differs between versions: processes, sockets, files, and the libraries that are compiled."""


def _others() -> dict[str, str]:
    """Return an interpreter of each other supported version that is on the path or kept by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for minor in range(11, 20):
        version = f"3.{minor}"
        kept = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
        interpreter = str(kept[-1]) if kept else shutil.which(f"python{version}")
        if interpreter and minor != sys.version_info.minor:
            found[version] = interpreter
    return found


_OTHERS: Final = _others()


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


@pytest.mark.skipif(not _OTHERS, reason="there is no other version of Python from 3.11 on")
@pytest.mark.parametrize("version", _OTHERS or ["none"])
def test_the_essentials_work_in_another_version(version: str) -> None:
    """With the same libraries as here, it builds the knowledge, and isolates, stops and answers."""
    folder = _ROOT / ".venv" / f"python{version}"
    python = folder / "bin" / "python"

    if not python.exists():
        _run(_OTHERS[version], "-m", "venv", folder)
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "-r", "requirements.lock")  # fmt: skip

    # Builds are kept apart, so that those of this version stay where they are looked for.
    _run(python, "-m", "pytest", *_ESSENTIALS, PYTHONPATH=str(_ROOT),
         XDG_CACHE_HOME=str(folder / "cache"))  # fmt: skip
