"""The canned queries: their catalogue, a page for each, and their answers."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from flask import Response, g, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date

from kg.catalogue.canned_queries import CannedQuery, Parameter, ParameterError
from kg.engine import ResultKind, Term
from kg.rdf.namespaces import curie
from kg.search.folding import like
from kg.sparql.bind import bind
from server import answers
from server.context import current_snapshot, public_url
from server.http1.errors import RequestError
from server.protocol import rdf, responses
from server.protocol.endpoints import ENDPOINTS, FORMAT_PARAMETERS
from server.protocol.errors import ParameterRefused, UnknownResource
from server.protocol.negotiation import CSV, CSVW, HTML, PLAIN_JSON, SPARQL, Representation, named
from server.protocol.parameters import Parameters
from server.protocol.problems import ProblemDocument, generic_page
from server.queries.envelope import LICENCE, PAGING, Envelope
from server.web.tables import ROWS_SHOWN, Table, table_of

_QUERY: Final = ENDPOINTS["queries.query"]
_ANSWER: Final = ENDPOINTS["queries.answer"]
_PAGE: Final = "50"
"""How many things of a collection are returned unless told otherwise, some 50 KB; a judgement."""


def catalogue() -> Response:
    """List the canned queries."""
    queries = current_snapshot().graph.catalogue
    _, chosen = answers.asked(ENDPOINTS["queries.catalogue"])
    if chosen == HTML:
        return responses.reply(render_template("queries.html", queries=queries.values()), HTML)
    if chosen == PLAIN_JSON:
        listed = {"queries": [_summary(query) for query in queries.values()]}
        return responses.reply(responses.as_json(listed), PLAIN_JSON)
    written = rdf.write("queries.ttl", chosen, url=public_url(), queries=queries.values())
    return responses.reply(written, chosen)


def query(name: str) -> Response:
    """Say what a canned query answers, and offer a form for its parameters."""
    found = _found(name)
    parameters, chosen = answers.asked(_QUERY)
    values = _given(parameters)
    writers: Mapping[Representation, Callable[[], str | bytes]] = {
        HTML: lambda: _query_page(found, values),
        SPARQL: lambda: _filled_in(found, values),
        PLAIN_JSON: lambda: responses.as_json(_description(found)),
    }
    in_rdf = partial(rdf.write, "queries.ttl", chosen, url=public_url(), queries=[found])
    return responses.reply(writers.get(chosen, in_rdf)(), chosen)


def answer(name: str, suffix: str | None = None) -> Response:
    """Answer a canned query with the values of its parameters in the URL or in a form.

    A suffix of the path fixes the format.
    """
    snapshot = current_snapshot()
    found = _found(name)
    fixed = named(suffix, _ANSWER.representations) if suffix else None
    if suffix and not fixed:
        path = request.path.rpartition(".")[0]
        near = [f"{path}.{each.suffix}" for each in _ANSWER.representations]
        detail = f"An answer has no format {suffix[:80]!r}."
        raise UnknownResource(detail, hint=f"There are {', '.join(near)}.", members={"near": near})
    parameters, chosen = answers.asked(_ANSWER, fixed)
    values = _given(parameters)
    paging = {key: values.pop(key) for key in PAGING if key in values}
    if found.collection and chosen == PLAIN_JSON:
        paging.setdefault("limit", _PAGE)
    if paging and chosen != PLAIN_JSON:
        raise ParameterRefused(min(paging), f"{', '.join(PAGING)} are for plain JSON only.")
    choice = answers.FormatChoice(dict.fromkeys(ResultKind, chosen))
    bindings = _bindings(found, values)
    envelope = Envelope(snapshot, found, bindings, Parameters(paging.items()))
    plan = answers.planned(snapshot, choice, g.query_id, found.text, bindings=bindings)
    writers: answers.Writers = {
        PLAIN_JSON: lambda answer: responses.as_json(envelope.document(answer)),
        HTML: lambda answer: _answer_page(found, values, bindings, table_of(answer)),
    }
    response = answers.respond(snapshot.graph.whole, plan, writers)
    if response.mimetype == CSV.media_type:
        told = _address(found, "answer.csv-metadata.json", values)
        response.headers["Link"] = f'<{told}>; rel="describedby"; type="{CSVW.media_type}"'
    return response


def collections() -> Response:
    """List the collections."""
    listed = current_snapshot().graph.catalogue.collections
    _, chosen = answers.asked(ENDPOINTS["queries.collections"])
    if chosen == HTML:
        return responses.reply(render_template("collections.html", collections=listed), HTML)
    described = [
        {**_summary(each), "name": name, "answer": f"{public_url()}/collections/{name}"}
        for name, each in listed.items()
    ]
    return responses.reply(responses.as_json({"collections": described}), chosen)


def collection(name: str, suffix: str | None = None) -> Response:
    """List the things of a kind, in plain JSON a page at a time."""
    known = current_snapshot().graph.catalogue.collections
    if name not in known:
        detail, near = f"There is no collection {name[:80]!r}.", like(name, known)
        hint = f"There are {', '.join(near or known)}."
        addresses = [f"/collections/{each}" for each in near]
        raise UnknownResource(detail, hint=hint, members={"near": addresses})
    return answer(known[name].name, suffix)


def csv_metadata(name: str) -> Response:
    """Describe the answer in CSV, see https://www.w3.org/TR/tabular-metadata/."""
    found, values = _found(name), _given(answers.sent())
    _bindings(found, values)
    written = render_template(
        "csv-metadata.json",
        query=found,
        address=_address(found, "answer.csv", values),
        licence=LICENCE,
        version=current_snapshot().version,
    )
    return responses.reply(written, CSVW, negotiated=False)


def _found(name: str) -> CannedQuery:
    """Return the query of a name; under a former name, the response is one that leads to it."""
    found = current_snapshot().graph.catalogue[name]
    for former in (each for each in found.formerly if each["name"] == name):
        rest = quote(request.path.removeprefix(f"/queries/{name}"))
        moved = Response(status=308, headers={"Cache-Control": responses.CACHEABLE})
        asked = f"?{request.query_string.decode('latin-1')}".removesuffix("?")
        moved.location = f"{public_url()}/queries/{found.name}{rest}{asked}"
        moved.headers["Deprecation"] = f"@{timegm(former['since'].timetuple())}"
        moved.headers["Sunset"] = http_date(former["until"])
        raise HTTPException(response=moved)
    return found


def _address(found: CannedQuery, below: str, values: Mapping[str, str]) -> str:
    return f"{public_url()}/queries/{found.name}/{below}{'?' if values else ''}{urlencode(values)}"


def _filled_in(found: CannedQuery, values: Mapping[str, str]) -> str:
    """Return the text that gives the same rows at /sparql; as it is where a value is missing."""
    if not values and any(each.required for each in found.parameters):
        return found.text
    return bind(found.text, _bindings(found, values))


def _given(parameters: Parameters) -> dict[str, str]:
    """Return the values of a query's parameters; an empty field of a form is no value."""
    names = dict.fromkeys(name for name, _ in parameters if name not in FORMAT_PARAMETERS)
    values = {name: parameters.at_most_once(name) for name in names}
    return {name: value for name, value in values.items() if value}


def _bindings(found: CannedQuery, values: Mapping[str, str]) -> dict[str, Term]:
    try:
        return current_snapshot().graph.catalogue.bindings(found.name, values)
    except ParameterError as error:
        members = {"parameters": [_parameter(each) for each in found.parameters]}
        similar = [{"id": each.iri, "label": each.label} for each in error.candidates]
        members |= {"similar": similar} if similar else {}
        detail = f"{error.parameter}: {error.detail}"
        raise ParameterRefused(error.parameter, detail, hint=error.hint, **members) from error


def _summary(found: CannedQuery) -> dict[str, Any]:
    address = f"{public_url()}/queries/{found.name}"
    return {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "url": address,
        "answer": f"{address}/answer",
        "parameters": [_parameter(each) for each in found.parameters],
    }


def _description(found: CannedQuery) -> dict[str, Any]:
    return {
        **_summary(found),
        "columns": [asdict(each) for each in found.columns],
        "examples": [dict(example) for example in found.examples],
        "query": found.text,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = asdict(parameter)
    labels = current_snapshot().graph.catalogue.labels
    if parameter.type == "iri":
        described["labels"] = [
            labels.get(str(parameter.term(each)), each) for each in parameter.values
        ]
    return {key: value for key, value in described.items() if value not in (None, (), [])}


def _choices(parameter: Parameter, given: str) -> list[tuple[str, str, bool]]:
    """Return the values to choose from: as sent, label, whether it is given; empty: any of the type."""
    names, labels = current_snapshot().graph.names, current_snapshot().graph.catalogue.labels
    meant = [each.iri for each in names.resolved(given, parameter.classes)[0]]
    things = [thing for each in parameter.classes for thing in names.members(each)]
    offered = [(curie(each.iri), each.label, each.iri) for each in things]
    terms = [(value, str(parameter.term(value))) for value in parameter.values]
    offered += [(value, labels.get(iri, value), iri) for value, iri in terms]
    return [(value, label, given == value or meant == [iri]) for value, label, iri in offered]


def _query_page(
    found: CannedQuery, values: Mapping[str, str], problem: ProblemDocument | None = None
) -> str:
    text = found.text if problem else _filled_in(found, values)
    return render_template(
        "query.html",
        query=found,
        url=public_url(),
        values=values,
        problem=problem,
        choices=_choices,
        # Without what the page says in its own words.
        text=re.sub(r"\A(?:#\+.*\n|\s*\n)*", "", text),
        offers=_QUERY.representations,
    )


def _answer_page(
    found: CannedQuery, values: Mapping[str, str], bindings: Mapping[str, Term], table: Table
) -> str:
    return render_template(
        "answer.html",
        query=found,
        values=values,
        bindings=bindings,
        text=bind(found.text, bindings),
        table=table.for_reading(found.keys),
        downloads=answers.downloads(_ANSWER.representations, values.items()),
        rows_shown=ROWS_SHOWN,
    )


def problem_page(problem: ProblemDocument) -> str:
    """Write the page for a problem: the form of the query, if the request named one."""
    queries = current_snapshot().graph.catalogue
    found = queries.get((request.view_args or {}).get("name", ""))
    if found is None:
        return generic_page(problem)
    # Samples have the names of parameters in them, so that none of those may be the client's.
    try:
        sent = dict(answers.sent())
    except RequestError:  # which is the problem itself
        sent = request.args
    known = {each.name for each in found.parameters} & sent.keys()
    return _query_page(found, {name: sent[name] for name in known}, problem)
