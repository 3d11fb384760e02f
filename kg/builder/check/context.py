"""Whether the JSON-LD context of the folder is one, and describes none but terms that there are."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rdflib import URIRef

from kg.builder.errors import FileProblem
from kg.builder.read.json_files import read_json
from kg.builder.read.terms import is_ours
from kg.rdf import jsonld
from kg.rdf.namespaces import BASE, curie

CONTEXT: Final = "context.jsonld"
"""The file, in the folder; a folder need not have it."""


def problems_of_context(folder: Path, described: Container[str]) -> list[FileProblem]:
    """Find what makes a context unfit.

    Args:
        folder: the ontology folder.
        described: the terms that are described, by IRI.
    """
    problems: list[FileProblem] = []
    file = read_json(folder, CONTEXT, problems) if (folder / CONTEXT).exists() else None
    if file is None:
        return problems
    try:
        context = jsonld.Context.load(folder / CONTEXT, BASE)
        jsonld.read(b'{"@context": "%s", "@id": "x:y"}' % context.iri.encode(), context)
    except jsonld.JsonLdError as error:
        detail = f"This is no JSON-LD context: {' '.join(str(error).split())}"
        return [FileProblem(CONTEXT, 0, "", detail, "Correct the definition of the term.")]
    for iri in _iris(context.terms):
        if is_ours(URIRef(iri)) and not iri.endswith("/") and iri not in described:
            line, detail = file.line_of(f'"{iri}"'), f"{curie(iri)} is unknown."
            problems.append(FileProblem(CONTEXT, line, "", detail, "Correct it."))
    return problems


def _iris(definitions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the IRIs that terms stand for."""
    for definition in definitions.values():
        members = definition if isinstance(definition, dict) else {"@id": definition}
        yield from (str(members[key]) for key in ("@id", "@reverse") if key in members)
