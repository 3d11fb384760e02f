"""The sources as records that can be cited: a list for people, CSL-JSON and BibTeX for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flask import Response, render_template, request

from kg.curation import citations
from kg.curation.citations import Citation, UnknownSourceError
from kg.rdf.namespaces import DGD
from server import answers
from server.context import current_snapshot
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.errors import ParameterRefused
from server.protocol.negotiation import BIBTEX, CSL_JSON, HTML, Representation
from server.web import pages

_ENDPOINT: Final = ENDPOINTS["sources.sources"]


def sources() -> Response:
    """Return all sources, or those whose keys are given."""
    parameters, chosen = answers.asked(_ENDPOINT)
    records = citations.citations(current_snapshot().graph.whole)
    try:
        shown = citations.chosen(records, [key for key in parameters.all("key") if key])
    except UnknownSourceError as error:
        hint = f"The keys are at {request.script_root}/sources."
        raise ParameterRefused("key", str(error), hint=hint, near=list(error.near)) from error
    return responses.reply(_WRITERS[chosen](shown), chosen)


def _page(records: list[Citation]) -> str:
    return render_template(
        "sources.html",
        records=records,
        downloads=answers.downloads(_ENDPOINT.representations),
        path_of=lambda key: pages.href(f"{DGD}source/{key}"),
    )


_WRITERS: Final[Mapping[Representation, Callable[[list[Citation]], str]]] = {
    CSL_JSON: citations.as_csl_json,
    BIBTEX: citations.as_bibtex,
    HTML: _page,
}
