"""The engine in this process: asked from many threads, its errors ending in any, and added to."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rdflib import Literal, URIRef

from kg.engine import CSV, TURTLE, Answer, EngineError, Query, ResultKind, Term
from kg.engine.oxigraph.engine import InProcessEngine

QUADS = "".join(f"<http://e/{n}> <http://e/p> <http://e/{n}> <http://e/g> .\n" for n in range(300))
ITEM = URIRef("http://e/7")
FAILING = "http://e/failing"


def fail(_: Term) -> Term | None:
    """Fail, as a function does that has a mistake."""
    raise KeyError


@pytest.fixture(scope="module")
def engine() -> InProcessEngine:
    """Return an engine with a function that fails."""
    return InProcessEngine(QUADS.encode(), version="v", functions={FAILING: fail})


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Collect what can be raised to nobody, as when something is dropped by a wrong thread."""
    collected: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda event: collected.append(event.exc_value))
    yield collected
    assert collected == []


FAILURES = {
    "too large": Query("SELECT * { ?s ?p ?o }", max_bytes=10),
    "graph too large": Query("CONSTRUCT WHERE { ?s ?p ?o }", max_bytes=10),
    "format": Query("SELECT * { ?s ?p ?o }", formats=dict.fromkeys(ResultKind, TURTLE)),
    "format of a graph": Query("CONSTRUCT WHERE { ?s ?p ?o }", formats=dict.fromkeys(ResultKind, CSV)),
    "function": Query(f"SELECT (<{FAILING}>(?s) AS ?x) {{ ?s ?p ?o }}"),
    "function of a graph": Query(
        f"CONSTRUCT {{ ?s ?p ?x }} {{ ?s ?p ?o BIND(<{FAILING}>(?s) AS ?x) }}"
    ),
    "binding": Query("SELECT * { ?s ?p ?o }", bindings={"p": Literal(1)}),
    "syntax": Query("SELECT * {"),
}  # fmt: skip


@pytest.mark.parametrize("query", FAILURES.values(), ids=FAILURES)
def test_an_error_may_end_in_another_thread(
    engine: InProcessEngine, unraisable: list[Any], query: Query
) -> None:
    """What it leads to holds no results, which only the thread that asked may drop."""
    with ThreadPoolExecutor(1) as threads:
        error = threads.submit(engine.run, query).exception()
        assert isinstance(error, EngineError | KeyError)
        while error is not None:  # all of it is looked at, as a debugger does
            assert error.__traceback__ is not None
            error = error.__cause__ or error.__context__
        gc.collect()

    assert unraisable == []


def test_many_threads_may_ask(engine: InProcessEngine) -> None:
    """More texts than are remembered, all at once, and each has its answer."""

    def ask(thread: int) -> set[bytes]:
        texts = (f"SELECT ?s {{ ?s ?p ?o }} LIMIT 1 # {thread} {n}" for n in range(400))
        return {engine.run(Query(text, bindings={"o": ITEM})).body for text in texts}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            bodies = set().union(*threads.map(ask, range(8)))
    finally:
        sys.setswitchinterval(interval)

    assert len(bodies) == 1


def test_an_answer_is_that_of_one_thread(engine: InProcessEngine) -> None:
    """Threads that ask different things do not get the answers of each other."""
    texts = [f"ASK {{ <http://e/{n}> ?p ?o }}" for n in range(290, 310)]

    def ask(_: int) -> list[Answer]:
        return [engine.run(Query(text)) for text in texts]

    with ThreadPoolExecutor(8) as threads:
        for answers in threads.map(ask, range(8)):
            assert [b"true" in each.body for each in answers] == [True] * 10 + [False] * 10


def test_what_is_added_is_seen_by_a_query_that_was_asked_before() -> None:
    """A path of length zero leads to what is not there yet, and to what is."""
    engine = InProcessEngine(b"", version="v")
    asked = Query(
        "SELECT ?s { ?s <http://e/p>* <http://e/b> } ORDER BY ?s",
        formats=dict.fromkeys(ResultKind, CSV),
    )
    before = engine.run(asked).body
    engine.add(b"<http://e/a> <http://e/p> <http://e/b> .\n")

    assert before == b"s\r\nhttp://e/b\r\n"
    assert engine.run(asked).body == b"s\r\nhttp://e/a\r\nhttp://e/b\r\n"
