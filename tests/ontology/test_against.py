"""What stands against an edge: only what says the contrary of the same procedure and condition."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import pytest

import kg
from kg.rdf.namespaces import WIDER

_CLAIM: Final = "https://w3id.org/dermograph/id/claim/"
_ROWS: Final = tuple(
    csv.DictReader(
        Path(__file__).with_name("against.tsv").read_text(encoding="utf-8").splitlines(),
        delimiter="\t",
    )
)
_GRAPHS: Final = f"VALUES ?graph {{ <{WIDER}> <{WIDER.replace('wider', 'inferred')}> }}"


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: " ".join(list(row.values())[:3]))
def test_only_what_says_the_contrary_stands_against_an_edge(
    graph: kg.KnowledgeGraph, row: dict[str, str]
) -> None:
    """Another procedure, another strength of the same advice, or events prevented do not."""
    found = graph.query(
        f"SELECT DISTINCT ?edge ?claim {{ {_GRAPHS} GRAPH ?graph {{ "
        f"?edge rdf:subject {row['subject']} ; rdf:predicate {row['predicate']} ; "
        f"rdf:object {row['object']} . OPTIONAL {{ ?edge dg:claimAgainst ?claim }} }} }}"
    )

    assert isinstance(found, kg.Rows)
    assert found
    against = {str(each["claim"]).removeprefix(_CLAIM) for each in found if each["claim"]}
    assert against == set(filter(None, row["against"].split("|")))


def test_nothing_is_disputed_that_nothing_stands_against(graph: kg.KnowledgeGraph) -> None:
    """Sources that differ in how often or how strictly do not make an edge disputed."""
    found = graph.query(
        f"ASK {{ {_GRAPHS} GRAPH ?graph {{ ?edge dg:disputed ?any "
        "FILTER NOT EXISTS { ?edge dg:claimAgainst ?claim } } }"
    )

    assert found is False
