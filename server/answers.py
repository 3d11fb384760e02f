"""From a question to a response: what the SPARQL endpoint and the canned queries share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

from flask import Response, request

import kg
from kg.engine import Answer, Format, Query, ResultKind, Term, formats
from kg.engine.bindings import canonical
from kg.namespaces import BASE
from server import delegation, http
from server.errors import ParameterRefused
from server.negotiation import HTML, RESULTS, Representation, best, choose, named
from server.parameters import Parameters
from server.service import Service
from server.tables import Table, table_of

FORMAT_PARAMETERS: Final = ("format", "output", "results")
"""Parameters that name a representation, the one that counts most first."""

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


class Choice:
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


@dataclass(frozen=True, slots=True)
class Question:
    """A query as the client put it.

    Attributes:
        text: in SPARQL.
        bindings: values of its variables.
        default_graphs, named_graphs, seconds: as in ``kg.engine.Query``.
        of_whole: whether it is about all graphs together, whatever queries of clients see.
    """

    text: str
    bindings: Mapping[str, Term] = field(default_factory=dict)
    default_graphs: tuple[str, ...] | None = None
    named_graphs: tuple[str, ...] | None = None
    seconds: float | None = None
    of_whole: bool = False


def format_named(parameters: Parameters, offers: Collection[Representation]) -> str | None:
    """Return the representation that the parameters ask for by name, or None.

    A parameter may be repeated if it names the same each time, as SPARQLWrapper sends it.

    Raises:
        ParameterRefused: a name is unknown, or a parameter names different representations.
    """
    names = []
    for parameter in FORMAT_PARAMETERS:
        values = [value for value in parameters.all(parameter) if value]
        if len({_meant(parameter, value, offers) for value in values}) > 1:
            raise ParameterRefused(
                parameter,
                f"{parameter} is given {len(values)} times, with different values.",
                hint="Give it at most once.",
            )
        names += values
    return names[0] if names else None


def chosen(parameters: Parameters, offers: Sequence[Representation]) -> Representation:
    """Return the offer that the request at hand asks for by name, or else prefers.

    Raises:
        ParameterRefused: as ``format_named``.
        NotAcceptable, MalformedHeader: as ``choose``.
    """
    name = format_named(parameters, offers)
    by_name = named(name, offers) if name else None
    return by_name or choose(request.headers.get("Accept"), offers)


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


def result_format(parameters: Parameters) -> str | None:
    """Return the name of the representation of results that the parameters ask for, or None.

    Raises:
        ParameterRefused: as ``format_named``.
    """
    if not any(name in FORMAT_PARAMETERS for name, _ in parameters):
        return None
    every = dict.fromkeys(offer for offers in RESULTS.values() for offer in offers)
    return format_named(parameters, list(every))


def chosen_for(accept: str | None, name: str | None) -> Choice:
    """Choose the representation for each kind of result.

    A name that suits the kind decides; where it does not, as when SPARQLWrapper asks for a
    SELECT in Turtle, the Accept header does.

    Raises:
        MalformedHeader: the Accept header does not follow its grammar.
    """
    if len(accept or "") + len(name or "") > _REMEMBERED_LENGTH:
        return _chosen_for(accept, name)
    return _chosen_before(accept, name)


def _chosen_for(accept: str | None, name: str | None) -> Choice:
    accepted = {kind: best(accept, offers) for kind, offers in RESULTS.items()}
    if not name:
        return Choice(accepted)
    return Choice({kind: named(name, offers) or accepted[kind] for kind, offers in RESULTS.items()})


_chosen_before = lru_cache(maxsize=512)(_chosen_for)


def respond(
    service: Service, question: Question, choice: Choice, page: Callable[[Table], str]
) -> Response:
    """Answer a question in the chosen representation.

    Args:
        service: the graph to ask, and the limits.
        question: what to ask.
        choice: the representation for each kind of result.
        page: writes the page if the choice is HTML.

    Raises:
        EngineError: the question is not answered.
    """
    etag = etag_of(service.graph.version, question, choice)
    known = None if choice.has_page else http.not_modified(etag)
    if known is not None:
        return known
    if http.NOTES in request.environ:
        request.environ[http.NOTES].text = question.text
    answer = delegation.answer_at_hand() or _answer(service, question, choice)
    representation = choice.of(answer.kind)
    cache = http.CACHEABLE if answer.repeatable else http.UNCACHEABLE
    if representation == HTML:
        made = delegation.elsewhere(answer)
        if made is not None:
            return made
        with http.serialising():
            written = page(table_of(answer))
        return http.reply(written, HTML, cache=cache)
    return http.reply(answer.content, representation, etag=etag, cache=cache)


def _answer(service: Service, question: Question, choice: Choice) -> Answer:
    engine = service.graph.whole if question.of_whole else service.graph.engine
    answer = engine.run(query_for(service, question, choice, http.query_names()))
    http.timed("queue", answer.waited)
    http.timed("run", answer.seconds)
    return answer


def query_for(
    service: Service, question: Question, choice: Choice, names: tuple[str, ...]
) -> Query:
    """Return what the engine is asked for a question.

    Args:
        service: whose limits hold.
        question: the question.
        choice: the representation for each kind of result.
        names: by which the query can be stopped.
    """
    most = service.settings.max_result_bytes
    return Query(
        text=question.text,
        bindings=question.bindings,
        default_graphs=question.default_graphs,
        named_graphs=question.named_graphs,
        formats=choice.formats,
        base_iri=BASE,
        seconds=question.seconds,
        max_bytes=min(most, _PAGE_BYTES) if choice.has_page else most,
        names=names,
    )


def etag_of(data_version: str, question: Question, choice: Choice) -> str:
    """Return the entity tag, which is known before the query is run: it is its identity."""
    bindings = sorted((name, canonical(term)) for name, term in question.bindings.items())
    graphs = repr((question.default_graphs, question.named_graphs))
    return http.digest(
        kg.__version__, data_version, question.text, repr(bindings), graphs, choice.names
    )


def downloads(kind: ResultKind) -> list[tuple[str, str]]:
    """Return label and address of the answer at hand in each other format."""
    return downloads_as(offer for offer in RESULTS[kind] if offer != HTML)


def downloads_as(offers: Iterable[Representation]) -> list[tuple[str, str]]:
    """Return label and address of the page at hand in other formats."""
    pairs = [(name, value) for name, value in request.args.items(multi=True)]
    kept = [pair for pair in pairs if pair[0].strip() not in FORMAT_PARAMETERS]
    return [
        (
            offer.label,
            f"{request.script_root}{request.path}?{urlencode([*kept, ('format', offer.name)])}",
        )
        for offer in offers
    ]
