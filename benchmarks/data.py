"""The data that the servers are compared on: our graph, and generated graphs of any size."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import kg
from kg.rdf.namespaces import DG, PREFIXES, WIDER

OWN: Final = "own"
"""The name of our graph; a generated one is named by its number of triples."""

_SUBJECTS: Final = 1000
_EXAMPLE: Final = "https://example.org/id/"
_SEED: Final = 20260101

# A generated graph is made of blocks of 120 triples, in about the proportions of our claims.
_CLAIMS: Final = 8
_SOURCES: Final = 2
_TRIPLES: Final = 120
_CHILDREN: Final = 4
_LARGEST_BRANCH: Final = 400


@dataclass(frozen=True, slots=True)
class BenchmarkData:
    """A graph to serve, and what questions can be asked of it.

    Attributes:
        name: OWN, or the number of triples.
        path: the file: N-Quads if it is our graph, N-Triples if it is generated.
        triples: how many there are.
        subjects: IRIs of claims with a source, spread over the whole graph.
        branch: IRI of a concept with some hundred concepts below it.
        resources: paths of our claims, sources and concepts; empty if the graph is generated.
    """

    name: str
    path: Path
    triples: int
    subjects: tuple[str, ...]
    branch: str
    resources: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is our graph."""
        return self.name == OWN


def prepare(name: str, folder: Path) -> BenchmarkData:
    """Write a graph to a folder, unless it is there already, and say what is in it.

    Args:
        name: OWN, or the number of triples, such as `100000` or `1e5`.
        folder: where the file is, or is to be.

    Raises:
        ValueError: it is neither.
    """
    return _own(folder) if name == OWN else _generated(int(float(name)), folder)


def _own(folder: Path) -> BenchmarkData:
    graph = kg.load()
    path = folder / f"own-{graph.version}.nq"
    # Others put all graphs into their union, ours leaves this one out.
    apart = f"<{WIDER}> .\n".encode()
    lines = [x for x in graph.nquads.splitlines(keepends=True) if not x.endswith(apart)]
    path.write_bytes(b"".join(lines))
    claims = _iris(
        graph,
        "SELECT DISTINCT ?iri WHERE { ?iri prov:wasDerivedFrom/dcterms:title ?title ; "
        "dg:subject ?subject ; rdfs:label ?label } ORDER BY ?iri",
    )
    documents = _iris(
        graph,
        "SELECT DISTINCT ?iri WHERE { VALUES ?kind { dg:Claim dg:Source owl:Class } "
        "?iri a/rdfs:subClassOf* ?kind . "
        f'FILTER(STRSTARTS(STR(?iri), "{kg.rdf.namespaces.BASE}")) }} ORDER BY ?iri',
    )
    random.Random(_SEED).shuffle(documents)  # noqa: S311 - it has to be repeatable
    return BenchmarkData(
        name=OWN,
        path=path,
        triples=len(lines),
        subjects=_spread(claims),
        branch=f"{DG}ClinicalCondition",
        resources=tuple("/" + iri.removeprefix(kg.rdf.namespaces.BASE) for iri in documents),
    )


def _iris(graph: kg.KnowledgeGraph, query: str) -> list[str]:
    prefixes = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in PREFIXES.items())
    rows = graph.query(prefixes + query)
    assert isinstance(rows, kg.Rows)
    return [str(row["iri"]) for row in rows]


def _spread(claims: list[str]) -> tuple[str, ...]:
    return tuple(claims[:: max(1, len(claims) // _SUBJECTS)][:_SUBJECTS])


def _generated(triples: int, folder: Path) -> BenchmarkData:
    path = folder / f"generated-{triples}.nt"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", encoding="ascii") as file:
            file.writelines(ntriples(triples))
        unfinished.rename(path)
    blocks = triples // _TRIPLES
    step = max(1, blocks * _CLAIMS // _SUBJECTS)
    numbers = range(0, blocks * _CLAIMS, step)
    return BenchmarkData(
        name=str(triples),
        path=path,
        triples=triples,
        subjects=tuple(_iri("claim", number) for number in numbers)[:_SUBJECTS],
        branch=_iri("concept", _branch(blocks)),
    )


def _branch(concepts: int) -> int:
    """Choose the first concept below which there are some hundreds, whatever the number of all."""
    root = 0
    while _below(root, concepts) > _LARGEST_BRANCH:
        root = root * _CHILDREN + 1
    return root


def _below(root: int, concepts: int) -> int:
    first, last, total = root, root, 0
    while first < concepts:
        total += min(last, concepts - 1) - first + 1
        first, last = first * _CHILDREN + 1, last * _CHILDREN + _CHILDREN
    return total


def ntriples(triples: int) -> Iterator[str]:
    """Generate a graph like ours, line by line: claims with their sources, and a tree of concepts.

    The same number of triples gives the same lines, in any process and any version of Python.

    Args:
        triples: how many lines; a last block may be cut short.
    """
    chance = random.Random(_SEED)  # noqa: S311 - it has to be repeatable
    blocks = -(-triples // _TRIPLES)
    lines = (line for block in range(blocks) for line in _block(block, blocks, chance))
    return islice(lines, triples)


def _block(number: int, blocks: int, chance: random.Random) -> Iterator[str]:
    yield from _concept(number)
    for source in range(number * _SOURCES, (number + 1) * _SOURCES):
        yield from _source(source)
    for claim in range(number * _CLAIMS, (number + 1) * _CLAIMS):
        yield from _claim(claim, blocks, chance)


def _concept(number: int) -> Iterator[str]:
    concept = _iri("concept", number)
    yield _line(concept, "rdf:type", PREFIXES["owl"] + "Class")
    yield _line(concept, "rdfs:label", _text(f"concept {number}"))
    yield _line(concept, "skos:definition", _text(f"What is meant by number {number}."))
    wider = _iri("concept", (number - 1) // _CHILDREN) if number else f"{DG}Concept"
    yield _line(concept, "rdfs:subClassOf", wider)


def _source(number: int) -> Iterator[str]:
    source = _iri("source", number)
    yield _line(source, "rdf:type", f"{DG}Source")
    yield _line(source, "dcterms:identifier", _text(f"S{number}"))
    yield _line(source, "dcterms:title", _text(f"Study {number} of light in tissue"))
    yield _line(source, "dcterms:creator", _text(f"Author {number % 997}"))
    yield _line(source, "dcterms:issued", _text(str(1980 + number % 46)))
    yield _line(source, "dg:studyDesign", _iri("design", number % 7))


_RELATIONS: Final = ("treats", "causes", "targets", "penetrates", "worsens")
_UNITS: Final = ("um", "nm", "J/cm2", "%")
_EVERY_RARE: Final = 1000


def _claim(number: int, blocks: int, chance: random.Random) -> Iterator[str]:
    claim, relation = _iri("claim", number), _RELATIONS[int(chance.random() * len(_RELATIONS))]
    # Some concepts are spoken of far more often than others.
    subject, object_ = int(blocks * chance.random() ** 2), int(blocks * chance.random())
    value = int(chance.random() * 100000) / 10
    note = "melasma" if number % _EVERY_RARE == 0 else "skin"
    label = f"concept {subject} {relation} concept {object_} in {note} ({value})"
    yield _line(claim, "rdf:type", f"{DG}Claim")
    yield _line(claim, "dcterms:identifier", _text(f"G{number}"))
    yield _line(claim, "rdfs:label", _text(label))
    yield _line(claim, "prov:wasDerivedFrom", _iri("source", number * _SOURCES // _CLAIMS))
    yield _line(claim, "dg:subject", _iri("concept", subject))
    yield _line(claim, "dg:predicate", f"{DG}{relation}")
    yield _line(claim, "dg:object", _iri("concept", object_))
    yield _line(claim, "dg:finding", _iri("finding", int(chance.random() * 2)))
    yield _line(claim, "dg:extractionConfidence", _iri("confidence", int(chance.random() * 3)))
    yield _line(claim, "dg:locator", _text(f"Table {number % 9}"))
    yield _line(claim, "dg:reportedFigure", _text(str(value)))
    yield _line(claim, "dg:value", f'"{value}"^^<{PREFIXES["xsd"]}decimal>')
    yield _line(claim, "dg:unitCode", _text(_UNITS[number % len(_UNITS)]))


def _iri(kind: str, number: int) -> str:
    return f"{_EXAMPLE}{kind}/{number}"


def _text(text: str) -> str:
    return f'"{text}"'


def _line(subject: str, predicate: str, object_: str) -> str:
    prefix, _, name = predicate.partition(":")
    shown = object_ if object_.startswith('"') else f"<{object_}>"
    return f"<{subject}> <{PREFIXES[prefix]}{name}> {shown} .\n"
