"""A public URL with a path: nothing leads out of it, whether a proxy keeps the path or not."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import pytest

import kg
from tests.server.conftest import wait_for

PREFIX: Final = "/dermo"
SEEDS: Final = (
    *("/", "/sparql", "/queries", "/queries/why", "/sources", "/mappings"),
    *("/ontology", "/ontology/CO2Laser", "/ontology/hasRisk", "/graph/dataset"),
    *(
        "/id/claim/B0375",
        "/id/source/NANNI1998",
        "/id/mappings",
        "/function/convert",
        "/id/dataset",
    ),
    *("/id/spectrum/water-hale-querry-1973", "/problems/overloaded", "/context.jsonld"),
    "/queries/why/answer?subject=dg:SaggingSkin",
    "/sparql?query=SELECT%20*%20%7B%20%3Fs%20a%20%3Fo%20%7D%20LIMIT%209",
    "/sparql?query=DESCRIBE%20%3Chttps%3A%2F%2Fw3id.org%2Fdermograph%2Fid%2Fclaim%2FB0375%3E",
)
"""A page of each kind."""

NO_PAGES: Final = frozenset({"/suggest"})
"""Addresses that have data only, to which the catalogue of the API leads."""

ERRORS: Final = (
    *("/sparql?query=oops", "/sparql?x=1", "/queries/whi", "/queries/why/answer", "/nowhere"),
    *("/ontology/CO2Lazer", "/id/claim/none", "/sources?key=none", "/problems/none"),
)


ACCEPTED: Final = (
    "text/html",
    "application/json;q=0.9, text/turtle, */*;q=0.1",
    "application/ld+json, */*;q=0.1",
)
"""What a page is asked for in; one whose path names a format is the same whatever is accepted."""


class Got(NamedTuple):
    """A response.

    Attributes:
        headers: by name in lower case.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class Links(HTMLParser):
    """What a page leads to.

    Attributes:
        found: pairs of the attribute that leads there and the address.
    """

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of the addresses in a tag."""
        names = ("href", "src", "action", "formaction", "srcset", "poster", "data")
        del tag
        self.found += [(name, value) for name, value in attrs if name in names and value]


@pytest.fixture(scope="module")
def port(graph: kg.KnowledgeGraph) -> Iterator[int]:
    """Serve the knowledge at a public URL with a path."""
    del graph  # it has been built then
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    url = f"http://127.0.0.1:{number}{PREFIX}/"
    main = "from server.cli import main; main()"
    command = [sys.executable, "-c", main, "serve", "--port", str(number)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **dict.fromkeys(
            ("DERMOGRAPH_QUERY_SECONDS", "DERMOGRAPH_MAX_QUERY_SECONDS"), "150"
        ),  # for loaded machines
    }
    with subprocess.Popen([*command, "--public-url", url], env=environment) as process:
        try:
            wait_for(number, process)
            yield number
        finally:
            process.terminate()
            process.wait(timeout=120)


def get(port: int, path: str, accept: str = "text/html") -> Got:
    """Get a path of the service."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Got(response.status, headers, response.read())
    finally:
        connection.close()


def addresses(got: Got) -> list[tuple[str, str]]:
    """Return all addresses in a response, with where they stand."""
    found: list[tuple[str, str]] = [
        (name, got.headers[name])
        for name in ("location", "content-location")
        if name in got.headers
    ]
    found += [("link", each) for each in re.findall(r"<([^>]*)>", got.headers.get("link", ""))]
    media_type = got.headers.get("content-type", "").partition(";")[0]
    if media_type == "text/html":
        found += Links(got.body).found
    elif media_type.endswith("json"):
        found += in_json(json.loads(got.body))
    elif got.headers.get("content-type", "").startswith(("text/turtle", "application/n-triples")):
        found += [("iri", each) for each in re.findall(r"<(http://127[^>]*)>", got.body.decode())]
    return found


def kind_of(path: str) -> str:
    """Return what paths have in common whose responses are made alike."""
    names = path.removeprefix(PREFIX).split("/")
    return f"{'/'.join(names[: 3 if names[1:2] == ['id'] else 2])} {path.partition('.')[2]}"


def in_json(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return the addresses in a JSON document."""
    if isinstance(value, dict):
        return [pair for key, each in value.items() for pair in in_json(each, key)]
    if isinstance(value, list):
        return [pair for each in value for pair in in_json(each, name)]
    return [(name, value)] if isinstance(value, str) and value.startswith("http://127") else []


@pytest.mark.parametrize(
    ("most", "accepted"), [(0, ACCEPTED[:1]), pytest.param(9, ACCEPTED, marks=pytest.mark.long)]
)
def test_nothing_leads_out_of_the_public_url(
    port: int, most: int, accepted: tuple[str, ...]
) -> None:
    """Every address of the service in pages, headers and documents is below it, and answers.

    Of pages whose paths begin and end alike, so many are followed.
    """
    origin = f"http://127.0.0.1:{port}"
    waiting = [PREFIX + path for path in (*SEEDS, *ERRORS)]
    seen = set(waiting)
    kinds = Counter(map(kind_of, waiting))
    while waiting:
        path = waiting.pop()
        bare = path.removeprefix(PREFIX)
        asked = accepted[1:] if bare in NO_PAGES else accepted
        for accept in asked[: 1 if "." in path.rpartition("/")[2] else None]:
            got = get(port, path, accept)
            assert (got.status >= 400) == (bare in ERRORS), (path, got)
            for where, address in addresses(got):
                whole = urljoin(origin + path, address)
                parts = urlsplit(whole)
                if f"{parts.scheme}://{parts.netloc}" != origin:
                    continue
                assert parts.path == PREFIX or parts.path.startswith(f"{PREFIX}/"), (path, where)
                target = whole.removeprefix(origin).partition("#")[0]
                kind = kind_of(parts.path)
                kinds[kind] += target not in seen
                if target in seen or kinds[kind] > most:
                    continue
                seen.add(target)
                if where == "action":  # what a form leads to with nothing in it
                    assert get(port, target).status in (200, 400)
                else:
                    waiting.append(target)

    assert len(seen) > (80 if most else len(SEEDS))


@pytest.mark.parametrize("path", [*SEEDS, *ERRORS, "/static/style.css"])
def test_a_proxy_may_keep_the_path_or_not(port: int, path: str) -> None:
    """What is below the prefix is answered with it and without it, alike."""
    kept, stripped = get(port, PREFIX + path), get(port, path)

    assert (kept.status, kept.body) == (stripped.status, stripped.body)
    assert kept.status == 200 or path in ERRORS


def test_a_redirection_stays_below_the_public_url(port: int) -> None:
    """Repeated slashes lead to where the client can go."""
    for path in ("/queries//why?x=%41", f"{PREFIX}/queries//why?x=%41"):
        got = get(port, path)
        assert got.status == 308
        assert got.headers["location"] == f"http://127.0.0.1:{port}{PREFIX}/queries/why?x=%41"
    assert get(port, f"{PREFIX}ical").status == 404
    assert get(port, PREFIX).status == 200
    assert get(port, "/.well-known/void").headers["location"].endswith(f"{PREFIX}/id/dataset")
