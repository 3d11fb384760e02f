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
    service = current_service()
    page = render_template("home.html", service=service, url=public_url())
    return http.reply(page, HTML)
