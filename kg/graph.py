"""The knowledge graph as an object to ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from rdflib import Dataset, Graph

from kg.catalogue.canned_queries import Catalogue, as_text
from kg.engine import Answer, Engine, Query, Term
from kg.engine.union import whole
from kg.rdf.namespaces import PREFIXES
from kg.results import Rows, python_result
from kg.search.unmatched import UnmatchedName, unmatched_names
from kg.sparql.errors import ErrorInText
from kg.sparql.lexer import undeclared

if TYPE_CHECKING:
    from kg.engine.federated.engine import Policy
    from kg.search.index import NameIndex


class KnowledgeGraph:
    """One version of the knowledge, or of other data, with the canned queries over it.

    Args:
        engine: answers SPARQL queries.
        catalogue: the canned queries.
        release: the version of the ontology, for people; None: the data are not ours.
        nquads: the whole dataset, as N-Quads, or what gives it when it is wanted.
        local: the same engine without SERVICE, if it carries out that.

    Attributes:
        engine, catalogue, release, local: as given.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        catalogue: Catalogue,
        release: str | None,
        nquads: bytes | Callable[[], bytes],
        local: Engine | None = None,
    ) -> None:
        self.engine = engine
        self.local = local or engine
        self.catalogue = catalogue
        self.release = release
        self._nquads = nquads

    @cached_property
    def whole(self) -> Engine:
        """The engine for questions about all graphs together, as canned queries and pages ask."""
        return whole(self.engine)

    @property
    def is_own(self) -> bool:
        """Whether this is our knowledge, and not any other data."""
        return self.release is not None

    @property
    def title(self) -> str:
        """What to call it in a line."""
        if self.is_own:
            return f"Dermograph {self.release}"
        triples = self.engine.contents.triples
        return f"Dermograph with other data, {triples:,} triple{'s' if triples != 1 else ''},"

    @property
    def names(self) -> NameIndex:
        """The index of all names, to search."""
        return self.catalogue.names

    @property
    def nquads(self) -> bytes:
        """The whole dataset, as N-Quads."""
        return self._nquads() if callable(self._nquads) else self._nquads

    @property
    def version(self) -> str:
        """The version of the data: changes exactly when the data change."""
        return self.engine.version

    def federated(self, policy: Policy) -> KnowledgeGraph:
        """Return the same knowledge with an engine that carries out SERVICE, as far as is allowed.

        Raises:
            ValueError: an IRI of the policy is not that of an endpoint.
        """
        from kg.engine.federated.engine import FederatedEngine  # noqa: PLC0415 - seldom needed

        return KnowledgeGraph(
            engine=FederatedEngine(self.engine, policy),
            catalogue=self.catalogue,
            release=self.release,
            nquads=self._nquads,
            local=self.engine,
        )

    def close(self) -> None:
        """Let go of what the engine holds: processes, if it has any."""
        self.engine.close()

    def query(
        self, text: str, /, bindings: Mapping[str, Term] | None = None, **parameters: object
    ) -> Rows | bool | Graph:
        """Ask a SPARQL query, or a canned query by its name.

        Args:
            text: SPARQL, in which known prefixes need not be declared, or the name of a canned query.
            bindings: RDF terms for variables of SPARQL.
            **parameters: values for the parameters of a canned query.

        Returns:
            Rows with Python values for SELECT, a boolean for ASK, a graph for CONSTRUCT and
            DESCRIBE.

        Raises:
            kg.engine.EngineError: the query cannot be answered.
            kg.catalogue.canned_queries.UnknownQueryError: there is no canned query of this name.
            kg.catalogue.canned_queries.ParameterError: a parameter is unknown, missing or unfit.
        """
        if text in self.catalogue:
            given = {name: as_text(value) for name, value in parameters.items()}
            bound = self.catalogue.bindings(text, given)
            return python_result(self.whole.run(Query(self.catalogue[text].text, bound)))
        if parameters or re.fullmatch(r"[a-z][a-z0-9-]*", text):
            self.catalogue[text]  # raises: only canned queries are asked in this way
        answer = self.run(query := Query(text, bindings or {}))
        result = python_result(answer)
        if isinstance(result, Rows):
            result.notes = tuple(str(each) for each in self.unmatched(query, answer))
        return result

    def unmatched(self, query: Query, answer: Answer) -> list[UnmatchedName]:
        """Return names in a query that no triple can match, if its answer is empty; of other data none."""
        if not (self.is_own and answer.is_empty):  # of others an index may take very long to make
            return []
        graphs = (*(query.default_graphs or ()), *(query.named_graphs or ()))
        return unmatched_names(query.text, self.names, query.base_iri or "", graphs)

    def run(self, query: Query) -> Answer:
        """Answer a query in which the prefixes of ``kg.rdf.namespaces`` need not be declared.

        Raises:
            kg.engine.EngineError: it cannot be answered; places are those of the text as given.
        """
        known = sorted(undeclared(query.text) & PREFIXES.keys())
        declarations = " ".join(f"PREFIX {name}: <{PREFIXES[name]}>" for name in known)
        if not known:
            return self.engine.run(query)
        try:
            return self.engine.run(replace(query, text=f"{declarations}\n{query.text}"))
        except ErrorInText as error:
            raise error.moved(-1) from error

    def as_rdflib(self) -> Dataset:
        """Return a copy of the dataset for rdflib, its default graph the union of all graphs.

        Also of ``kg.rdf.namespaces.WIDER``, whose predicates are its own: rdflib can leave out none.
        """
        dataset = Dataset(default_union=True)
        dataset.parse(data=self.nquads, format="nquads")
        return dataset
