"""The app: Flask, its views, and the cache before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Flask

import kg
from kg.engine import Overloaded
from server import (
    config,
    home,
    http,
    mappings,
    operating,
    problems,
    queries,
    resources,
    running,
    service,
    service_description,
    sources,
    sparql,
)
from server.cache import Cache
from server.observer import Observer

_STARTING_ATTEMPTS: Final = 30
"""How many times the engine is asked at the start, each with the patience of a query: five minutes.

A judgement: a service that is started at the lowest priority of a busy machine begins late, and must
not end for that.
"""


def create_app(
    settings: Mapping[str, object] | None = None, graph: kg.KnowledgeGraph | None = None
) -> Flask:
    """Make the service; see ``server.create_app``."""
    values = config.read(settings)
    own = kg.load() if graph is None else graph
    app = views()
    service.init_app(app, service.Service(_federated(own, values), values, Observer(own, values)))
    _put_cache_before(app, values)
    return app


def views() -> Flask:
    """Return the app with all its views, which need a service to work with; see ``service``."""
    app = Flask("server")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    http.init_app(app)
    pages = {
        "sparql": sparql.problem_page,
        "queries": queries.problem_page,
        "resources": resources.problem_page,
    }
    problems.init_app(app, pages)
    for blueprint in (
        home.blueprint,
        sparql.blueprint,
        queries.blueprint,
        resources.blueprint,
        sources.blueprint,
        mappings.blueprint,
        running.blueprint,
        operating.blueprint,
        problems.blueprint,
    ):
        app.register_blueprint(blueprint)
    return app


def prepare(app: Flask) -> None:
    """Ask the engine what forms, descriptions and pages of errors need, before others wait for it.

    Raises:
        kg.engine.EngineError: the engine did not answer.
    """
    served = service.service_of(app)
    for attempt in range(_STARTING_ATTEMPTS):
        try:
            served.once(service_description.functions)
            served.once(queries.choices)
        except Overloaded:
            if attempt + 1 == _STARTING_ATTEMPTS:
                raise
        else:
            return


def _federated(knowledge: kg.KnowledgeGraph, settings: config.Settings) -> kg.KnowledgeGraph:
    """Let queries ask the endpoints that the settings allow, if they allow any."""
    if not settings.service_endpoints:
        return knowledge
    from kg.engine.federation import Policy  # noqa: PLC0415 - seldom needed

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
        budget=settings.cache_bytes,
        prefix=settings.prefix,
        any_host=settings.public_url is not None,
        max_url_bytes=settings.max_url_bytes,
        max_body_bytes=settings.max_body_bytes,
        passed_paths=(operating.ALIVE, operating.READY, operating.METRICS),
    )
    app.wsgi_app = cache  # type: ignore[method-assign]  # as Flask documents middleware
