"""Checks across a whole dataset: SPARQL files whose rows are what has to be mended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from rdflib import RDF, SH, BNode, Graph, Literal, URIRef

from kg.build.errors import BuildError, Problem
from kg.datatypes import is_ill_typed
from kg.engine import EngineError, Query, QuerySyntaxError, ResultKind
from kg.engine.inprocess import InProcessEngine
from kg.headers import HeaderError, read_header
from kg.namespaces import DGD, GRAPH, curie
from kg.ntriples import graph_of, unescaped
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


class CheckError(BuildError):
    """Checks themselves are malformed, so that nothing can be said about the data."""


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
    def file(self) -> str:
        """Its file, relative to the ontology folder."""
        return f"checks/{self.name}.rq"

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
        CheckError: headers are malformed, or queries do not parse; names all of them.
    """
    problems: list[Problem] = []
    checks = [_read(path, problems) for path in sorted(folder.glob("*.rq"))]
    if problems:
        raise CheckError(problems)
    return tuple(check for check in checks if check is not None)


def _read(path: Path, problems: list[Problem]) -> Check | None:
    """Read a check; None if it is malformed, which is added to the problems."""
    try:
        header = read_header(path, _HEADER)
    except HeaderError as error:
        file = f"checks/{path.name}"
        problems.append(Problem(file, error.line, "", error.detail, "Mend the header."))
        return None
    values = header.values
    remedy = " ".join(values["remedy"].split())
    check = Check(path.stem, values["title"], values["severity"], remedy, header.text)
    try:
        InProcessEngine(b"", version="empty").check(check.text)
    except EngineError as error:
        problems.append(_problem(check, error))
    return check


def _problem(check: Check, error: EngineError) -> Problem:
    if isinstance(error, QuerySyntaxError):
        return Problem(check.file, error.line, "", error.detail, error.hint or "Mend the query.")
    return Problem(check.file, 0, "", str(error), "Mend the query.")


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


def ill_typed(ntriples: str, judged: Graph) -> Graph:
    """Find literals whose text stands for no value of their datatype.

    Args:
        ntriples: the data, as N-Triples.
        judged: what shapes found; what they say of a value already is not said again.

    Returns:
        Results in the vocabulary of SHACL.
    """
    graph, report = Graph(), BNode()
    told = {
        (judged.value(result, SH.focusNode), judged.value(result, SH.value))
        for result in judged.subjects(SH.sourceConstraintComponent, SH.DatatypeConstraintComponent)
    }
    faulty = "".join(
        f"{line}\n"
        for line in ntriples.split("\n")
        if (match := _TYPED.search(line))
        and is_ill_typed(unescaped(match["text"]), unescaped(match["datatype"]))
    )
    for subject, path, value in graph_of(faulty):
        if (subject, value) not in told:
            result = BNode()
            assert isinstance(value, Literal)
            detail = f"{str(value)!r} is not of the type {curie(str(value.datatype))}: correct it."
            graph.add((report, SH.result, result))
            graph.add((result, RDF.type, SH.ValidationResult))
            graph.add((result, SH.focusNode, subject))
            graph.add((result, SH.resultPath, path))
            graph.add((result, SH.value, value))
            graph.add((result, SH.resultSeverity, SH.Violation))
            graph.add((result, SH.sourceShape, URIRef(f"{DGD}check/ill-typed")))
            graph.add((result, SH.sourceConstraintComponent, SH.DatatypeConstraintComponent))
            graph.add((result, SH.resultMessage, Literal(detail, lang="en")))
    return graph


_TYPED: Final = re.compile(
    r' "(?P<text>(?:[^"\\]|\\.)*)"\^\^<(?P<datatype>http://www\.w3\.org/2001/XMLSchema#\w+)> \.$'
)


def _rows(check: Check, engine: InProcessEngine) -> list[Mapping[str, Any]]:
    try:
        answer = engine.run(Query(check.text))
    except EngineError as error:
        raise CheckError([_problem(check, error)]) from error
    content = json.loads(answer.body) if answer.kind is ResultKind.SOLUTIONS else {"head": {}}
    if _OFFENDER not in content["head"].get("vars", ()):
        detail, remedy = f"The check does not select ?{_OFFENDER}.", "Select what has to be mended."
        raise CheckError([Problem(check.file, 0, "", detail, remedy)])
    rows: list[Mapping[str, Any]] = content["results"]["bindings"]
    if any(row.get(_OFFENDER, {}).get("type") != "uri" for row in rows):
        detail = f"The check finds a ?{_OFFENDER} that is no IRI."
        remedy = "Select the record that has to be mended."
        raise CheckError([Problem(check.file, 0, "", detail, remedy)])
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
