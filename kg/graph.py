"""The knowledge graph as an object to ask."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rdflib import Dataset, Graph

from kg.catalogue import Catalogue
from kg.engine import Engine, Query, Term
from kg.engine.isolated import IsolatedEngine, Limits
from kg.functions import functions_over
from kg.namespaces import WRITTEN_PREFIXES
from kg.results import Rows, python_result


class KnowledgeGraph:
    """One version of the knowledge, with the canned queries over it.

    Attributes:
        engine: answers SPARQL queries.
        catalogue: the canned queries.
        release: the version of the ontology, for people.
        nquads: the whole dataset, as N-Quads.
    """

    def __init__(
        self, *, engine: Engine, catalogue: Catalogue, release: str, nquads: bytes
    ) -> None:
        self.engine = engine
        self.catalogue = catalogue
        self.release = release
        self.nquads = nquads

    @property
    def version(self) -> str:
        """The version of the data: changes exactly when the data change."""
        return self.engine.version

    def isolated(self, limits: Limits) -> KnowledgeGraph:
        """Give the same knowledge with an engine that runs each query in a process of its own.

        Args:
            limits: what a query may use.
        """
        engine = IsolatedEngine(
            self.nquads,
            version=self.version,
            prefixes=WRITTEN_PREFIXES,
            functions=functions_over,
            limits=limits,
        )
        return KnowledgeGraph(
            engine=engine,
            catalogue=self.catalogue.over(engine),
            release=self.release,
            nquads=self.nquads,
        )

    def close(self) -> None:
        """Let go of what the engine holds: processes, if it has any."""
        self.engine.close()

    def query(
        self, text: str, /, bindings: Mapping[str, Term] | None = None, **parameters: object
    ) -> Rows | bool | Graph:
        """Ask a SPARQL query, or a canned query by its name.

        Args:
            text: SPARQL, or the name of a canned query.
            bindings: RDF terms for variables of SPARQL.
            **parameters: values for the parameters of a canned query.

        Returns:
            Rows with Python values for SELECT, a boolean for ASK, a graph for CONSTRUCT and
            DESCRIBE.

        Raises:
            kg.engine.EngineError: the query cannot be answered.
            kg.catalogue.UnknownQueryError: there is no canned query of this name.
            kg.catalogue.ParameterError: a parameter is unknown, missing or unfit.
        """
        if text in self.catalogue:
            given = {name: _as_text(value) for name, value in parameters.items()}
            bound = self.catalogue.bindings(text, given)
            return python_result(self.engine.run(Query(self.catalogue[text].text, bound)))
        if parameters or re.fullmatch(r"[a-z][a-z0-9-]*", text):
            self.catalogue[text]  # raises: only canned queries are asked in this way
        return python_result(self.engine.run(Query(text, bindings or {})))

    def as_rdflib(self) -> Dataset:
        """Give a copy of the dataset for rdflib, its default graph the union of all graphs."""
        dataset = Dataset(default_union=True)
        dataset.parse(data=self.nquads, format="nquads")
        return dataset


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
