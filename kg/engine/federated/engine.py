"""SERVICE for endpoints that are allowed, while the engine itself never has a network.

A query with SERVICE is rewritten before it runs: each clause is put to its endpoint by this process,
and the rows that come back take its place, as a VALUES block, which is what SERVICE means by
https://www.w3.org/TR/sparql11-federated-query/#defn_evaluation. The engine behind goes on refusing
every SERVICE, so nothing that this module might overlook can reach a network. That is slower than a
bind join, but cannot be used to reach hosts that are not allowed.

Before anyone is asked, the query is run on no data with GRAPH for SERVICE, so that its errors come
first, with their places. The engine resolves the IRIs of endpoints, so that what is compared with
the list is what is connected to.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from kg.engine.cancellation import CancelToken
from kg.engine.dataset import Data
from kg.engine.endpoint_client import Budget, Endpoint, EndpointClient
from kg.engine.federated.service_clauses import (
    ServiceClause,
    clauses,
    inline_data,
    prologue,
    question,
    with_graph_for_service,
)
from kg.engine.interface import Answer, Engine, Query, Wrapper
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.formats import JSON, TSV, ResultKind
from kg.sparql.bind import bind
from kg.sparql.errors import (
    FederationRefused,
    Overloaded,
    QuerySyntaxError,
    QueryTimeout,
    ServiceFailed,
    ServiceTimedOut,
    UnsupportedFunction,
    UpstreamFailed,
    UpstreamTimedOut,
)
from kg.sparql.lexer import Token, TokenKind, first_word
from kg.sparql.syntax_errors import at_offset, service_refused

_NOTHING: Final = "{}"
"""A group with the one empty solution, which is what a failed SERVICE SILENT gives."""

_SOLUTIONS: Final = Answer(ResultKind.SOLUTIONS, TSV, b"", "", repeatable=False, seconds=0.0)
"""As what the solutions of an endpoint are wanted."""

_SHOWN: Final = 200
"""Characters of an IRI that an error quotes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which endpoints queries may ask with SERVICE, and how much of it.

    Attributes:
        allowed: IRIs of endpoints; a query has to name them exactly so.
        private_allowed: further ones, which may be on this machine or in a private network.
        seconds: how long the endpoints of one query may take together.
        max_bytes: how much they may give together, and how long their rows may be as SPARQL.
        max_text: how many characters a query with SERVICE may have, as it is gone through here.
        max_clauses: how many SERVICE clauses it may have.
        at_once: how many queries may ask endpoints at the same time.
        agent: who asks, for the header User-Agent.
    """

    allowed: tuple[str, ...] = ()
    private_allowed: tuple[str, ...] = ()
    seconds: float = 10.0
    max_bytes: int = 5_000_000
    max_text: int = 65_536
    max_clauses: int = 8
    at_once: int = 8
    agent: str = "kg"


@dataclass(frozen=True, slots=True)
class _EndpointRequest:
    """What an endpoint is to be asked."""

    clause: ServiceClause
    iri: str
    text: str
    variables: frozenset[str]  # that may have values in its solutions


class FederatedEngine(Wrapper):
    """An engine that answers what SERVICE asks of allowed endpoints, and has another do the rest.

    The engine may be used from many threads, and from processes forked after it was made.

    Args:
        engine: answers queries; it refuses SERVICE.
        policy: which endpoints may be asked, and how much.

    Raises:
        ValueError: an IRI of the policy is not that of an endpoint.
    """

    def __init__(self, engine: Engine, policy: Policy) -> None:
        super().__init__(engine)
        self._policy = policy
        public = [Endpoint.named(iri) for iri in policy.allowed]
        private = [Endpoint.named(iri, private=True) for iri in policy.private_allowed]
        headers = [f"User-Agent: {policy.agent}", "Content-Type: application/sparql-query"]
        headers.append("Connection: close")
        self._clients = {
            each.iri: EndpointClient(each, headers, policy.at_once) for each in public + private
        }
        self._reader = InProcessEngine(Data())
        self._free = threading.BoundedSemaphore(policy.at_once)

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``.

        Raises:
            FederationRefused: the policy does not allow what the query asks with SERVICE.
            ServiceFailed: an endpoint does not answer as it should, and there is no SILENT.
            Overloaded: as many queries as may are asking endpoints.
        """
        if not self._clients or first_word(query.text, "SERVICE") is None:
            return self._engine.run(query)
        began = time.perf_counter()
        with self._calls.call(query.names) as token:
            bound, requests = self._planned(query)
            written, place = [], 0
            groups = self._groups(requests, _left(query, began), token)
            for request, group in zip(requests, groups, strict=True):
                written += [bound.text[place : request.clause.keyword.offset], " ", group, " "]
                place = request.clause.end
            token.refuse_if_set()
            text = "".join((*written, bound.text[place:]))
            answer = self._engine.run(replace(bound, text=text, seconds=_left(query, began)))
        seconds = time.perf_counter() - began - answer.waited
        return replace(answer, repeatable=False, seconds=seconds)

    def _planned(self, query: Query) -> tuple[Query, list[_EndpointRequest]]:
        """Find out whom to ask what, asking nobody; refuse what is not legal, or not allowed.

        Returns:
            The query, its bindings bound, and what to ask first, in the order of the text.
        """
        most = self._policy.max_text
        if len(query.text) > most:
            raise FederationRefused(f"A query with SERVICE may have {most:,} characters here.")
        # Errors of syntax and bindings come first, with their places in the text as it was written.
        readable = replace(query, text=with_graph_for_service(query.text))
        self._rehearsed(readable)
        written = clauses(query.text)
        self._refuse_shapes(query, written)
        for clause in written:
            self._refuse_unless_read(readable, clause.keyword)
        bound = replace(query, text=bind(query.text, query.bindings), bindings={})
        declarations = prologue(bound.text, query.base_iri)
        meant = clauses(bound.text)
        iris = self._iris(bound, declarations, [clause.target.text for clause in meant])
        for clause, iri in zip(written, iris, strict=True):
            if iri not in self._clients:
                known = ", ".join(f"<{each}>" for each in self._clients)
                detail = f"<{iri[:_SHOWN]}> is not an endpoint that is asked here; {known} is."
                raise service_refused(query.text, clause.keyword.offset, detail)
        requests = [
            self._request(bound, declarations, clause, iri)
            for clause, iri in zip(meant, iris, strict=True)
        ]
        return bound, requests

    def _rehearsed(self, query: Query) -> Answer | None:
        """Answer a query on no data; None if it calls a function that is unknown here.

        That may be one of the endpoint; what is unknown elsewhere is found when the query runs.
        """
        try:
            return self._engine.run(replace(query, default_graphs=(), named_graphs=()))
        except UnsupportedFunction:
            return None

    def _refuse_unless_read(self, query: Query, keyword: Token) -> None:
        """Refuse a keyword that the parser of the engine takes for a part of a string.

        The query is then legal with anything in the place of the keyword.
        """
        text, place = query.text, keyword.offset
        broken = text[:place] + "`" * len(keyword.text) + text[place + len(keyword.text) :]
        try:
            self._rehearsed(replace(query, text=broken))
        except QuerySyntaxError:
            return
        raise at_offset(text, "It is not clear where the strings before this end.", place)

    def _refuse_shapes(self, query: Query, clauses: Sequence[ServiceClause]) -> None:
        """Refuse what is not allowed whoever is asked."""
        most = self._policy.max_clauses
        if len(clauses) > most:
            detail = f"this service carries out no more than {most} of them in a query."
            raise service_refused(query.text, clauses[most].keyword.offset, detail)
        for clause in clauses:
            target = clause.target
            if clause.nested is not None:
                detail = "it is within another, so not passed on."
                raise service_refused(query.text, clause.nested.offset, detail)
            if target.kind is TokenKind.VARIABLE and target.text[1:] not in query.bindings:
                detail = f"{target.text} names no endpoint, which only an IRI does here."
                raise service_refused(query.text, clause.keyword.offset, detail)

    def _iris(self, query: Query, declarations: str, targets: Sequence[str]) -> list[str]:
        """Return the IRIs that targets stand for, as the engine resolves them."""
        columns = " ".join(f"({target} AS ?t{place})" for place, target in enumerate(targets))
        text = f"{declarations} SELECT {columns} {{}}"
        answer = self._rehearsed(Query(text, seconds=query.seconds, names=query.names))
        assert answer is not None, "no function is called"
        _, (row,) = answer.solutions()
        return [row[f"t{place}"]["value"] for place in range(len(targets))]

    def _request(
        self, query: Query, declarations: str, clause: ServiceClause, iri: str
    ) -> _EndpointRequest:
        """Return what to ask for a clause, whose group has to be legal by itself."""
        text = question(declarations, clause.group)
        answer = self._rehearsed(Query(text, seconds=query.seconds, names=query.names))
        variables = clause.variables
        if answer is not None:
            variables = frozenset(answer.solutions()[0])
        return _EndpointRequest(clause, iri, text, variables)

    def _groups(
        self, requests: Iterable[_EndpointRequest], seconds: float | None, token: CancelToken
    ) -> list[str]:
        """Ask the endpoints one after the other, and return the groups to put in place of their clauses."""
        if not self._free.acquire(blocking=False):
            raise Overloaded(f"{self._policy.at_once} queries are asking other endpoints already.")
        try:
            budget = Budget(min(self._policy.seconds, seconds or inf), self._policy.max_bytes)
            groups: list[str] = []
            for request in requests:
                room = self._policy.max_bytes - sum(len(group) for group in groups)
                iri = request.iri
                try:
                    asked = self._clients[iri].asked(request.text, JSON.media_type, budget, token)
                    with asked as response:
                        answer = self._reader.transcribed(response, JSON, _SOLUTIONS, None)
                    group = inline_data(answer.body.decode(), request.variables, room)
                except UpstreamFailed as error:
                    if not request.clause.silent:
                        if isinstance(error, UpstreamTimedOut):
                            raise ServiceTimedOut(iri, budget.seconds) from error
                        raise ServiceFailed(iri, error.fault) from error
                    group = _NOTHING
                groups.append(group)
            return groups
        finally:
            self._free.release()


def _left(query: Query, began: float) -> float | None:
    """Return the time that is left of what a query asks for; None if it asks for none."""
    if query.seconds is None:
        return None
    left = query.seconds - (time.perf_counter() - began)
    if left <= 0:
        raise QueryTimeout(query.seconds)
    return left
