"""Validation: does a dataset, a file or a graph keep to the shapes, and if not, what to mend."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rdflib import Graph

from kg.namespaces import BASE, ONTOLOGY
from kg.validate.checks import Check, CheckError, findings, read_checks
from kg.validate.inputs import Data, ValidationInputError, read
from kg.validate.report import Finding, ValidationReport
from kg.validate.shapes import aimed_at, background_graph, shapes_graph
from kg.validate.verdict import ShapesError, accelerated_verdict, reference_verdict

__all__ = [
    "Check",
    "CheckError",
    "Finding",
    "ShapesError",
    "ValidationInputError",
    "ValidationReport",
    "background_graph",
    "findings",
    "read_checks",
    "shapes_graph",
    "validate",
]

_HEADER = f"<{ONTOLOGY}> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/2002/07/owl#Ontology>"


def validate(
    data: Data,
    *,
    shapes: Graph | None = None,
    background: Graph | None = None,
    origins: Mapping[str, str] | None = None,
    accelerated: bool = False,
) -> ValidationReport:
    """Check data against shapes.

    Data with the header of the ontology are taken to be a whole dataset. Other data are a part,
    such as the new claims of a curator: they are read together with a background, so that the
    terms and sources that they name are known, and only what they themselves describe is
    reported; their blank nodes get names. Named graphs are joined into one, without that of the
    shapes. A whole dataset is also put to the checks in `ontology/checks/`, unless other shapes are
    given.

    Args:
        data: a graph, a dataset, N-Quads as bytes, or files (.ttl .trig .nt .nq .rdf .owl
            .jsonld).
        shapes: the shapes; None: those of the ontology.
        background: what a part is read with; None: the ontology and the names of its records.
        origins: for IRIs of subjects, where they are described, such as
            `claims/clinical.tsv, line 7`. For files it is found without.
        accelerated: ask the fast engine for the verdict. It is the same as that of the reference,
            pySHACL, which the tests hold it to.

    Raises:
        ValidationInputError: a file is missing, of an unknown kind, or cannot be parsed.
        ShapesError: the shapes themselves are malformed.
        CheckError: a check is malformed.
    """
    checks = read_checks() if shapes is None else ()
    shapes = shapes_graph() if shapes is None else shapes
    verdict = accelerated_verdict if accelerated else reference_verdict
    with _without_remarks_of_rdflib():
        material = read(data)
        places = {**material.origins, **(origins or {})}
        if _HEADER in material.ntriples:
            found = verdict(material.ntriples, shapes) + findings(material.ntriples, checks)
            return ValidationReport.of(found, places)
        own = material.graph().skolemize(authority=BASE)
        described = frozenset(str(subject) for subject in own.subjects())
        joined = own + (background_graph() if background is None else background)
        aimed, unchecked = aimed_at(shapes, joined, described)
        rdf = verdict(joined.serialize(format="nt"), aimed)
    return ValidationReport.of(rdf, places, unchecked=unchecked).about(described)


@contextmanager
def _without_remarks_of_rdflib() -> Iterator[None]:
    """Keep rdflib from logging literals that do not fit their datatype: the shapes report them."""
    logger = logging.getLogger("rdflib.term")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
