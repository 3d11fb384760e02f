"""Search: the things that a text may mean, whole for pages and programs, and short as one types."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Response, render_template
from markupsafe import Markup, escape

from kg.rdf.namespaces import curie
from kg.search.index import NAMING, NameMatch
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


def search() -> Response:
    """Return what a text may mean, the likeliest first, with how many there are of each kind."""
    parameters, chosen = answers.asked(ENDPOINTS["search.search"])
    text, found = _found(parameters)
    kind = parameters.at_most_once("kind") or ""
    by_kind = dict(Counter(each.thing.kind for each in found).most_common())
    known = current_snapshot().graph.names.kinds
    if kind and kind not in known:
        raise ParameterRefused(
            "kind",
            f"kind: there is no kind {kind!r}.",
            hint=f"Give one of {', '.join(sorted(known))}.",
        )
    of_kind = [each for each in found if kind in ("", each.thing.kind)]
    shown = [_result(each, text) for each in of_kind[: parameters.number("limit", 500) or _FOUND]]
    writers: Mapping[Representation, Callable[[], str]] = {
        PLAIN_JSON: lambda: responses.as_json(
            {
                "query": text,
                "kind": kind or None,
                "count": len(of_kind),
                "kinds": by_kind,
                "results": shown,
            }
        ),
        CSV: lambda: _table(shown),
        HTML: lambda: render_template(
            "search.html", text=text, kind=kind, kinds=by_kind, count=len(of_kind), results=shown
        ),
    }
    return responses.reply(writers[chosen](), chosen)


def suggest() -> Response:
    """Return the things that a text, as far as it is typed, may name."""
    parameters, chosen = answers.asked(ENDPOINTS["search.suggest"])
    text, found = _found(parameters)
    named = [each for each in found if each.field in NAMING][
        : parameters.number("limit", 50) or _SUGGESTED
    ]
    members = ("id", "label", "kind", "name", "field", "highlights")
    made = [_result(each, text) for each in named]
    suggestions = [{name: each[name] for name in members} for each in made]
    return responses.reply(responses.as_json({"query": text, "suggestions": suggestions}), chosen)


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
    thing = found.thing
    return {
        "id": thing.iri,
        "short": curie(thing.iri),
        "label": thing.label,
        "kind": thing.kind,
        "definition": thing.definition,
        "name": found.name,
        "field": found.field,
        "highlights": found.highlights(text),
        "score": found.score,
        "url": public_url() + pages.local_path(thing.iri),
    }


def _table(results: list[dict[str, Any]]) -> str:
    columns = ["id", "label", "kind", "definition", "name", "field", "score"]
    written = io.StringIO(newline="")
    table = csv.DictWriter(written, columns, extrasaction="ignore")
    table.writeheader()
    table.writerows(results)
    return written.getvalue()
