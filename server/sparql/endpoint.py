"""The SPARQL endpoint: the query operation of the SPARQL 1.1 Protocol, read-only.

See https://www.w3.org/TR/sparql11-protocol/#query-operation, and for the method QUERY
https://www.rfc-editor.org/rfc/rfc10008.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIEnvironment

from flask import Response, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from kg.rdf.namespaces import ABSOLUTE_IRI
from kg.search.unmatched import UnmatchedName
from server import answers
from server.context import Snapshot, current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS, FORMAT_PARAMETERS, RESULTS
from server.protocol.errors import NotRunning, ParameterRefused, QueryTooLong, ReadOnly
from server.protocol.negotiation import HTML, JSONLD
from server.protocol.parameters import Parameters, body_of, of_form, with_body
from server.protocol.problems import ProblemDocument
from server.sparql import service_description
from server.web.tables import ROWS_SHOWN, Table, table_of

_ENDPOINT: Final = ENDPOINTS["sparql.endpoint"]
_ALLOWED: Final = _ENDPOINT.parameters
_VERSIONS: Final = _ALLOWED["version"].values
_WAIT: Final = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})\b', re.IGNORECASE)


def _read_examples(folder: str) -> tuple[tuple[str, str], ...]:
    """Return questions with their queries: of each file the first line, a comment, and the rest."""
    paths = sorted((Path(__file__).parents[1] / "examples" / folder).glob("*.rq"))
    texts = [path.read_text(encoding="utf-8").partition("\n") for path in paths]
    return tuple((title.removeprefix("# "), text.rstrip("\n")) for title, _, text in texts)


EXAMPLES: Final = _read_examples("own")
"""Questions with their queries that the page offers to start from."""

OTHER_EXAMPLES: Final = _read_examples("other")
"""The same for data that are not our knowledge."""


def endpoint() -> Response:
    """Answer a query, or describe the service if a GET asks nothing."""
    snapshot = current_snapshot()
    parameters = of_form(request.query_string)
    if request.method in ("POST", "QUERY"):  # the body of another means nothing
        most = snapshot.settings.max_body_bytes
        parameters = with_body(parameters, request.environ, lambda: body_of(request, most))
    elif all(name in FORMAT_PARAMETERS for name, _ in parameters):
        return _description(snapshot)
    _refuse_update(parameters)
    plan = planned(snapshot, parameters, request.environ, g.query_id)
    graph = snapshot.graph
    writers = {
        HTML: lambda answer: _page(
            snapshot,
            plan.query.text,
            table_of(answer),
            unmatched=graph.unmatched(plan.query, answer),
        )
    }
    return answers.respond(graph.engine, plan, writers)


def planned(
    snapshot: Snapshot, parameters: Parameters, environ: WSGIEnvironment, query_id: str
) -> answers.Plan:
    """Plan how a query operation is answered.

    Args:
        snapshot: what the request sees.
        parameters: of the URL, and of the body if there is one.
        environ: the request, of which only headers are looked at.
        query_id: by which the query can be stopped.

    Raises:
        RequestError: the parameters or headers are not right.
    """
    parameters.refuse_others(_ALLOWED)
    text = parameters.at_most_once("query")
    if text is None:
        raise ParameterRefused("query", "query is missing.", hint="Give it exactly once.")
    limit = snapshot.settings.max_query_bytes
    if len(text.encode()) > limit:
        raise QueryTooLong(f"The query is longer than {limit} bytes.", limit)
    version = parameters.at_most_once("version")
    if version and version not in _VERSIONS:
        raise ParameterRefused(
            "version",
            f"SPARQL {version[:40]!r} is not supported.",
            hint=f"The versions are {', '.join(_VERSIONS)}.",
        )
    default_graphs = _graphs(parameters, "default-graph-uri", "named-graph-uri")
    named_graphs = _graphs(parameters, "named-graph-uri", "default-graph-uri")
    seconds = _seconds(parameters, environ.get("HTTP_PREFER", ""))
    name = answers.format_named(parameters, answers.OF_RESULTS)
    return answers.planned(
        snapshot,
        answers.chosen_for(environ.get("HTTP_ACCEPT"), name),
        query_id,
        text,
        default_graphs=default_graphs,
        named_graphs=named_graphs,
        seconds=seconds,
    )


def void() -> AnyResponse:
    """Lead to the description of the dataset, https://www.w3.org/TR/void/#discovery."""
    described_at = "/id/dataset" if current_snapshot().graph.is_own else "/sparql"
    return redirect(f"{public_url()}{described_at}", 303)


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


def _refuse_update(parameters: Parameters) -> None:
    if "update" not in parameters:
        return
    if "query" in parameters:
        raise ParameterRefused(
            "update", "query and update are given together.", hint="Give query only."
        )
    if request.method != "POST":
        raise ParameterRefused(
            "update", f"{request.method} carries out no update.", hint="Give query instead."
        )
    raise ReadOnly


def _seconds(parameters: Parameters, prefer: str) -> float | None:
    """Return the time that the client allows: `timeout`, or `Prefer: wait` (RFC 7240)."""
    given = parameters.at_most_once("timeout")
    wait = _WAIT.search(prefer)
    if given is None:
        return float(wait[1]) if wait and int(wait[1]) else None
    if not re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", given) or float(given) == 0:
        raise ParameterRefused(
            "timeout", f"{given[:40]!r} is no time.", hint="Give a number of seconds above 0."
        )
    return float(given)


def _graphs(parameters: Parameters, name: str, other: str) -> tuple[str, ...] | None:
    """Return the graphs of one kind; None if the request says nothing about the dataset."""
    iris = parameters.all(name)
    for iri in iris:
        if not ABSOLUTE_IRI.fullmatch(iri):
            raise ParameterRefused(
                name,
                f"{iri[:200]!r} is not an absolute IRI.",
                hint="Name a graph by its whole IRI, or leave the parameter out.",
            )
    return iris if iris or other in parameters else None


def _description(snapshot: Snapshot) -> Response:
    _, chosen = answers.asked(_ENDPOINT)
    if chosen == HTML:
        return responses.reply(_page(snapshot, _examples(snapshot)[0][1]), HTML)
    return responses.reply(service_description.write(snapshot, public_url(), chosen), chosen)


def _examples(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    return EXAMPLES if snapshot.graph.is_own else OTHER_EXAMPLES


def _page(
    snapshot: Snapshot,
    text: str,
    table: Table | None = None,
    problem: ProblemDocument | None = None,
    unmatched: Sequence[UnmatchedName] = (),
) -> str:
    return render_template(
        "results.html" if table else "sparql.html",
        text=text,
        table=table,
        problem=problem,
        unmatched=unmatched,
        endpoint=f"{public_url()}/sparql",
        examples=_examples(snapshot),
        downloads=answers.downloads(RESULTS[table.kind]) if table else [],
        rows_shown=ROWS_SHOWN,
        description=partial(service_description.write, snapshot, public_url(), JSONLD),
        offers=_ENDPOINT.representations,
    )


def problem_page(problem: ProblemDocument) -> str:
    """Write the page for a problem: the form, with the query as it was sent."""
    return _page(current_snapshot(), request.args.get("query", ""), problem=problem)
