"""What a validation found: as objects, as RDF, as data and as text that tells what to mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from rdflib import RDF, SH, BNode, Graph, Literal, URIRef
from rdflib.extras.shacl import parse_shacl_path
from rdflib.paths import Path as PropertyPath
from rdflib.term import Node

from kg.rdf.namespaces import BASE, DGD, ONTOLOGY, curie
from kg.text_files import rendered

_SEVERITIES: Final = ("Violation", "Warning", "Info")
"""The severities, the gravest first."""

_WHOLE: Final = (ONTOLOGY, DGD + "dataset")
"""Rules across records are aimed at these; the record to mend is the value that they found."""

_IRI: Final = re.compile(r"https?://[^\s\"<>{}|,;()]*[^\s\"<>{}|,;().:]")
_SHOWN: Final = 120
"""How many characters of a value are shown in a text."""
_LISTED: Final = 100
"""How many findings of a shape a text lists (a judgement: more are mended by a program)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where data do not keep to a shape.

    Attributes:
        severity: Violation, Warning or Info.
        shape: IRI of the shape, property shape or SPARQL constraint.
        record: IRI of what has to be mended.
        focus: IRI of the focus node; other than `record` for rules across records.
        path: IRI of the property, or a path in the syntax of SPARQL, or None.
        value: the value at fault, or None.
        constraint: IRI of the kind of constraint, such as sh:MinCountConstraintComponent.
        message: what to do.
        origin: where the record is described, such as `claims/clinical.tsv, line 7`, or None.
    """

    severity: str
    shape: str
    record: str
    focus: str
    path: str | None
    value: str | None
    constraint: str
    message: str
    origin: str | None

    def place(self) -> tuple[int, str, str, str, str, str]:
        """Return the key that findings are sorted by."""
        rank = _SEVERITIES.index(self.severity)
        return rank, self.shape, self.record, self.path or "", self.value or "", self.message


@dataclass(frozen=True)
class ValidationReport:
    """The result of a validation.

    Attributes:
        findings: what does not keep to the shapes, sorted.
        unchecked: subjects that no shape is for. Filled when a part is validated.
        checked: whether a shape is for any subject at all, so that the verdict means something.
    """

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...] = ()
    checked: bool = True
    _rdf: Mapping[Finding, Graph] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        rdf: Graph,
        origins: Mapping[str, str],
        described: AbstractSet[str] | None = None,
        unchecked: tuple[str, ...] = (),
    ) -> ValidationReport:
        """Read a report of a SHACL engine.

        Args:
            rdf: the report.
            origins: for IRIs of records, where they are described.
            described: the records that findings are wanted about; None: all.
            unchecked: those of them that no shape is for.
        """
        # Details, which only pySHACL gives, are results of their own about nested shapes; they are
        # left out, so that a result is the same from either engine.
        told = Graph()
        told += (triple for triple in rdf if triple[1] != SH.detail)
        results = (
            told.cbd(each, include_reifications=False) for each in told.objects(None, SH.result)
        )
        found = {_finding(result, origins): result for result in results}
        kept = (each for each in found if described is None or each.record in described)
        checked = described is None or len(unchecked) < len(described)
        return cls(tuple(sorted(kept, key=Finding.place)), unchecked, checked, found)

    @property
    def conforms(self) -> bool:
        """Whether there is no violation; warnings and remarks do not count."""
        return not any(finding.severity == "Violation" for finding in self.findings)

    def as_rdf(self) -> Graph:
        """Return the report in the vocabulary of SHACL, as a `sh:ValidationReport`.

        As the recommendation has it, `sh:conforms` is false there if there is any finding, be it
        a warning.
        """
        graph, report = Graph(), BNode()
        graph.bind("sh", SH)
        graph.add((report, RDF.type, SH.ValidationReport))
        graph.add((report, SH.conforms, Literal(not self.findings)))
        for finding in self.findings:
            graph += self._rdf[finding]
            for node in self._rdf[finding].subjects(RDF.type, SH.ValidationResult):
                graph.add((report, SH.result, node))
        return graph

    def as_dict(self) -> dict[str, Any]:
        """Return the report as data that JSON can hold."""
        return {
            "conforms": self.conforms,
            "checked": self.checked,
            "findings": [asdict(each) for each in self.findings],
            "unchecked": list(self.unchecked),
        }

    def as_text(self) -> str:
        """Tell a curator what was found, shape by shape, and what to do."""
        return rendered(
            Path(__file__).with_suffix(".txt"),
            report=self,
            severities={
                each: sum(finding.severity == each for finding in self.findings)
                for each in _SEVERITIES
            },
            groups=[
                list(group) for _, group in groupby(self.findings, attrgetter("severity", "shape"))
            ],
            unchecked=[curie(iri) for iri in self.unchecked[:_LISTED]],
            curie=curie,
            shortened=_shortened,
            base=BASE,
            listed=_LISTED,
            shown=_SHOWN,
        )


def _finding(result: Graph, origins: Mapping[str, str]) -> Finding:
    node = result.value(None, RDF.type, SH.ValidationResult)

    def said(predicate: URIRef) -> Node | None:
        return min(result.objects(node, predicate), key=str, default=None)

    focus, value, path = str(said(SH.focusNode)), said(SH.value), said(SH.resultPath)
    record = str(value) if focus in _WHOLE and isinstance(value, URIRef) else focus
    constraint = said(SH.sourceConstraint)
    shape = constraint if isinstance(constraint, URIRef) else said(SH.sourceShape)
    return Finding(
        severity=str(said(SH.resultSeverity)).removeprefix(str(SH)),
        shape=str(shape),
        record=record,
        focus=focus,
        path=None if path is None else _path(result, path),
        value=None if value is None else str(value),
        constraint=str(said(SH.sourceConstraintComponent)),
        message=_shortened(str(said(SH.resultMessage) or "")),
        origin=origins.get(record),
    )


def _path(graph: Graph, node: Node) -> str:
    """Write a path as SPARQL does; one that is a single property is its IRI."""
    path = parse_shacl_path(graph, node)
    return path.n3() if isinstance(path, PropertyPath) else str(path)


def _shortened(text: str) -> str:
    """Write the IRIs in a text in short."""
    return _IRI.sub(lambda found: curie(found[0]), text)
