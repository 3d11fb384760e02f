"""The SPARQL endpoint: the query operation of the SPARQL 1.1 Protocol, read-only.

See https://www.w3.org/TR/sparql11-protocol/#query-operation, and for the method QUERY
https://www.rfc-editor.org/rfc/rfc10008.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Response as AnyResponse

from kg.namespaces import ABSOLUTE_IRI
from server import answers, http, service_description
from server.answers import FORMAT_PARAMETERS, Question
from server.errors import (
    ParameterRefused,
    QueryTooLong,
    ReadOnly,
    UnsupportedMediaType,
)
from server.negotiation import HTML, RDF
from server.parameters import Parameters, body_of, not_utf8, of_form, of_url
from server.problems import Problem
from server.service import Service, current_service, public_url
from server.tables import ROWS_SHOWN, Table, iri_cell

blueprint = Blueprint("sparql", __name__)

_FORM: Final = "application/x-www-form-urlencoded"
_DIRECT: Final = "application/sparql-query"
_UPDATE: Final = "application/sparql-update"
_VERSIONS: Final = ("1.1", "1.2", "1.2-basic")
_TOLERATED: Final = ("callback", "debug")
_ALLOWED: Final = (
    *("query", "default-graph-uri", "named-graph-uri", "version", "timeout"),
    *FORMAT_PARAMETERS,
    *_TOLERATED,
)
_WAIT: Final = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})\b', re.IGNORECASE)
_DESCRIPTIONS: Final = (*RDF, HTML)


def _read_examples(folder: str) -> tuple[tuple[str, str], ...]:
    """Return questions with their queries: of each file the first line, a comment, and the rest."""
    paths = sorted((Path(__file__).parent / "examples" / folder).glob("*.rq"))
    texts = [path.read_text(encoding="utf-8").partition("\n") for path in paths]
    return tuple((title.removeprefix("# "), text.rstrip("\n")) for title, _, text in texts)


EXAMPLES: Final = _read_examples("own")
"""Questions with their queries that the page offers to start from."""

OTHER_EXAMPLES: Final = _read_examples("other")
"""The same for data that are not our knowledge."""

_GRAPHS_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class _Body:
    """What the body of a request holds.

    Attributes:
        parameters: of a form.
        query: the text of a query that is the body itself; None: the body is a form.
        version: of SPARQL, from the media type.
    """

    parameters: Parameters
    query: str | None = None
    version: str | None = None


@blueprint.route("/sparql", methods=["GET", "POST", "QUERY"])
def endpoint() -> Response:
    """Answer a query, or describe the service if a GET asks nothing."""
    service = current_service()
    in_url = of_url(request)
    body = _body(service.settings.max_body_bytes)
    parameters = in_url + body.parameters
    _refuse_update(parameters)
    parameters.refuse_others(_ALLOWED)
    if request.method in ("GET", "HEAD") and all(name in FORMAT_PARAMETERS for name, _ in in_url):
        return _description(service, parameters)
    prefer = request.headers.get("Prefer", "")
    question = question_in(parameters, prefer, service.settings.max_query_bytes, body)
    accept = request.headers.get("Accept")
    choice = answers.chosen_for(accept, answers.result_format(parameters))
    return answers.respond(
        service, question, choice, lambda table: _page(service, question.text, table)
    )


def question_in(
    parameters: Parameters, prefer: str, most_bytes: int, body: _Body | None = None
) -> Question:
    """Return the question that a query operation puts.

    Args:
        parameters: of the URL, and of the body if there is one.
        prefer: the value of the Prefer header.
        most_bytes: the limit of the text.
        body: holds the query, if the parameters do not.

    Raises:
        RequestError: they put none.
    """
    parameters.refuse_others(_ALLOWED)
    body = body or _Body(Parameters(()))
    text = _text(parameters, body, most_bytes)
    _check_version(parameters.at_most_once("version") or body.version)
    return Question(
        text,
        default_graphs=_graphs(parameters, "default-graph-uri", "named-graph-uri"),
        named_graphs=_graphs(parameters, "named-graph-uri", "default-graph-uri"),
        seconds=_seconds(parameters, prefer),
    )


@blueprint.get("/.well-known/void")
def void() -> AnyResponse:
    """Lead to the description of the dataset, https://www.w3.org/TR/void/#discovery."""
    described_at = "/id/dataset" if current_service().graph.is_own else "/sparql"
    return redirect(f"{public_url()}{described_at}", 303)


def _body(limit: int) -> _Body:
    """Read the body of a POST or QUERY; other methods have none that means anything."""
    if request.method not in ("POST", "QUERY"):
        return _Body(Parameters(()))
    media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
    media_type = media_type.lower()  # Werkzeug keeps the case, which means nothing
    if media_type == _UPDATE:
        raise ReadOnly("This service is read-only; updates are not carried out.")
    read = _READERS.get(media_type)
    if read is None:
        what = f"has the media type {media_type[:80]}" if media_type else "has no media type"
        raise UnsupportedMediaType(f"The body {what}.", supported=list(_READERS))
    charset = options.get("charset", "utf-8").lower()
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if charset not in ("utf-8", "utf8") or encoding != "identity":
        raise UnsupportedMediaType(
            f"The body is encoded as {charset[:40]}, {encoding[:40]}.", supported=list(_READERS)
        )
    return read(body_of(request, limit), options)


def _read_direct(body: bytes, options: Mapping[str, str]) -> _Body:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise not_utf8("body") from error
    return _Body(Parameters(()), text, options.get("version"))


def _read_form(body: bytes, options: Mapping[str, str]) -> _Body:
    return _Body(of_form(body), version=options.get("version"))


_READERS: Final[Mapping[str, Callable[[bytes, Mapping[str, str]], _Body]]] = {
    _DIRECT: _read_direct,
    _FORM: _read_form,
}


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
    raise ReadOnly("This service is read-only; updates are not carried out.")


def _text(parameters: Parameters, body: _Body, limit: int) -> str:
    if body.query is not None and "query" in parameters:
        raise ParameterRefused(
            "query", "The query is given in the URL and in the body.", hint="Give it once."
        )
    text = parameters.exactly_once("query") if body.query is None else body.query
    if len(text.encode()) > limit:
        raise QueryTooLong(f"The query is longer than {limit} bytes.", limit)
    return text


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


def _check_version(version: str | None) -> None:
    if version is not None and version not in _VERSIONS:
        raise ParameterRefused(
            "version",
            f"SPARQL {version[:40]!r} is not supported.",
            hint=f"The versions are {', '.join(_VERSIONS)}.",
        )


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


def _description(service: Service, parameters: Parameters) -> Response:
    chosen = answers.chosen(parameters, _DESCRIPTIONS)
    if chosen == HTML:
        return http.reply(_page(service, _examples(service)[0][1]), HTML)
    return http.reply(service_description.write(service, public_url(), chosen), chosen)


def _examples(service: Service) -> tuple[tuple[str, str], ...]:
    return EXAMPLES if service.graph.is_own else OTHER_EXAMPLES


def _page(
    service: Service, text: str, table: Table | None = None, problem: Problem | None = None
) -> str:
    return render_template(
        "results.html" if table else "sparql.html",
        text=text,
        table=table,
        problem=problem,
        endpoint=f"{public_url()}/sparql",
        examples=_examples(service),
        downloads=answers.downloads(table.kind) if table else [],
        rows_shown=ROWS_SHOWN,
        description=(
            None if table or problem else service_description.for_page(service, public_url())
        ),
        graphs=[
            (iri_cell(graph), triples)
            for graph, triples in islice(service.contents.graphs.items(), _GRAPHS_SHOWN)
        ],
        offers=_DESCRIPTIONS,
    )


def problem_page(problem: Problem) -> str:
    """Write the page for a problem: the form, with the query as it was sent."""
    return _page(current_service(), request.args.get("query", ""), problem=problem)
