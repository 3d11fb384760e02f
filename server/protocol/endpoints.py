"""The endpoints of the service as ``server/endpoints.toml`` lists them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from kg.engine import ResultKind
from kg.search.folding import like
from server.protocol.negotiation import REPRESENTATIONS, Representation


class UrlParameter(NamedTuple):
    """A parameter in the URL or in a form.

    Attributes:
        often: how often it may be given, in words.
        meaning: what it is.
        type: of its values: string, number, IRI, or format, the name of a representation.
        values: all that there are; empty: every value of the type.
        examples: values of it; of what is given any number of times, lists of them.
    """

    often: str
    meaning: str
    type: str = "string"
    values: Sequence[str] = ()
    examples: Sequence[Any] = ()


class HttpEndpoint(NamedTuple):
    """An address of the service, or several that are answered alike; the table says what is what.

    Attributes:
        representations: what is offered, the default first; for results of queries see RESULTS.
    """

    paths: Sequence[str]
    purpose: str
    problems: Sequence[str]
    parameters: Mapping[str, UrlParameter]
    representations: Sequence[Representation]
    methods: Sequence[str] = ("GET",)
    others: str = "refused"
    results: bool = False
    cached: bool = True
    delegated: bool = False
    there: Sequence[str] = ()
    asked: Mapping[str, Any] = {}


_TABLE: Final = tomllib.loads(
    (Path(__file__).parents[1] / "endpoints.toml").read_text(encoding="utf-8")
)
_BY_LABEL: Final = {each.label: each for each in REPRESENTATIONS}
PARAMETERS: Final = {name: UrlParameter(**row) for name, row in _TABLE["parameters"].items()}
"""Every parameter that an endpoint has, but those of canned queries, by its name."""


def _members(names: Iterable[str]) -> list[str]:
    """Return names, with those of a group in its place."""
    return [each for name in names for each in _TABLE["groups"].get(name, [name])]


def _offers(labels: Iterable[str]) -> tuple[Representation, ...]:
    return tuple(_BY_LABEL[label] for label in _members(labels))


def _endpoint(row: Mapping[str, Any]) -> HttpEndpoint:
    names = _members(row.get("parameters", ()))
    read = {
        "problems": _members(("any", *row["problems"])),
        "parameters": {name: PARAMETERS[name] for name in names},
        "representations": _offers(row.get("representations", ())),
    }
    return HttpEndpoint(**{**row, **read})


ENDPOINTS: Final = {name: _endpoint(row) for name, row in _TABLE["endpoints"].items()}
"""Every endpoint, by the name that `url_for` knows it by."""

FORMAT_PARAMETERS: Final = _TABLE["groups"]["formats"]
"""Parameters that name a representation, the one that counts most first."""

RESULTS: Final = {kind: _offers(_TABLE["results"][kind.value]) for kind in ResultKind}
"""What the results of a query are offered as, the default first."""


def near_paths(path: str) -> list[str]:
    """Return addresses that a path may be a misspelling of, the likeliest first."""
    given = path.strip("/").split("/")
    near = []
    for address in (each for endpoint in ENDPOINTS.values() for each in endpoint.paths):
        parts = address.strip("/").split("/")
        if len(parts) == len(given) and not re.search(r"<path:|\.<", address):
            pairs = list(zip(parts, given, strict=True))
            if all(own.startswith("<") or like(part, [own]) for own, part in pairs):
                near.append("/" + "/".join(part if own[:1] == "<" else own for own, part in pairs))
    return like(path, near)
