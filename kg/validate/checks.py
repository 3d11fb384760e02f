"""Checks across a whole dataset: SPARQL files whose rows are what has to be mended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from rdflib import RDF, SH, BNode, Graph, Literal, URIRef

from kg.engine import EngineError, Query, ResultKind
from kg.engine.inprocess import InProcessEngine
from kg.headers import HeaderError, read_header
from kg.namespaces import DGD, GRAPH
from kg.validate.shapes import ONTOLOGY_FOLDER

_OFFENDER: Final = "offender"
_HEADER: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "severity", "remedy"],
    "properties": {
        "title": {"type": "string", "pattern": "^[A-Z].*[^.]$"},
        "severity": {"enum": ["Violation", "Warning", "Info"]},
        "remedy": {"type": "string", "pattern": "^[A-Z](.|\n)*\\.\n?$"},
    },
}


class CheckError(Exception):
    """A check itself is malformed, so that nothing can be said about the data."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check.

    Attributes:
        name: that of its file, without the ending.
        title: what it finds.
        severity: Violation, Warning or Info.
        remedy: what to do about it.
        text: the SPARQL: a SELECT of ?offender and of what else helps to mend it.
    """

    name: str
    title: str
    severity: str
    remedy: str
    text: str

    @property
    def iri(self) -> URIRef:
        """Name the check in reports."""
        return URIRef(f"{DGD}check/{self.name}")


@cache
def read_checks(folder: Path = ONTOLOGY_FOLDER / "checks") -> tuple[Check, ...]:
    """Read the checks of a folder: all its *.rq, in the order of their names.

    Args:
        folder: by default that of the ontology.

    Raises:
        CheckError: a header is malformed.
    """
    return tuple(_read(path) for path in sorted(folder.glob("*.rq")))


def _read(path: Path) -> Check:
    try:
        header = read_header(path, _HEADER)
    except HeaderError as error:
        raise CheckError(str(error)) from error
    values = header.values
    remedy = " ".join(values["remedy"].split())
    return Check(path.stem, values["title"], values["severity"], remedy, header.text)


def findings(ntriples: str, checks: Iterable[Check]) -> Graph:
    """Run checks.

    Args:
        ntriples: the data, as N-Triples.
        checks: the checks.

    Returns:
        What they find, in the vocabulary of SHACL: a `sh:ValidationReport` with a result for each
        offender, whose `sh:sourceShape` is the check.

    Raises:
        CheckError: a check is no SELECT query of the form described above.
    """
    graph, report = Graph(), BNode()
    named = ntriples.replace(" .\n", f" <{GRAPH}data> .\n").encode()
    engine = InProcessEngine(named, version="under validation")
    for check in checks:
        for row in _rows(check, engine):
            result = BNode()
            graph.add((report, SH.result, result))
            for triple in _described(result, check, row):
                graph.add(triple)
    return graph


def _rows(check: Check, engine: InProcessEngine) -> list[Mapping[str, Any]]:
    try:
        answer = engine.run(Query(check.text))
    except EngineError as error:
        raise CheckError(f"{check.name}: {error}") from error
    content = json.loads(answer.body) if answer.kind is ResultKind.SOLUTIONS else {"head": {}}
    if _OFFENDER not in content["head"].get("vars", ()):
        raise CheckError(f"{check.name}: it does not select ?{_OFFENDER}.")
    rows: list[Mapping[str, Any]] = content["results"]["bindings"]
    return rows


def _described(
    result: BNode, check: Check, row: Mapping[str, Any]
) -> Iterator[tuple[BNode, URIRef, URIRef | Literal]]:
    others = [f"{name} {term['value']}" for name, term in row.items() if name != _OFFENDER]
    details = f" ({', '.join(others)})" if others else ""
    yield result, RDF.type, SH.ValidationResult
    yield result, SH.focusNode, URIRef(row[_OFFENDER]["value"])
    yield result, SH.resultSeverity, SH[check.severity]
    yield result, SH.sourceShape, check.iri
    yield result, SH.sourceConstraintComponent, SH.SPARQLConstraintComponent
    yield result, SH.resultMessage, Literal(f"{check.title}{details}. {check.remedy}", lang="en")
