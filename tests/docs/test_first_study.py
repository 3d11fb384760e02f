"""The guide to a first study is true: its files are added, and what it says comes of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import kg
from tests.processes import free_port

_ROOT: Final = Path(__file__).parent.parent.parent
_GUIDE: Final = (_ROOT / "docs" / "first-study.md").read_text(encoding="utf-8")
_FILES: Final = dict(
    re.findall(
        r"^[^\n]*`(\w+\.csv)`[^\n|]*:[^\n]*\n\n```csv\n(.*?)^```$", _GUIDE, re.MULTILINE | re.DOTALL
    )
)
_ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, *sys.path)))}
_COMMAND: Final = (
    sys.executable,
    "-c",
    "from server.cli import main; main(prog_name='dermograph')",
)
_EDGE: Final = {
    "subject": "dg:FullFieldCO2LaserResurfacing",
    "property": "dg:hasRisk",
    "object": "dg:Hyperpigmentation",
}


def _arguments(name: str) -> list[str]:
    """Return what the guide gives a command after its name."""
    found = re.search(rf"^dermograph {name} (--add .*)$", _GUIDE, re.MULTILINE)
    assert found is not None
    return [name, *found[1].split()]


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *arguments],
        cwd=folder,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def _written(folder: Path, **changes: str) -> Path:
    """Write the files of the guide, some with other texts."""
    assert set(_FILES) == {"sources.csv", "studies.csv", "arms.csv", "claims.csv"}
    for name, text in _FILES.items():
        (folder / name).write_text(changes.get(name.removesuffix(".csv"), text), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the guide's study beside ours, as it says."""
    folder, port = _written(tmp_path_factory.mktemp("study")), free_port()
    with subprocess.Popen(
        [*_COMMAND, *_arguments("serve"), "--port", str(port)],
        cwd=folder,
        env={**_ENVIRONMENT, "DERMOGRAPH_QUERY_SECONDS": "60"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert " is served at " in said, said + process.stderr.read()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _get(url: str, accept: str = "text/html") -> str:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Accept": accept})
    ) as response:
        return str(response.read().decode())


def _rows(service: str, query: str) -> list[dict[str, str]]:
    """Ask SPARQL over HTTP; give the values of each row."""
    answer = _get(
        f"{service}/sparql?query={urllib.parse.quote(query)}", "application/sparql-results+json"
    )
    bindings = json.loads(answer)["results"]["bindings"]
    return [{name: term["value"] for name, term in each.items()} for each in bindings]


def test_the_page_and_the_answer_of_the_procedure_have_it(
    service: str, graph: kg.KnowledgeGraph
) -> None:
    """The row is there with its interval, and one row more than without it."""
    page = _get(f"{service}/ontology/FullFieldCO2LaserResurfacing")

    assert "/id/claim/X0001" in page
    asked: dict[str, Any] = {"procedure": _EDGE["subject"], "event": _EDGE["object"]}
    before = graph.query("adverse-event-incidence", **asked)
    assert isinstance(before, kg.Rows)
    given = "&".join(f"{name}={value}" for name, value in asked.items())
    after = _get(f"{service}/queries/adverse-event-incidence/answer?{given}&format=csv", "text/csv")
    (row,) = (line for line in after.splitlines() if "id/claim/X0001" in line)
    assert len(after.splitlines()) == 1 + len(before) + 1
    assert ",12,80," in row
    assert "0.15,0.08794,0.244132" in row


def test_the_edge_rests_on_one_study_more(service: str, graph: kg.KnowledgeGraph) -> None:
    """Its derivation names claim and study, beside those that it had."""
    query = """
        SELECT ?study {
          ?why rdf:subject dg:FullFieldCO2LaserResurfacing ; rdf:predicate dg:hasRisk ;
               rdf:object dg:Hyperpigmentation ; dg:restsOnStudy ?study
        }"""
    before = graph.query(query)
    assert isinstance(before, kg.Rows)
    prefixes = (
        "PREFIX dg: <https://w3id.org/dermograph/ontology/> "
        "PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>"
    )
    after = {row["study"] for row in _rows(service, prefixes + query)}

    assert after - {str(row["study"]) for row in before} == {
        "https://w3id.org/dermograph/id/study/MYTRIAL2026"
    }
    assert len(after) == len(before) + 1


def test_search_finds_it_and_the_graph_tells_it_apart(service: str) -> None:
    """Its title is in the index of names; the query of the guide gives its claim and no other."""
    assert "MYTRIAL2026" in _get(f"{service}/search?q=hyperpigmentation+our+series")
    found = re.search(r"```sparql\n(.*?)```", _GUIDE, re.DOTALL)
    assert found is not None
    prefixes = (
        "PREFIX dg: <https://w3id.org/dermograph/ontology/> "
        "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    )
    (row,) = _rows(service, prefixes + found[1])
    assert row["claim"] == "https://w3id.org/dermograph/id/claim/X0001"
    assert row["says"].endswith(": 15%, 12 of 80 patients [MYTRIAL2026]")


def test_the_version_is_its_own_and_the_same_everywhere(
    service: str, graph: kg.KnowledgeGraph, tmp_path: Path
) -> None:
    """Built of the same files elsewhere it is that which is served; what ships stays what it is."""
    done = _run(_written(tmp_path), *_arguments("build"))

    assert (done.returncode, (tmp_path / "mine.nq").exists()) == (0, True)
    version = re.match(r"version (\w+): ", done.stderr)
    assert version is not None
    with urllib.request.urlopen(f"{service}/queries/lasers/answer?format=json") as response:
        assert version[1] in str(response.headers) + response.read().decode()
    assert version[1] != graph.version
    assert kg.load().version == graph.version


def test_what_is_invalid_is_told_and_never_served(tmp_path: Path) -> None:
    """A wrong number ends with 1 and the guide's words: place, and what to do."""
    claims = _FILES["claims.csv"].replace(",12,80,", ",90,80,")
    folder = _written(tmp_path, claims=claims)
    (said,) = re.findall(r"```text\n(dg:ClaimShape.*?)```", _GUIDE, re.DOTALL)

    judged = _run(folder, *_arguments("validate"))
    served = _run(folder, *_arguments("serve"), "--port", str(free_port()))

    assert (judged.returncode, served.returncode) == (1, 1)
    assert said in judged.stdout
    assert said in served.stderr
    assert "is served" not in served.stderr


@pytest.mark.parametrize("command", ["build", "serve"])
def test_files_without_the_option_are_wrong_use(command: str, tmp_path: Path) -> None:
    """A file that nothing was said of is not taken for anything."""
    done = _run(_written(tmp_path), command, "claims.csv")

    assert done.returncode == 2
    assert "--add claims.csv" in done.stderr


@pytest.mark.long
def test_turtle_says_the_same_as_the_rows(tmp_path: Path) -> None:
    """The whole graph is the same, but for the names and digests of the files."""
    _written(tmp_path)
    (text,) = re.findall(r"^```turtle\n(.*?)^```$", _GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / "claims.ttl").write_text(text, encoding="utf-8")
    arguments = [each for each in _arguments("build") if each not in ("--output", "mine.nq")]
    assert "claims.csv" in arguments
    built = []
    for name in ("claims.csv", "claims.ttl"):
        named = [each.replace("claims.csv", name) for each in arguments]
        ran = _run(tmp_path, *named, "--output", f"{name}.nq")
        assert ran.returncode == 0, ran.stderr
        lines = (tmp_path / f"{name}.nq").read_text(encoding="utf-8").splitlines()
        built.append({line for line in lines if not line.endswith("/graph/dataset> .")})

    assert built[0] == built[1]
