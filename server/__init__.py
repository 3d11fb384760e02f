"""Dermograph as a Flask service: knows HTTP, and delegates every question to ``kg``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from kg import KnowledgeGraph

__all__ = ["create_app"]


def create_app(
    settings: Mapping[str, object] | None = None, graph: KnowledgeGraph | None = None
) -> Flask:
    """Make the service.

    Args:
        settings: values by the names of ``server.config.SETTINGS``; what is not given is read
            from environment variables named DERMOGRAPH_ and the name.
        graph: the knowledge to serve; the shipped knowledge if None.

    Raises:
        server.config.SettingError: a setting is unknown or has an illegal value.
        kg.BuildError: the shipped knowledge cannot be built.
        kg.InvalidKnowledge: the shipped knowledge is invalid.
        kg.catalogue.canned_queries.CatalogueError: a canned query is malformed.
    """
    # The command line needs none of the app until it serves.
    from server.app import create_app as create  # noqa: PLC0415

    return create(settings, graph)
