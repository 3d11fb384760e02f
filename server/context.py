"""What every view works with: the graph that it asks and the settings that bound it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, current_app, request

import kg
from server.protocol.hosts import is_host

if TYPE_CHECKING:
    from kg import KnowledgeGraph
    from kg.engine.dataset import Contents
    from server.config import Settings
    from server.operating.observer import Observer

_KEY = "dermograph"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AppContext:
    """One service over one version of the graph.

    Attributes:
        graph: the knowledge that it serves.
        settings: where it is reached and what its limits are.
        observer: takes note of requests.
    """

    graph: KnowledgeGraph
    settings: Settings
    observer: Observer
    _known: dict[Callable[[AppContext], Any], Any] = field(default_factory=dict)

    def once(self, ask: Callable[[AppContext], _T]) -> _T:
        """Return what a function finds out about the graph; it is called the first time only.

        Forms, descriptions and pages of errors are wanted most when the queue of queries is full,
        so what they need is found out before there is a queue; see ``server.app.prepare``.

        Raises:
            EngineError: the engine did not answer.
        """
        if ask not in self._known:
            self._known[ask] = ask(self)
        return self._known[ask]  # type: ignore[no-any-return]  # it is what ``ask`` returned

    @property
    def contents(self) -> Contents:
        """How large the graph is."""
        return self.graph.engine.contents


def init_app(app: Flask, service: AppContext) -> None:
    """Make a service the one that the views of an app, and its pages, work with."""
    app.extensions[_KEY] = service
    app.context_processor(lambda: {"service": service, "software": kg.__version__})


def current_service() -> AppContext:
    """Return the service of the request at hand; views call this once and pass on what they need."""
    return service_of(current_app)


def service_of(app: Flask) -> AppContext:
    """Return the service that an app serves."""
    service = app.extensions[_KEY]
    assert isinstance(service, AppContext)
    return service


def public_url() -> str:
    """Return the URL that clients reach the service at, without a slash at the end.

    Empty where the host is not legal, so that addresses made of it are paths for the client to
    resolve: nothing is ever made of what is no host.
    """
    fixed = current_service().settings.public_url
    if fixed is not None:
        return fixed
    return request.root_url.rstrip("/") if is_host(request.environ.get("HTTP_HOST")) else ""
