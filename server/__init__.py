"""Dermograph as a Flask service: knows HTTP, and delegates every question to ``kg``."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

import kg
from server import (
    config,
    home,
    http,
    problems,
    queries,
    resources,
    service,
    service_description,
    sources,
    sparql,
)
from server.cache import Cache

__all__ = ["create_app"]


def create_app(
    settings: Mapping[str, object] | None = None, graph: kg.KnowledgeGraph | None = None
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
        kg.catalogue.CatalogueError: a canned query is malformed.
    """
    values = config.read(settings)
    knowledge = kg.load() if graph is None else graph
    counts = service_description.count(knowledge.engine)
    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    service.init_app(app, service.Service(knowledge, values, counts))
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
    ):
        app.register_blueprint(blueprint)
    _put_cache_before(app, values)
    return app


def _put_cache_before(app: Flask, settings: config.Settings) -> None:
    app.wsgi_app = Cache(  # type: ignore[method-assign]  # as Flask documents middleware
        app.wsgi_app,
        budget=settings.cache_bytes,
        any_host=settings.public_url is not None,
        max_url_bytes=settings.max_url_bytes,
        max_body_bytes=settings.max_body_bytes,
    )
