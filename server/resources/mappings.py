"""The mappings to public ontologies: the SSSOM table, a page for people, and what is not mapped.

The table has an IRI of its own, https://w3id.org/dermograph/id/mappings, at whose path it is served
like any other resource, and in SSSOM in addition; /mappings gives the table without asking for it
by name. What is worth proposing to public ontologies is at /mappings/proposals.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, render_template, request

from kg.builder.read.mappings import TABLE, MappingTable, read_table
from kg.curation.term_requests import Search, TermRequest, as_tsv, proposals
from kg.rdf.namespaces import DGD
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.context import current_snapshot
from server.delegation import delegated
from server.protocol import answers, responses
from server.protocol.errors import ParameterRefused, UnknownResource
from server.protocol.negotiation import HTML, RDF, TSV, Representation
from server.protocol.parameters import Parameters, of_url
from server.resources import documents
from server.web import pages

blueprint = Blueprint("mappings", __name__)


@blueprint.before_request
def _only_of_our_own() -> None:
    """Refuse where other data are served, of which there is no table."""
    if not current_snapshot().graph.is_own:
        raise UnknownResource("There are no mappings of the data that are served here.")


SSSOM: Final = replace(
    TSV, name="sssom", label="SSSOM", suffix="sssom.tsv", names=("tsv",), stand_ins=("text/plain",)
)
OFFERS: Final = (SSSOM, HTML)
"""What the table is offered as, the default first."""

_RESOURCE_OFFERS: Final = (*RDF, SSSOM, HTML)
"""What the resource is offered as: as any other, and as the table."""

_BY_SUFFIX: Final = {"html": HTML, "sssom.tsv": SSSOM, "tsv": SSSOM}
_IRI: Final = f"{DGD}mappings"
_FILE_NAME: Final = Path(TABLE).name


@blueprint.get("/mappings")
@delegated
def table() -> Response:
    """Return the table of mappings."""
    return _document(answers.chosen(_parameters(), OFFERS), negotiated=True)


@blueprint.get("/id/mappings")
@delegated
def mapping_set() -> Response:
    """Return what is known of the table, or the table itself, at the path of its IRI."""
    chosen = answers.chosen(_parameters(), _RESOURCE_OFFERS)
    return _described("mappings") if chosen in RDF else _document(chosen, negotiated=True)


@blueprint.get("/id/mappings.<suffix>")
@delegated
def mapping_set_as(suffix: str) -> Response:
    """Return the same in one format."""
    fixed = _BY_SUFFIX.get(suffix)
    if fixed is None:
        return _described(f"mappings.{suffix}")
    if answers.format_named(_parameters(), _RESOURCE_OFFERS):
        raise ParameterRefused("format", "The suffix of the URL names the format already.")
    return _document(fixed, negotiated=False)


@blueprint.get("/mappings/proposals")
@delegated
def terms_to_propose() -> Response:
    """Return the concepts that no public ontology is known to have."""
    chosen = answers.chosen(_parameters(), (TSV, HTML))
    found = proposals(current_snapshot().graph.engine, _table())
    if chosen == HTML:
        return responses.reply(_proposals_page(found), HTML)
    return responses.reply(as_tsv(found), TSV)


def _parameters() -> Parameters:
    """Return the parameters of the request, which may only name a format."""
    parameters = of_url(request)
    parameters.refuse_others(answers.FORMAT_PARAMETERS)
    return parameters


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
    response.headers["Link"] = ", ".join(documents.links(_IRI, _RESOURCE_OFFERS, chosen))
    return response


@lru_cache(maxsize=1)
def _table() -> MappingTable:
    return read_table(ONTOLOGY_FOLDER)


def _page() -> str:
    mapped = _table()
    return render_template(
        "mappings.html",
        matches=mapped.found,
        path_of=pages.own_href,
        relation_of=pages.OUTSIDE_WORDS.__getitem__,
        metadata=mapped.metadata,
        ontologies=sorted({match.ontology for match in mapped.found}),
        iri=_IRI,
        here=pages.own_href(_IRI),
        table=SSSOM,
        offers=RDF,
    )


def _proposals_page(found: list[TermRequest]) -> str:
    groups = [(search, [each for each in found if each.search is search]) for search in Search]
    return render_template(
        "proposals.html",
        groups=groups,
        total=len(found),
        downloads=answers.downloads_as((TSV,)),
        path_of=pages.own_href,
    )
