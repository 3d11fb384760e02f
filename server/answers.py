"""From a question to a response: what the SPARQL endpoint and the canned queries share."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

from flask import Response, request

import kg
from kg.engine import Answer, Engine, Format, Query, ResultKind, Term
from kg.engine.spool import Content
from kg.rdf import formats
from kg.rdf.namespaces import BASE, curie, iri_of
from kg.sparql.bind import canonical
from server import delegation
from server.context import Snapshot, current_snapshot, public_url
from server.http1.wsgi import Headers
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS, FORMAT_PARAMETERS, RESULTS, HttpEndpoint
from server.protocol.errors import ParameterRefused
from server.protocol.negotiation import HTML, PLAIN_JSON, Representation, best, choose, named
from server.protocol.parameters import VALUES, Parameters, body_of, of_form, with_body

_CARRIERS: Final[Mapping[ResultKind, Format]] = {
    ResultKind.SOLUTIONS: formats.JSON,
    ResultKind.BOOLEAN: formats.JSON,
    ResultKind.GRAPH: formats.NTRIPLES,
}
"""What the engine writes when a page or plain JSON is to be made of the result."""

_MADE: Final = frozenset({HTML, PLAIN_JSON})

_MADE_BYTES: Final = 8_000_000
"""The largest answer that is made into a page or plain JSON, which takes ten times as much memory."""

_NAMES_IN_LINK: Final = 10  # whoever misspells more sees it from these

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
        is_made: whether the service makes one of them of what the engine writes.
        names: of the representations.
    """

    def __init__(self, by_kind: Mapping[ResultKind, Representation | None]) -> None:
        self._by_kind = by_kind
        all_chosen = [by_kind[kind] for kind in ResultKind]
        self.formats: Final = {kind: _carrier(kind, by_kind[kind]) for kind in ResultKind}
        self.is_made: Final = not _MADE.isdisjoint(all_chosen)
        self.names: Final = repr([offer.name if offer else "" for offer in all_chosen])

    def of(self, kind: ResultKind) -> Representation:
        """Return the representation of a kind of result that the engine has written."""
        representation = self._by_kind[kind]
        assert representation is not None, "the engine refuses formats that are not accepted"
        return representation


def _carrier(kind: ResultKind, representation: Representation | None) -> Format | None:
    if representation is None:
        return None
    return _CARRIERS[kind] if representation in _MADE else representation.format


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
    most = min(most, _MADE_BYTES) if choice.is_made else most
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


def sent() -> Parameters:
    """Return the parameters in the URL of the request at hand and, of a POST, in its body.

    Raises:
        RequestError: they cannot be read.
    """
    in_url, most = of_form(request.query_string), current_snapshot().settings.max_body_bytes
    if request.method != "POST":
        return in_url
    return with_body(in_url, request.environ, lambda: body_of(request, most), VALUES)


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
    parameters, offers = sent(), endpoint.representations
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
        known = list(short_names(list(offers)).values())
        raise ParameterRefused(
            parameter,
            f"There is no format named {value[:80]!r}.",
            hint=f"The formats are {', '.join(known)}.",
            available=known,
        )
    return meant


OF_RESULTS: Final = tuple(dict.fromkeys(chain.from_iterable(RESULTS.values())))
"""What results are offered as, whatever their kind."""


def chosen_for(accept: str | None, name: str | None) -> FormatChoice:
    """Choose the representation for each kind of result.

    A name that suits the kind decides; where it does not, as when SPARQLWrapper asks for a
    SELECT in Turtle, the Accept header does.

    Args:
        accept: the header.
        name: what the parameters ask for by name, if they do.

    Raises:
        MalformedHeader: the Accept header does not follow its grammar.
    """
    long = len(accept or "") + len(name or "") > _REMEMBERED_LENGTH
    return (_chosen_for if long else _chosen_before)(accept, name)


def _chosen_for(accept: str | None, name: str | None) -> FormatChoice:
    accepted = {kind: best(accept, offers) for kind, offers in RESULTS.items()}
    by_name = {kind: named(name or "", offers) for kind, offers in RESULTS.items()}
    return FormatChoice({kind: by_name[kind] or accepted[kind] for kind in ResultKind})


_chosen_before = lru_cache(maxsize=512)(_chosen_for)


Writers = Mapping[Representation, Callable[[Answer], str]]
"""What makes pages and plain JSON of an answer."""


def respond(engine: Engine, plan: Plan, writers: Writers) -> Response:
    """Answer a query as is planned.

    Args:
        engine: what is asked.
        plan: the query, and the representations.
        writers: make what the engine does not write.

    Raises:
        EngineError: the query is not answered.
    """
    known = None if plan.choice.is_made else responses.not_modified(plan.etag)
    if known is not None:
        return known
    if responses.NOTES in request.environ:
        request.environ[responses.NOTES].text = plan.query.text
    answer: Answer | None = request.environ.get(delegation.ANSWER)
    if answer is None:
        answer = engine.run(plan.query)
        responses.timed("queue", answer.waited)
        responses.timed("run", answer.seconds)
    chosen = plan.choice.of(answer.kind)
    help_at = _help_at(plan.query, answer)
    if chosen in writers:
        response = delegation.elsewhere(answer)
    else:
        response = responses.conditional(_linked(answer, help_at), plan.headers(answer))
    if response is None:
        with responses.serialising():
            written = writers[chosen](answer)
        cache = responses.CACHEABLE if answer.repeatable else responses.UNCACHEABLE
        response = responses.reply(written, chosen, cache=cache)
    if help_at:
        response.headers["Link"] = f'<{help_at}>; rel="help"'
    return response


def _help_at(query: Query, answer: Answer) -> str | None:
    """Return the address that tells why an answer is empty, if that is known."""
    unmatched = current_snapshot().graph.unmatched(query, answer)
    iris = [each.iri for each in unmatched[:_NAMES_IN_LINK]]
    names = [("name", short if iri_of(short := curie(iri)) == iri else iri) for iri in iris]
    path = ENDPOINTS["search.resolve"].paths[0]
    return f"{public_url()}{path}?{urlencode(names)}" if unmatched else None


def _linked(answer: Answer, help_at: str | None) -> Content:
    """Return what an answer holds, with the address of help if its format has a place for it."""
    if help_at is not None and answer.format == formats.XML:
        link = f"<link href={quoteattr(help_at)}/></head>"
        return answer.body.replace(b"</head>", link.encode(), 1)
    if help_at is None or answer.format != formats.JSON:
        return answer.content
    document = json.loads(answer.body)
    document["head"]["link"] = [help_at]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def downloads(
    offers: Sequence[Representation], asked: Iterable[tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    """Return label and address of the page at hand in each other format that is offered.

    What was asked are the parameters of the URL, unless it is given.
    """
    pairs = request.args.items(multi=True) if asked is None else asked
    kept = [pair for pair in pairs if pair[0].strip() not in FORMAT_PARAMETERS]
    path = request.script_root + request.path.removesuffix(".html")
    return [
        (offer.label, f"{path}?{urlencode([*kept, ('format', name)])}")
        for offer, name in short_names(offers).items()
        if offer != HTML
    ]


def short_names(offers: Sequence[Representation]) -> dict[Representation, str]:
    """Return by what value of `format` each of several representations is asked for."""
    # Plain JSON and SPARQL JSON are called the same where both are offered.
    return {each: each.name if named(each.name, offers) == each else each.suffix for each in offers}
