"""The front page."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from server import http
from server.negotiation import HTML, choose
from server.service import current_service, public_url

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def front() -> Response:
    """Say what this is and where to go."""
    choose(request.headers.get("Accept"), (HTML,))
    template = "home.html" if current_service().graph.is_own else "home_other.html"
    return http.reply(render_template(template, url=public_url()), HTML)
