"""Validation: does a dataset, a file or a graph keep to the shapes, and if not, what to mend."""

from collections.abc import Mapping
from typing import Final

from rdflib import Graph

from kg.builder.read.turtle import SKOLEM
from kg.rdf.namespaces import BASE, DGD, ONTOLOGY, PREFIXES
from kg.rdf.rdflib_logging import without_remarks_of_rdflib
from kg.validate.checks import Check, CheckError, findings, ill_typed, read_checks
from kg.validate.inputs import Data, ValidationInputError, graph_of_material, read
from kg.validate.report import Finding, ValidationReport
from kg.validate.shapes import aimed_at, background_graph, shapes_graph, with_background
from kg.validate.verdict import ShapesError, accelerated_verdict, reference_verdict

__all__ = ["Check", "CheckError", "Finding", "ShapesError", "ValidationInputError"]
__all__ += ["ValidationReport", "background_graph", "findings", "read_checks", "shapes_graph"]
__all__ += ["validate"]

_WHOLE: Final = f"<{DGD}dataset> <{PREFIXES['dcterms']}conformsTo> <{ONTOLOGY}> ."
"""What a built dataset says of itself."""


def validate(
    data: Data,
    *,
    shapes: Graph | None = None,
    background: Graph | None = None,
    origins: Mapping[str, str] | None = None,
    accelerated: bool = False,
) -> ValidationReport:
    """Check data against shapes.

    What the build writes says of itself that it is a whole dataset. Other data are a part, such as
    the new claims of a curator: they are read together with a background, so that the terms and
    sources that they name are known; what they describe takes the place of what the background
    says of it; and only what they describe is reported. Their blank nodes get names. Named graphs
    are joined into one, without that of the shapes. Unless other shapes are given, the data are
    also put to the checks in `ontology/checks/`.

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
    with without_remarks_of_rdflib():
        ntriples, places = read(data)
        places = {**places, **(origins or {})}
        described: frozenset[str] | None = None
        unchecked: tuple[str, ...] = ()
        if _WHOLE not in ntriples:
            own = graph_of_material(ntriples).skolemize(
                authority=BASE, basepath=SKOLEM.removeprefix(BASE)
            )
            described = frozenset(str(subject) for subject in own.subjects())
            joined = with_background(own, background_graph() if background is None else background)
            shapes, unchecked = aimed_at(shapes, joined, described)
            ntriples = joined.serialize(format="nt")
        found = verdict(ntriples, shapes)
        found += ill_typed(ntriples, found) + findings(ntriples, checks)
    return ValidationReport.of(found, places, described, unchecked)
