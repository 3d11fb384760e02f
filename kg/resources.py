"""What is known of one resource: its description, asked from an engine.

The description of a resource is a graph of three rings. It is the same in every format.

1. The resource: every triple that has it as subject.
2. What it points to, such as the settings of a claim, and the records that speak of it: claims
   about it, gaps in the evidence on it, derivations of its plain edges and the claims behind them,
   the points of a spectrum, direct subclasses, the members of a scheme, what was taken from a
   source or computed from it. Of these the triples whose property is in SUMMARY.
3. What the summaries point to: kind and name, and of a source how to find it (NAMES).

So every statement about a concept comes with its source, and the size depends on how much is
known of one thing, never on the size of the graph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from rapidfuzz import fuzz, process
from rdflib import URIRef

from kg.engine import Query, ResultKind
from kg.engine.formats import JSON
from kg.namespaces import BASE, DG, GRAPH, ONTOLOGY, PREFIXES
from kg.nodes import Node, Surroundings
from kg.results import Rows, prologue, python_result, select

if TYPE_CHECKING:
    from kg.engine import Answer, Engine, Format

NAMES: Final = (
    "rdf:type",
    "rdfs:label",
    "dcterms:title",
    "dcterms:issued",
    "bibo:doi",
    "bibo:pmid",
)
"""What tells of a thing what it is and what it is called."""

LINKS: Final = (
    "dg:subject",
    "dg:predicate",
    "dg:object",
    "dg:polarity",
    "dg:confidence",
    "dg:assessment",
    "dg:disagreeingClaim",
    "dg:opposedClaim",
    "dg:parameter",
    "dg:pointOrigin",
    "dg:rule",
    "prov:wasDerivedFrom",
    "rdf:subject",
    "rdf:predicate",
    "rdf:object",
)
"""Properties of a record whose values the third ring names."""

SUMMARY: Final = (
    *NAMES,
    *LINKS,
    "dg:objectText",
    "dg:value",
    "dg:minimum",
    "dg:maximum",
    "dg:unitCode",
    "dg:reportedFigure",
    "dg:gapStatement",
    "dg:locator",
    "dg:wording",
    "dg:topic",
    "dg:likelyReason",
    "dg:circumstances",
    "dg:wavelengthInNanometre",
    "dg:absorptionCoefficientPerCentimetre",
    "dg:reducedScatteringCoefficientPerCentimetre",
    "dg:creatorText",
    "dcterms:bibliographicCitation",
)
"""What the second ring tells of a record."""

BACKLINKS: Final = (
    "dg:subject",
    "dg:object",
    "dg:standardTerm",
    "dg:supportedBy",
    "dg:correctedBy",
    "dg:disagreeingClaim",
    "dg:opposedClaim",
    "dg:gapAbout",
    "dg:computedBy",
    "dg:computedFrom",
    "dg:medium",
    "dg:spectrum",
    "prov:wasDerivedFrom",
    "rdf:subject",
    "skos:inScheme",
)
"""Properties by which records speak of a resource."""


def _second_ring(variable: str) -> str:
    """Give the pattern for what ?resource points to and the records that speak of it."""
    return f"""
      {{ ?resource ?link {variable} . FILTER (isIRI({variable}) && ?link != rdf:type) }}
      UNION {{ {variable} ?back ?resource . FILTER (?back IN ({", ".join(BACKLINKS)})) }}
      UNION {{ ?derivation rdf:subject ?resource ; prov:wasDerivedFrom {variable} }}
      UNION {{ GRAPH <{GRAPH}ontology> {{ {variable} rdfs:subClassOf ?resource }} }}"""


DESCRIPTION: Final = f"""{prologue()}
CONSTRUCT {{ ?subject ?property ?value }}
WHERE {{
  SELECT DISTINCT ?subject ?property ?value WHERE {{
    {{ BIND (?resource AS ?subject) ?subject ?property ?value }}
    UNION {{
      BIND (?resource AS ?value)
      {{ ?subject ?property ?value . FILTER (?property IN ({", ".join(BACKLINKS)})) }}
      UNION {{
        GRAPH <{GRAPH}ontology> {{ ?subject rdfs:subClassOf ?value }}
        BIND (rdfs:subClassOf AS ?property)
      }}
    }}
    UNION {{
      {{ {_second_ring("?subject")} }}
      ?subject ?property ?value
      FILTER (?property IN ({", ".join(SUMMARY)}))
    }}
    UNION {{
      {{ {_second_ring("?near")} }}
      ?near ?via ?subject .
      FILTER (?via IN ({", ".join(LINKS)}))
      ?subject ?property ?value
      FILTER (?property IN ({", ".join(NAMES)}))
    }}
  }}
  ORDER BY (?subject != ?resource) ?subject ?property ?value
}}
"""
"""The query for the description of ?resource."""

GRAPH_CONTENT: Final = "CONSTRUCT { ?s ?p ?o } WHERE { GRAPH ?graph { ?s ?p ?o } }"
"""The query for the triples of the named graph ?graph."""

SURROUNDINGS: Final = f"""{prologue()}
SELECT DISTINCT ?subject ?property ?value WHERE {{
  {{ BIND (?resource AS ?subject) ?subject ?property ?value }}
  UNION {{
    {{ {_second_ring("?subject")} }}
    ?subject ?property ?value
  }}
  UNION {{
    {{ {_second_ring("?near")} }} UNION {{ BIND (?resource AS ?near) }}
    {{ ?near ?via ?subject }} UNION {{ ?near ?subject ?anything }}
    ?subject ?property ?value
    FILTER (?property IN ({", ".join(NAMES)}, skos:definition))
  }}
}}
"""
"""The query for all that a page about ?resource tells: the rings in full, with every name."""

MOST_MENTIONS: Final = 200
"""How many records that name a resource are listed."""

_ALSO_NAMED: Final = f"""{prologue()}
SELECT ?property (SAMPLE(?propertyLabel) AS ?propertyName) ?record (SAMPLE(?label) AS ?name)
WHERE {{
  ?record ?property ?resource .
  FILTER (?property NOT IN ({", ".join(BACKLINKS)}, rdfs:subClassOf, owl:disjointWith, rdf:object))
  OPTIONAL {{ ?property rdfs:label ?propertyLabel }}
  OPTIONAL {{ ?record rdfs:label|dcterms:title ?label }}
}}
GROUP BY ?property ?record ORDER BY ?property ?record LIMIT {MOST_MENTIONS + 1}
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What an IRI that was asked for turns out to stand for.

    Attributes:
        iri: the IRI itself; of the ontology, whatever way of asking for it led here.
        graph: the named graph whose triples are what there is to say; None: its description is.
    """

    iri: str
    graph: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A record that names a resource, other than by what its surroundings already tell.

    Attributes:
        property: by which property, as an IRI.
        property_name: what that is called.
        iri: the record.
        name: what it is called.
    """

    property: str
    property_name: str
    iri: str
    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A resource and what it is called.

    Attributes:
        iri: the resource.
        name: its label or title.
    """

    iri: str
    name: str


@dataclass(frozen=True, slots=True)
class LaserLine:
    """A wavelength at which an energy source emits.

    Attributes:
        iri: the energy source.
        name: its label.
        nanometres: the wavelength.
    """

    iri: str
    name: str
    nanometres: float


def _ask(engine: Engine, text: str, iri: str) -> bool:
    return bool(python_result(engine.run(Query(text, {"resource": URIRef(iri)}))))


_IS_GRAPH: Final = "ASK { GRAPH ?resource { ?s ?p ?o } }"


def find(engine: Engine, iri: str) -> Found | None:
    """Find what an IRI stands for, or None if nothing is known of it.

    The IRI of the ontology, with or without slash, and the IRI of its present version stand for
    the whole ontology; the IRI of a named graph stands for its triples.

    Raises:
        kg.engine.BindingError: it is no legal IRI.
    """
    release = f"ASK {{ <{ONTOLOGY}> <{PREFIXES['owl']}versionIRI> ?resource }}"
    if iri in (ONTOLOGY, DG) or (iri.startswith(DG) and _ask(engine, release, iri)):
        graph = GRAPH + "ontology"
        return Found(ONTOLOGY, graph) if _ask(engine, _IS_GRAPH, graph) else None
    if iri.startswith(GRAPH) and _ask(engine, _IS_GRAPH, iri):
        return Found(iri, iri)
    return Found(iri) if _ask(engine, "ASK { ?resource ?property ?value }", iri) else None


def describe(engine: Engine, found: Found, written: Format, max_bytes: int | None = None) -> Answer:
    """Give what there is to say of a resource, as a graph in one of the RDF formats.

    Args:
        engine: what is asked.
        found: the resource.
        written: the format.
        max_bytes: the most that it may be; None: any.

    Raises:
        kg.engine.ResultTooLarge: it is more.
    """
    formats = {ResultKind.GRAPH: written}
    if found.graph is not None:
        text, bindings = GRAPH_CONTENT, {"graph": URIRef(found.graph)}
    else:
        text, bindings = DESCRIPTION, {"resource": URIRef(found.iri)}
    return engine.run(Query(text, bindings, formats=formats, max_bytes=max_bytes))


def look_up(engine: Engine, iri: str) -> Node:
    """Give a resource as a node that can be read together with its surroundings."""
    query = Query(SURROUNDINGS, {"resource": URIRef(iri)}, formats={ResultKind.SOLUTIONS: JSON})
    return Surroundings.read(engine.run(query).body).node(iri)


def mentions(engine: Engine, iri: str) -> list[Mention]:
    """Give the records that name a resource otherwise, such as in a qualifier.

    If there are more than MOST_MENTIONS, one more than that is given.
    """
    rows = select(engine, _ALSO_NAMED, {"resource": URIRef(iri)})
    return [
        Mention(
            str(row["property"]),
            str(row["propertyName"] or row["property"]),
            str(row["record"]),
            str(row["name"] or row["record"]),
        )
        for row in rows
    ]


_MOST_NAMES: Final = 50_000
_LONGEST_NAME: Final = 200


_ALL_NAMES: Final = f"""{prologue()}
SELECT ?iri ?name WHERE {{
  ?iri rdfs:label|dcterms:title ?name .
  FILTER (STRSTARTS(STR(?iri), "{BASE}"))
  FILTER NOT EXISTS {{ ?iri a dg:Derivation }}
}}
ORDER BY ?iri LIMIT {_MOST_NAMES}
"""


def similar(engine: Engine, iri: str, limit: int = 5) -> list[Named]:
    """Give IRIs that may be meant by one that is not known, with their names, the nearest first.

    The last part of the IRI is compared with those of the IRIs in the same place, and with the
    names that people use; if nothing there is near, with all of ours; if nothing is near at all,
    the least far in the same place are given. Derivations, which nobody looks for, are left out.
    """
    place, _, local = iri[: len(BASE) + _LONGEST_NAME].rstrip("/").rpartition("/")
    wanted = _folded(local)
    spellings = _spellings(engine)
    for where, cutoff in ((place + "/", 70), (BASE, 70), (place + "/", 40)):
        there = {
            key: each.spelling for key, each in enumerate(spellings) if each.iri.startswith(where)
        }
        near = process.extract(
            wanted, there, scorer=fuzz.ratio, processor=None, limit=2 * limit, score_cutoff=cutoff
        )
        if near:
            found = dict.fromkeys(
                Named(spellings[key].iri, spellings[key].name) for _, _, key in near
            )
            return list(found)[:limit]
    return []


class _Spelling(NamedTuple):
    """One of the ways to write what somebody may have meant."""

    iri: str
    name: str
    spelling: str


# Weakly, so that this holds no engine whose data have been replaced.
_SPELLINGS: Final[WeakKeyDictionary[Engine, list[_Spelling]]] = WeakKeyDictionary()


def _spellings(engine: Engine) -> list[_Spelling]:
    """Return the spellings of all names, of which an engine has the same for ever."""
    known = _SPELLINGS.get(engine)
    if known is None:
        names = [(str(row["iri"]), str(row["name"])) for row in select(engine, _ALL_NAMES)]
        known = _SPELLINGS[engine] = [
            _Spelling(iri, name, _folded(written))
            for iri, name in names
            for written in (name, iri.rpartition("/")[2])
        ]
    return known


def _folded(name: str) -> str:
    """Leave of a name what a misspelling is compared by: small letters and digits."""
    return re.sub(r"[\W_]+", "", name.casefold())


_HIERARCHY: Final = f"""{prologue()}
SELECT DISTINCT ?parent ?child ?name WHERE {{
  {{ GRAPH <{GRAPH}ontology> {{ ?resource rdfs:subClassOf ?parent }} ?parent rdfs:label ?name }}
  UNION
  {{ GRAPH <{GRAPH}ontology> {{ ?child rdfs:subClassOf ?resource }} ?child rdfs:label ?name }}
}}
ORDER BY LCASE(STR(?name))
"""


def hierarchy(engine: Engine, iri: str) -> tuple[list[Named], list[Named]]:
    """Give the parents and the children of a concept, as stated, without what follows."""
    rows = select(engine, _HIERARCHY, {"resource": URIRef(iri)})
    parents = [Named(str(row["parent"]), str(row["name"])) for row in rows if row["parent"]]
    children = [Named(str(row["child"]), str(row["name"])) for row in rows if row["child"]]
    return parents, children


_LASER_LINES: Final = f"""{prologue()}
SELECT ?laser ?name ?wavelength WHERE {{
  ?laser dg:emitsWavelengthInNanometre ?wavelength ; rdfs:label ?name .
  FILTER (?wavelength > 0)
}}
ORDER BY ?wavelength LCASE(STR(?name))
"""


def laser_lines(engine: Engine) -> list[LaserLine]:
    """Give the wavelengths at which energy sources emit, the shortest first."""
    return [
        LaserLine(str(row["laser"]), str(row["name"]), float(str(row["wavelength"])))
        for row in select(engine, _LASER_LINES, {})
    ]


_TOP_CONCEPTS: Final = f"""{prologue()}
SELECT ?iri (SAMPLE(?label) AS ?name) (SAMPLE(?words) AS ?definition) (COUNT(?below) AS ?number)
WHERE {{
  ?iri a owl:Class ; rdfs:label ?label ; skos:definition ?words .
  FILTER (STRSTARTS(STR(?iri), "{DG}"))
  FILTER NOT EXISTS {{
    GRAPH <{GRAPH}ontology> {{ ?iri rdfs:subClassOf ?wider }}
    FILTER (STRSTARTS(STR(?wider), "{DG}"))
  }}
  OPTIONAL {{ ?below rdfs:subClassOf ?iri }}
}}
GROUP BY ?iri ORDER BY ?name
"""

_PROPERTIES: Final = f"""{prologue()}
SELECT ?iri (SAMPLE(?label) AS ?name) (SAMPLE(?words) AS ?definition) WHERE {{
  VALUES ?kind {{ owl:ObjectProperty owl:DatatypeProperty owl:AnnotationProperty }}
  ?iri a ?kind ; rdfs:label ?label .
  OPTIONAL {{ ?iri skos:definition ?words }}
}}
GROUP BY ?iri ORDER BY ?name
"""

_CONTENTS: Final = """
SELECT ?class (COUNT(DISTINCT ?iri) AS ?number) (MIN(STR(?iri)) AS ?example)
WHERE { GRAPH ?graph { ?iri a ?class } FILTER (isIRI(?iri) && isIRI(?class)) }
GROUP BY ?class ORDER BY DESC(?number) ?class
"""


def top_concepts(engine: Engine) -> Rows:
    """Give the classes that are below none of ours: iri, name, definition, number below."""
    return select(engine, _TOP_CONCEPTS, {})


def properties(engine: Engine) -> Rows:
    """Give the properties that the ontology declares: iri, name, definition."""
    return select(engine, _PROPERTIES, {})


def contents(engine: Engine, graph: str) -> Rows:
    """Give what a named graph describes: class, number of instances, and the first of them."""
    return select(engine, _CONTENTS, {"graph": URIRef(graph)})
