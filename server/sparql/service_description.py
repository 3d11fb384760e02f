"""What the SPARQL endpoint says about itself, as RDF; templates/service_description.ttl has the words."""

from __future__ import annotations

from itertools import islice
from typing import Final
from urllib.parse import quote

from kg.engine.dataset import DefaultGraph
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
    contents, is_own = snapshot.contents, snapshot.graph.is_own
    endpoint = f"{url}/sparql"
    return rdf.write(
        "service_description.ttl",
        representation,
        endpoint=endpoint,
        # What is not our knowledge is known by its address only.
        dataset=f"{DGD}dataset" if is_own else f"{endpoint}#dataset",
        contents=contents,
        is_union=contents.default_graph is DefaultGraph.UNION,
        beside=sum(contents.graphs[graph] for graph in contents.apart),
        graphs=[
            (quote(graph.removeprefix(GRAPH), safe=""), graph, triples)
            for graph, triples in islice(contents.graphs.items(), _MOST_GRAPHS)
        ],
        formats=[each.w3c_name for each in REPRESENTATIONS if each.format is not None],
        functions=snapshot.functions,
        prefixes=PREFIXES if is_own else COMMON_PREFIXES,
    )
