"""What the SPARQL endpoint says about itself, as RDF.

In the vocabularies of https://www.w3.org/TR/sparql11-service-description/ and
https://www.w3.org/TR/void/, with the prefixes as `sh:declare`, where query editors look for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rdflib import DCTERMS, RDF, RDFS, SH, VOID, XSD, Literal, Namespace, URIRef

from kg.engine import Engine, Query
from kg.namespaces import BASE, DGD, PREFIXES
from server import rdf
from server.negotiation import JSONLD, REPRESENTATIONS, Representation
from server.rdf import Triple

if TYPE_CHECKING:
    from server.service import Service

_SD: Final = Namespace("http://www.w3.org/ns/sparql-service-description#")
_FORMATS: Final = Namespace("http://www.w3.org/ns/formats/")
_DCAT: Final = Namespace("http://www.w3.org/ns/dcat#")
_LICENCE: Final = URIRef("https://creativecommons.org/licenses/by/4.0/")
_DATASET: Final = URIRef(DGD + "dataset")

# The names that https://www.w3.org/ns/formats/ gives to formats.
_FORMAT_NAMES: Final = {
    "json": "SPARQL_Results_JSON",
    "xml": "SPARQL_Results_XML",
    "csv": "SPARQL_Results_CSV",
    "tsv": "SPARQL_Results_TSV",
    "turtle": "Turtle",
    "ntriples": "N-Triples",
    "nquads": "N-Quads",
    "trig": "TriG",
    "rdfxml": "RDF_XML",
    "jsonld": "JSON-LD",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How large the graph is.

    Attributes:
        triples: in the default graph, which is the union of the named graphs.
        graphs: triples in each named graph, by IRI.
    """

    triples: int
    graphs: Mapping[str, int]


def count(engine: Engine) -> Counts:
    """Count the triples of a dataset.

    Raises:
        EngineError: it cannot be counted.
    """
    total = _rows(engine, "SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }")
    graphs = _rows(
        engine,
        "SELECT ?graph (COUNT(*) AS ?n) WHERE { GRAPH ?graph { ?s ?p ?o } } "
        "GROUP BY ?graph ORDER BY ?graph",
    )
    return Counts(int(total[0]["n"]), {row["graph"]: int(row["n"]) for row in graphs})


def _rows(engine: Engine, text: str) -> list[dict[str, str]]:
    document = json.loads(engine.run(Query(text)).body)
    return [
        {name: term["value"] for name, term in row.items()}
        for row in document["results"]["bindings"]
    ]


_FUNCTIONS: Final = """
PREFIX dg: <https://w3id.org/dermograph/ontology/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>

SELECT ?function ?label ?comment WHERE {
  ?function a dg:ExtensionFunction ; rdfs:label ?label ; skos:definition ?comment .
}
"""


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
    yield from _about_functions(service.graph.engine, endpoint)
    yield from _about_dataset(service, endpoint)
    for graph, triples in service.counts.graphs.items():
        yield from _about_graph(endpoint, URIRef(graph), triples)
    for prefix, namespace in PREFIXES.items():
        declaration = URIRef(f"{endpoint}#prefix-{prefix}")
        yield endpoint, SH.declare, declaration
        yield declaration, SH.prefix, Literal(prefix)
        yield declaration, SH.namespace, Literal(namespace, datatype=XSD.anyURI)


def _about_service(service: Service, endpoint: URIRef) -> Iterator[Triple]:
    yield endpoint, RDF.type, _SD.Service
    yield endpoint, _SD.endpoint, endpoint
    yield endpoint, _SD.supportedLanguage, _SD.SPARQL11Query
    yield endpoint, _SD.feature, _SD.UnionDefaultGraph
    regime = URIRef("http://www.w3.org/ns/entailment/Simple")
    yield endpoint, _SD.defaultEntailmentRegime, regime
    yield endpoint, _SD.defaultDataset, _DATASET
    for representation in REPRESENTATIONS:
        if representation.format is not None:
            yield endpoint, _SD.resultFormat, _FORMATS[_FORMAT_NAMES[representation.name]]
    yield endpoint, DCTERMS.title, Literal("Dermograph SPARQL endpoint", lang="en")
    yield endpoint, DCTERMS.description, Literal(limits(service), lang="en")
    yield endpoint, DCTERMS.license, _LICENCE


def _about_functions(engine: Engine, endpoint: URIRef) -> Iterator[Triple]:
    for row in _rows(engine, _FUNCTIONS):
        function = URIRef(row["function"])
        yield endpoint, _SD.extensionFunction, function
        yield function, RDF.type, _SD.Function
        yield function, RDFS.label, Literal(row["label"], lang="en")
        yield function, RDFS.comment, Literal(row["comment"], lang="en")


def limits(service: Service) -> str:
    """Say in a sentence what the service is bounded to."""
    settings = service.settings
    return (
        "Read-only. Asks no other endpoint. "
        f"URLs up to {settings.max_url_bytes:,} bytes, bodies up to "
        f"{settings.max_body_bytes:,} bytes, queries up to {settings.max_query_bytes:,} bytes, "
        f"answers up to {settings.max_result_bytes:,} bytes. "
        f"A query may run for {settings.query_seconds:g} seconds, for up to "
        f"{settings.max_query_seconds:g} if it asks for that, and take "
        f"{settings.query_memory_bytes:,} bytes of memory."
    )


def _about_dataset(service: Service, endpoint: URIRef) -> Iterator[Triple]:
    default_graph = URIRef(f"{endpoint}#default-graph")
    yield _DATASET, RDF.type, _SD.Dataset
    yield _DATASET, RDF.type, VOID.Dataset
    yield _DATASET, DCTERMS.title, Literal("Dermograph", lang="en")
    yield _DATASET, DCTERMS.license, _LICENCE
    yield _DATASET, _DCAT.version, Literal(service.graph.release)
    yield _DATASET, DCTERMS.identifier, Literal(service.graph.version)
    yield _DATASET, VOID.sparqlEndpoint, endpoint
    yield _DATASET, VOID.uriSpace, Literal(BASE)
    yield _DATASET, VOID.triples, Literal(service.counts.triples)
    yield _DATASET, _SD.defaultGraph, default_graph
    yield default_graph, RDF.type, _SD.Graph
    yield default_graph, VOID.triples, Literal(service.counts.triples)
    comment = "The union of all named graphs."
    yield default_graph, RDFS.comment, Literal(comment, lang="en")


def _about_graph(endpoint: URIRef, graph: URIRef, triples: int) -> Iterator[Triple]:
    node = URIRef(f"{endpoint}#graph-{graph.rstrip('/').rpartition('/')[2]}")
    yield _DATASET, _SD.namedGraph, node
    yield node, RDF.type, _SD.NamedGraph
    yield node, _SD.name, graph
    yield node, _SD.graph, graph
    yield graph, RDF.type, _SD.Graph
    yield graph, VOID.triples, Literal(triples)
