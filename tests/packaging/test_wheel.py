"""The wheel carries all that the command needs: it works away from the checkout, in a clean home."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from kg.releases.bundled import BUILDING

_ROOT: Final = Path(__file__).parent.parent.parent
_SHIPPED: Final = ("kg", "server", "ontology", "queries")
_OTHER_SOURCES: Final = (
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    "LICENSE-KNOWLEDGE",
)
_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Installation:
    """A clean environment with the wheel in it, and a home that nothing was ever run in.

    Attributes:
        command: the command `dermograph` that was installed.
        home: the home, also the folder that commands are run in.
    """

    command: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process of a new user has in its environment."""
        return {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "PATH": os.environ["PATH"],
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, so that the checkout stays as it is."""
    sources, output = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    for name in _SHIPPED:
        shutil.copytree(_ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _OTHER_SOURCES:
        shutil.copy(_ROOT / name, sources)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", output, sources],
        check=True,
        capture_output=True,
        timeout=_SECONDS,
    )
    (built,) = output.iterdir()
    return built


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Install the wheel in a clean environment that sees the dependencies and not the checkout."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=True)
    folders = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", vars=folders))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment, "install", "--no-deps", "--no-index",
         "--quiet", "--disable-pip-version-check", wheel],
        check=True,
        timeout=_SECONDS,
    )  # fmt: skip
    # Appended to the path without being processed, so that an editable install there stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return Installation(environment / "bin" / "dermograph", tmp_path_factory.mktemp("home"))


def test_the_wheel_carries_the_knowledge_and_the_queries(wheel: Path) -> None:
    """Every file of the packages, of ontology/ and of queries/ is in it, and the built dataset."""
    files = {
        file.relative_to(_ROOT).as_posix()
        for name in _SHIPPED
        for file in (_ROOT / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    made = sorted(packed - files)
    assert files < packed
    assert [name.partition(".")[2] for name in made] == ["names", "nq.gz"]
    assert all(name.startswith("kg/ready/") for name in made)
    assert {name for name in packed if name.startswith(("ontology/", "queries/"))}


def test_the_wheel_carries_both_licences(wheel: Path) -> None:
    """The licences of the code and of the knowledge go with what they license."""
    names = {name.rpartition("/")[2] for name in zipfile.ZipFile(wheel).namelist()}

    assert {"LICENSE", "LICENSE-KNOWLEDGE"} <= names
    assert wheel.name.startswith("dermograph-")


def test_the_command_works_in_a_clean_home(installation: Installation) -> None:
    """The first start takes the dataset that came with the wheel: it builds and keeps nothing."""
    result = installation.run("query", "cannot-treat")

    golden = _ROOT / "tests" / "queries" / "golden" / "cannot-treat.csv"
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == golden.read_text(encoding="utf-8").splitlines()
    assert not (installation.home / "cache").exists()


def test_the_installed_package_is_not_the_checkout(installation: Installation) -> None:
    """What these tests run is the wheel: the checkout is nowhere on its path."""
    python = installation.command.with_name("python")
    program = "import kg, sys; print(kg.__file__); print(*sys.path, sep='\\n')"

    shown = subprocess.run(
        [python, "-c", program],
        cwd=installation.home,
        env=installation.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    assert Path(shown[0]).is_relative_to(installation.command.parent.parent)
    assert str(_ROOT) not in shown


_EDITION: Final = """
import sys
from kg.releases.bundled import spec
spec(sys.exit)  # with the name of the first step, should it build
"""


def _first_step(installation: Installation) -> str:
    """Return the first step of the build that the installed package makes; nothing if none."""
    return subprocess.run(
        [installation.command.with_name("python"), "-c", _EDITION],
        cwd=installation.home,
        env=installation.environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_SECONDS,
    ).stderr.strip()


@contextlib.contextmanager
def _edited(paths: Iterable[Path]) -> Iterator[None]:
    before = {path: path.read_text(encoding="utf-8") for path in paths}
    for path, text in before.items():
        path.write_text(f"{text}# edited\n", encoding="utf-8")
    try:
        yield
    finally:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")


def _packages(installation: Installation) -> Path:
    (queries,) = installation.command.parent.parent.glob("lib/*/site-packages/queries")
    return queries.parent


@pytest.mark.parametrize(
    "name",
    [
        *(
            "kg/builder/label/phrases.py",
            "kg/validate/checks.py",
            "kg/catalogue/canned_queries.py",
            "kg/engine/oxigraph/store.py",
        ),
        *("ontology/units.tsv", "queries/lay-terms.rq"),
    ],
)
def test_a_change_of_what_builds_makes_a_new_build(name: str, installation: Installation) -> None:
    """What was built and validated otherwise, or of other files, is not taken for what there is."""
    with _edited([_packages(installation) / name]):
        assert _first_step(installation) == "reading Turtle"


def test_a_change_of_anything_else_makes_no_new_build(installation: Installation) -> None:
    """Whoever edits the isolated engine, the service or the command does not wait for a build."""
    packages = _packages(installation)
    building = {path for name in BUILDING["modules"] for path in packages.glob(f"kg/{name}.py")}
    others = {path for room in ("kg", "server") for path in packages.glob(f"{room}/**/*.py")}

    with _edited(others - building):
        assert _first_step(installation) == ""
    assert packages / "kg" / "engine" / "isolated" / "engine.py" in others - building


def test_the_installed_service_answers(installation: Installation) -> None:
    """The installed command serves SPARQL, pages and their stylesheet."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with subprocess.Popen(
        [installation.command, "serve", "--port", str(port)],
        cwd=installation.home,
        env=installation.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().endswith(f" is served at http://127.0.0.1:{port}\n")
        answer = _get(port, "/sparql?query=ASK%20%7B%7D")
        page = _get(port, "/ontology/CO2Laser.html")
        process.terminate()

    assert json.loads(answer)["boolean"] is True
    assert b"CO2 laser" in page
    assert process.returncode == 0


def _get(port: int, path: str) -> bytes:
    """Ask once the service listens: it says where it will just before it does."""
    for _ in range(_SECONDS * 1000):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_SECONDS) as response:
        body: bytes = response.read()
    return body
