"""Reading what is to be validated: graphs, N-Quads and files, all into triples of one graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax import SAXParseException

from rdflib import Dataset, Graph, URIRef
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.notation3 import BadSyntax

from kg.namespaces import GRAPH

Data = Graph | bytes | Path | Sequence[Path]
"""What can be validated. A Dataset is a Graph; bytes are N-Quads."""

_SHAPES: Final = GRAPH + "shapes"

_FORMATS: Final = {
    ".ttl": "turtle",
    ".trig": "trig",
    ".nt": "nt",
    ".nq": "nquads",
    ".rdf": "xml",
    ".owl": "xml",
}
"""For each ending of a file name, the parser of rdflib that reads it."""

_STATEMENT: Final = re.compile(
    r'((?:<[^<>\s]*>|_:\S+) <[^<>\s]*> (?:<[^<>\s]*>|_:[^\s.]+|"(?:[^"\\]|\\.)*"(?:@[\w-]+|\^\^<[^<>\s]*>)?))'
    r"(?: <([^<>\s]*)>)? \."
)
"""A line of canonical N-Quads; its groups are the triple and the graph."""


class ValidationInputError(Exception):
    """What was handed in cannot be read.

    Attributes:
        file: the file, or None where data were handed in directly.
        line: the line, counted from 1; 0 where it is not known.
        detail: what is wrong.
        remedy: what to do.
    """

    def __init__(self, file: Path | None, line: int, detail: str, remedy: str) -> None:
        place = [str(file)] if file is not None else []
        place += [f"line {line}"] if line else []
        super().__init__(f"{', '.join(place) or 'data'}: {detail} {remedy}")
        self.file = file
        self.line = line
        self.detail = detail
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Material:
    """What is to be validated.

    Attributes:
        ntriples: its triples, as N-Triples.
        origins: for IRIs of subjects, the file and line that describe them.
    """

    ntriples: str = field(repr=False)
    origins: Mapping[str, str] = field(repr=False)

    def graph(self) -> Graph:
        """Give the triples as a graph in memory that is nobody else's."""
        return Graph().parse(data=self.ntriples, format="nt")


def read(data: Data) -> Material:
    """Read what is to be validated.

    Raises:
        ValidationInputError: a file is missing, of an unknown kind, or cannot be parsed.
    """
    if isinstance(data, Graph):
        return Material(_ntriples(data), {})
    if isinstance(data, bytes):
        return Material(_triples_of_nquads(data), {})
    paths = [data] if isinstance(data, Path) else list(data)
    if not paths:
        raise ValidationInputError(None, 0, "No file was given.", "Name at least one.")
    read_files = [_read_file(path) for path in paths]
    origins = {iri: place for each in reversed(read_files) for iri, place in each.origins.items()}
    return Material("".join(each.ntriples for each in read_files), origins)


def _ntriples(graph: Graph) -> str:
    """Write the triples of a graph, or of all named graphs of a dataset but that of the shapes."""
    if not isinstance(graph, Dataset):
        return graph.serialize(format="nt")
    joined = Graph()
    for each in graph.graphs():
        if str(each.identifier) != _SHAPES:
            joined += each
    return joined.serialize(format="nt")


def _triples_of_nquads(data: bytes) -> str:
    """Take the names of graphs off canonical N-Quads, which is faster than to parse them."""
    lines = []
    for line in data.decode().split("\n"):
        statement = _STATEMENT.fullmatch(line)
        if statement is not None and statement[2] != _SHAPES:
            lines.append(f"{statement[1]} .\n")
        elif statement is None and line:
            return _ntriples(_parsed(Dataset(), None, "nquads", data))
    return "".join(lines)


def _read_file(path: Path) -> Material:
    parser = _FORMATS.get(path.suffix.lower())
    if parser is None:
        remedy = f"Use one of {' '.join(_FORMATS)}; tables are checked when the dataset is built."
        raise ValidationInputError(
            path, 0, f"Files of the kind {path.suffix!r} are unknown.", remedy
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"It cannot be read: {error.strerror}."
        raise ValidationInputError(path, 0, reason, "Check the path.") from error
    graph = _parsed(Dataset() if parser in ("trig", "nquads") else Graph(), path, parser, content)
    return Material(_ntriples(graph), _origins(path, content.decode(), graph))


def _parsed(graph: Graph, path: Path | None, parser: str, content: bytes) -> Graph:
    try:
        graph.parse(data=content, format=parser, publicID=path.resolve().as_uri() if path else None)
    except BadSyntax as error:
        raise _unparsable(path, error.lines + 1, getattr(error, "_why", str(error))) from error
    except SAXParseException as error:
        raise _unparsable(path, error.getLineNumber() or 0, error.getMessage()) from error
    except (ParserError, UnicodeDecodeError, ValueError) as error:
        raise _unparsable(path, _line_of_bad_statement(content), str(error)) from error
    return graph


def _unparsable(path: Path | None, line: int, reason: str) -> ValidationInputError:
    detail = f"It cannot be parsed: {' '.join(reason.split()).rstrip('.')}."
    return ValidationInputError(path, line, detail, "Mend the syntax there.")


def _line_of_bad_statement(content: bytes) -> int:
    """Give the first line that is no N-Quads statement, which the parser does not tell; 0: none."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        text = line.decode(errors="replace").strip()
        if text and not text.startswith("#") and not _STATEMENT.fullmatch(text):
            return number
    return 0


def _origins(path: Path, text: str, graph: Graph) -> dict[str, str]:
    """Find the line on which each subject begins, where it stands at the beginning of a line."""
    places: dict[str, str] = {}
    expand = _expander(graph)
    for number, line in enumerate(text.splitlines(), start=1):
        token = line.split(maxsplit=1)[0] if line and not line[0].isspace() else ""
        iri = token[1:-1] if token.startswith("<") and token.endswith(">") else expand(token)
        if iri is not None and (URIRef(iri), None, None) in graph:
            places.setdefault(iri, f"{path}, line {number}")
    return places


def _expander(graph: Graph) -> Callable[[str], str | None]:
    namespaces = {prefix: str(iri) for prefix, iri in graph.namespaces()}

    def expand(token: str) -> str | None:
        prefix, colon, local = token.partition(":")
        known = colon and prefix in namespaces
        return namespaces[prefix] + local.replace("\\", "") if known else None

    return expand
