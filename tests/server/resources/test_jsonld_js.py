"""JSON-LD as jsonld.js reads it: a web page finds the same triples as whoever asks for N-Triples."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

import pytest
from pyoxigraph import Quad, RdfFormat, parse

import kg

pytestmark = pytest.mark.node

_ROOT: Final = Path(__file__).parents[3]
_LIBRARY: Final = _ROOT / ".venv" / "node"
_SCRIPT: Final = _ROOT / "tests" / "node" / "expand.mjs"
_SAMPLE: Final = """
SELECT ?class (MIN(?each) AS ?first) (MAX(?each) AS ?last) {
  ?each a ?class
  FILTER (STRSTARTS(STR(?each), "https://w3id.org/dermograph/"))
  FILTER (!STRSTARTS(STR(?each), "https://w3id.org/dermograph/graph/"))
} GROUP BY ?class
"""
"""Two resources of each class that has any.

Not whole graphs: the loader of jsonld.js ends any request after ten seconds, which the largest of
them take on a busy machine.
"""


def _triples(text: str) -> set[tuple[str, str, str]]:
    quads = (each for each in parse(text, format=RdfFormat.N_QUADS) if isinstance(each, Quad))
    return {(str(quad.subject), str(quad.predicate), str(quad.object)) for quad in quads}


def test_jsonld_js_reads_the_triples_that_we_wrote(graph: kg.KnowledgeGraph, live_url: str) -> None:
    """It fetches documents and their context from the service, and finds what the N-Triples say."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node.js")
    if not (_LIBRARY / "node_modules" / "jsonld").exists():
        pytest.skip("jsonld.js is not installed: `make tools` does that where there is npm")
    rows = graph.query(_SAMPLE)
    assert isinstance(rows, kg.Rows)
    paths = sorted(
        {
            str(row[end])[len("https://w3id.org/dermograph") :]
            for row in rows
            for end in ("first", "last")
        }
    )
    assert len(paths) > 50

    reader = subprocess.run(
        ["node", _SCRIPT, _LIBRARY],
        input="".join(f"{live_url}{path}.jsonld\n" for path in paths),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert not reader.returncode, reader.stderr
    read = json.loads(reader.stdout)

    for path in paths:
        with urllib.request.urlopen(f"{live_url}{path}.nt") as response:
            written = response.read().decode()
        assert _triples(read[f"{live_url}{path}.jsonld"]) == _triples(written), path
