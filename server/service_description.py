"""What the SPARQL endpoint says about itself, as RDF.

In the vocabularies of https://www.w3.org/TR/sparql11-service-description/ and
https://www.w3.org/TR/void/, with the prefixes as `sh:declare`, where query editors look for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from rdflib import DCTERMS, RDF, RDFS, SH, SKOS, VOID, XSD, Literal, Namespace, URIRef

from kg.engine.data import DefaultGraph
from kg.namespaces import BASE, COMMON_PREFIXES, DGD, GRAPH, PREFIXES
from kg.results import Rows, select, stored
from server import rdf
from server.negotiation import JSONLD, REPRESENTATIONS, Representation
from server.rdf import Triple

if TYPE_CHECKING:
    from server.service import Service

_SD: Final = Namespace("http://www.w3.org/ns/sparql-service-description#")
_FORMATS: Final = Namespace("http://www.w3.org/ns/formats/")
_DCAT: Final = Namespace("http://www.w3.org/ns/dcat#")
_LICENCE: Final = URIRef("https://creativecommons.org/licenses/by/4.0/")
_OWN_DATASET: Final = URIRef(DGD + "dataset")

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
    return rdf.write(_triples(service, URIRef(f"{url}/sparql")), representation)


def for_page(service: Service, url: str) -> str:
    """Write the description as JSON-LD that can stand in a script element of a page."""
    return write(service, url, JSONLD).decode().replace("<", "\\u003c")


def _triples(service: Service, endpoint: URIRef) -> Iterator[Triple]:
    yield from _about_service(service, endpoint)
    yield from _about_functions(service.once(functions), endpoint)
    yield from _about_dataset(service, endpoint)
    for graph, triples in islice(service.contents.graphs.items(), _MOST_GRAPHS):
        yield from _about_graph(service, endpoint, URIRef(graph), triples)
    for prefix, namespace in (PREFIXES if service.graph.is_own else COMMON_PREFIXES).items():
        declaration = URIRef(f"{endpoint}#prefix-{prefix}")
        yield endpoint, SH.declare, declaration
        yield declaration, SH.prefix, Literal(prefix)
        yield declaration, SH.namespace, Literal(namespace, datatype=XSD.anyURI)


def _about_service(service: Service, endpoint: URIRef) -> Iterator[Triple]:
    yield endpoint, RDF.type, _SD.Service
    yield endpoint, _SD.endpoint, endpoint
    yield endpoint, _SD.supportedLanguage, _SD.SPARQL11Query
    if service.contents.default_graph is DefaultGraph.UNION:
        yield endpoint, _SD.feature, _SD.UnionDefaultGraph
    if service.settings.service_endpoints:
        yield endpoint, _SD.feature, _SD.BasicFederatedQuery
    regime = URIRef("http://www.w3.org/ns/entailment/Simple")
    yield endpoint, _SD.defaultEntailmentRegime, regime
    yield endpoint, _SD.defaultDataset, _dataset(service, endpoint)
    for representation in REPRESENTATIONS:
        if representation.format is not None:
            yield endpoint, _SD.resultFormat, _FORMATS[representation.w3c_name]
    yield endpoint, DCTERMS.title, Literal("Dermograph SPARQL endpoint", lang="en")
    yield endpoint, DCTERMS.description, Literal(limits(service), lang="en")
    if service.graph.is_own:
        yield endpoint, DCTERMS.license, _LICENCE


def _dataset(service: Service, endpoint: URIRef) -> URIRef:
    """Return the IRI of the dataset: what is not our knowledge is known by its address only."""
    return _OWN_DATASET if service.graph.is_own else URIRef(f"{endpoint}#dataset")


def _about_functions(rows: Rows, endpoint: URIRef) -> Iterator[Triple]:
    for row in rows:
        function = URIRef(str(row["function"]))
        yield endpoint, _SD.extensionFunction, function
        yield function, RDF.type, _SD.Function
        yield function, RDFS.label, Literal(str(row["label"]), lang="en")
        yield function, RDFS.comment, Literal(str(row["comment"]), lang="en")
        if row["source"] is not None:
            yield function, URIRef(str(row["cites"])), URIRef(str(row["source"]))
        if row["example"] is not None:
            yield function, SKOS.example, Literal(str(row["example"]))


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


def _about_dataset(service: Service, endpoint: URIRef) -> Iterator[Triple]:
    default_graph = URIRef(f"{endpoint}#default-graph")
    contents = service.contents
    dataset = _dataset(service, endpoint)
    yield dataset, RDF.type, _SD.Dataset
    yield dataset, RDF.type, VOID.Dataset
    if service.graph.release is not None:
        yield dataset, DCTERMS.title, Literal("Dermograph", lang="en")
        yield dataset, DCTERMS.license, _LICENCE
        yield dataset, _DCAT.version, Literal(service.graph.release)
        yield dataset, VOID.uriSpace, Literal(BASE)
    yield dataset, DCTERMS.identifier, Literal(service.graph.version)
    yield dataset, VOID.sparqlEndpoint, endpoint
    yield dataset, VOID.triples, Literal(contents.triples)
    yield dataset, _SD.defaultGraph, default_graph
    yield default_graph, RDF.type, _SD.Graph
    yield default_graph, VOID.triples, Literal(contents.triples)
    comment = _DEFAULT_GRAPHS[contents.default_graph]
    yield default_graph, RDFS.comment, Literal(comment, lang="en")


def _about_graph(
    service: Service, endpoint: URIRef, graph: URIRef, triples: int
) -> Iterator[Triple]:
    node = URIRef(f"{endpoint}#graph-{quote(graph.removeprefix(GRAPH), safe='')}")
    yield _dataset(service, endpoint), _SD.namedGraph, node
    yield node, RDF.type, _SD.NamedGraph
    yield node, _SD.name, graph
    yield node, _SD.graph, graph
    yield graph, RDF.type, _SD.Graph
    yield graph, VOID.triples, Literal(triples)
