"""What tests of several rooms need: the shipped knowledge, loaded once."""

from __future__ import annotations

import pytest
from rdflib import Dataset

import kg


@pytest.fixture(scope="session")
def graph() -> kg.KnowledgeGraph:
    """Give the shipped knowledge."""
    return kg.load()


@pytest.fixture(scope="session")
def dataset(graph: kg.KnowledgeGraph) -> Dataset:
    """Give the shipped knowledge as an rdflib dataset; tests must not change it."""
    return graph.as_rdflib()
