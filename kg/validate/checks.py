"""Checks across a whole dataset: SPARQL files whose rows are what has to be mended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from rdflib import RDF, SH, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from kg.builder.errors import BuildError, FileProblem
from kg.builder.read.query_files import read_query_files, rows_of
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.datatypes import is_ill_typed
from kg.rdf.namespaces import DGD, curie
from kg.rdf.ntriples import TRIPLE, graph_of, unescaped
from kg.text_files import ONTOLOGY_FOLDER

_OFFENDER: Final = "offender"

_Result: TypeAlias = Mapping[Node, Node]
"""What is said of a result: properties in the vocabulary of SHACL, and their values."""


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
    problems: list[FileProblem] = []
    checks = []
    for header in read_query_files(folder, "check", problems):
        said = {name: " ".join(value.split()) for name, value in header.values.items()}
        checks.append(Check(header.path.stem, **said, text=header.text))
    if problems:
        raise CheckError(problems)
    return tuple(checks)


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
    engine = InProcessEngine(b"", version="under validation")
    engine.add(ntriples.encode())
    return _report(_result(check, row) for check in checks for row in _rows(check, engine))


def ill_typed(ntriples: str, judged: Graph) -> Graph:
    """Find literals whose text stands for no value of their datatype.

    Args:
        ntriples: the data, as N-Triples.
        judged: what shapes found; what they say of a value already is not said again.

    Returns:
        Results in the vocabulary of SHACL.
    """
    told = {
        (judged.value(result, SH.focusNode), judged.value(result, SH.value))
        for result in judged.subjects(SH.sourceConstraintComponent, SH.DatatypeConstraintComponent)
    }
    faulty = "\n".join(
        line
        for line in ntriples.split("\n")
        if '"^^<' in line
        and (match := TRIPLE.fullmatch(line))
        and is_ill_typed(unescaped(match["text"]), unescaped(match["datatype"]))
    )
    return _report(
        {
            SH.focusNode: subject,
            SH.resultPath: path,
            SH.value: value,
            SH.resultSeverity: SH.Violation,
            SH.sourceShape: URIRef(f"{DGD}check/ill-typed"),
            SH.sourceConstraintComponent: SH.DatatypeConstraintComponent,
            SH.resultMessage: Literal(
                f"{str(value)!r} is not of the type {curie(value.datatype)}: correct it.", lang="en"
            ),
        }
        for subject, path, value in graph_of(faulty)
        if (subject, value) not in told and isinstance(value, Literal) and value.datatype
    )


def _rows(check: Check, engine: InProcessEngine) -> list[Mapping[str, Any]]:
    try:
        columns, rows = rows_of(check.file, check.text, engine)
    except BuildError as error:
        raise CheckError(error.problems) from error
    if _OFFENDER not in columns:
        detail, remedy = f"The check does not select ?{_OFFENDER}.", "Select what has to be mended."
    elif any(row.get(_OFFENDER, {}).get("type") != "uri" for row in rows):
        detail = f"The check finds a ?{_OFFENDER} that is no IRI."
        remedy = "Select the record that has to be mended."
    else:
        return rows
    raise CheckError([FileProblem(check.file, 0, "", detail, remedy)])


def _result(check: Check, row: Mapping[str, Any]) -> _Result:
    others = [f"{name} {term['value']}" for name, term in row.items() if name != _OFFENDER]
    details = f" ({', '.join(others)})" if others else ""
    return {
        SH.focusNode: URIRef(row[_OFFENDER]["value"]),
        SH.resultSeverity: SH[check.severity],
        SH.sourceShape: check.iri,
        SH.sourceConstraintComponent: SH.SPARQLConstraintComponent,
        SH.resultMessage: Literal(f"{check.title}{details}. {check.remedy}", lang="en"),
    }


def _report(results: Iterable[_Result]) -> Graph:
    """Return a `sh:ValidationReport` with results."""
    graph, report = Graph(), BNode()
    for said in results:
        result = BNode()
        graph.add((report, SH.result, result))
        graph.add((result, RDF.type, SH.ValidationResult))
        for predicate, value in said.items():
            graph.add((result, predicate, value))
    return graph
