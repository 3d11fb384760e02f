"""The two engines that apply shapes: pySHACL, the reference, and shacl, the fast one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyshacl
import pyshacl.errors
import rdflib
import shacl
from pyparsing import ParseBaseException
from rdflib import Graph

from kg.builder.errors import BuildError, FileProblem
from kg.rdf.ntriples import graph_of


class ShapesError(BuildError):
    """The shapes are malformed, so that nothing can be said about the data."""

    def __init__(self, reason: str) -> None:
        super().__init__([FileProblem("shapes", 0, "", f"{reason}.", "Correct the shapes.")])


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
    data = graph_of(ntriples)
    try:
        with _texts_as_written():
            _, report, text = pyshacl.validate(data, shacl_graph=shapes, inplace=True)
    except (pyshacl.errors.ReportableRuntimeError, ParseBaseException) as error:
        raise ShapesError(str(error)) from error
    if not isinstance(report, Graph):
        raise ShapesError(text)
    return report


def accelerated_verdict(ntriples: str, shapes: Graph) -> Graph:
    """Apply shapes as ``reference_verdict`` does, with shacl, in a fiftieth of the time."""
    try:
        compiled = shacl.Shapes.from_text(shapes.serialize(format="nt"), format="ntriples")
    except ValueError as error:
        raise ShapesError(str(error)) from error
    report = compiled.validate_text(ntriples, format="ntriples")
    return graph_of(report.serialize("ntriples"))


_SWITCH: Final = threading.Lock()


@contextmanager
def _texts_as_written() -> Iterator[None]:
    """Keep rdflib from rewriting literals.

    pySHACL copies the literals that it reports, which rewrites them, and rdflib has no other way
    to forbid that than one for the whole process. So it is forbidden for this time only, and the
    fast engine, which is what the service and the command line use, needs none of it.
    """
    with _SWITCH:
        before = rdflib.NORMALIZE_LITERALS
        rdflib.NORMALIZE_LITERALS = False
        try:
            yield
        finally:
            rdflib.NORMALIZE_LITERALS = before
