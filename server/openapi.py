"""The API described for programs and people: OpenAPI 3.1, made of the tables that the service follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from flask import Response, render_template, request

from kg.engine import JSON, Answer, ResultKind
from kg.rdf.jsonld import Context
from server.answers import short_names
from server.context import Snapshot, current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS, PARAMETERS, RESULTS
from server.protocol.negotiation import HTML, PLAIN_JSON, choose
from server.protocol.parameters import Parameters
from server.protocol.problems import PROBLEM_TYPES
from server.queries.envelope import PAGING, Envelope

_ANSWERS: Final = Path(__file__).with_name("examples") / "answers.json"


def document() -> Response:
    """Return the description of the API for programs."""
    written = json.dumps(described(), ensure_ascii=False, separators=(",", ":"))
    return responses.reply(written, PLAIN_JSON, negotiated=False)


def page() -> Response:
    """Return the description of the API for people."""
    choose(request.headers.get("Accept"), ENDPOINTS["api.page"].representations)
    return responses.reply(render_template("api.html", api=described()), HTML)


def described() -> Mapping[str, Any]:
    """Return the OpenAPI document of the service that answers the request at hand."""
    snapshot = current_snapshot()
    text = render_template(
        "openapi/document.yaml",
        answers=_answers(snapshot),
        url=public_url(),
        endpoints=ENDPOINTS,
        parameters=PARAMETERS,
        paging=PAGING,
        problems=PROBLEM_TYPES,
        queries=[
            *snapshot.graph.catalogue.values(),
            *snapshot.graph.catalogue.collections.values(),
        ],
        digest=Context.published().digest,
        results=RESULTS,
        short_names=short_names,
        labels=snapshot.graph.catalogue.labels,
        names=snapshot.graph.names,
    )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: Mapping[str, Any] = yaml.load(text, loader)  # noqa: S506 - both are safe
    return content


def _answers(snapshot: Snapshot) -> dict[str, Any]:
    """Return by name what canned queries answer to their first examples, cut to a row and a gap."""
    answers = {}
    for name, shown in json.loads(_ANSWERS.read_bytes()).items():
        if (query := snapshot.graph.catalogue.get(name)) is not None:
            given = snapshot.graph.catalogue.bindings(name, next(iter(query.examples), {}))
            said = (ResultKind.SOLUTIONS, JSON, json.dumps(shown).encode(), snapshot.version)
            answer = Answer(*said, repeatable=True, seconds=0.0)
            answers[name] = Envelope(snapshot, query, given, Parameters([])).document(answer)
    return answers
