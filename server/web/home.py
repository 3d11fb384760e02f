"""The front page, for programs a catalogue of what the service offers (RFC 9727)."""

from flask import Response, render_template, request

from server.context import current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.negotiation import HTML, LINKSET, choose


def front() -> Response:
    """Say what this is and where to go."""
    chosen = choose(request.headers.get("Accept"), ENDPOINTS["home.front"].representations)
    page = "home.html" if current_snapshot().graph.is_own else "home_other.html"
    template = page if chosen == HTML else "api-catalog.json"
    response = responses.reply(render_template(template, url=public_url()), chosen)
    links = (("openapi.json", "service-desc"), (".well-known/api-catalog", "api-catalog"))
    told = [f'<{public_url()}/{path}>; rel="{relation}"' for path, relation in links]
    response.headers["Link"] = ", ".join(told)
    return response


def api_catalog() -> Response:
    """Return the catalogue of what the service offers, as any client may find it."""
    written = render_template("api-catalog.json", url=public_url())
    return responses.reply(written, LINKSET, negotiated=False)
