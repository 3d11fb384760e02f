"""What the SPARQL endpoint says about itself, as RDF; templates/service_description.ttl has the words."""

from __future__ import annotations

from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from kg.engine.data import DefaultGraph
from kg.namespaces import COMMON_PREFIXES, DGD, GRAPH, PREFIXES
from kg.results import Rows, select, stored
from server import rdf
from server.negotiation import JSONLD, REPRESENTATIONS, Representation

if TYPE_CHECKING:
    from server.service import Service

_MOST_GRAPHS: Final = 1000
"""How many named graphs are described."""

_DEFAULT_GRAPHS: Final = {
    DefaultGraph.UNION: "The union of all graphs.",
    DefaultGraph.STRICT: "The triples that are in no named graph.",
}


def functions(service: Service) -> Rows:
    """Return what the data tell of extension functions, to be described with the service.

    Raises:
        EngineError: the engine did not answer.
    """
    return select(service.graph.whole, stored("extension-functions"), seconds=inf)


def write(service: Service, url: str, representation: Representation) -> bytes:
    """Write the description of a service.

    Args:
        service: what is described.
        url: where clients reach it.
        representation: one of the RDF formats.
    """
    contents, is_own = service.contents, service.graph.is_own
    endpoint = f"{url}/sparql"
    return rdf.write(
        "service_description.ttl",
        representation,
        endpoint=endpoint,
        # What is not our knowledge is known by its address only.
        dataset=f"{DGD}dataset" if is_own else f"{endpoint}#dataset",
        contents=contents,
        default_graph=_DEFAULT_GRAPHS[contents.default_graph],
        graphs=[
            (quote(graph.removeprefix(GRAPH), safe=""), graph, triples)
            for graph, triples in islice(contents.graphs.items(), _MOST_GRAPHS)
        ],
        formats=[each.w3c_name for each in REPRESENTATIONS if each.format is not None],
        functions=service.once(functions),
        prefixes=PREFIXES if is_own else COMMON_PREFIXES,
        limits=limits(service),
    )


def for_page(service: Service, url: str) -> str:
    """Write the description as JSON-LD that can stand in a script element of a page."""
    return write(service, url, JSONLD).decode().replace("<", "\\u003c")


def limits(service: Service) -> str:
    """Say in a sentence what the service is bounded to."""
    settings = service.settings
    others = ", ".join(settings.service_endpoints) or "no other endpoint"
    if service.graph.engine.isolated:
        of_queries = (
            f"A query may run for {settings.query_seconds:g} seconds, for up to "
            f"{settings.max_query_seconds:g} if it asks for that, and take "
            f"{settings.query_memory_bytes:,} bytes of memory."
        )
    else:
        of_queries = "Queries are not isolated, so no limit of time or memory holds for them."
    return (
        f"Read-only. SERVICE asks {others}. "
        f"URLs up to {settings.max_url_bytes:,} bytes, bodies up to "
        f"{settings.max_body_bytes:,} bytes, queries up to {settings.max_query_bytes:,} bytes, "
        f"answers up to {settings.max_result_bytes:,} bytes. {of_queries}"
    )
