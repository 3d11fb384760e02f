"""The mappings to public ontologies: the SSSOM table, and a page for people.

The table has an IRI of its own, https://w3id.org/dermograph/id/mappings, at whose path it is served
like any other resource, and in SSSOM in addition; /mappings gives the table without asking for it
by name.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import Response, render_template

from kg.builder.read.mappings import TABLE
from kg.builder.read.tables import SourceTable, read_table
from kg.rdf.namespaces import DGD
from kg.releases.bundled import ONTOLOGY_FOLDER
from server import answers
from server.context import current_snapshot
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.errors import UnknownResource
from server.protocol.negotiation import HTML, RDF, SSSOM, Representation
from server.resources import documents
from server.web import pages

_MAPPING_SET: Final = ENDPOINTS["mappings.mapping_set"]
_BY_SUFFIX: Final = {"html": HTML, "sssom.tsv": SSSOM, "tsv": SSSOM}
_IRI: Final = f"{DGD}mappings"
_FILE_NAME: Final = Path(TABLE).name


def table() -> Response:
    """Return the table of mappings."""
    _refuse_other_data()
    return _document(answers.asked(ENDPOINTS["mappings.table"])[1], negotiated=True)


def mapping_set(suffix: str = "") -> Response:
    """Return what is known of the table, or the table itself, at the path of its IRI."""
    _refuse_other_data()
    fixed = _BY_SUFFIX.get(suffix)
    if suffix and fixed is None:
        return _described(f"mappings.{suffix}")
    _, chosen = answers.asked(_MAPPING_SET, fixed)
    return _described("mappings") if chosen in RDF else _document(chosen, negotiated=not suffix)


def _refuse_other_data() -> None:
    if not current_snapshot().graph.is_own:
        raise UnknownResource("There are no mappings of the data that are served here.")


def _described(name: str) -> Response:
    """Return the description of the table in RDF, as of any resource."""
    response = documents.document(f"id/{name}")
    response.headers["Link"] += f", {documents.alternate(_IRI, SSSOM)}"
    return response


def _document(chosen: Representation, *, negotiated: bool) -> Response:
    """Return the table as it stands, or as a page."""
    if chosen == HTML:
        response = responses.reply(_page(), HTML, negotiated=negotiated)
    else:
        body = (ONTOLOGY_FOLDER / TABLE).read_bytes()
        response = responses.reply(body, SSSOM, negotiated=negotiated)
        response.headers["Content-Disposition"] = f'attachment; filename="{_FILE_NAME}"'
    if negotiated:
        response.headers["Content-Location"] = documents.address(_IRI, chosen)
    response.headers["Link"] = ", ".join(
        documents.links(_IRI, _MAPPING_SET.representations, chosen)
    )
    return response


@lru_cache(maxsize=1)
def _table() -> SourceTable:
    return read_table(ONTOLOGY_FOLDER, TABLE)


def _page() -> str:
    relations = pages.OUTSIDE_WORDS
    return render_template(
        "mappings.html", mapped=_table(), iri=_IRI, table=SSSOM, offers=RDF, relations=relations
    )
