"""The two engines that apply shapes: pySHACL, the reference, and shacl, the fast one."""

from __future__ import annotations

import pyshacl
import pyshacl.errors
import shacl
from pyparsing import ParseBaseException
from rdflib import Graph

from kg.build.errors import BuildError, Problem


class ShapesError(BuildError):
    """The shapes are malformed, so that nothing can be said about the data."""

    def __init__(self, reason: str) -> None:
        super().__init__([Problem("shapes", 0, "", f"{reason}.", "Correct the shapes.")])


def reference_verdict(ntriples: str, shapes: Graph) -> Graph:
    """Apply shapes with pySHACL.

    Args:
        ntriples: the data, as N-Triples.
        shapes: the shapes.

    Returns:
        The validation report, as RDF.

    Raises:
        ShapesError: the shapes are malformed.
    """
    data = Graph().parse(data=ntriples, format="nt")
    try:
        _, report, text = pyshacl.validate(data, shacl_graph=shapes, inplace=True)
    except (pyshacl.errors.ReportableRuntimeError, ParseBaseException) as error:
        raise ShapesError(str(error)) from error
    if not isinstance(report, Graph):
        raise ShapesError(text)
    return report


def accelerated_verdict(ntriples: str, shapes: Graph) -> Graph:
    """Apply shapes with shacl, which takes a fiftieth of the time.

    Args:
        ntriples: the data, as N-Triples.
        shapes: the shapes.

    Returns:
        The validation report, as RDF.

    Raises:
        ShapesError: the shapes are malformed.
    """
    try:
        compiled = shacl.Shapes.from_text(shapes.serialize(format="nt"), format="ntriples")
    except ValueError as error:
        raise ShapesError(str(error)) from error
    report = compiled.validate_text(ntriples, format="ntriples")
    return Graph().parse(data=report.serialize("ntriples"), format="nt")
