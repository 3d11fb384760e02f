"""What every view works with: the graph that it asks and the settings that bound it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, current_app, request

if TYPE_CHECKING:
    from kg import KnowledgeGraph
    from server.config import Settings
    from server.service_description import Counts

_KEY = "dermograph"


@dataclass(frozen=True, slots=True)
class Service:
    """One service over one version of the graph.

    Attributes:
        graph: the knowledge that it serves.
        settings: where it is reached and what its limits are.
        counts: how large the graph is.
    """

    graph: KnowledgeGraph
    settings: Settings
    counts: Counts


def init_app(app: Flask, service: Service) -> None:
    """Make a service the one that the views of an app work with."""
    app.extensions[_KEY] = service


def current_service() -> Service:
    """Give the service of the request at hand; views call this once and pass on what is needed."""
    service = current_app.extensions[_KEY]
    assert isinstance(service, Service)
    return service


def public_url() -> str:
    """Give the URL that clients reach the service at, without a slash at the end."""
    return current_service().settings.public_url or request.host_url.rstrip("/")
