"""Adding a query touches one file: it is then wherever queries are, with its title and its parameters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

_ROOT: Final = Path(__file__).parents[3]
_NAME: Final = "words-of-patients"
_TITLE: Final = "What may a patient mean by a word?"

_LOOK: Final = """
import json, sys
import kg
from server import create_app

name, values = sys.argv[1], {"word": "bump"}
graph = kg.load()
client = create_app({}, graph).test_client()


def text(address, accept="text/html", **values):
    response = client.get(address, headers={"Accept": accept}, query_string=values)
    assert response.status_code == 200, response.text
    return response.text


print(json.dumps({
    "library": len(graph.query(name, **values)),
    "list": text("/queries"),
    "page": text(f"/queries/{name}"),
    "described": json.loads(text(f"/queries/{name}", "application/json")),
    "answer": json.loads(text(f"/queries/{name}/answer", "application/json", **values)),
    "answer page": text(f"/queries/{name}/answer", **values),
    "openapi": json.loads(text("/openapi.json")),
    "api": text("/api"),
    "rdf": text("/queries", "text/turtle"),
}))
"""

pytestmark = pytest.mark.long


class Copy:
    """A copy of the repository, with one query more.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("kg", "server", "ontology", "queries", "tests"):
            ignored = shutil.ignore_patterns("__pycache__", "ready")
            shutil.copytree(_ROOT / part, folder / part, ignore=ignored)
        shutil.copy(_ROOT / "pyproject.toml", folder)
        lines = (folder / "queries" / "lay-terms.rq").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("#+ title:")
        lines[0] = f"#+ title: {_TITLE}"
        added = folder / "queries" / f"{_NAME}.rq"
        added.write_text("\n".join([*lines, ""]), encoding="utf-8")

    def run(self, *command: str) -> str:
        """Run Python in the copy, and return what it prints."""
        cache = str(self.folder / "cache")
        # What the tests of the copy leave out is no part of the list of those that run them.
        environment = {name: value for name, value in os.environ.items() if name != "LEFT_OUT"}
        environment |= {"PYTHONPATH": str(self.folder), "XDG_CACHE_HOME": cache}
        ran = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return a copy of the repository with one query more."""
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def seen(copy: Copy) -> Any:
    """Return what the library and the service of the copy show of the query."""
    return json.loads(copy.run("-c", _LOOK, _NAME))


def test_the_library_and_the_service_answer_it(seen: Any) -> None:
    """From Python, as JSON, and as a page."""
    assert seen["library"] > 0
    assert seen["answer"]["query"]["title"] == _TITLE
    assert seen["answer"]["rows"]
    assert _TITLE in seen["answer page"]


def test_pages_and_descriptions_show_it(seen: Any) -> None:
    """The list, the form with snippets, JSON, and RDF with its SPARQL."""
    assert _TITLE in seen["list"]
    assert _TITLE in seen["page"]
    assert 'name="word"' in seen["page"]
    assert f"dermograph query {_NAME}" in seen["page"]
    assert f"/queries/{_NAME}/answer" in seen["page"]
    assert seen["described"]["title"] == _TITLE
    assert f"queries/{_NAME}> " in seen["rdf"]
    assert _TITLE in seen["rdf"]
    assert "sh:select" in seen["rdf"]


def test_the_description_of_the_api_has_it(seen: Any) -> None:
    """It has a path, with its parameters, schemas and snippets, and is on the page of the API."""
    operation = seen["openapi"]["paths"][f"/queries/{_NAME}/answer"]["get"]

    assert operation["summary"] == _TITLE
    assert "word" in [each.get("name") for each in operation["parameters"]]
    assert "WordsOfPatientsAnswer" in seen["openapi"]["components"]["schemas"]
    assert {each["lang"] for each in operation["x-codeSamples"]} == {
        "Shell",
        "Python",
        "JavaScript",
    }
    assert f"<code>GET /queries/{_NAME}/answer</code>" in seen["api"]


def test_the_command_line_has_it(copy: Copy, seen: Any) -> None:
    """It is listed, described and answered."""
    main = "from server.cli import main; main()"

    assert seen
    assert _TITLE in copy.run("-c", main, "queries")
    assert "word" in copy.run("-c", main, "queries", _NAME)
    assert "bump" in copy.run("-c", main, "query", _NAME, "word=bump", "--format", "csv")


def test_the_tests_of_queries_ask_it(copy: Copy, seen: Any) -> None:
    """Its golden answers are written and compared like those of the others."""
    assert seen
    test = "tests/queries/test_golden_answers.py"
    listed = copy.run("-m", "pytest", "--collect-only", "-k", _NAME, test)

    assert _NAME in listed
