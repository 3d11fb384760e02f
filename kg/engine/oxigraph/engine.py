"""The engine that runs in this process: Oxigraph, in memory.

For notebooks, the command line and platforms that cannot fork. A query cannot be interrupted.
"""

from __future__ import annotations

import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, TypeAlias, cast

import pyoxigraph as ox
from rdflib import XSD, Literal, URIRef

from kg.engine.dataset import Contents, Data, DefaultGraph, Source
from kg.engine.interface import Answer, ExtensionFunction, FunctionsOf, Query
from kg.engine.oxigraph import rewriting
from kg.engine.oxigraph.nesting import ShallowReader
from kg.engine.oxigraph.regular_expressions import with_patterns_of_xpath
from kg.engine.oxigraph.store import RDF_FORMATS, DatasetStore, View, ntriples_of
from kg.engine.oxigraph.well_formed import NotInXml, XmlSpool, in_rdfxml
from kg.engine.spool import Content, Spool
from kg.rdf import formats
from kg.rdf.formats import Format, ResultKind, formats_for
from kg.sparql.bind import Term, bind
from kg.sparql.errors import (
    BindingError,
    EngineError,
    EngineLimitation,
    FormatNotAvailable,
    QuerySyntaxError,
    UnsupportedFunction,
    UpdateNotAllowed,
)
from kg.sparql.lexer import (
    first_word,
    is_repeatable,
    is_update,
    without_hidden_service,
)
from kg.sparql.syntax_errors import diagnose, service_refused

__all__ = ["InProcessEngine", "nquads_of", "ntriples_of"]

_RESULT_FORMATS: Final = {
    each: ox.QueryResultsFormat.from_media_type(each.media_type)
    for each in formats_for(ResultKind.SOLUTIONS)
}

_NOT_IN_IT: Final = ("does not support RDF 1.2", "reserved syntax term")
"""What Oxigraph says of triple terms in JSON-LD, and of predicates such as rdf:li in RDF/XML."""

_Results = ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples
_OxTerm: TypeAlias = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
_Functions: TypeAlias = dict[ox.NamedNode, Callable[..., _OxTerm | None]]

_Key: TypeAlias = tuple[str, str | None, *tuple[tuple[str, ...] | None, ...]]
"""A text, a base IRI, and graphs."""

_REMEMBERED = 256
"""How many texts are remembered as legal, and as written anew (a judgement): those of canned queries
and resources come often."""

_REMEMBERED_LENGTH = 20_000
_MOST_OF_A_BOOLEAN: Final = 100_000
"""Bytes of an answer to ASK that are read; a longer one is cut off, and so refused (a judgement)."""


class InProcessEngine:
    """Oxigraph over one version of a dataset, in the memory of this process.

    Args:
        data: what to hold; bytes are N-Quads.
        version: the version of the data, see ``Engine.version``; None: as their contents say.
        expected: the version that they must have; None: any.
        prefixes: prefix names and namespaces, used to write Turtle, TriG and RDF/XML that
            people can read and to suggest declarations; queries declare their own.
        functions: what queries can call beyond SPARQL's own functions, by IRI, or what gives
            them when it is called with this engine.

    Raises:
        DataError: the data cannot be read, do not parse, or have another version.
    """

    isolated: Final = False

    def __init__(
        self,
        data: Data | bytes | Path,
        *,
        version: str | None = None,
        expected: str | None = None,
        prefixes: Mapping[str, str] | None = None,
        functions: Mapping[str, ExtensionFunction] | FunctionsOf | None = None,
    ) -> None:
        self._memory_lock = threading.Lock()
        self._parsed: dict[_Key, str] = {}
        self._written: dict[_Key, str] = {}
        self._store = DatasetStore(Data.of(data), version, expected)
        self.version: Final = self._store.version
        self._prefixes = dict(prefixes or {})
        self._functions: dict[str, ExtensionFunction] = {}
        self._functions.update(functions(self) if callable(functions) else functions or {})

    @property
    def contents(self) -> Contents:
        """How much it holds."""
        return self._store.contents

    def add(self, ntriples: bytes) -> None:
        """Hold more triples, in no named graph, where data are being made or judged."""
        self._store.add(Source(ntriples, formats.NTRIPLES))
        self._written.clear()  # how a query is written anew depends on what there is

    def check(self, text: str) -> None:
        """Parse a query without answering it.

        Raises:
            QueryError: where ``run`` would refuse it for its text.
        """
        self._refuse_federation(text)
        self._evaluate(ox.Store(), text, {}, None, self._callable([]))
        with_patterns_of_xpath(text)

    def stop(self, name: str) -> bool:  # noqa: ARG002 - the interface has it
        """Stop nothing, as a query in this process cannot be; see ``Engine.stop``."""
        return False

    def close(self) -> None:
        """There is nothing to let go of; see ``Engine.close``."""

    def transcribed(self, file: Any, written: Format, wanted: Answer, limit: int | None) -> Answer:
        """Return what another engine answers in the format that is wanted, parsing it to its end.

        Args:
            file: to read it from.
            written: its format: SPARQL JSON, N-Triples or Turtle.
            wanted: the same answer without its content.
            limit: see ``Query.max_bytes``.

        Raises:
            SyntaxError: it is not in its format, or of another kind.
            QueryError: the wanted format cannot hold it, or it is larger than the limit.
        """
        try:
            results = _read(file, written, wanted.kind)
            return replace(wanted, content=self._serialise(results, wanted.format, limit))
        except BaseException as error:
            results = None
            _clear_frames(error)
            raise

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``."""
        try:
            return self._run(query)
        except BaseException as error:
            _clear_frames(error)
            raise

    def _run(self, query: Query) -> Answer:
        began = time.perf_counter()
        self._refuse_federation(query.text)
        has_clauses = first_word(query.text, "FROM") is not None
        if query.bindings or has_clauses:
            # Positions of syntax errors refer to the text that the caller wrote.
            self._parse_once(query.text, query.base_iri)
        text = bind(query.text, query.bindings)
        try:
            with_patterns_of_xpath(query.text)  # whose places are those of the caller's text
            written = with_patterns_of_xpath(text)
        except EngineLimitation:
            self._parse_once(query.text, query.base_iri)  # what is no SPARQL is told first
            raise
        if written != text:
            self._parse_once(query.text, query.base_iri)
            text = written
        failures: list[Exception] = []
        try:
            view = self._store.view(text, query, has_clauses=has_clauses)
            text = self._rewritten(text, query, view)
            # What has no parenthesis calls nothing, and Oxigraph registers each function anew.
            functions = self._callable(failures) if "(" in text else {}
            results = self._evaluate(view.store, text, view.arguments, query.base_iri, functions)
            kind = _kind(results)
            chosen = query.formats[kind]
            if chosen is None or kind not in chosen.kinds:
                raise FormatNotAvailable(kind, formats_for(kind))
            content = self._serialise(results, chosen, query.max_bytes)
        except QuerySyntaxError as error:
            if not query.bindings:
                raise
            raise BindingError(
                "A value cannot stand where the query has its variable: predicates, graphs and "
                "what DESCRIBE names must be IRIs, and IRIs and language tags well-formed."
            ) from error
        except (RuntimeError, OSError, ValueError) as error:
            raise _engine_error(error) from error
        if failures:
            raise failures[0]
        return Answer(
            kind=kind,
            format=chosen,
            content=content,
            version=self.version,
            repeatable=is_repeatable(query.text) and (text == query.text or is_repeatable(text)),
            seconds=time.perf_counter() - began,
        )

    def _rewritten(self, text: str, query: Query, view: View) -> str:
        """Write a text with its values bound so that Oxigraph answers it rightly."""
        if not rewriting.concerns(text):
            return text
        key = (text, query.base_iri, query.default_graphs, query.named_graphs)
        if key in self._written:
            return self._written[key]

        def evaluated(part: str, store: ox.Store, dataset: Mapping[str, object]) -> Any:
            return store.query(
                without_hidden_service(part),
                base_iri=query.base_iri,
                custom_functions=self._callable([]),
                **dataset,  # type: ignore[arg-type]
            )

        def ask(question: str) -> Any:
            return evaluated(question, view.store, view.arguments)

        def columns(part: str) -> list[str]:
            return [each.value for each in evaluated(part, ox.Store(), {}).variables]

        try:
            written = rewriting.rewritten(text, ask, columns)
        except EngineLimitation:
            # Places refer to the text that the caller wrote, and what is no SPARQL is told first.
            self._parse_once(query.text, query.base_iri)
            rewriting.rewritten(query.text, ask, columns)
            raise
        except SyntaxError:
            return text  # which will be told of the text itself
        if written != text:
            self._parse_once(query.text, query.base_iri)
        self._remember(self._written, key, written)
        return written

    def _parse_once(self, text: str, base_iri: str | None) -> None:
        """Raise what is wrong with a text, unless it was found right before."""
        if (text, base_iri) in self._parsed:
            return
        self._evaluate(ox.Store(), text, {}, base_iri, self._callable([]))
        self._remember(self._parsed, (text, base_iri), "")

    def _remember(self, memory: dict[_Key, str], key: _Key, written: str) -> None:
        """Remember what was found of a text, and no more than may be of others."""
        with self._memory_lock:
            if len(key[0]) + len(written) <= _REMEMBERED_LENGTH:
                memory[key] = written
            if len(memory) > _REMEMBERED:
                del memory[next(iter(memory))]

    def _callable(self, failures: list[Exception]) -> _Functions:
        """Return the functions as Oxigraph calls them; the first failure of one is noted."""
        return {
            ox.NamedNode(iri): _noting_failure(function, failures)
            for iri, function in self._functions.items()
        }

    def _evaluate(
        self,
        store: ox.Store,
        text: str,
        dataset: Mapping[str, object],
        base_iri: str | None,
        functions: _Functions,
    ) -> _Results:
        safe = without_hidden_service(text)
        options = {"base_iri": base_iri, "custom_functions": functions, **dataset}
        try:
            return store.query(safe, **options)  # type: ignore[arg-type]
        except SyntaxError as error:
            legal = rewriting.legal(safe)
            with suppress(SyntaxError):
                if legal is not None:
                    return store.query(legal, **options)  # type: ignore[arg-type]
            if is_update(text):
                raise UpdateNotAllowed(
                    "This is a SPARQL Update; only queries are answered here."
                ) from error
            said = str(error) if safe == text else _said_of(text, base_iri)
            raise diagnose(text, said, self._prefixes) from error
        except (RuntimeError, OSError, ValueError) as error:
            raise _engine_error(error) from error

    def _serialise(self, results: Any, chosen: Format, limit: int | None) -> Content:
        is_rdfxml = chosen is formats.RDFXML
        spool = XmlSpool(limit) if is_rdfxml or chosen is formats.XML else Spool(limit)
        file = cast("IO[bytes]", spool)
        try:
            if _kind(results) is ResultKind.GRAPH:
                triples = in_rdfxml(results) if is_rdfxml else results
                ox.serialize(triples, file, RDF_FORMATS[chosen], prefixes=self._prefixes)
            else:
                results.serialize(file, _RESULT_FORMATS[chosen])
        except (OSError, NotInXml) as error:
            if isinstance(error, OSError) and not any(each in str(error) for each in _NOT_IN_IT):
                raise
            kind = _kind(results)
            others = [each for each in formats_for(kind) if each != chosen]
            reason = f"{error} " if isinstance(error, NotInXml) else ""
            raise FormatNotAvailable(kind, others, reason) from error
        return spool.content()

    def _refuse_federation(self, text: str) -> None:
        if service := first_word(text, "SERVICE"):
            detail = "no endpoint is asked from here. Ask it yourself."
            raise service_refused(text, service.offset, detail)


def _read(file: Any, written: Format, kind: ResultKind) -> Any:
    """Return results as they are read from a file."""
    file = ShallowReader(file, written)
    if kind is ResultKind.GRAPH:
        return (quad.triple for quad in ox.parse(file, RDF_FORMATS[written]))
    if kind is ResultKind.BOOLEAN:  # of which the parser reads only what it needs
        file = file.read(_MOST_OF_A_BOOLEAN)
        try:
            document = json.loads(file)
        except ValueError as error:
            raise SyntaxError(str(error)) from error
        match document:
            case {"head": {"vars": ["__ASK_RETVAL"]}, "results": {"bindings": rows}}:  # Virtuoso's
                file = json.dumps({"head": {}, "boolean": rows != []}).encode()
    results = ox.parse_query_results(file, _RESULT_FORMATS[written])
    if _kind(results) is not kind:
        raise SyntaxError("It is of another kind.")
    return results


def nquads_of(data: Data) -> bytes:
    """Return data as N-Quads, in no particular order.

    Raises:
        DataError: they cannot be read or do not parse.
    """
    only = data.sources[0] if len(data.sources) == 1 else None
    if only and only.format == formats.NQUADS and isinstance(only.content, bytes):
        return only.content
    return DatasetStore(replace(data, default_graph=DefaultGraph.STRICT)).nquads()


def _clear_frames(error: BaseException) -> None:
    """Drop what the frames hold that an error leads to.

    Results of Oxigraph may be dropped by their own thread only, and an error may end in any other.
    """
    link: BaseException | None = error
    while link is not None:
        for frame, _ in traceback.walk_tb(link.__traceback__):
            above: FrameType | None = frame  # that of a function leads to who called it
            with suppress(RuntimeError):  # it is running, as are those above it
                while above is not None:
                    above.clear()
                    above = above.f_back
        link = link.__cause__ or link.__context__


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
    """Return a term as functions take it; None for what they cannot be called with."""
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
    """Return what the parser says of a text without SERVICE, with the positions of that text."""
    try:
        ox.Store().query(re.sub("(?i)(s)e(rvice)", r"\1a\2", text), base_iri=base_iri)
    except SyntaxError as error:
        return str(error)
    return ""


def _kind(results: Any) -> ResultKind:
    if isinstance(results, ox.QuerySolutions):
        return ResultKind.SOLUTIONS
    return ResultKind.BOOLEAN if isinstance(results, ox.QueryBoolean) else ResultKind.GRAPH


def _engine_error(error: Exception) -> EngineError:
    """Turn what Oxigraph raises while it evaluates into an exception of the interface."""
    message = str(error)
    if "custom function" in message:
        return UnsupportedFunction(message.replace("custom", "extension") + ".")
    return EngineError(message)
