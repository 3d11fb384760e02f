"""What the pages about resources show, by the kind of resource."""

import math
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from flask import render_template, request

from kg.engine import Engine
from kg.rdf.namespaces import BASE, DG, curie
from kg.resources import lookup
from kg.resources.lookup import Found
from kg.resources.neighbourhood import Node, Value
from kg.results import Row
from server.context import Snapshot
from server.data import rows
from server.protocol.negotiation import Representation
from server.web.figures import plot

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


def href(iri: str) -> str | None:
    """Return what a link to an IRI leads to: our own document, the web, or nothing."""
    if iri.startswith(BASE):
        return request.script_root + local_path(iri)
    return iri if iri.startswith(("http://", "https://")) else None


def words_of(term: Node) -> str:
    """Return what people call a property."""
    return term.name if term.named else OUTSIDE_WORDS.get(curie(term.iri), term.name)


def page(snapshot: Snapshot, found: Found, offers: Sequence[Representation]) -> str:
    """Write the page for a resource; the template of its kind says what it shows, by ``FILTERS``.

    Args:
        snapshot: what the request sees.
        found: the resource.
        offers: what there is beside the page.
    """
    engine = snapshot.graph.whole
    node = lookup.look_up(engine, found.iri)
    if found.graph is None:
        kind = next(name for name, applies in _KINDS.items() if applies(node))
    else:
        kind = "graph" if found.graph == found.iri else "ontology"
    return render_template(
        f"resource_{kind}.html",
        found=found,
        node=node,
        offers=offers,
        asked=partial(lookup.asked, engine),
        mentions=partial(_mentions, engine),
        backlinks=_BACKLINK_WORDS,
    )


_KINDS: Final[Mapping[str, Callable[[Node], bool]]] = {
    "claim": lambda node: bool(node["dg:predicate"]),
    "source": lambda node: node.is_a("dg:Source"),
    "spectrum": lambda node: node.is_a("dg:Spectrum"),
    "concept": lambda node: node.is_a("owl:Class") and node.iri.startswith(DG),
    "record": lambda _: True,
}
"""How a kind of resource is recognised; the first that applies is taken."""


def _facts(node: Node, kind: str) -> list[_Fact]:
    """Return properties and values, except those that the page of a kind shows elsewhere."""
    places = {name: place for place, name in enumerate(_SHOWN["first"].get(kind, ()))}
    shown = [each for each in node.properties() if curie(each.iri) not in _SHOWN["elsewhere"][kind]]
    shown.sort(key=lambda each: (places.get(curie(each.iri), len(places)), words_of(each)))
    return [(each, node.values_of(each)) for each in shown]


def _listed(node: Node, name: str) -> list[_Fact]:
    """Return those properties of a list that are known, and their values, in the order of the list."""
    known = {curie(each.iri): each for each in node.properties()}
    return [(known[each], node[each]) for each in _SHOWN[name] if each in known]


def _stated(facts: list[_Fact], edges: Grouped) -> list[_Fact]:
    """Return facts without the values that are derived, as these are shown with their reasons."""
    derived = {(predicate, edge["value"]) for predicate, several in edges for edge in several}
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
        (predicate, [_edge(value, why) for value, why in reasons[predicate].items()])
        for predicate in sorted(reasons, key=words_of)
    ]


def _edge(value: Value, derivations: list[Node]) -> dict[str, Any]:
    """Return a derived statement, the records that say why, its claims, and whether all are doubtful."""
    found = [claim for each in derivations for claim in each.nodes("prov:wasDerivedFrom")]
    claims = list(dict.fromkeys(found))
    doubtful = {each.text("dg:extractionConfidence") for each in claims} == {"low"}
    return {"value": value, "derivations": derivations, "claims": claims, "doubtful": doubtful}


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


def _spectrum(node: Node, lines: Sequence[Row]) -> dict[str, Any]:
    """Return points, coefficients and plot of a spectrum, and the lasers that emit at its points."""
    points = [each for each in node.back("dg:spectrum") if _number(each, _WAVELENGTH) is not None]
    points.sort(key=_wavelength)
    known = _SHOWN["coefficients"].items()
    coefficients = [each for each in known if any(point[each[0]] for point in points)]
    curves = [
        (label, [(_wavelength(at), y) for at in points if (y := _number(at, name)) is not None])
        for name, label in coefficients
    ]
    return {
        "points": points,
        "coefficients": coefficients,
        "lasers": _lasers_at(points, lines),
        "plot": plot(curves, [float(str(line["nanometres"])) for line in lines]),
    }


def _number(node: Node, name: str) -> float | None:
    """Return a value that can be computed with, or None; other data may say anything."""
    text = str(node.one(name))
    return float(text) if _NUMBER.fullmatch(text) and math.isfinite(float(text)) else None


_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WAVELENGTH: Final = "dg:wavelengthInNanometre"


def _wavelength(point: Node) -> float:
    return _number(point, _WAVELENGTH) or 0.0


_NEAR: Final = 0.005
"""How far a laser line may lie from a point to be marked there, as a part of its wavelength."""


def _lasers_at(points: list[Node], lines: Iterable[Row]) -> dict[str, list[Row]]:
    """Return for points, by IRI, the lasers that emit there; each at the nearest point."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for line in lines:
        at = float(str(line["nanometres"]))
        nearest = min(points, key=lambda point: abs(_wavelength(point) - at), default=None)
        if nearest and abs(_wavelength(nearest) - at) <= _NEAR * at:
            found[nearest.iri].append(line)
    return dict(found)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "by_predicate": _by_predicate,
    "edges": _edges,
    "facts": _facts,
    "href": href,
    "listed": _listed,
    "short": curie,
    "spectrum": _spectrum,
    "stated": _stated,
    "unit": lambda code: _SHOWN["units"].get(code, code.strip("{}")),
    "words": words_of,
}
"""What templates call on what they show."""
