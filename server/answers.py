"""From a question to a response: what the SPARQL endpoint and the canned queries share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlencode

from flask import Response, request

import kg
from kg.engine import Answer, Engine, Format, Query, ResultKind, Term
from kg.rdf import formats
from kg.rdf.namespaces import BASE
from kg.sparql.bind import canonical
from server import delegation
from server.context import Snapshot
from server.http1.wsgi import Headers
from server.protocol import responses
from server.protocol.endpoints import FORMAT_PARAMETERS, RESULTS, HttpEndpoint
from server.protocol.errors import ParameterRefused
from server.protocol.negotiation import HTML, Representation, best, choose, named
from server.protocol.parameters import Parameters, of_url
from server.web.tables import Table, table_of

_CARRIERS: Final[Mapping[ResultKind, Format]] = {
    ResultKind.SOLUTIONS: formats.JSON,
    ResultKind.BOOLEAN: formats.JSON,
    ResultKind.GRAPH: formats.NTRIPLES,
}
"""What the engine writes when a page is to be made of the result."""

_PAGE_BYTES: Final = 8_000_000
"""The largest answer that is made into a page, which takes ten times as much memory."""

_REMEMBERED_LENGTH: Final = 500
"""Characters of an Accept header and a name up to which the choice is remembered.

Few clients send longer ones, and 512 of any length would be memory that clients decide on.
"""


class FormatChoice:
    """The representation that a client gets for each kind of result.

    Args:
        by_kind: for each kind the representation; None: the client accepts none that there is.

    Attributes:
        formats: for each kind what the engine is to write.
        has_page: whether it gets a page for one of them.
        names: of the representations.
    """

    def __init__(self, by_kind: Mapping[ResultKind, Representation | None]) -> None:
        self._by_kind = by_kind
        all_chosen = [by_kind[kind] for kind in ResultKind]
        self.formats: Final = {kind: _carrier(kind, by_kind[kind]) for kind in ResultKind}
        self.has_page: Final = HTML in all_chosen
        self.names: Final = repr([offer.name if offer else "" for offer in all_chosen])

    def of(self, kind: ResultKind) -> Representation:
        """Return the representation of a kind of result that the engine has written."""
        representation = self._by_kind[kind]
        assert representation is not None, "the engine refuses formats that are not accepted"
        return representation


def _carrier(kind: ResultKind, representation: Representation | None) -> Format | None:
    if representation is None:
        return None
    return _CARRIERS[kind] if representation == HTML else representation.format


class Plan(NamedTuple):
    """How a query is answered, whoever sees to it: the app, or the event loop by itself.

    Attributes:
        query: what the engine is asked.
        choice: the representation for each kind of result.
        etag: the entity tag of the answer, which is known before the query is run: it is its
            identity.
    """

    query: Query
    choice: FormatChoice
    etag: str

    def headers(self, answer: Answer) -> Headers:
        """Return the headers of the answer in the chosen representation; see ``responses.headers_of``."""
        cache = responses.CACHEABLE if answer.repeatable else responses.UNCACHEABLE
        return responses.headers_of(self.choice.of(answer.kind), self.etag, cache)


def planned(
    snapshot: Snapshot,
    choice: FormatChoice,
    query_id: str,
    text: str,
    *,
    bindings: Mapping[str, Term] | None = None,
    default_graphs: tuple[str, ...] | None = None,
    named_graphs: tuple[str, ...] | None = None,
    seconds: float | None = None,
) -> Plan:
    """Plan how a query is answered in the chosen formats, within the limits that hold.

    The id is what the query can be stopped by; for the rest of what is asked see ``Query``.
    """
    most = snapshot.settings.max_result_bytes
    most = min(most, _PAGE_BYTES) if choice.has_page else most
    values, graphs, names = bindings or {}, (default_graphs, named_graphs), (query_id,)
    query = Query(text, values, *graphs, choice.formats, BASE, seconds, most, names)
    bound = repr(sorted((name, canonical(term)) for name, term in values.items()))
    asked = (snapshot.version, text, bound, repr(graphs), choice.names)
    return Plan(query, choice, responses.digest(kg.__version__, *asked))


def format_named(parameters: Parameters, offers: Collection[Representation]) -> str | None:
    """Return the representation that the parameters ask for by name, or None.

    A parameter may be repeated if it names the same each time, as SPARQLWrapper sends it.

    Raises:
        ParameterRefused: a name is unknown, or a parameter names different representations.
    """
    names = []
    for parameter in FORMAT_PARAMETERS:
        values = [value for value in parameters.all(parameter) if value]
        if values and len({_meant(parameter, value, offers) for value in values}) > 1:
            raise ParameterRefused(
                parameter,
                f"{parameter} is given {len(values)} times, with different values.",
                hint="Give it at most once.",
            )
        names += values
    return names[0] if names else None


def asked(
    endpoint: HttpEndpoint, fixed: Representation | None = None
) -> tuple[Parameters, Representation]:
    """Return the parameters of the request at hand, and the representation that it asks for.

    Args:
        endpoint: what is asked.
        fixed: the representation that a suffix of the path names, if one does.

    Raises:
        ParameterRefused: as ``format_named``; or a parameter means nothing here, or names a format
            beside a suffix.
        NotAcceptable, MalformedHeader: as ``choose``.
    """
    parameters, offers = of_url(request), endpoint.representations
    if endpoint.others == "refused":
        parameters.refuse_others(endpoint.parameters)
    name = format_named(parameters, offers)
    if name and fixed:
        raise ParameterRefused("format", "The suffix of the URL names the format already.")
    by_name = named(name, offers) if name else None
    return parameters, fixed or by_name or choose(request.headers.get("Accept"), offers)


def _meant(
    parameter: str, value: str, offers: Collection[Representation]
) -> frozenset[Representation]:
    meant = frozenset(offer for offer in offers if named(value, [offer]))
    if not meant:
        known = ", ".join(dict.fromkeys(offer.name for offer in offers))
        raise ParameterRefused(
            parameter,
            f"There is no format named {value[:80]!r}.",
            hint=f"The formats are {known}.",
            members={"available": [offer.name for offer in offers]},
        )
    return meant


_OF_RESULTS: Final = tuple(dict.fromkeys(offer for offers in RESULTS.values() for offer in offers))


def result_format(parameters: Parameters) -> str | None:
    """Return the name of the representation of results that the parameters ask for, or None.

    Raises:
        ParameterRefused: as ``format_named``.
    """
    return format_named(parameters, _OF_RESULTS)


def chosen_for(accept: str | None, name: str | None) -> FormatChoice:
    """Choose the representation for each kind of result.

    A name that suits the kind decides; where it does not, as when SPARQLWrapper asks for a
    SELECT in Turtle, the Accept header does.

    Raises:
        MalformedHeader: the Accept header does not follow its grammar.
    """
    if len(accept or "") + len(name or "") > _REMEMBERED_LENGTH:
        return _chosen_for(accept, name)
    return _chosen_before(accept, name)


def _chosen_for(accept: str | None, name: str | None) -> FormatChoice:
    accepted = {kind: best(accept, offers) for kind, offers in RESULTS.items()}
    if not name:
        return FormatChoice(accepted)
    return FormatChoice(
        {kind: named(name, offers) or accepted[kind] for kind, offers in RESULTS.items()}
    )


_chosen_before = lru_cache(maxsize=512)(_chosen_for)


def respond(engine: Engine, plan: Plan, page: Callable[[Table], str]) -> Response:
    """Answer a query as is planned.

    Args:
        engine: what is asked.
        plan: the query, and the representations.
        page: writes the page if the choice is HTML.

    Raises:
        EngineError: the query is not answered.
    """
    known = None if plan.choice.has_page else responses.not_modified(plan.etag)
    if known is not None:
        return known
    if responses.NOTES in request.environ:
        request.environ[responses.NOTES].text = plan.query.text
    answer = delegation.answer_at_hand()
    if answer is None:
        answer = engine.run(plan.query)
        responses.timed("queue", answer.waited)
        responses.timed("run", answer.seconds)
    if plan.choice.of(answer.kind) != HTML:
        return responses.conditional(answer.content, plan.headers(answer))
    made = delegation.elsewhere(answer)
    if made is not None:
        return made
    with responses.serialising():
        written = page(table_of(answer))
    return responses.reply(
        written, HTML, cache=responses.CACHEABLE if answer.repeatable else responses.UNCACHEABLE
    )


def downloads(offers: Iterable[Representation]) -> list[tuple[str, str]]:
    """Return label and address of the page at hand in each other format that is offered."""
    pairs = [(name, value) for name, value in request.args.items(multi=True)]
    kept = [pair for pair in pairs if pair[0].strip() not in FORMAT_PARAMETERS]
    return [
        (
            offer.label,
            f"{request.script_root}{request.path}?{urlencode([*kept, ('format', offer.name)])}",
        )
        for offer in offers
        if offer != HTML
    ]
