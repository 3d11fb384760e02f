"""The formats that an answer can be written in: one table."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class ResultKind(Enum):
    """What a query gives, by its form."""

    SOLUTIONS = "solutions"
    """Rows of bindings, from SELECT."""
    BOOLEAN = "boolean"
    """True or false, from ASK."""
    GRAPH = "graph"
    """Triples, from CONSTRUCT and DESCRIBE."""

    @property
    def phrase(self) -> str:
        """The kind in words, to be put into a sentence."""
        return {"solutions": "a table of rows", "boolean": "true or false", "graph": "a graph"}[
            self.value
        ]


@dataclass(frozen=True, slots=True, eq=False)  # as there is one of each only
class Format:
    """A way to write an answer.

    Attributes:
        name: short name, as used by command line options.
        label: the name that people know it by.
        media_type: IANA media type without parameters.
        suffix: file name ending without the dot.
        kinds: the kinds of result that it can carry.
        empty: a regular expression for a result without rows or triples, or that is false.
    """

    name: str
    label: str
    media_type: str
    suffix: str
    kinds: frozenset[ResultKind]
    empty: str

    def is_empty(self, body: bytes) -> bool:
        """Tell whether a result has no row or triple, or is false."""
        return re.search(self.empty.encode(), body) is not None

    def __reduce__(self) -> tuple[Callable[[str], Format], tuple[str]]:
        """Travel between processes by name, to be the same one there."""
        return named, (self.name,)


def named(name: str) -> Format:
    """Return the format of a name.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


FORMATS = tuple(
    Format(name=name, **{**row, "kinds": frozenset(map(ResultKind, row["kinds"]))})
    for name, row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
)
"""All formats; the first that suits a kind is its default."""

JSON, XML, CSV, TSV, TURTLE, NTRIPLES, NQUADS, TRIG, RDFXML, JSONLD = FORMATS

_BY_NAME = {each.name: each for each in FORMATS}


def formats_for(kind: ResultKind) -> tuple[Format, ...]:
    """Return the formats that can carry a kind of result, the default first."""
    return tuple(each for each in FORMATS if kind in each.kinds)


DEFAULT_FORMATS: dict[ResultKind, Format | None] = {
    kind: formats_for(kind)[0] for kind in ResultKind
}
"""For each kind of result the format to use when nothing else is said."""
