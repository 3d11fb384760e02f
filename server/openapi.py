"""The API described for programs and people: OpenAPI 3.1, made of the tables that the service follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from flask import Response, render_template, request

from server.answers import short_names
from server.context import current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS, PARAMETERS, RESULTS
from server.protocol.negotiation import HTML, PLAIN_JSON, choose
from server.protocol.problems import PROBLEM_TYPES
from server.queries.envelope import PAGING


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
    text = render_template(
        "openapi/document.yaml",
        url=public_url(),
        endpoints=ENDPOINTS,
        parameters=PARAMETERS,
        paging=PAGING,
        problems=PROBLEM_TYPES,
        queries=list(current_snapshot().graph.catalogue.values()),
        results=RESULTS,
        short_names=short_names,
    )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: Mapping[str, Any] = yaml.load(text, loader)  # noqa: S506 - both are safe
    return content
