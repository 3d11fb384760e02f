"""Search: the things that a text may mean, whole for pages and programs, and short as one types."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from flask import Response, render_template
from markupsafe import Markup, escape

from kg.rdf.namespaces import BASE, curie, iri_of
from kg.search.folding import like
from kg.search.index import NAMING, NameIndex, NameMatch, Thing
from kg.search.unmatched import unmatched_name
from server import answers
from server.context import current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.errors import ParameterRefused
from server.protocol.negotiation import CSV, HTML, PLAIN_JSON, Representation
from server.protocol.parameters import Parameters
from server.web import pages

_FOUND, _SUGGESTED = 20, 8
"""How many things are returned unless told otherwise; judgements."""

_RESOLVED: Final = 100  # names at once, each of which takes up to some milliseconds


def search() -> Response:
    """Return what a text may mean, the likeliest first, with how many there are of each kind."""
    parameters, chosen = answers.asked(ENDPOINTS["search.search"])
    text, found = _found(parameters)
    kind = parameters.at_most_once("kind") or ""
    by_kind = dict(Counter(each.thing.kind for each in found).most_common())
    known = current_snapshot().graph.names.kinds
    if kind and kind not in known:
        hint = f"Give one of {', '.join(like(kind, known) or sorted(known))}."
        raise ParameterRefused("kind", f"kind: there is no kind {kind!r}.", hint=hint)
    of_kind = [each for each in found if kind in ("", each.thing.kind)]
    shown = [_result(each, text) for each in of_kind[: parameters.number("limit", 500) or _FOUND]]
    document: dict[str, Any] = {"query": text, "kind": kind or None, "count": len(of_kind)}
    document |= {"kinds": by_kind, "results": shown}
    writers: Mapping[Representation, Callable[[], str]] = {
        PLAIN_JSON: lambda: responses.as_json(document),
        CSV: lambda: _table(shown, ["id", "label", "kind", "definition", "name", "field", "score"]),
        HTML: lambda: render_template("search.html", text=text, **document),
    }
    return responses.reply(writers[chosen](), chosen)


def suggest() -> Response:
    """Return the things that a text, as far as it is typed, may name."""
    parameters, chosen = answers.asked(ENDPOINTS["search.suggest"])
    text, found = _found(parameters)
    named = [each for each in found if each.field in NAMING]
    most = parameters.number("limit", 50) or _SUGGESTED
    members = ("id", "label", "kind", "name", "field", "highlights")
    made = [_result(each, text) for each in named[:most]]
    suggestions = [{name: each[name] for name in members} for each in made]
    return responses.reply(responses.as_json({"query": text, "suggestions": suggestions}), chosen)


def resolve() -> Response:
    """Return for each name what it means, or what may be meant, and why it may find nothing."""
    parameters, chosen = answers.asked(ENDPOINTS["search.resolve"])
    texts, classes = parameters.all("name"), parameters.all("class")
    if len(texts) > _RESOLVED:
        detail = f"name is given {len(texts)} times."
        raise ParameterRefused("name", detail, hint=f"Give it at most {_RESOLVED} times.")
    names = current_snapshot().graph.names
    iris = [thing.iri for each in classes for thing in _class(each, names)]
    results = [_resolved(text, iris, names) for text in texts]
    rows = [  # a candidate is not to be taken for what is meant
        {**each, **thing, "means": each["means"] if each["things"] or not thing else "candidate"}
        for each in results
        for thing in each["things"] or each["candidates"] or [{}]
    ]
    columns = ["name", "means", "id", "short", "label", "kind", "definition", "message", "query"]
    writers: Mapping[Representation, Callable[[], str]] = {
        PLAIN_JSON: lambda: responses.as_json({"class": classes, "results": results}),
        CSV: lambda: _table(rows, columns),
        HTML: lambda: render_template("resolve.html", results=results),
    }
    return responses.reply(writers[chosen](), chosen)


def _class(text: str, names: NameIndex) -> list[Thing]:
    """Return the class, role or scheme that a text names; a role also as errors of queries do."""
    role = [each.thing for each in names.meant(f"used as {text}")]
    meant, near = (
        [each for each in few if names.members(each.iri)] for few in names.resolved(text)
    )
    if len(role or meant) == 1:
        return role or meant
    may_be = ", ".join(f"{curie(each.iri)} ({each.label})" for each in meant or near)
    hint = f"Near are {may_be}." if may_be else None
    raise ParameterRefused("class", f"class: {text[:80]!r} is no class.", hint=hint)


def _resolved(text: str, classes: Sequence[str], names: NameIndex) -> dict[str, Any]:
    things, candidates = names.resolved(text, classes)
    elsewhere = names.resolved(text)[0] if classes and not things else []
    iri = iri_of(text) if ":" in text else None
    is_graph = not (things or (iri or "").startswith(BASE))  # which is all that is told of others
    told = unmatched_name(iri, names, is_graph=is_graph) if iri else None
    message = told and told.message
    if elsewhere:
        are = " or ".join(f"{curie(each.iri)} ({each.kind})" for each in elsewhere)
        message = f"This means {are}, which is of no class that was asked for."
    return {
        "name": text,
        "means": ("nothing", "one", "several")[min(len(things), 2)],
        "things": [_thing(each) for each in things],
        "candidates": [_thing(each) for each in candidates],
        "message": message,
        "query": told and told.query,
    }


def marked(name: str, spans: Iterable[tuple[int, int]]) -> Markup:
    """Return a name with parts of it marked, for pages."""
    parts, end = [], 0
    for first, after in spans:
        parts += [escape(name[end:first]), Markup("<mark>%s</mark>") % name[first:after]]
        end = after
    return Markup("").join([*parts, escape(name[end:])])


def _found(parameters: Parameters) -> tuple[str, list[NameMatch]]:
    text = (parameters.at_most_once("q") or "").strip()
    return text, current_snapshot().graph.names.search(text) if text else []


def _result(found: NameMatch, text: str) -> dict[str, Any]:
    return {
        **_thing(found.thing),
        "name": found.name,
        "field": found.field,
        "highlights": found.highlights(text),
        "score": found.score,
    }


def _thing(thing: Thing) -> dict[str, Any]:
    return {
        "id": thing.iri,
        "short": curie(thing.iri),
        "label": thing.label,
        "kind": thing.kind,
        "definition": thing.definition,
        "url": public_url() + pages.local_path(thing.iri),
    }


def _table(results: list[dict[str, Any]], columns: Sequence[str]) -> str:
    written = io.StringIO(newline="")
    table = csv.DictWriter(written, columns, extrasaction="ignore")
    table.writeheader()
    table.writerows(results)
    return written.getvalue()
