"""Asking all graphs together, whatever an engine is set to."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary, ref

from kg.engine.dataset import DefaultGraph
from kg.engine.interface import Answer, Engine, Query, Wrapper
from kg.sparql.lexer import has_dataset_clause


def whole(engine: Engine) -> Engine:
    """Return an engine whose queries see the union of graphs, unless they name a dataset.

    Triples in no named graph are seen only if the engine itself makes the union. It is the same
    engine each time, as long as anyone holds it, so that what is remembered of it is found again.
    """
    if engine.contents.default_graph is DefaultGraph.UNION:
        return engine
    known = _KNOWN.get(engine)
    found = known() if known is not None else None
    if found is None:
        found = _UnionDefaultGraph(engine)
        _KNOWN[engine] = ref(found)
    return found


class _UnionDefaultGraph(Wrapper):
    """An engine before another, which names all graphs in queries that name none."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        contents = engine.contents
        self._named = tuple(contents.graphs)
        self._union = tuple(graph for graph in contents.graphs if graph not in contents.apart)

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``."""
        is_named = query.default_graphs is not None or query.named_graphs is not None
        if not is_named and not has_dataset_clause(query.text):
            query = replace(query, default_graphs=self._union, named_graphs=self._named)
        return self._engine.run(query)


# Weak on both sides: what is found leads back to the engine, which must not live for this alone.
_KNOWN: WeakKeyDictionary[Engine, ref[_UnionDefaultGraph]] = WeakKeyDictionary()
