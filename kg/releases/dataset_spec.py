"""Knowledge, or other data, that is ready to be loaded: what an engine is to hold and what goes with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from rdflib import OWL, URIRef

from kg.catalogue.canned_queries import CannedQuery, Catalogue
from kg.engine import Engine, Overloaded, TaskRunner
from kg.engine.dataset import Data, DefaultGraph, Source
from kg.engine.union import whole
from kg.graph import KnowledgeGraph
from kg.physics.functions import functions_over
from kg.rdf.formats import JSONLD
from kg.rdf.namespaces import COMMON_PREFIXES, ONTOLOGY, WIDER
from kg.results import select

if TYPE_CHECKING:
    from kg.engine.interface import FunctionsOf
    from kg.engine.isolated.engine import IsolatedEngine, Limits
    from kg.engine.oxigraph.engine import InProcessEngine


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What is known of data before they are loaded.

    Attributes:
        data: what an engine is to hold.
        version: the version of the data; None: as their contents say.
        queries: the canned queries over them, by name.
        prefixes: prefix names and namespaces to write them with.
        functions: gives the functions that queries can call beyond SPARQL's own.
        names: a file with the index of names; None, or if it is gone: it is made when it is wanted.
    """

    data: Data
    version: str | None = None
    queries: Mapping[str, CannedQuery] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=lambda: COMMON_PREFIXES)
    functions: FunctionsOf | None = functions_over
    names: Path | None = None

    @classmethod
    def of_files(
        cls,
        files: Iterable[Path],
        default_graph: DefaultGraph = DefaultGraph.UNION,
    ) -> Self:
        """Take the data of any RDF files.

        Args:
            files: the files.
            default_graph: what a pattern outside GRAPH sees.

        Raises:
            kg.engine.DataError: the format of a file cannot be told from its name.
        """
        sources = [Source.at(file) for file in files]
        if any(source.format == JSONLD for source in sources):
            from kg.rdf.jsonld import Context  # noqa: PLC0415 - often not needed

            known = Context.published().known
            sources = [replace(source, context=known) for source in sources]
        return cls(Data(tuple(sources), default_graph, (WIDER,)))

    def load(self) -> KnowledgeGraph:
        """Load the data into this process.

        Raises:
            kg.engine.DataError: they cannot be read or do not parse.
        """
        return self.over(self.engine())

    def engine(self) -> InProcessEngine:
        """Load the data into this process, for questions that go with no graph; see ``load``."""
        from kg.engine.oxigraph.engine import InProcessEngine  # noqa: PLC0415 - often not needed

        return InProcessEngine(
            self.data, version=self.version, prefixes=self.prefixes, functions=self.functions
        )

    def isolated_engine(self, limits: Limits, tasks: TaskRunner | None = None) -> IsolatedEngine:
        """Begin to load the data into processes of their own.

        Args:
            limits: what a query may use.
            tasks: does tasks in these processes, if anything does.

        Raises:
            kg.engine.DataError: a file cannot be opened.
        """
        from kg.engine.isolated.engine import IsolatedEngine  # noqa: PLC0415 - often not needed

        return IsolatedEngine(
            self.data,
            version=self.version,
            prefixes=self.prefixes,
            functions=self.functions,
            tasks=tasks,
            limits=limits,
        )

    def over(self, engine: Engine) -> KnowledgeGraph:
        """Return an engine as a graph, as soon as it holds the data.

        Raises:
            kg.engine.EngineError: it cannot hold them.
        """
        contents = engine.contents  # which waits until they are loaded
        has_any = contents.graphs or contents.triples
        release = at_the_start(partial(_release, whole(engine))) if has_any else None
        return KnowledgeGraph(
            engine=engine,
            catalogue=Catalogue(self.queries if release else {}, whole(engine), self.names),
            release=release,
            nquads=self._nquads,
        )

    def _nquads(self) -> bytes:
        from kg.engine.oxigraph.engine import nquads_of  # noqa: PLC0415 - often not needed

        return nquads_of(self.data)


_STARTING_ATTEMPTS: Final = 30
"""How many times the engine is asked at the start, each with the patience of a query: five minutes.

A judgement: a service that is started at the lowest priority of a busy machine begins late, and must
not end for that.
"""

_T = TypeVar("_T")


def at_the_start(ask: Callable[[], _T]) -> _T:
    """Return what asking an engine gives when a service starts, however late a process is free.

    Raises:
        kg.engine.EngineError: the engine did not answer.
    """
    for _ in range(1, _STARTING_ATTEMPTS):
        with suppress(Overloaded):
            return ask()
    return ask()


_RELEASE = "SELECT ?release WHERE { ?ontology ?states ?release } ORDER BY ?release"


def _release(engine: Engine) -> str | None:
    """Return the release of our ontology that an engine holds; None if it holds none."""
    bindings = {"ontology": URIRef(ONTOLOGY), "states": OWL.versionInfo}
    rows = select(engine, _RELEASE, bindings, seconds=inf)
    return str(rows[0]["release"]) if rows else None
