"""What tests of several rooms need: the shipped knowledge, loaded once."""

from __future__ import annotations

import pytest

import kg


@pytest.fixture(scope="session")
def graph() -> kg.KnowledgeGraph:
    """Give the shipped knowledge."""
    return kg.load()
