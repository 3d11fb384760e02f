"""Reading what is to be validated: graphs, N-Quads and files, all into triples of one graph."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax import SAXParseException

from rdflib import Dataset, Graph, URIRef
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.notation3 import BadSyntax
from rdflib.term import Node

from kg import jsonld
from kg.namespaces import BASE, GRAPH
from kg.validate.shapes import ONTOLOGY_FOLDER

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

_JSON_LD: Final = ".jsonld"
"""The ending of files that are read with our own context, since rdflib would fetch theirs."""

_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SHOWN: Final = 60
"""How many characters of a faulty text are shown."""

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
        origins: for IRIs of subjects, the file and line that describe them; several are separated
            by semicolons.
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
    places: dict[str, list[str]] = defaultdict(list)
    for each in read_files:
        for iri, place in each.origins.items():
            places[iri].append(place)
    origins = {iri: "; ".join(dict.fromkeys(several)) for iri, several in places.items()}
    return Material("".join(each.ntriples for each in read_files), origins)


def _ntriples(graph: Graph, path: Path | None = None) -> str:
    """Write the triples of a graph, or of all named graphs of a dataset but that of the shapes."""
    joined = graph
    if isinstance(graph, Dataset):
        joined = Graph()
        for each in graph.graphs():
            if str(each.identifier) != _SHAPES:
                joined += each
    for term in {term for triple in joined for term in triple}:
        _refuse_if_unwritable(term, path)
    return joined.serialize(format="nt")


def _refuse_if_unwritable(term: Node, path: Path | None) -> None:
    """Refuse what RDF does not allow and rdflib does: such IRIs, and halves of characters."""
    if isinstance(term, URIRef) and not _IRI.fullmatch(term):
        detail = f"{str(term)!r} is not an absolute IRI."
        raise ValidationInputError(
            path, 0, detail, "Correct it, and encode what IRIs may not hold."
        )
    if _SURROGATE.search(str(term)):
        detail = f"{str(term)[:_SHOWN]!r} holds half of a character."
        raise ValidationInputError(path, 0, detail, "Write the whole character.")


def _triples_of_nquads(data: bytes) -> str:
    """Take the names of graphs off canonical N-Quads, which is faster than to parse them."""
    lines = []
    for line in _decoded(None, data).split("\n"):
        statement = _STATEMENT.fullmatch(line)
        if statement is not None and statement[2] != _SHAPES:
            lines.append(f"{statement[1]} .\n")
        elif statement is None and line:
            return _ntriples(_parsed(Dataset(), None, "nquads", data))
    return "".join(lines)


def _decoded(path: Path | None, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValidationInputError(path, line, "It is not UTF-8.", "Save it as UTF-8.") from error


def _read_file(path: Path) -> Material:
    kind = path.suffix.lower()
    if kind not in (*_FORMATS, _JSON_LD):
        known = " ".join((*_FORMATS, _JSON_LD))
        remedy = f"Use one of {known}; tables are checked when the dataset is built."
        detail = f"Files of the kind {path.suffix!r} are unknown."
        raise ValidationInputError(path, 0, detail, remedy)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"It cannot be read: {error.strerror}."
        raise ValidationInputError(path, 0, reason, "Check the path.") from error
    if kind == _JSON_LD:
        graph = _parsed(Graph(), path, "nt", _triples_of_jsonld(path, content))
    else:
        text = content if _FORMATS[kind] == "xml" else _decoded(path, content).encode()
        many = _FORMATS[kind] in ("trig", "nquads")
        graph = _parsed(Dataset() if many else Graph(), path, _FORMATS[kind], text)
    if not len(graph):
        raise ValidationInputError(path, 0, "It holds no statement.", "Check that it is RDF.")
    places = _origins(path, content.decode(errors="replace"), graph)
    return Material(_ntriples(graph, path), places)


def _triples_of_jsonld(path: Path, content: bytes) -> bytes:
    """Read JSON-LD without fetching a context; the published one is known."""
    try:
        context = jsonld.Context.load(ONTOLOGY_FOLDER / "context.jsonld", BASE + "context.jsonld")
        return jsonld.read(content, context)
    except jsonld.JsonLdError as error:
        raise _unparsable(path, 0, str(error)) from error


def _parsed(graph: Graph, path: Path | None, parser: str, content: bytes) -> Graph:
    try:
        graph.parse(data=content, format=parser, publicID=path.resolve().as_uri() if path else None)
    except BadSyntax as error:
        raise _unparsable(path, error.lines + 1, getattr(error, "_why", str(error))) from error
    except SAXParseException as error:
        raise _unparsable(path, error.getLineNumber() or 0, error.getMessage()) from error
    except (ParserError, ValueError) as error:
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
