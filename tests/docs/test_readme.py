"""The README does what it says: each of its commands runs, and gives the output that it shows."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import kg

_ROOT: Final = Path(__file__).parent.parent.parent
_README: Final = (_ROOT / "README.md").read_text(encoding="utf-8")
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\((?!https?://)([^)#]+)\)")
_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Example:
    """A command block of the README.

    Attributes:
        language: sh or python.
        code: what is to be run.
        output: what the README shows below it; None: nothing.
    """

    language: str
    code: str
    output: str | None


def _examples() -> Iterator[Example]:
    fences = list(_FENCE.finditer(_README))
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        language, code = fence.groups()
        if language == "text":
            continue
        output = None
        if following and following[1] == "text":
            assert not _README[fence.end() : following.start()].strip(), following[0]
            output = following[2]
        yield Example(language, code, output)


EXAMPLES: Final = tuple(_examples())
(_BUILDING,) = (each for each in EXAMPLES if each.code.startswith("dermograph build "))
_RUN: Final = [
    each for each in EXAMPLES if each is not _BUILDING and not each.code.startswith("make ")
]
_MADE: Final = [each for each in EXAMPLES if each.code.startswith("make ")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment where `dermograph` is the command of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "dermograph"
    call = "from server.cli import main; main(prog_name='dermograph')"
    command.write_text(
        f'#!/bin/sh\nexec {shlex.join([sys.executable, "-c", call])} "$@"\n', encoding="utf-8"
    )
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": os.pathsep.join((str(folder), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, *sys.path))),
        "DERMOGRAPH_QUERY_SECONDS": "60",  # for loaded machines
    }


@pytest.fixture(scope="module")
def port(environment: dict[str, str]) -> Iterator[int]:
    """Yield the port of a service, started as the README says but for the port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free: int = probe.getsockname()[1]
    with subprocess.Popen(
        ["sh", "-c", f"exec dermograph serve --port {free}"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().endswith(f" is served at http://127.0.0.1:{free}\n")
        _wait_for(free)
        yield free
        process.terminate()


def _wait_for(port: int) -> None:
    """Wait until the service listens: it says where it will just before it does."""
    for _ in range(_SECONDS * 1000):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
    pytest.fail(f"Nothing listens on port {port}.")


@pytest.mark.parametrize("example", _RUN, ids=lambda each: each.code.split("\n")[0][:50])
def test_a_command_gives_the_output_that_is_shown(
    example: Example, port: int, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each block of commands succeeds, and prints what the README shows below it."""
    done = _run(example, port, environment, tmp_path)

    if example.output is not None:
        assert done.stdout.replace(f":{port}", ":8080").splitlines() == example.output.splitlines()


@pytest.mark.long
def test_what_is_built_is_what_is_served(
    port: int, environment: dict[str, str], tmp_path: Path, graph: kg.KnowledgeGraph
) -> None:
    """The command that builds says the version, and writes the very bytes that are served."""
    done = _run(_BUILDING, port, environment, tmp_path)

    (written,) = tmp_path.iterdir()
    assert (done.stdout, written.name) == ("", "dermograph.nq")
    assert done.stderr.startswith(f"version {graph.version}: ")
    assert written.read_bytes() == graph.nquads


def _run(
    example: Example, port: int, environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a block of commands, which must succeed."""
    code = example.code.replace(":8080", f":{port}")
    interpreter = {"sh": ["bash", "-e"], "python": [sys.executable, "-"]}[example.language]

    done = subprocess.run(
        interpreter,
        input=code,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=folder,
        timeout=_SECONDS,
    )

    assert done.returncode == 0, done.stderr
    return done


def test_the_commands_of_make_do_what_is_said() -> None:
    """The README names commands of make: one serves, one checks, one checks all that can be checked."""
    checks = ["ruff check", "mypy", "dermograph query", "pytest"]
    expected = {
        "make serve\n": ["dermograph serve"],
        "make test\n": checks,
        "make test-all\n": [*checks, "-m hypothesis", "long or browser"],
    }

    assert [each.code for each in _MADE] == list(expected)
    for code, commands in expected.items():
        plan = subprocess.run(
            [*code.split(), "--dry-run"], cwd=_ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert all(command in plan for command in commands)


def test_links_lead_somewhere() -> None:
    """Each file that the README links to is there."""
    missing = [target for target in _LINK.findall(_README) if not (_ROOT / target).exists()]

    assert missing == []


def test_the_reader_is_told_that_this_is_not_medical_advice() -> None:
    """The README says plainly what the graph is not for."""
    assert "**It is not medical advice**" in _README.partition("\n## ")[0]
