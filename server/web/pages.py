"""What the pages about resources show, by the kind of resource."""

from __future__ import annotations

import math
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from flask import request
from rdflib import Literal

from kg.engine import Engine
from kg.rdf.namespaces import BASE, DG, curie
from kg.resources import lookup
from kg.resources.lookup import Found
from kg.resources.neighbourhood import Node, Value
from kg.results import Row
from server.context import Snapshot
from server.data import rows
from server.web.figures import plot

Page = tuple[str, dict[str, Any]]
"""The file name of a template, and what it shows."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A derived statement about the thing that a page is about.

    Attributes:
        value: what it is related to.
        derivations: why: the records that name the rule and the claims.
    """

    value: Value
    derivations: tuple[Node, ...]

    @property
    def claims(self) -> list[Node]:
        """The claims that it rests on."""
        claims = [each.nodes("prov:wasDerivedFrom") for each in self.derivations]
        return list(dict.fromkeys(claim for each in claims for claim in each))

    @property
    def doubtful(self) -> bool:
        """Whether all claims that it rests on are of low extraction confidence."""
        levels = {claim.text("dg:extractionConfidence") for claim in self.claims}
        return levels == {"low"}


class Named(NamedTuple):
    """A resource and what it is called."""

    iri: str
    name: str


_Fact = tuple[Node, list[Value]]
Grouped = list[tuple[Node, list[Any]]]
"""Things by the property that relates them, in the order of its name."""


def _words(direction: str) -> dict[str, str]:
    return {row["property"]: row["words"] for row in rows("words") if row["direction"] == direction}


OUTSIDE_WORDS: Final = _words("forward")
"""Words for properties of other vocabularies, which the graph does not label."""

_BACKLINK_WORDS: Final = _words("backward")
_NAMING_WORDS: Final = _words("naming")

_SHOWN: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
"""Lists of properties, and the words for units."""


def local_path(iri: str) -> str:
    """Return the path at which one of our IRIs is served, below the URL of the service."""
    return "/" + quote(iri.removeprefix(BASE), safe="/:@!$&'()*+,;=~%")


def own_href(iri: str) -> str:
    """Return what a link to one of our IRIs leads to."""
    return request.script_root + local_path(iri)


def href(iri: str) -> str | None:
    """Return what a link to an IRI leads to: our own document, the web, or nothing."""
    if iri.startswith(BASE):
        return own_href(iri)
    return iri if iri.startswith(("http://", "https://")) else None


def words_of(term: Node) -> str:
    """Return what people call a property."""
    return term.name if term.named else OUTSIDE_WORDS.get(curie(term.iri), term.name)


def page_of(snapshot: Snapshot, found: Found) -> Page:
    """Choose the page for a resource, and gather what it shows."""
    engine = snapshot.graph.whole
    if found.graph is not None:
        make_whole = _ontology if found.graph != found.iri else _named_graph
        return make_whole(engine, found)
    node = lookup.look_up(engine, found.iri)
    return next(make for applies, make in _KINDS if applies(node))(engine, node)


def _concept(engine: Engine, node: Node) -> Page:
    near = lookup.asked(engine, "hierarchy", node.iri)
    about, naming, edges = node.back("dg:subject"), node.back("dg:object"), _edges(node)
    content = {
        "parents": [each for each in near if each["is_parent"]],
        "children": [each for each in near if not each["is_parent"]],
        "edges": edges,
        "claims": _by_predicate(about),
        "naming": _by_predicate(claim for claim in naming if claim not in about),
        "meant_by": node.back("dg:standardTerm"),
        "gaps": node.back("dg:gapAbout"),
        "mappings": _mappings(node),
        "facts": _stated(_facts(node, _SHOWN["shown_of_concept"]), edges),
        "spectra": node.back("dg:medium"),
        "wider": _wider(engine, node) if node.is_a("schema:MedicalTherapy") else {},
        "mentions": _mentions(engine, node),
    }
    return ("resource_concept.html", {"node": node, **content})


def _claim(_engine: Engine, node: Node) -> Page:
    derived = [each for each in node.back("prov:wasDerivedFrom") if each["dg:rule"]]
    content = {
        "slots": _facts(node, _SHOWN["shown_of_claim"], first=_SHOWN["slots"]),
        "settings": node.nodes("dg:setting"),
        "disagreements": [*node.back("dg:disagreeingClaim"), *node.back("dg:opposedClaim")],
        "derivations": derived,
    }
    return ("resource_claim.html", {"node": node, **content})


def _source(engine: Engine, node: Node) -> Page:
    taken = node.back("prov:wasDerivedFrom")
    content = {
        "claims": [each for each in taken if each["dg:predicate"]],
        "spectra": [each for each in taken if each.is_a("dg:Spectrum")],
        "mentions": _mentions(engine, node),
    }
    return ("resource_source.html", {"node": node, **content})


def _spectrum(engine: Engine, node: Node) -> Page:
    points = [each for each in node.back("dg:spectrum") if _has_number(each, _WAVELENGTH)]
    points.sort(key=_wavelength)
    lines = lookup.asked(engine, "laser-lines")
    known = _SHOWN["coefficients"].items()
    coefficients = [each for each in known if any(point[each[0]] for point in points)]
    curves = [(label, _curve(points, name)) for name, label in coefficients]
    content = {
        "facts": _facts(node, _SHOWN["shown_of_spectrum"]),
        "points": points,
        "coefficients": coefficients,
        "lasers": _lasers_at(points, lines),
        "plot": plot(curves, [_emitted(line) for line in lines]),
    }
    return ("resource_spectrum.html", {"node": node, **content})


def _curve(points: Iterable[Node], name: str) -> list[tuple[float, float]]:
    known = (each for each in points if _has_number(each, name))
    return [(_wavelength(each), _number(each, name)) for each in known]


def _record(engine: Engine, node: Node) -> Page:
    content = {
        "facts": _facts(node, _SHOWN["shown_of_record"], first=_SHOWN["sides"]),
        "backlinks": [
            (words, node.back(name)) for name, words in _BACKLINK_WORDS.items() if node.back(name)
        ],
        "mentions": _mentions(engine, node),
    }
    return ("resource_record.html", {"node": node, **content})


def _ontology(engine: Engine, found: Found) -> Page:
    node = lookup.look_up(engine, found.iri)
    content = {
        "facts": _facts(node, [*_SHOWN["shown_of_record"], "rdf:type", "dcterms:description"]),
        "concepts": lookup.asked(engine, "top-concepts"),
        "properties": lookup.asked(engine, "properties"),
    }
    return ("resource_ontology.html", {"node": node, **content})


def _named_graph(engine: Engine, found: Found) -> Page:
    node = lookup.look_up(engine, found.iri)
    content = {"contents": lookup.asked(engine, "contents", found.iri)}
    return ("resource_graph.html", {"node": node, **content})


_KINDS: Final[tuple[tuple[Callable[[Node], bool], Callable[[Engine, Node], Page]], ...]] = (
    (lambda node: bool(node["dg:predicate"]), _claim),
    (lambda node: node.is_a("dg:Source"), _source),
    (lambda node: node.is_a("dg:Spectrum"), _spectrum),
    (lambda node: node.is_a("owl:Class") and node.iri.startswith(DG), _concept),
    (lambda _: True, _record),
)
"""How a kind is recognised, and its page; the first that applies is taken."""


def _facts(node: Node, without: Collection[str], first: Sequence[str] = ()) -> list[_Fact]:
    """Return properties and values, except those that the page shows elsewhere."""
    places = {name: place for place, name in enumerate(first)}
    shown = [each for each in node.properties() if curie(each.iri) not in without]
    shown.sort(key=lambda each: (places.get(curie(each.iri), len(places)), words_of(each)))
    return [(each, node.values_of(each)) for each in shown]


def _mappings(node: Node) -> list[tuple[str, list[Value]]]:
    known = {curie(each.iri): words_of(each) for each in node.properties()}
    return [(known[name], node[name]) for name in _SHOWN["mappings"] if name in known]


def _stated(facts: list[_Fact], edges: Grouped) -> list[_Fact]:
    """Return facts without the values that are derived, as these are shown with their reasons."""
    derived = {(predicate, edge.value) for predicate, several in edges for edge in several}
    kept = (
        (property_, [value for value in values if (property_, value) not in derived])
        for property_, values in facts
    )
    return [(property_, values) for property_, values in kept if values]


def _edges(node: Node) -> Grouped:
    """Return what is derived of a thing, except that it is of a wider kind."""
    reasons: defaultdict[Node, defaultdict[Value, list[Node]]]
    reasons = defaultdict(lambda: defaultdict(list))
    for each in node.back("rdf:subject"):
        predicates = each.nodes("rdf:predicate")
        if all(curie(predicate.iri) != "rdfs:subClassOf" for predicate in predicates):
            for predicate, value in product(predicates, each["rdf:object"]):
                reasons[predicate][value].append(each)
    return [
        (predicate, [Edge(value, tuple(why)) for value, why in reasons[predicate].items()])
        for predicate in sorted(reasons, key=words_of)
    ]


def _wider(engine: Engine, node: Node) -> dict[Named, dict[str, list[Row]]]:
    """Return what is reported for wider procedures, by these, the nearest first, and by relation."""
    groups: defaultdict[Named, defaultdict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in lookup.asked(engine, "wider", node.iri):
        wider = Named(str(row["wider"]), str(row["widerName"]))
        groups[wider][str(row["relation"])].append(row)
    return {wider: dict(relations) for wider, relations in groups.items()}


def _by_predicate(claims: Iterable[Node]) -> Grouped:
    groups: defaultdict[Node, list[Node]] = defaultdict(list)
    for claim in claims:
        for predicate in claim.nodes("dg:predicate"):
            groups[predicate].append(claim)
    return sorted(groups.items(), key=lambda item: words_of(item[0]))


def _mentions(engine: Engine, node: Node) -> dict[str, Any]:
    """Return the records that name a thing otherwise than its page shows, by how they name it."""
    found = lookup.mentions(engine, node.iri)
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in found[: lookup.MOST_MENTIONS]:
        name = curie(str(row["property"]))
        words = OUTSIDE_WORDS.get(name, row["words"])
        groups[_NAMING_WORDS.get(name, f"What names it by “{words}”")].append(row)
    return {"groups": sorted(groups.items()), "more": len(found) > lookup.MOST_MENTIONS}


def _number(node: Node, name: str) -> float:
    return float(str(node.one(name)))


def _has_number(node: Node, name: str) -> bool:
    return _is_number(node.one(name))


def _is_number(value: Value | None) -> bool:
    """Tell whether a value can be computed with; other data may say anything."""
    return bool(_NUMBER.fullmatch(str(value))) and math.isfinite(float(str(value)))


_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WAVELENGTH: Final = "dg:wavelengthInNanometre"


def _wavelength(point: Node) -> float:
    return _number(point, _WAVELENGTH)


_NEAR: Final = 0.005
"""How far a laser line may lie from a point to be marked there, as a part of its wavelength."""


def _lasers_at(points: list[Node], lines: Iterable[Row]) -> dict[str, list[Row]]:
    """Return for points, by IRI, the lasers that emit there; each at the nearest point."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for line in lines:
        at = _emitted(line)
        nearest = min(points, key=lambda point: abs(_wavelength(point) - at), default=None)
        if nearest and abs(_wavelength(nearest) - at) <= _NEAR * at:
            found[nearest.iri].append(line)
    return dict(found)


def _emitted(line: Row) -> float:
    return float(str(line["nanometres"]))


def figure(claim: Node) -> str:
    """Return the number of a claim or setting with its unit: `32 to 36 %`; empty if it has none."""
    low, high = claim.text("dg:minimum"), claim.text("dg:maximum")
    values = sorted(Decimal(str(each)) for each in claim["dg:value"] if _is_number(each))
    value = " and ".join(f"{each:f}" for each in values) or None
    bounds = {
        (True, True): f"{low} to {high}",
        (True, False): f"at least {low}",
        (False, True): f"at most {high}",
        (False, False): "",
    }[low is not None, high is not None]
    kind = claim.text("dg:bounds")
    if value is not None and bounds:
        bounds = f"({bounds}{', ' + kind if kind else ''})"
    code = claim.text("dg:unitCode") or ""
    parts = (value, bounds, _SHOWN["units"].get(code, code.strip("{}")))
    return " ".join(part for part in parts if part)


def percent(share: Literal | None) -> str:
    """Return a proportion in per cent, to three significant digits."""
    if share is None:
        return ""
    if not _is_number(share):
        return str(share)
    shown = f"{Decimal(str(share)) * 100:.3g}"
    return f"{Decimal(shown).normalize():f}\u00a0%"
