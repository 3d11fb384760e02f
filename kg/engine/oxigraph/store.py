"""Data in Oxigraph's memory: loading them, and finding the part that a query sees."""

import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, NamedTuple

import pyoxigraph as ox

from kg.engine.dataset import Contents, Data, DefaultGraph, Source
from kg.engine.interface import Query
from kg.rdf.formats import ResultKind, formats_for
from kg.sparql.errors import BindingError, DataError
from kg.sparql.lexer import FORMS, Token, first_word, significant, without_hidden_service

RDF_FORMATS: Final = {
    each: ox.RdfFormat.from_media_type(each.media_type) for each in formats_for(ResultKind.GRAPH)
}
"""What Oxigraph calls the formats of graphs."""

_PLACE: Final = re.compile(r"^Parser error (?:at|between) [^:]*: ")
_NO_CONTEXTS: Final = "LoadDocumentCallback"

_MOST_IN_ORDER: Final = 100
"""Up to how many named graphs are gone through in a fixed order, as sorting them takes time for each
query (a judgement)."""

_MOST_HELD_TWICE: Final = 1_000_000
"""Up to how many triples a second store of them is made, some 400 MB (a judgement)."""

_EVERY_TRIPLE: Final = "INSERT { ?s ?p ?o } WHERE { GRAPH ?graph { ?s ?p ?o } FILTER($which) }"
_TRIPLES_OF_GRAPHS: Final = """
SELECT ?graph (COUNT(*) AS ?number) WHERE { GRAPH ?graph { ?s ?p ?o } } GROUP BY ?graph
"""


class View(NamedTuple):
    """What a query sees: the store to ask, and what to tell it of the dataset."""

    store: ox.Store
    arguments: dict[str, Any]


class DatasetStore:
    """Data in memory.

    The default graph has each triple once, however many graphs it is in. Oxigraph counts it once
    for each of them, so where there are such triples the union is made, and held besides. A query
    that does not ask for graphs is answered from a store that has none.

    Args:
        data: what to load.
        version: the version of the data; None: as their contents say.
        expected: the version that they must have; None: any.

    Attributes:
        version: the version of the data.

    Raises:
        DataError: a source cannot be read or does not parse, or the version is another.
    """

    def __init__(self, data: Data, version: str | None = None, expected: str | None = None) -> None:
        reading = data.look()
        self.version = version or reading.version
        if expected not in (None, self.version):
            raise DataError(
                "The data have changed since the service was started.", hint="Start it again."
            )
        self._store = ox.Store()
        self._default_graph = data.default_graph
        numbers = itertools.count()
        for source, plain in zip(data.sources, reading.plain, strict=True):
            _load(self._store, source, None if plain else numbers)
        named = map(ox.NamedNode, data.apart)
        self._apart = [graph for graph in named if self._store.contains_named_graph(graph)]
        is_union = data.default_graph is DefaultGraph.UNION
        self._without_graphs = self._triples_alone() if is_union else None
        self._repeats = self._has_repeats()
        # What tells Oxigraph that the default graph is the union, where it is not made.
        self._union: dict[str, Any] = {}
        if is_union and (self._repeats or (self._apart and not self._graphs)):
            which = " && ".join(["true", *(f"?graph != {graph}" for graph in self._apart)])
            self._store.update(_EVERY_TRIPLE.replace("$which", which))
        elif is_union and self._apart:
            joined = [graph for graph in self._graphs if graph not in self._apart]
            self._union = {"default_graph": [ox.DefaultGraph(), *joined]}
        elif is_union:
            self._union = {"use_default_graph_as_union": True}

    def _triples_alone(self) -> ox.Store | None:
        """Return a store of the triples of all graphs, for queries that do not ask for graphs.

        Oxigraph joins triples in a third less time than quads. Where there are so many that
        holding them twice matters there is none, unless there are no other graphs anyway.
        """
        if next(iter(self._store.named_graphs()), None) is None:
            return self._store
        if len(self._store) > _MOST_HELD_TWICE:
            return None
        store = ox.Store()
        joined = (quad for quad in self._store if quad.graph_name not in self._apart)
        store.bulk_extend(_without_graph(joined))
        return store

    def _has_repeats(self) -> bool:
        """Tell whether a triple is in more than one of the graphs that are not apart."""
        if self._without_graphs is self._store:
            return False
        if self._without_graphs is not None:
            apart = sum(self._numbers[graph] for graph in self._apart)
            return len(self._without_graphs) < len(self._store) - apart
        counts = [*self._numbers.values(), len(self._store) - sum(self._numbers.values())]
        if sum(map(bool, counts)) < 2:  # noqa: PLR2004 - it takes two
            return False
        # Of two triples with the same hash the worst is that the union is made without need.
        return len({hash(quad.triple) for quad in self._store}) < len(self._store)

    @cached_property
    def _numbers(self) -> dict[Any, int]:
        """How many triples each named graph has."""
        rows = self._store.query(_TRIPLES_OF_GRAPHS)
        return {row["graph"]: int(row["number"].value) for row in rows}  # type: ignore[union-attr]

    def add(self, source: Source) -> None:
        """Load more where there are no named graphs; its blank nodes get any names."""
        _load(self._store, source, None)

    @cached_property
    def contents(self) -> Contents:
        """How much there is."""
        everything = len(self._store)
        unnamed = everything - sum(self._numbers.values())
        apart = sum(self._numbers[graph] for graph in self._apart)
        return Contents(
            triples=everything - apart if self._union else unnamed,
            graphs={
                graph.value: self._numbers[graph]
                for graph in sorted(self._numbers, key=str)
                if isinstance(graph, ox.NamedNode)
            },
            default_graph=self._default_graph,
            apart=tuple(graph.value for graph in self._apart),
        )

    def nquads(self) -> bytes:
        """Write all there is as N-Quads."""
        written = self._store.dump(format=ox.RdfFormat.N_QUADS)
        assert written is not None
        return written

    def view(self, text: str, query: Query, *, has_clauses: bool) -> View:
        """Return what a query sees.

        Args:
            text: the text of the query with its values bound.
            query: the query.
            has_clauses: whether it has FROM or FROM NAMED; then it is known to parse.

        Raises:
            BindingError: a graph is not named by an absolute IRI.
        """
        is_named = query.default_graphs is not None or query.named_graphs is not None
        if not is_named and not has_clauses:
            if self._without_graphs is not None and not _may_ask_for_graphs(text):
                return View(self._without_graphs, {})
            arguments = {**self._union}
            # Oxigraph goes through its graphs in another order after each start, unless told one.
            if self._graphs and _may_ask_for_graphs(text):
                arguments["named_graphs"] = self._graphs
            return View(self._store, arguments)
        if is_named:
            try:
                default, named = _once(query.default_graphs or ()), _once(query.named_graphs or ())
            except ValueError as error:
                raise BindingError(f"A graph is not named by an absolute IRI: {error}") from error
        else:
            default, named = _clauses(text, query.base_iri)
        # Whether graphs that are apart repeat triples of others is not known.
        if len(default) > 1 and (self._repeats or not set(default).isdisjoint(self._apart)):
            return self._merged(default, named)
        return View(self._store, {"default_graph": default, "named_graphs": named})

    @cached_property
    def _graphs(self) -> list[ox.NamedNode | ox.BlankNode]:
        graphs = list(itertools.islice(self._store.named_graphs(), _MOST_IN_ORDER + 1))
        return sorted(graphs, key=str) if len(graphs) <= _MOST_IN_ORDER else []

    def _merged(self, default: list[ox.NamedNode], named: list[ox.NamedNode]) -> View:
        """Return a store of its own to graphs that may share triples."""
        store = ox.Store()
        for graph in default:
            quads = self._store.quads_for_pattern(None, None, None, graph)
            store.bulk_extend(_without_graph(quads))
        for graph in named:
            store.bulk_extend(self._store.quads_for_pattern(None, None, None, graph))
        return View(store, {"default_graph": ox.DefaultGraph(), "named_graphs": named})


def _without_graph(quads: Iterable[ox.Quad]) -> Iterator[ox.Quad]:
    return (ox.Quad(each.subject, each.predicate, each.object) for each in quads)


def _may_ask_for_graphs(text: str) -> bool:
    """Tell whether a query may have the keyword GRAPH, written with escapes or not."""
    return "\\" in text or first_word(text, "GRAPH") is not None


def _load(store: ox.Store, source: Source, numbers: Iterator[int] | None) -> None:
    """Load a source; numbers are for the names of its blank nodes, None if it has none."""
    graph = ox.DefaultGraph() if source.graph is None else ox.NamedNode(source.graph)
    with _parsable(source) as options:
        if numbers is None:
            store.bulk_load(**options, to_graph=graph)
        else:
            store.bulk_extend(_named_anew(ox.parse(**options), graph, numbers))


@contextmanager
def _parsable(source: Source) -> Iterator[dict[str, Any]]:
    """Open a source for a parser, and say what that finds wrong."""
    with source.opened() as file:
        try:
            yield {"input": file, "format": RDF_FORMATS[source.format], "base_iri": source.base_iri}
        except SyntaxError as error:
            raise _data_error(source, error) from error


def ntriples_of(source: Source, numbers: Iterator[int], but: Iterable[str] = ()) -> str:
    """Return what a source says as N-Triples, with the texts of literals as they are written.

    A store would write them anew, such as `1` for `01`.

    Args:
        source: the source.
        numbers: for the names of its blank nodes.
        but: the IRIs of named graphs to leave out.

    Raises:
        DataError: it cannot be read or does not parse.
    """
    source.check()
    with _parsable(source) as options:
        left_out = set(map(ox.NamedNode, but))
        quads = (quad for quad in ox.parse(**options) if quad.graph_name not in left_out)
        named = _named_anew(quads, ox.DefaultGraph(), numbers)
        return "".join(f"{quad.triple} .\n" for quad in named)


def _named_anew(
    quads: Iterable[ox.Quad], graph: ox.NamedNode | ox.DefaultGraph, numbers: Iterator[int]
) -> Iterator[ox.Quad]:
    """Name the blank nodes of a source by the order in which they appear, and triples' graph.

    So those of different sources are never taken for one another, and have the same names whenever
    the same is loaded. Oxigraph would name them at random.
    """
    names: dict[ox.BlankNode, ox.BlankNode] = {}

    def renamed(term: Any) -> Any:
        if isinstance(term, ox.BlankNode):
            if term not in names:
                names[term] = ox.BlankNode(f"b{next(numbers)}")
            return names[term]
        if isinstance(term, ox.Triple):
            return ox.Triple(renamed(term.subject), term.predicate, renamed(term.object))
        return graph if isinstance(term, ox.DefaultGraph) else term

    for quad in quads:
        subject, object_ = renamed(quad.subject), renamed(quad.object)
        yield ox.Quad(subject, quad.predicate, object_, renamed(quad.graph_name))


def _data_error(source: Source, error: SyntaxError) -> DataError:
    if _NO_CONTEXTS in str(error.msg):
        return DataError(
            "It refers to a context that is elsewhere, and nothing is fetched.",
            source=source.name,
            hint="Put the context into the file.",
        )
    return DataError(
        f"{_PLACE.sub('', error.msg).rstrip('.')}.",
        source=source.name,
        line=error.lineno,
        column=error.offset,
        hint=f"It is read as {source.format.label}, as its name says; mend it or name it otherwise.",
    )


_Graphs = tuple[list[ox.NamedNode], list[ox.NamedNode]]


def _once(iris: Iterable[str]) -> list[ox.NamedNode]:
    # Oxigraph counts the triples of a graph once for each time that it is named.
    return [ox.NamedNode(iri) for iri in dict.fromkeys(iris)]


def _clauses(text: str, base_iri: str | None) -> _Graphs:
    """Return the default and the named graphs that FROM and FROM NAMED name."""
    found = significant(text)
    form = next(token for token in found if token.is_word(*FORMS))
    prologue = text[: form.offset]
    graphs: dict[bool, list[str]] = {False: [], True: []}
    for word, second, third in zip(found, found[1:], found[2:], strict=False):
        if word.is_word("FROM"):
            is_named = second.is_word("NAMED")
            graphs[is_named].append(_iri(third if is_named else second, prologue, base_iri))
    return _once(graphs[False]), _once(graphs[True])


def _iri(token: Token, prologue: str, base_iri: str | None) -> str:
    """Return the IRI that a token stands for, by letting the parser resolve it."""
    question = f"{prologue}\nSELECT ?iri {{ VALUES ?iri {{ {token.text} }} }}"
    solutions = ox.Store().query(without_hidden_service(question), base_iri=base_iri)
    (solution,) = solutions  # type: ignore[misc]
    return str(solution["iri"].value)
