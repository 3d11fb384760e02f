"""What the SPARQL endpoint says about itself, as RDF; templates/service_description.ttl has the words."""

from __future__ import annotations

from itertools import islice
from typing import Final
from urllib.parse import quote

from kg.rdf.namespaces import COMMON_PREFIXES, DGD, GRAPH, PREFIXES
from server.context import Snapshot
from server.protocol import rdf
from server.protocol.negotiation import REPRESENTATIONS, Representation

_MOST_GRAPHS: Final = 1000
"""How many named graphs are described."""


def write(snapshot: Snapshot, url: str, representation: Representation) -> bytes:
    """Write the description of a service.

    Args:
        snapshot: what is described.
        url: where clients reach it.
        representation: one of the RDF formats.
    """
    is_own, endpoint = snapshot.graph.is_own, f"{url}/sparql"
    return rdf.write(
        "service_description.ttl",
        representation,
        endpoint=endpoint,
        # What is not our knowledge is known by its address only.
        dataset=f"{DGD}dataset" if is_own else f"{endpoint}#dataset",
        graphs=[
            (quote(graph.removeprefix(GRAPH), safe=""), graph, triples)
            for graph, triples in islice(snapshot.contents.graphs.items(), _MOST_GRAPHS)
        ],
        representations=REPRESENTATIONS,
        prefixes=PREFIXES if is_own else COMMON_PREFIXES,
    )
