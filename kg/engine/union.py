"""Asking all graphs together, whatever an engine is set to."""

from dataclasses import replace
from weakref import WeakValueDictionary

from kg.engine.dataset import Contents, DefaultGraph
from kg.engine.interface import Answer, Engine, Query, Wrapper
from kg.sparql.lexer import first_word


def whole(engine: Engine) -> Engine:
    """Return an engine whose queries see the union of graphs, unless they name a dataset.

    Triples in no named graph are seen only if the engine itself makes the union. It is the same
    engine each time, as long as anyone holds it, so that what is remembered of it is found again.
    """
    if engine.contents.default_graph is DefaultGraph.UNION:
        return engine
    return _KNOWN.get(id(engine)) or _KNOWN.setdefault(id(engine), _UnionDefaultGraph(engine))


def over_graphs(query: Query, contents: Contents) -> Query:
    """Return a query that names all graphs as its dataset, if there are any and it names none."""
    is_named = query.default_graphs is not None or query.named_graphs is not None
    if is_named or not contents.graphs or first_word(query.text, "FROM"):
        return query
    union = tuple(graph for graph in contents.graphs if graph not in contents.apart)
    return replace(query, default_graphs=union, named_graphs=tuple(contents.graphs))


class _UnionDefaultGraph(Wrapper):
    """An engine before another, which names all graphs in queries that name none."""

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``."""
        return self._engine.run(over_graphs(query, self.contents))


# By a number that stays theirs as long as they are held, as what is found holds the engine.
_KNOWN: WeakValueDictionary[int, _UnionDefaultGraph] = WeakValueDictionary()
