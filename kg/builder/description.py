"""The description of the dataset itself, in DCAT and VoID, with its counts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from rdflib import RDF, Graph

from kg.builder.read.terms import Triple
from kg.rdf.namespaces import DG, GRAPH, PREFIXES

_SAME: Final = json.loads(Path(__file__).with_suffix(".json").read_bytes())
"""What is said of the dataset, and of named graphs, whatever is in them, in JSON-LD."""


def describe(
    graphs: Mapping[str, set[Triple]], release: str, added: Iterable[Path] = ()
) -> Iterator[Triple]:
    """Describe the dataset that is made of named graphs.

    Args:
        graphs: the triples of each graph, by its name.
        release: the version of the ontology.
        added: the files that records were added from.
    """
    files = sorted((hashlib.sha256(each.read_bytes()).hexdigest(), each.name) for each in added)
    origins = [
        {
            "@id": f"dgd:added/{digest[:16]}",
            **_part(f"added file {name}"),
            "dcterms:identifier": f"sha256:{digest}",
        }
        for digest, name in files
    ]
    whole = {
        "@id": "dgd:dataset",
        "dcat:version": release,
        "void:triples": sum(map(len, graphs.values())),
        "void:subset": [
            {
                "@id": GRAPH + name,
                **_part(f"named graph {name}"),
                "void:triples": len(triples),
                **_SAME["graphs"].get(name, {}),
                **({"prov:wasDerivedFrom": origins} if name == "added" else {}),
            }
            for name, triples in graphs.items()
        ],
        "void:classPartition": list(_class_partitions(graphs)),
    }
    said = json.dumps({"@context": PREFIXES, "@graph": [_SAME["dataset"], whole]})
    yield from cast("Iterator[Triple]", iter(Graph().parse(data=said, format="json-ld")))


def _part(label: str) -> dict[str, object]:
    return {"@type": "void:Dataset", "rdfs:label": {"@value": label, "@language": "en"}}


def _class_partitions(graphs: Mapping[str, set[Triple]]) -> Iterator[dict[str, object]]:
    """Count the records of each of our classes."""
    counts = Counter(
        str(value).removeprefix(DG)
        for triples in graphs.values()
        for _, predicate, value in triples
        if predicate == RDF.type and value.startswith(DG)
    )
    for name, number in counts.items():
        counted = {"void:class": {"@id": DG + name}, "void:entities": number}
        label = f"records of the class {name}"
        yield {"@id": f"dgd:dataset/class/{name}", **_part(label), **counted}
