"""What is asked: the workloads, and the mixes in which their questions are put."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final
from urllib.parse import quote

from benchmarks.data import BenchmarkData
from kg.rdf.namespaces import PREFIXES

ROWS: Final = "application/sparql-results+json"
TRIPLES: Final = "application/n-triples"

_DRAWS: Final = 20_000
_SEED: Final = 1


class Mix(Enum):
    """How questions follow each other."""

    UNIQUE = "unique"
    """No question was ever asked before."""

    ZIPF = "repeated"
    """Of a fixed number of questions, the n-th most frequent comes with a share of 1/n."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Questions of one kind.

    Attributes:
        name: what the command line calls it.
        title: what the table calls it.
        stems: gives what questions begin with, for a graph; a number completes each of them. A
            stem begins with `/` if it is a whole path of our service, or else it is the query
            string for a SPARQL endpoint.
        accept: the Accept header.
        distinct: how many questions the repeated mix has.
        cut: whether any rows will do, as long as there are as many.
        ours_only: whether only our service knows such questions.
    """

    name: str
    title: str
    stems: Callable[[BenchmarkData], Sequence[str]]
    accept: str = ROWS
    distinct: int = 50
    cut: bool = False
    ours_only: bool = False


def _asking(text: str) -> str:
    """Return the query string of a query, open for a number in a comment that makes it another."""
    used = [name for name in PREFIXES if f"{name}:" in text]
    declared = "".join(f"PREFIX {name}: <{PREFIXES[name]}>\n" for name in used)
    return "?query=" + quote(f"{declared}{text}\n#", safe="")


def _about_each(text: str) -> Callable[[BenchmarkData], Sequence[str]]:
    return lambda data: [_asking(text.replace("$subject", f"<{iri}>")) for iri in data.subjects]


def _always(text: str) -> Callable[[BenchmarkData], Sequence[str]]:
    return lambda data: [_asking(text.replace("$branch", f"<{data.branch}>"))]


LOOKUP: Final = Workload(
    "lookup",
    "all of one subject",
    _about_each("SELECT ?p ?o WHERE { $subject ?p ?o }"),
    distinct=1000,
)
ROW: Final = Workload(
    "row",
    "one row",
    _about_each("SELECT ?label WHERE { $subject rdfs:label ?label }"),
    distinct=1000,
)
_JOIN: Final = """SELECT ?claim ?label ?source ?title WHERE {
  ?claim prov:wasDerivedFrom ?source ; rdfs:label ?label .
  ?source dcterms:title ?title
} LIMIT 1000"""
_AGGREGATE: Final = """SELECT ?confidence (COUNT(?claim) AS ?claims) (AVG(?value) AS ?mean) WHERE {
  ?claim dg:extractionConfidence ?confidence ; dg:value ?value
} GROUP BY ?confidence"""
_CONSTRUCT: Final = """CONSTRUCT { ?claim rdfs:label ?label ; dcterms:source ?title } WHERE {
  ?claim dg:extractionConfidence ?confidence ; rdfs:label ?label ; prov:wasDerivedFrom ?source .
  ?source dcterms:title ?title
} LIMIT 200"""
_FILTER: Final = """SELECT ?thing ?label WHERE {
  ?thing rdfs:label ?label . FILTER(CONTAINS(LCASE(STR(?label)), "melasma"))
}"""

WORKLOADS: Final = (
    ROW,
    LOOKUP,
    Workload("join", "1,000-row join", _always(_JOIN), cut=True),
    Workload("aggregate", "aggregate", _always(_AGGREGATE)),
    Workload(
        "path",
        "property path",
        _always("SELECT ?concept WHERE { ?concept rdfs:subClassOf+ $branch }"),
    ),
    Workload("construct", "CONSTRUCT", _always(_CONSTRUCT), accept=TRIPLES, cut=True),
    Workload("filter", "text filter", _always(_FILTER)),
    Workload(
        "canned",
        "canned query",
        lambda _: ["/queries/spectrum/answer?medium=dg:Water&lowest=2900&highest=3000."],
        ours_only=True,
    ),
    Workload(
        "resource",
        "resource, JSON-LD",
        # A further name of a format, which nothing has, is passed over.
        lambda data: [f"{path}?format=jsonld," for path in data.resources],
        accept="*/*",
        ours_only=True,
    ),
)
"""Every workload, in the order of the table."""


def draws(distinct: int) -> tuple[int, ...]:
    """Return the numbers of the questions of the repeated mix, in the order that they are put.

    Args:
        distinct: how many questions there are.
    """
    weights = list(accumulate(1 / rank for rank in range(1, distinct + 1)))
    chance = random.Random(_SEED)  # noqa: S311 - it has to be repeatable
    return tuple(chance.choices(range(distinct), cum_weights=weights, k=_DRAWS))
