"""The app in workers, which answers there what views delegate; see ``server.delegation``.

This module is imported by the process that loads the data, before it loads. So it imports what takes
its time only when that is called for, which is while the engine loads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kg.engine.dataset import Data

if TYPE_CHECKING:
    from flask import Flask

    from kg.engine import Engine, TaskResult
    from kg.releases.dataset_spec import DatasetSpec
    from server.config import Settings
    from server.delegation import HandedOver


class AppRunner:
    """Answers requests in workers; a ``kg.engine.TaskRunner``.

    Args:
        spec: what is served.
        settings: of the service.
    """

    _app: Flask

    def __init__(self, spec: DatasetSpec, settings: Settings) -> None:
        self._spec = replace(spec, data=Data())  # which the engine has
        self._settings = settings

    def prepare(self) -> None:
        """Make the app, and compile its templates; see ``TaskRunner.prepare``."""
        from server.app import views  # noqa: PLC0415 - see above

        self._app = views()
        for name in self._app.jinja_env.list_templates():
            self._app.jinja_env.get_template(name)

    def open(self, engine: Engine) -> None:
        """Let the app serve what an engine holds; see ``TaskRunner.open``."""
        from server import app, context  # noqa: PLC0415 - see above
        from server.operating.observer import Observer  # noqa: PLC0415

        graph = self._spec.over(engine)
        observer = Observer(self._settings)
        context.init_app(self._app, context.Snapshot(graph, self._settings, observer))
        app.prepare(self._app)
        if graph.is_own:
            graph.names.search("laser")  # which reads the words of all names

    def run(self, subject: HandedOver) -> TaskResult:
        """Answer a request; see ``TaskRunner.run``."""
        from server.delegation import respond  # noqa: PLC0415 - see above

        return respond(self._app, subject)
