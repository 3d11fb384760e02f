"""What every view works with: the graph that it asks and the settings that bound it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Final
from wsgiref.types import WSGIEnvironment

from flask import Flask, current_app, request

import kg
from kg.engine import AsyncEngine
from kg.results import Rows, select, stored
from server.http1.hosts import is_host

if TYPE_CHECKING:
    from kg import KnowledgeGraph
    from kg.engine.dataset import Contents
    from server.config import Settings
    from server.operating.observer import Observer

_KEY: Final = "dermograph"
_PINNED: Final = "dermograph.snapshot"
"""Key in the WSGI environment: what the request sees."""


@dataclass(frozen=True)
class Snapshot:
    """The service over one version of the graph, as a request sees it from its beginning to its end.

    Whatever depends on the version hangs on this, so that several can live in one process.

    Attributes:
        graph: the knowledge that it serves.
        settings: where it is reached and what its limits are.
        observer: takes note of requests.
    """

    graph: KnowledgeGraph
    settings: Settings
    observer: Observer

    @cached_property
    def version(self) -> str:
        """The version of the graph."""
        return self.graph.version

    @cached_property
    def asynchronous(self) -> AsyncEngine | None:
        """The engine for queries without SERVICE, if an event loop can ask it.

        Found out once, as that takes longer than the whole of a cached answer.
        """
        return self.graph.local if isinstance(self.graph.local, AsyncEngine) else None

    @cached_property
    def functions(self) -> Rows:
        """What the data tell of extension functions, to be described with the service.

        The description is wanted most when the queue of queries is full, so this is found out before
        there is a queue; see ``server.app.prepare``. An EngineError says that it cannot be.
        """
        return select(self.graph.whole, stored("extension-functions"), seconds=inf)

    @property
    def contents(self) -> Contents:
        """How large the graph is."""
        return self.graph.engine.contents


def init_app(app: Flask, snapshot: Snapshot) -> None:
    """Make the views of an app, and its pages, work with snapshots, with this one first."""
    publish(app, snapshot)
    app.context_processor(lambda: {"snapshot": current_snapshot(), "software": kg.__version__})


def publish(app: Flask, snapshot: Snapshot) -> None:
    """Publish a snapshot to new requests; those that have begun keep theirs."""
    snapshot.observer.watch(snapshot.graph)
    app.extensions[_KEY] = snapshot


def pin(app: Flask, environ: WSGIEnvironment) -> str:
    """Pin the snapshot that is published now to a request, and return the version of the data."""
    snapshot = environ[_PINNED] = snapshot_of(app)
    return snapshot.version


def pinned(environ: WSGIEnvironment) -> Snapshot:
    """Return the snapshot that a request keeps."""
    snapshot: Snapshot = environ[_PINNED]
    return snapshot


def current_snapshot() -> Snapshot:
    """Return the snapshot of the request at hand; views call this once and pass on what they need."""
    if _PINNED not in request.environ:  # nothing before this app pinned one
        pin(current_app, request.environ)
    return pinned(request.environ)


def snapshot_of(app: Flask) -> Snapshot:
    """Return the snapshot that new requests to an app see."""
    snapshot: Snapshot = app.extensions[_KEY]
    return snapshot


def public_url() -> str:
    """Return the URL that clients reach the service at, without a slash at the end.

    Empty where the host is not legal, so that addresses made of it are paths for the client to
    resolve: nothing is ever made of what is no host.
    """
    fixed = current_snapshot().settings.public_url
    if fixed is not None:
        return fixed
    is_known = request.host and is_host(request.environ.get("HTTP_HOST"))  # Werkzeug knows fewer
    return request.root_url.rstrip("/") if is_known else ""
