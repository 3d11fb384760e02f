"""The engine interface: a Query in, an Answer out; a Task in, a TaskResult out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from kg.engine.cancellation import CallsByName
from kg.engine.dataset import Contents
from kg.engine.spool import Content, SpooledFile
from kg.rdf.formats import DEFAULT_FORMATS, Format, ResultKind
from kg.sparql.bind import Term

ExtensionFunction: TypeAlias = Callable[..., Term | None]
"""A function that queries can call, from terms to a term.

None is SPARQL's error: the expression has no value and leaves its variable unbound. An exception,
such as ``FunctionMisused``, fails the whole query.
"""

FunctionsOf: TypeAlias = "Callable[[Engine], Mapping[str, ExtensionFunction]]"
"""Returns the functions that queries of an engine can call, by their IRIs."""


_LARGE: Final = 10_000  # bytes of an answer that is not empty: names of columns take fewer


@dataclass(frozen=True, slots=True)
class Query:
    """A query to an engine.

    Attributes:
        text: the query in SPARQL 1.1.
        bindings: values for variables of the query, by name without the question mark.
            A bound variable stands for its value throughout the query.
        default_graphs: IRIs of the graphs that make up the default graph, from the protocol.
        named_graphs: IRIs of the named graphs, from the protocol. Where either of the two is
            given, it takes precedence over FROM and FROM NAMED; where neither is given and the
            query has no such clause, the default graph is what ``Contents.default_graph`` says.
            However many of the graphs a triple is in, the default graph has it once.
        formats: for each kind of result the format to write it in; None: not acceptable.
        base_iri: what relative IRIs in the text are resolved against.
        seconds: how long it may run by the clock, as far as the engine permits; None: its own limit.
            An engine that cannot interrupt a query disregards it.
        max_bytes: the largest answer that is accepted, in bytes; None: no limit.
        names: what it goes by while it runs, for ``Engine.stop``.
    """

    text: str
    bindings: Mapping[str, Term] = field(default_factory=dict)
    default_graphs: tuple[str, ...] | None = None
    named_graphs: tuple[str, ...] | None = None
    formats: Mapping[ResultKind, Format | None] = field(default_factory=lambda: DEFAULT_FORMATS)
    base_iri: str | None = None
    seconds: float | None = None
    max_bytes: int | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer.

    Attributes:
        kind: the kind of result, by the form of the query.
        format: the format that the body is written in.
        content: the whole result, in memory or in a file.
        version: the version of the data that it was computed from.
        repeatable: whether the same query on the same version gives the same bytes; False
            when it uses NOW, RAND, UUID, STRUUID or BNODE.
        seconds: how long evaluating and writing took, by the clock.
        waited: how many seconds passed before it was begun.
    """

    kind: ResultKind
    format: Format
    content: Content
    version: str
    repeatable: bool
    seconds: float
    waited: float = 0.0

    @property
    def body(self) -> bytes:
        """The whole result in memory."""
        if isinstance(self.content, SpooledFile):
            return b"".join(self.content.pieces())
        return self.content

    @property
    def is_empty(self) -> bool:
        """Whether it has no row, no triple, or is false; False too if it is large."""
        in_memory = isinstance(self.content, bytes) and len(self.content) < _LARGE
        return in_memory and self.format.is_empty(self.body)

    def solutions(self) -> tuple[list[str], list[Mapping[str, Any]]]:
        """Return columns and rows, if they are written in SPARQL JSON, with terms as that has them."""
        document = json.loads(self.body)
        return document["head"]["vars"], document["results"]["bindings"]

    def boolean(self) -> bool:
        """Return the answer to an ASK query that is written in SPARQL JSON."""
        return bool(json.loads(self.body)["boolean"])


@dataclass(frozen=True, slots=True)
class Task:
    """Work on the answers of several queries that is done where queries run, within their limits.

    Attributes:
        subject: what the runner of tasks is called with; it is pickled.
        seconds, names: see ``Query``.
    """

    subject: Any
    seconds: float | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task.

    Attributes:
        content: the part that may be large.
        about: the rest, as the runner returned it; not None.
        waited: how many seconds passed before it was begun.
    """

    content: Content
    about: Any
    waited: float = 0.0


class TaskRunner(Protocol):
    """Does tasks in the processes in which queries run.

    It is made elsewhere and pickled. The process from which workers are forked calls
    ``prepare`` while the data are being loaded, then ``open``; so what these make is shared by all
    workers, and made once.
    """

    def prepare(self) -> None:
        """Import what tasks need, and do what else can be done without an engine."""

    def open(self, engine: Engine) -> None:
        """Take the engine that tasks ask; it is in this process."""

    def run(self, subject: Any) -> TaskResult:
        """Do a task.

        Raises:
            EngineError: whoever called for the task gets it.
        """


class Engine(Protocol):
    """Something that answers SPARQL queries over one version of a dataset."""

    @property
    def version(self) -> str:
        """The version of the data, changing exactly when the data changes."""

    @property
    def contents(self) -> Contents:
        """How much it holds.

        Raises:
            EngineError: that cannot be found out.
        """

    @property
    def isolated(self) -> bool:
        """Whether each query runs in a process of its own, in which its limits hold."""

    def stop(self, name: str) -> bool:
        """Stop the queries that go by a name; those who wait for them get ``QueryStopped``.

        Returns:
            Whether there was any.
        """

    def close(self) -> None:
        """Let go of processes and connections, if there are any."""

    def run(self, query: Query) -> Answer:
        """Answer a query wholly, or raise.

        Raises:
            QueryError: the query cannot be answered as it is asked.
            EngineUnavailable: the engine could not finish.
        """


class AsyncEngine(ABC):
    """What is further known of an engine that an event loop can ask, and that tells what it does."""

    @abstractmethod
    async def answer(self, query: Query) -> Answer:
        """Answer a query like ``Engine.run``, while the event loop sees to other things."""

    @abstractmethod
    def activity(self) -> Mapping[str, float]:
        """Return what all processes that ask it see of it, and what this one has asked.

        Queries that are ``running``, ``starts`` of the fork server, and workers that ended by
        reason: ``timeout``, ``memory``, ``crowded``, ``shortage``, ``asked``, ``worn``,
        ``other``. Of this process the queries that are ``waiting`` or running, and those
        ``refused`` as there was no room or nobody free.
        """


class TaskEngine(ABC):
    """What is further known of an engine that can have tasks done where its queries run.

    So they can be stopped too.
    """

    @abstractmethod
    def call(self, task: Task) -> TaskResult | None:
        """Run a task to its end.

        Returns:
            What came of it; None if nobody does tasks there.

        Raises:
            EngineError: as ``Engine.run``, and what the runner of tasks raises.
        """


class Wrapper(TaskEngine):
    """An engine before another, which answers queries in its own way and leaves the rest to that.

    Args:
        engine: the one behind.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls = CallsByName()
        self.isolated = engine.isolated

    @property
    def version(self) -> str:
        """The version of the data."""
        return self._engine.version

    @property
    def contents(self) -> Contents:
        """How much the engine holds."""
        return self._engine.contents

    def stop(self, name: str) -> bool:
        """Stop queries; see ``Engine.stop``. What this itself asks, only the process that waits stops."""
        return self._calls.stop(name) | self._engine.stop(name)

    def close(self) -> None:
        """Close the engine; see ``Engine.close``."""
        self._engine.close()

    def call(self, task: Task) -> TaskResult | None:
        """Run a task on the engine, if it can; see ``TaskEngine.call``."""
        return self._engine.call(task) if isinstance(self._engine, TaskEngine) else None
