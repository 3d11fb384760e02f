"""Tasks are done in query processes as queries are: within limits, and stopped like them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from kg.engine import (
    Engine,
    EngineUnavailable,
    MemoryLimitExceeded,
    Query,
    QueryStopped,
    QueryTimeout,
    ResultTooLarge,
    Task,
    TaskEngine,
    TaskResult,
)
from kg.engine.federated.engine import FederatedEngine, Policy
from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import IsolatedEngine, Limits
from kg.engine.oxigraph.engine import InProcessEngine
from kg.engine.spool import Spool

pytestmark = pytest.mark.skipif(
    sandbox.lacking() is not None, reason="this platform cannot isolate"
)

DATA = b'<http://e/1> <http://e/value> "1" <http://e/a> .'
LARGE = 10 << 20


class Runner:
    """Does what the tests ask for."""

    def __init__(self) -> None:
        self.prepared: tuple[int, int] | None = None
        self.engine: Engine | None = None

    def prepare(self) -> None:
        """Note where this is done."""
        self.prepared = os.getpid(), os.getppid()

    def open(self, engine: Engine) -> None:
        """Note the engine."""
        self.engine = engine

    def run(self, subject: Any) -> TaskResult:
        """Do as the subject says."""
        return getattr(self, subject)()  # type: ignore[no-any-return]

    def ask(self) -> TaskResult:
        """Ask the engine twice."""
        assert self.engine is not None
        bodies = [self.engine.run(Query(text)).body for text in ("ASK {?s ?p 1}", "ASK {?s ?p ?o}")]
        return TaskResult(b"".join(bodies), {"asked": len(bodies)})

    def tell_where(self) -> TaskResult:
        """Tell in which processes things were done."""
        return TaskResult(b"", (self.prepared, (os.getpid(), os.getppid())))

    def write_much(self) -> TaskResult:
        """Write more than is kept in memory."""
        spool = Spool(None)
        spool.write(bytes(LARGE))
        return TaskResult(spool.content(), "much")

    def compute_for_ever(self) -> TaskResult:
        """Never end."""
        return TaskResult(b"", [number for number in count() if number < 0])

    def take_memory(self) -> TaskResult:
        """Take more than there is."""
        return TaskResult(b"", len([bytes(1 << 20) for _ in range(200)]))

    def refuse(self) -> TaskResult:
        """Raise what a task raises."""
        raise ResultTooLarge(7)

    def fail(self) -> TaskResult:
        """Raise what no task should."""
        raise LookupError("a fault of the runner")


@pytest.fixture(scope="module")
def engine() -> Iterator[IsolatedEngine]:
    """Yield an engine that does tasks."""
    limits = Limits(seconds=60, memory=64 << 20)
    isolated = IsolatedEngine(DATA, tasks=Runner(), limits=limits, processes=2)
    yield isolated
    isolated.close()


def called(engine: TaskEngine, name: str, seconds: float | None = None) -> TaskResult:
    """Return what comes of a task."""
    result = engine.call(Task(name, seconds, names=(name,)))
    assert result is not None
    return result


def test_a_task_asks_several_things_and_makes_one_thing_of_the_answers(
    engine: IsolatedEngine,
) -> None:
    """What it returns comes whole: bytes, and what goes with them."""
    result = called(engine, "ask")

    assert result.content == b'{"head":{},"boolean":false}{"head":{},"boolean":true}'
    assert result.about == {"asked": 2}
    assert result.waited >= 0


def test_what_tasks_need_is_prepared_once_for_all_processes(engine: IsolatedEngine) -> None:
    """It is prepared in the process that query processes are forked from."""
    prepared, (process, parent) = called(engine, "tell_where").about

    assert prepared == (parent, os.getpid())
    assert process != parent


def test_a_large_content_comes_in_a_file(engine: IsolatedEngine) -> None:
    """It is handed over, not copied."""
    result = called(engine, "write_much")

    assert not isinstance(result.content, bytes)
    assert len(result.content) == LARGE
    assert b"".join(result.content) == bytes(LARGE)


def test_a_task_is_stopped_at_its_limit_of_time(engine: IsolatedEngine) -> None:
    """Whatever it computes."""
    with pytest.raises(QueryTimeout):
        called(engine, "compute_for_ever", seconds=0.2)


def test_a_task_is_stopped_at_its_limit_of_memory(engine: IsolatedEngine) -> None:
    """As a query is, and the next is done."""
    with pytest.raises(MemoryLimitExceeded):
        called(engine, "take_memory")

    assert called(engine, "ask").about == {"asked": 2}


def test_a_task_can_be_stopped_by_its_name(engine: IsolatedEngine) -> None:
    """Who waits for it is told."""

    def stop() -> None:
        while not engine.stop("compute_for_ever"):
            time.sleep(0.01)

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(QueryStopped):
        called(engine, "compute_for_ever")
    stopping.join()


def test_what_a_task_raises_reaches_who_called_for_it(engine: IsolatedEngine) -> None:
    """An exception of the engine comes as it is."""
    with pytest.raises(ResultTooLarge) as caught:
        called(engine, "refuse")

    assert caught.value.limit == 7


def test_a_fault_of_a_task_harms_no_other(engine: IsolatedEngine) -> None:
    """Its process ends; the next task is done by another."""
    with pytest.raises(EngineUnavailable):
        called(engine, "fail")

    assert called(engine, "ask").about == {"asked": 2}


def test_an_engine_that_federates_has_tasks_done_behind_it(engine: IsolatedEngine) -> None:
    """They are done where its queries run, if anything does tasks there."""
    assert called(FederatedEngine(engine, Policy()), "ask").about == {"asked": 2}
    in_process = InProcessEngine(DATA)
    assert FederatedEngine(in_process, Policy()).call(Task("ask")) is None


def test_an_engine_without_a_runner_does_no_task() -> None:
    """It says so, without asking anyone."""
    isolated = IsolatedEngine(DATA, processes=1)
    try:
        assert isolated.call(Task("ask")) is None
    finally:
        isolated.close()
