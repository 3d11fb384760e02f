"""The description of the dataset itself, in DCAT and VoID, with its counts."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import cast

from rdflib import RDF

from kg.builder.read.terms import Triple
from kg.engine.dataset import Source
from kg.engine.oxigraph.engine import ntriples_of
from kg.rdf.formats import TURTLE
from kg.rdf.namespaces import DG
from kg.rdf.ntriples import graph_of
from kg.results import prologue
from kg.sparql.bind import canonical_literal
from kg.text_files import rendered


def describe(
    graphs: Mapping[str, set[Triple]], release: str, added: Iterable[Path] = ()
) -> Iterator[Triple]:
    """Describe the dataset that is made of named graphs.

    Args:
        graphs: the triples of each graph, by its name.
        release: the version of the ontology.
        added: the files that records were added from.
    """
    turtle = prologue() + rendered(
        Path(__file__).with_suffix(".ttl"),
        literal=canonical_literal,
        release=release,
        sizes={name: len(triples) for name, triples in graphs.items()},
        files={(hashlib.sha256(each.read_bytes()).hexdigest(), each.name) for each in added},
        classes=Counter(
            value.removeprefix(DG)
            for triples in graphs.values()
            for _, predicate, value in triples
            if predicate == RDF.type and value.startswith(DG)
        ),
    )
    described = graph_of(ntriples_of(Source(turtle.encode(), TURTLE), count()))
    yield from cast("Iterator[Triple]", iter(described))
