"""The front page."""

from flask import Response, render_template, request

from server.context import current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.negotiation import HTML, choose


def front() -> Response:
    """Say what this is and where to go."""
    choose(request.headers.get("Accept"), ENDPOINTS["home.front"].representations)
    template = "home.html" if current_snapshot().graph.is_own else "home_other.html"
    response = responses.reply(render_template(template, url=public_url()), HTML)
    response.headers["Link"] = f'<{public_url()}/openapi.json>; rel="service-desc"'
    return response
