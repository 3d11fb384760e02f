"""Whether every variable of a canned query is bound somewhere: an expression over one that is not is silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest
from rdflib.plugins.sparql.algebra import translateQuery
from rdflib.plugins.sparql.parser import parseQuery
from rdflib.plugins.sparql.parserutils import CompValue
from rdflib.term import Variable

from kg.catalogue.canned_queries import CannedQuery, read_queries
from kg.releases.bundled import QUERIES_FOLDER

_QUERIES: Final = list(read_queries(QUERIES_FOLDER).values())
_NOTHING: Final = {"unbound", "no", "number", "statement"}
"""Variables that are meant to have no value: for IF, and of recorded gaps where a query has none."""

_BINDING: Final = ("triples", "res", "var")
"""Where nodes of the algebra have the variables that they bind: patterns, VALUES, BIND and AS."""


def _below(node: Any) -> Iterator[Any]:
    """Yield all parts of a node of the algebra, itself first."""
    yield node
    if isinstance(node, dict):
        parts = [*node.keys(), *node.values()]
    else:
        parts = [] if isinstance(node, str) or not isinstance(node, Iterable) else list(node)
    for part in parts:
        yield from _below(part)


def _variables(node: Any) -> set[str]:
    return {str(each) for each in _below(node) if isinstance(each, Variable)}


@pytest.mark.parametrize("query", _QUERIES, ids=lambda query: query.name)
def test_every_variable_is_bound(query: CannedQuery) -> None:
    """By a triple pattern, VALUES, BIND or SELECT (... AS ...), or it is a parameter."""
    algebra = translateQuery(parseQuery(query.text)).algebra
    bound = {each.name for each in query.parameters}
    for node in _below(algebra):
        if isinstance(node, CompValue):
            bound |= _variables([dict.get(node, each) for each in _BINDING])
    used = {
        name
        for node in _below(algebra)
        if isinstance(node, CompValue) and node.name in ("Extend", "Filter", "LeftJoin", "OrderBy")
        for name in _variables(node.get("expr"))
    }

    assert {name for name in used - bound if not name.startswith("__agg")} <= _NOTHING
