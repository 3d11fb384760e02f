"""The description of the dataset itself, in DCAT and VoID, with its counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from rdflib import RDF, RDFS, Graph, Literal, URIRef

from kg.builder.read.tables import Triple
from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES, WIDER, expand

_DATASET: Final = URIRef(DGD + "dataset")
_APART: Final = (
    "What is reported for wider procedures. It is outside the default graph: ask for it with GRAPH "
    "or FROM."
)
_SAME: Final = json.loads(Path(__file__).with_suffix(".json").read_bytes())
"""What is said of the dataset whatever is in it, in JSON-LD."""


def describe(graphs: Mapping[str, set[Triple]], release: str) -> Iterator[Triple]:
    """Describe the dataset that is made of named graphs.

    Args:
        graphs: the triples of each graph, by its name.
        release: the version of the ontology.
    """
    same = Graph().parse(data=json.dumps({"@context": PREFIXES, **_SAME}), format="json-ld")
    yield from cast("Iterator[Triple]", iter(same))
    yield _DATASET, URIRef(expand("dcat:version")), Literal(release)
    number = Literal(sum(map(len, graphs.values())))
    yield _DATASET, URIRef(expand("void:triples")), number
    for name, triples in graphs.items():
        graph = URIRef(GRAPH + name)
        yield _DATASET, URIRef(expand("void:subset")), graph
        yield graph, RDF.type, URIRef(expand("void:Dataset"))
        yield graph, RDFS.label, Literal(f"named graph {name}", lang="en")
        yield graph, URIRef(expand("void:triples")), Literal(len(triples))
        if graph == URIRef(WIDER):
            yield graph, URIRef(expand("dcterms:description")), Literal(_APART, lang="en")
    yield from _class_partitions(graphs)


def _class_partitions(graphs: Mapping[str, set[Triple]]) -> Iterator[Triple]:
    """Count the records of each of our classes."""
    counts = Counter(
        str(value)
        for triples in graphs.values()
        for _, predicate, value in triples
        if predicate == RDF.type and value.startswith(DG)
    )
    for iri, number in counts.items():
        name = iri.removeprefix(DG)
        partition = URIRef(f"{DGD}dataset/class/{name}")
        yield _DATASET, URIRef(expand("void:classPartition")), partition
        yield partition, RDF.type, URIRef(expand("void:Dataset"))
        yield partition, RDFS.label, Literal(f"records of the class {name}", lang="en")
        yield partition, URIRef(expand("void:class")), URIRef(iri)
        yield partition, URIRef(expand("void:entities")), Literal(number)
