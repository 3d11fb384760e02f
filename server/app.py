"""The app: Flask, its views, and the cache before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from flask import Flask

import kg
from kg.releases.dataset_spec import at_the_start
from server import config, context, openapi, search
from server.cache import Cache
from server.cache.key import KeyReader
from server.delegation import delegated
from server.operating import probes
from server.operating.observer import Observer
from server.protocol import problems, responses
from server.protocol.endpoints import ENDPOINTS
from server.queries import canned_queries
from server.resources import documents, mappings, sources
from server.sparql import endpoint
from server.web import home, pages

_VIEWS: Final[Mapping[str, Callable[..., Any]]] = {
    "home.front": home.front,
    "home.api_catalog": home.api_catalog,
    "sparql.endpoint": endpoint.endpoint,
    "sparql.void": endpoint.void,
    "queries.catalogue": canned_queries.catalogue,
    "queries.query": canned_queries.query,
    "queries.answer": canned_queries.answer,
    "queries.csv_metadata": canned_queries.csv_metadata,
    "queries.collections": canned_queries.collections,
    "queries.collection": canned_queries.collection,
    "search.search": search.search,
    "search.suggest": search.suggest,
    "search.resolve": search.resolve,
    "api.document": openapi.document,
    "api.page": openapi.page,
    "running.stop": endpoint.stop,
    "sources.sources": sources.sources,
    "mappings.table": mappings.table,
    "mappings.mapping_set": mappings.mapping_set,
    "resources.resource": documents.resource,
    "resources.context": documents.context,
    "problems.explanation": problems.explanation,
    "operating.alive": probes.alive,
    "operating.ready": probes.ready,
    "operating.metrics": probes.metrics,
}
"""What answers each endpoint; Flask itself answers `static`."""


def create_app(
    settings: Mapping[str, object] | None = None, graph: kg.KnowledgeGraph | None = None
) -> Flask:
    """Make the service; see ``server.create_app``."""
    values = config.read(settings)
    if graph is None and values.engine is not None:
        raise config.SettingError("ENGINE is for the command: dermograph serve --engine URL.")
    own = kg.load() if graph is None else graph
    app = views()
    snapshot = context.Snapshot(_federated(own, values), values, Observer(values))
    context.init_app(app, snapshot)
    _put_cache_before(app, values)
    return app


def views() -> Flask:
    """Return the app with all its views, which need a service to work with; see ``service``."""
    app = Flask("server")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    responses.init_app(app)
    problem_pages = {
        "sparql": endpoint.problem_page,
        "queries": canned_queries.problem_page,
        "resources": documents.problem_page,
    }
    problems.init_app(app, problem_pages)
    app.jinja_env.filters.update(pages.FILTERS, marked=search.marked)
    for name, view in _VIEWS.items():
        served = ENDPOINTS[name]
        answer = delegated(view) if served.delegated else view
        for path in served.paths:
            app.add_url_rule(path, name, answer, methods=served.methods)
    return app


def prepare(app: Flask) -> None:
    """Ask the engine what forms, descriptions and pages of errors need, before others wait for it.

    Raises:
        kg.engine.EngineError: the engine did not answer.
    """
    served = context.snapshot_of(app)
    at_the_start(lambda: served.functions)
    if served.graph.is_own:
        at_the_start(lambda: served.graph.names)
        at_the_start(lambda: served.graph.catalogue.labels)


def _federated(knowledge: kg.KnowledgeGraph, settings: config.Settings) -> kg.KnowledgeGraph:
    """Let queries ask the endpoints that the settings allow, if they allow any."""
    if not settings.service_endpoints:
        return knowledge
    from kg.engine.federated.engine import Policy  # noqa: PLC0415 - seldom needed

    return knowledge.federated(
        Policy(
            allowed=settings.service_allowed,
            private_allowed=settings.service_private_allowed,
            seconds=settings.service_seconds,
            max_bytes=settings.service_bytes,
            agent=f"Dermograph/{kg.__version__}",
        )
    )


def _put_cache_before(app: Flask, settings: config.Settings) -> None:
    cache = Cache(
        app.wsgi_app,
        pin=partial(context.pin, app),
        budget=settings.cache_bytes,
        prefix=settings.prefix,
        reader=KeyReader(
            settings.public_url is not None, settings.max_url_bytes, settings.max_body_bytes
        ),
        passed_paths=[
            path for each in ENDPOINTS.values() if not each.cached for path in each.paths
        ],
    )
    app.wsgi_app = cache  # type: ignore[method-assign]  # as Flask documents middleware
