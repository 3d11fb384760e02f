"""The engine that runs in this process: Oxigraph, in memory.

For notebooks, the command line and platforms that cannot fork. A query cannot be interrupted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pyoxigraph as ox
from rdflib import XSD, Literal, URIRef

from kg.engine import formats
from kg.engine.bindings import bind
from kg.engine.diagnosis import at_offset, diagnose
from kg.engine.errors import (
    BindingError,
    DataError,
    EngineError,
    FederationRefused,
    FormatNotAvailable,
    QuerySyntaxError,
    ResultTooLarge,
    UnsupportedFunction,
    UpdateNotAllowed,
)
from kg.engine.formats import Format, ResultKind, formats_for
from kg.engine.interface import Answer, ExtensionFunction, Query, Term
from kg.engine.tokens import (
    has_dataset_clause,
    is_repeatable,
    is_update,
    service_offset,
    without_hidden_service,
)

_RESULT_FORMATS = {
    formats.JSON: ox.QueryResultsFormat.JSON,
    formats.XML: ox.QueryResultsFormat.XML,
    formats.CSV: ox.QueryResultsFormat.CSV,
    formats.TSV: ox.QueryResultsFormat.TSV,
}
_GRAPH_FORMATS = {
    formats.TURTLE: ox.RdfFormat.TURTLE,
    formats.NTRIPLES: ox.RdfFormat.N_TRIPLES,
    formats.NQUADS: ox.RdfFormat.N_QUADS,
    formats.TRIG: ox.RdfFormat.TRIG,
    formats.RDFXML: ox.RdfFormat.RDF_XML,
    formats.JSONLD: ox.RdfFormat.JSON_LD,
}

_Results = ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples
_OxTerm: TypeAlias = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
_Functions: TypeAlias = dict[ox.NamedNode, Callable[..., _OxTerm | None]]


class InProcessEngine:
    """Oxigraph over one version of a dataset, in the memory of this process.

    Args:
        nquads: the dataset, as N-Quads.
        version: the version of the data, see ``Engine.version``.
        prefixes: prefix names and namespaces, used to write Turtle, TriG and RDF/XML that
            people can read and to suggest declarations; queries declare their own.
        functions: what queries can call beyond SPARQL's own functions, by IRI.

    Raises:
        DataError: the dataset does not parse.
    """

    def __init__(
        self,
        nquads: bytes | Path,
        *,
        version: str,
        prefixes: Mapping[str, str] | None = None,
        functions: Mapping[str, ExtensionFunction] | None = None,
    ) -> None:
        self._store = ox.Store()
        self._version = version
        self._prefixes = dict(prefixes or {})
        self._functions = dict(functions or {})
        source = {"path": str(nquads)} if isinstance(nquads, Path) else {"input": nquads}
        try:
            self._store.bulk_load(**source, format=ox.RdfFormat.N_QUADS)
        except SyntaxError as error:
            raise DataError(f"The dataset is not N-Quads: {error}") from error

    @property
    def version(self) -> str:
        """The version of the data."""
        return self._version

    def check(self, text: str) -> None:
        """Parse a query without answering it; see ``Engine.check``."""
        self._refuse_federation(text)
        self._evaluate(ox.Store(), text, {}, None, self._callable([]))

    def close(self) -> None:
        """There is nothing to let go of; see ``Engine.close``."""

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``."""
        began = time.perf_counter()
        self._refuse_federation(query.text)
        if query.bindings:
            # Positions of syntax errors refer to the text that the caller wrote.
            self._evaluate(ox.Store(), query.text, {}, query.base_iri, self._callable([]))
        text = bind(query.text, query.bindings)
        failures: list[Exception] = []
        try:
            results = self._evaluate_bound(text, query, self._callable(failures))
            kind = _kind(results)
            chosen = query.formats[kind]
            if chosen is None or kind not in chosen.kinds:
                raise FormatNotAvailable(kind, formats_for(kind))
            body = self._serialise(results, chosen)
        except (RuntimeError, OSError, ValueError) as error:
            raise _engine_error(error) from error
        if failures:
            raise failures[0]
        if query.max_bytes is not None and len(body) > query.max_bytes:
            raise ResultTooLarge(query.max_bytes)
        return Answer(
            kind=kind,
            format=chosen,
            body=body,
            version=self._version,
            repeatable=is_repeatable(query.text),
            seconds=time.perf_counter() - began,
        )

    def _callable(self, failures: list[Exception]) -> _Functions:
        """Give the functions as Oxigraph calls them; the first failure of one is noted."""
        return {
            ox.NamedNode(iri): _noting_failure(function, failures)
            for iri, function in self._functions.items()
        }

    def _evaluate_bound(self, text: str, query: Query, functions: _Functions) -> _Results:
        try:
            return self._evaluate(self._store, text, _dataset(query), query.base_iri, functions)
        except QuerySyntaxError as error:
            if not query.bindings:
                raise
            raise BindingError(
                "A value cannot stand where the query has its variable: predicates, graphs and "
                "what DESCRIBE names must be IRIs, and IRIs and language tags well-formed."
            ) from error

    def _evaluate(
        self,
        store: ox.Store,
        text: str,
        dataset: Mapping[str, object],
        base_iri: str | None,
        functions: _Functions,
    ) -> _Results:
        safe = without_hidden_service(text)
        try:
            return store.query(
                safe,
                base_iri=base_iri,
                custom_functions=functions,
                **dataset,  # type: ignore[arg-type]
            )
        except SyntaxError as error:
            if is_update(text):
                raise UpdateNotAllowed(
                    "This is a SPARQL Update; only queries are answered here."
                ) from error
            said = str(error) if safe == text else _said_of(text, base_iri)
            raise diagnose(text, said, self._prefixes) from error
        except (RuntimeError, OSError, ValueError) as error:
            raise _engine_error(error) from error

    def _serialise(self, results: _Results, chosen: Format) -> bytes:
        if isinstance(results, ox.QueryTriples):
            written = ox.serialize(results, format=_GRAPH_FORMATS[chosen], prefixes=self._prefixes)
        else:
            written = results.serialize(format=_RESULT_FORMATS[chosen])
        assert written is not None
        return written

    def _refuse_federation(self, text: str) -> None:
        offset = service_offset(text)
        if offset is not None:
            where = at_offset(text, "", offset)
            raise FederationRefused(
                f"SERVICE at line {where.line}, column {where.column}: "
                "this engine asks no remote endpoint."
            )


def _noting_failure(
    function: ExtensionFunction, failures: list[Exception]
) -> Callable[..., _OxTerm | None]:
    def call(*arguments: _OxTerm) -> _OxTerm | None:
        terms = [_rdflib_term(argument) for argument in arguments]
        if None in terms:
            return None
        try:
            result = function(*terms)
        except Exception as error:
            # Oxigraph takes every exception for an unbound value, so it is raised at the end.
            failures[:] = failures or [error]
            raise
        return None if result is None else _oxigraph_term(result)

    return call


def _rdflib_term(term: _OxTerm) -> Term | None:
    """Give a term as functions take it; None for what they cannot be called with."""
    if isinstance(term, ox.NamedNode):
        return URIRef(term.value)
    if isinstance(term, ox.Literal):
        plain = term.language or term.datatype.value == str(XSD.string)
        datatype = None if plain else URIRef(term.datatype.value)
        return Literal(term.value, lang=term.language, datatype=datatype, normalize=False)
    return None


def _oxigraph_term(term: Term) -> _OxTerm:
    if isinstance(term, URIRef):
        return ox.NamedNode(term)
    if term.language:
        return ox.Literal(str(term), language=term.language)
    datatype = None if term.datatype is None else ox.NamedNode(term.datatype)
    return ox.Literal(str(term), datatype=datatype)


def _said_of(text: str, base_iri: str | None) -> str:
    """Give what the parser says of a text without SERVICE, with the positions of that text."""
    try:
        ox.Store().query(re.sub("(?i)(s)e(rvice)", r"\1a\2", text), base_iri=base_iri)
    except SyntaxError as error:
        return str(error)
    return ""


def _dataset(query: Query) -> dict[str, object]:
    """Give pyoxigraph's arguments for the dataset that a query sees."""
    if query.default_graphs is None and query.named_graphs is None:
        return {} if has_dataset_clause(query.text) else {"use_default_graph_as_union": True}
    try:
        return {
            "default_graph": [ox.NamedNode(iri) for iri in query.default_graphs or ()],
            "named_graphs": [ox.NamedNode(iri) for iri in query.named_graphs or ()],
        }
    except ValueError as error:
        raise BindingError(f"A graph is not named by an absolute IRI: {error}") from error


def _kind(results: _Results) -> ResultKind:
    if isinstance(results, ox.QuerySolutions):
        return ResultKind.SOLUTIONS
    return ResultKind.GRAPH if isinstance(results, ox.QueryTriples) else ResultKind.BOOLEAN


def _engine_error(error: Exception) -> EngineError:
    """Turn what Oxigraph raises while it evaluates into an exception of the interface."""
    message = str(error)
    if "custom function" in message:
        return UnsupportedFunction(message.replace("custom", "extension") + ".")
    return EngineError(message)
