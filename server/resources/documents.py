"""Linked data: whatever we name has a document at the path of its IRI, in RDF and as a page.

The IRI https://w3id.org/dermograph/id/claim/B0375 is served at /id/claim/B0375. The Accept header
chooses the format, and Content-Location says which it became; a client that sends no Accept, or
`*/*`, gets Turtle. With a suffix, /id/claim/B0375.jsonld, the format is fixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from flask import Response, render_template, request
from werkzeug.exceptions import NotFound

import kg
from kg.engine.spool import Content
from kg.rdf import formats, jsonld
from kg.rdf.namespaces import BASE
from kg.releases.bundled import ONTOLOGY_FOLDER
from kg.resources import lookup
from kg.resources.lookup import Found
from server import answers
from server.context import Snapshot, current_snapshot, public_url
from server.protocol import responses
from server.protocol.endpoints import ENDPOINTS
from server.protocol.errors import UnknownResource
from server.protocol.negotiation import HTML, JSONLD, Representation, parse_accept
from server.protocol.problems import ProblemDocument
from server.protocol.responses import CACHEABLE
from server.web import pages

_RESOURCE: Final = ENDPOINTS["resources.resource"]
_OFFERS: Final = _RESOURCE.representations
_BY_SUFFIX: Final = {offer.suffix: offer for offer in _OFFERS}
_PROFILE: Final = "http://www.w3.org/ns/json-ld#"
_NOT_IN_IRI: Final = re.compile(r"[\x00-\x20<>\"{}|^`\\]")


def context(digest: str | None = None) -> Response:
    """Return the context that our JSON-LD is written with; a former one is a part of it."""
    known = jsonld.Context.published()
    if digest not in (None, known.digest):
        if digest not in jsonld.RELEASED:
            raise NotFound
        here = f"{public_url()}/context/{known.digest}.jsonld"
        return Response(status=307, headers={"Location": here, "Cache-Control": CACHEABLE})
    body = (ONTOLOGY_FOLDER / "context.jsonld").read_bytes()
    cache = responses.IMMUTABLE if digest else CACHEABLE
    return responses.reply(body, JSONLD, cache=cache, negotiated=False)


def resource(**_: str) -> Response:
    """Return the whole ontology, or what is known of a concept, property, record, graph or function.

    What was a blank node before it was published has its IRI below /.well-known/genid/.
    """
    return document(request.path.removeprefix("/"))


def document(path: str) -> Response:
    """Return the document at a path, without its first slash.

    A suffix of the path is one of our formats, or part of the name.
    """
    snapshot = current_snapshot()
    bare, dot, suffix = path.rpartition(".")
    fixed = _BY_SUFFIX.get(suffix) if dot else None
    iri = BASE + _NOT_IN_IRI.sub(lambda match: quote(match[0]), bare if fixed else path)
    found = lookup.find(snapshot.graph.whole, iri)
    if found is None:
        raise _unknown(snapshot, iri)
    _, chosen = answers.asked(_RESOURCE, fixed)
    response = _written(snapshot, found, chosen, negotiated=fixed is None)
    _link(response, found.iri, chosen, negotiated=fixed is None)
    return response


def _unknown(snapshot: Snapshot, iri: str) -> UnknownResource:
    # Other data may have very many names, and none of them resembles one of ours.
    near = snapshot.graph.names.near(iri) if snapshot.graph.is_own else []
    names = ", ".join(f"{each.label} <{each.iri}>" for each in near)
    elsewhere = f"Look for it with a query at {request.script_root}/sparql."
    hint = f"Near are: {names}." if names else elsewhere
    if "." in iri.rpartition("/")[2]:
        hint += f" The suffixes of formats are {', '.join(_BY_SUFFIX)}."
    similar = [{"id": each.iri, "label": each.label} for each in near]
    detail = f"Nothing is known of <{iri[:200]}>."
    return UnknownResource(detail, hint=hint, members={"similar": similar})


def _written(
    snapshot: Snapshot, found: Found, chosen: Representation, *, negotiated: bool
) -> Response:
    if chosen == HTML:
        return responses.reply(pages.page(snapshot, found, _OFFERS), HTML, negotiated=negotiated)
    form = _form_of_jsonld(request.headers.get("Accept", "")) if chosen == JSONLD else None
    etag = responses.digest(
        kg.__version__, snapshot.graph.version, public_url(), found.iri, chosen.name, form or ""
    )
    known = responses.not_modified(etag)
    if known is not None:
        return known
    body = _body(snapshot, found, chosen, form)
    if form is not None:
        chosen = replace(chosen, parameters=(("profile", f'"{_PROFILE}{form}"'),))
    return responses.reply(body, chosen, etag=etag, negotiated=negotiated)


def _body(snapshot: Snapshot, found: Found, chosen: Representation, form: str | None) -> Content:
    engine = snapshot.graph.whole
    assert chosen.format is not None
    if chosen != JSONLD:
        most = snapshot.settings.max_result_bytes
        answer = lookup.describe(engine, found, chosen.format, most)
        responses.timed("run", answer.seconds)
        return answer.content
    answer = lookup.describe(engine, found, formats.NTRIPLES)
    responses.timed("run", answer.seconds)
    root = found.iri if found.graph is None else None
    context = jsonld.Context.published(snapshot.settings.context_url or public_url())
    with responses.serialising():
        return jsonld.write(answer.body, context, root=root, form=form or "framed")


def _form_of_jsonld(accept: str) -> str | None:
    """Return the form of JSON-LD that a client asks for by profile; an unknown one is ignored."""
    wanted = [
        profile.removeprefix(_PROFILE)
        for each in parse_accept(accept)
        if each.name == JSONLD.media_type
        for key, value in each.parameters
        if key == "profile"
        for profile in value.split()
    ]
    return next((form for form in wanted if form in jsonld.FORMS), None)


def _link(response: Response, iri: str, chosen: Representation, *, negotiated: bool) -> None:
    """Say where the same is to be had in other formats, and what the document is about."""
    listed = links(iri, _OFFERS, chosen)
    if negotiated:
        here = response.headers["Content-Location"] = address(iri, chosen)
        listed.insert(1, f'<{here}>; rel="describedby"')
    else:
        response.vary.discard("Accept")
    response.headers["Link"] = ", ".join(listed)


def links(iri: str, offers: Iterable[Representation], chosen: Representation) -> list[str]:
    """Return the links of a document in one format: to the resource, to the others, to the licence."""
    found = [f'<{iri}>; rel="canonical"']
    found += [alternate(iri, offer) for offer in offers if offer != chosen]
    if current_snapshot().graph.is_own:
        found.append('<https://creativecommons.org/licenses/by/4.0/>; rel="license"')
    return found


def alternate(iri: str, offer: Representation) -> str:
    """Return the link to a resource in another format."""
    return f'<{address(iri, offer)}>; rel="alternate"; type="{offer.media_type}"'


def address(iri: str, offer: Representation) -> str:
    """Return where a resource is served in a format."""
    return f"{public_url()}{pages.local_path(iri)}.{offer.suffix}"


def problem_page(problem: ProblemDocument) -> str:
    """Write the page for a problem, with what is spelt like the resource that there is not."""
    return render_template("resource_problem.html", problem=problem)
