"""Queries that are running: stopping one by its id."""

from __future__ import annotations

from flask import Response

from server.context import current_snapshot
from server.protocol import responses
from server.protocol.errors import NotRunning


def stop(query_id: str) -> Response:
    """Stop the queries that were sent with an X-Query-Id, or were given it.

    Whoever knows the id may stop them: it was told to nobody but who sent the query.
    """
    known = responses.query_id(query_id) == query_id
    if not known or not current_snapshot().graph.engine.stop(query_id):
        raise NotRunning(
            "No query of this id is running.",
            hint="The id is what the query was sent with in the header X-Query-Id.",
        )
    response = Response(status=204)
    del response.headers["Content-Type"]
    response.headers["Cache-Control"] = responses.UNCACHEABLE
    return response
