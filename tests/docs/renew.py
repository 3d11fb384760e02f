"""Write the tables of docs/protocol.md anew: `python tests/docs/renew.py`.

They say what server/endpoints.toml says, and stand where their first lines stand on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from server.protocol.endpoints import ENDPOINTS, HttpEndpoint, UrlParameter
from server.protocol.problems import PROBLEM_TYPES

PAGE: Final = Path(__file__).parents[2] / "docs" / "protocol.md"

_IN_ALL: Final = frozenset.intersection(*(frozenset(row.problems) for row in ENDPOINTS.values()))
_TYPES: Final = {"string": "text", "number": "a number", "IRI": "an absolute IRI"}
_OTHERS: Final = {"of the query": "are those of the query", "fill the form": "fill the form"}


def tables() -> dict[str, list[str]]:
    """Return the tables, without their first two lines, by the first."""
    rows = ENDPOINTS.values()
    parameters = {name: each for row in rows for name, each in row.parameters.items()}
    return {
        "| Address | Methods | What it does |": [
            _row(_addresses(row), _methods(row), row.purpose) for row in rows
        ],
        "| Address | Parameters | Other parameters | Formats, the default first |": [
            _row(
                _addresses(row),
                _code(row.parameters),
                _OTHERS.get(row.others, f"are {row.others}"),
                _formats(row),
            )
            for row in rows
        ],
        "| Parameter | How often | Values | Meaning |": [
            _row(f"`{name}`", each.often, _values(each), each.meaning)
            for name, each in parameters.items()
        ],
        "| Address | Problems |": [
            _row("any", _problems(_IN_ALL)),
            *(_row(_addresses(row), _problems(row.problems, _IN_ALL)) for row in rows),
        ],
    }


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _addresses(row: HttpEndpoint) -> str:
    """Write the paths of an endpoint, with placeholders in capitals, and dots for what has slashes."""
    dotted = (re.sub("<path:.+?>", "...", path) for path in row.paths)
    return _code(re.sub("<(.+?)>", lambda name: name[1].upper(), path) for path in dotted)


def _methods(row: HttpEndpoint) -> str:
    return ", ".join("GET, HEAD" if method == "GET" else method for method in row.methods)


def _formats(row: HttpEndpoint) -> str:
    offered = ", ".join(offer.label for offer in row.representations)
    return f"those of the result; of the description {offered}" if row.results else offered


def _values(parameter: UrlParameter) -> str:
    return _code(parameter.values) or _TYPES.get(parameter.type, f"the name of a {parameter.type}")


def _problems(slugs: Iterable[str], without: Iterable[str] = ()) -> str:
    named: Sequence[str] = [slug for slug in PROBLEM_TYPES if slug in set(slugs) - set(without)]
    return ", ".join(f"`{slug}` ({PROBLEM_TYPES[slug].status})" for slug in named)


def renewed(page: str) -> str:
    """Return a page with the tables as they have to be."""
    for head, rows in tables().items():
        table = re.compile(rf"^({re.escape(head)}\n\|[|-]+\|\n)(?:\|.*\n)*", re.MULTILINE)
        assert len(table.findall(page)) == 1, f"The page has one table that begins with {head}"
        page = table.sub(lambda found: found[1] + "".join(f"{row}\n" for row in rows), page)  # noqa: B023
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
