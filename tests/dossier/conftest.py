"""The dossier that the knowledge was taken from, and how its tables are read and compared."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from rdflib import Dataset, Graph, URIRef

from kg.rdf.namespaces import GRAPH

_FOLDER = Path(__file__).parent

Deviation = tuple[str, str]
"""A record, and the slot in which it differs from the dossier."""


def read(name: str) -> list[dict[str, str]]:
    """Read a table of the dossier; lines that begin with # are its header."""
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="session")
def table() -> Callable[[str], list[dict[str, str]]]:
    """Return what reads a table of the dossier."""
    return read


@pytest.fixture(scope="session")
def graph_named(dataset: Dataset) -> Callable[[str], Graph]:
    """Return what finds a named graph."""
    return lambda name: dataset.graph(URIRef(GRAPH + name))


@pytest.fixture(scope="session")
def explained() -> dict[Deviation, str]:
    """Return the deviations that are meant, each with its reason."""
    return {(row["record"], row["slot"]): row["reason"] for row in read("deviations.tsv")}


@pytest.fixture(scope="session")
def unexplained(
    explained: dict[Deviation, str],
) -> Callable[[Iterable[tuple[str, str, str]], str], list[str]]:
    """Return what compares deviations found with those that are meant.

    It tells of each that is found and not meant, and of each that is meant and no longer found,
    among the slots of one group such as `fact`.
    """

    def compare(found: Iterable[tuple[str, str, str]], group: str) -> list[str]:
        details = {(record, f"{group} {slot}"): detail for record, slot, detail in found}
        meant = {key for key in explained if key[1].partition(" ")[0] == group}
        new = [f"{key}: {details[key]}" for key in sorted(details.keys() - meant)]
        return new + [f"{key}: no longer needed" for key in sorted(meant - details.keys())]

    return compare
