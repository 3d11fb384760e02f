"""What an engine is to hold: files or bytes of RDF, named here and read only where they are held."""

import codecs
import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Final, NamedTuple, Self, cast
from xml.parsers import expat

from kg.rdf.formats import JSONLD, NQUADS, NTRIPLES, RDFXML, TRIG, TURTLE, Format
from kg.rdf.known_context import KnownContext
from kg.sparql.errors import DataError

SUFFIXES: Final[Mapping[str, Format]] = {
    **{f".{each.suffix}": each for each in (TURTLE, TRIG, NTRIPLES, NQUADS, RDFXML)},
    ".owl": RDFXML,
    ".xml": RDFXML,
    ".jsonld": JSONLD,
}
"""The format of a file by the ending of its name."""

COMPRESSED: Final = ".gz"
"""What may follow the ending of a file that is compressed."""

_LINES: Final = (NTRIPLES, NQUADS)
_TERSE: Final = (TURTLE, TRIG)
_BLANK_NODE: Final = b"_:"
_RELATIVE_IRI: Final = re.compile(rb'<(?![A-Za-z][A-Za-z0-9+.-]*:)[^\x00-\x20<>"{}|^`]*>')
_PIECE: Final = 1 << 20  # bytes read at a time (a judgement)
_ENCODING: Final = re.compile(
    r"""(\ufeff?<\?xml\s[^>]*?)\s+encoding\s*=\s*["'](?P<name>[A-Za-z][\w.-]*)["']""", re.ASCII
)
"""The beginning of an XML declaration that names an encoding."""
_DECLARATION: Final = 1000
"""Within how many bytes an XML declaration ends: it has three short members (a judgement)."""


class DefaultGraph(Enum):
    """What a pattern outside GRAPH sees where neither query nor protocol names a dataset."""

    UNION = "union"
    """The triples of all graphs, each once."""
    STRICT = "strict"
    """The triples that are in no named graph."""


class Fingerprint(NamedTuple):
    """What one look at data tells.

    Attributes:
        version: a digest that changes exactly when the data or their arrangement do.
        plain: for each source, whether it is sure to have no blank node.
    """

    version: str
    plain: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file or bytes of RDF.

    Attributes:
        content: where it is, or what it is.
        format: how it is written.
        name: what it is called in messages.
        compressed: whether it is in the gzip format.
        graph: IRI of the graph for triples that are in none; None: the default graph.
        base_iri: what relative IRIs are resolved against; None: there may be none.
        context: the one context that JSON-LD may name without holding it.
    """

    content: Path | bytes = field(repr=False)
    format: Format
    name: str = "data"
    compressed: bool = False
    graph: str | None = None
    base_iri: str | None = None
    context: KnownContext | None = None

    @classmethod
    def at(cls, path: Path, graph: str | None = None) -> Self:
        """Name a file, whose format its name tells; relative IRIs are resolved against its own.

        Raises:
            DataError: the ending of the name is none of SUFFIXES.
        """
        compressed = path.suffix.lower() == COMPRESSED
        suffix = (path.with_suffix("") if compressed else path).suffix.lower()
        if suffix not in SUFFIXES:
            raise DataError(
                f"The format cannot be told from the ending {suffix!r}."
                if suffix
                else "The format cannot be told, as the name has no ending.",
                source=str(path),
                hint=f"Name the file by its format, as one of {', '.join(SUFFIXES)}; "
                f"{COMPRESSED} may follow.",
            )
        base_iri = path.absolute().as_uri()
        return cls(path, SUFFIXES[suffix], str(path), compressed, graph, base_iri)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open it, to be read in UTF-8, without compression and byte order mark.

        Raises:
            DataError: it cannot be read, is compressed wrongly, was changed meanwhile, or is XML
                in an encoding that is unknown or not kept to.
        """
        content = self.content
        try:
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as raw:
                before = _stamp(raw)
                with gzip.GzipFile(fileobj=raw) if self.compressed else nullcontext(raw) as file:
                    yield self._in_utf8(cast("IO[bytes]", file))
                if _stamp(raw) != before:
                    raise DataError("It was changed while it was read.", source=self.name)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            detail = f"It is not whole, or not compressed by gzip: {error}."
            raise DataError(detail, source=self.name) from error
        except OSError as error:
            detail = f"It cannot be read: {error.strerror or error}."
            raise DataError(detail, source=self.name) from error

    def _in_utf8(self, file: IO[bytes]) -> IO[bytes]:
        """Pass over a byte order mark, and write XML anew that is in another encoding."""
        start = file.read(_DECLARATION)
        encoding = _encoding_of_xml(start) if self.format == RDFXML else None
        file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        if self.format == JSONLD and self.context is not None:
            return io.BytesIO(self.context.put_into(file.read()))
        if encoding is None:
            return file
        try:
            text = file.read().decode(encoding)
        except (LookupError, UnicodeError) as error:
            detail = f"It cannot be read in the encoding {encoding}: {error}."
            raise DataError(detail, source=self.name, hint="Save it as UTF-8.") from error
        return io.BytesIO(_ENCODING.sub(r"\1", text, count=1).encode())

    def check(self) -> None:
        """Refuse XML that is not well-formed, of which Oxigraph takes what it can read.

        Raises:
            DataError: it is not, or cannot be read.
        """
        if self.format == RDFXML:
            _look(self)


@dataclass(frozen=True, slots=True)
class Data:
    """All that an engine is to hold.

    Attributes:
        sources: what is put together, in this order.
        default_graph: what a pattern outside GRAPH sees.
        apart: the IRIs of named graphs that are outside the union.
    """

    sources: tuple[Source, ...] = ()
    default_graph: DefaultGraph = DefaultGraph.UNION
    apart: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Self | bytes | Path) -> Self:
        """Take data as they are, bytes as N-Quads, and a path as a file."""
        if isinstance(data, bytes):
            return cls((Source(data, NQUADS),))
        return cls((Source.at(data),)) if isinstance(data, Path) else data

    def look(self) -> Fingerprint:
        """Read all of it once, piece by piece.

        Raises:
            DataError: a source cannot be read.
        """
        described: list[object] = [self.default_graph.value]
        plain = []
        for source in self.sources:
            digest, has_relative, has_blank = _look(source)
            described.append([digest, source.graph, source.base_iri if has_relative else None])
            plain.append(not has_blank)
        digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()
        return Fingerprint(digest[:16], tuple(plain))


@dataclass(frozen=True, slots=True)
class Contents:
    """How much an engine holds.

    Attributes:
        triples: how many a pattern outside GRAPH sees.
        graphs: how many each named graph has, by its IRI, in the order of the IRIs.
        default_graph: what a pattern outside GRAPH sees.
        apart: those of the graphs that are outside the union.
    """

    triples: int
    graphs: Mapping[str, int]
    default_graph: DefaultGraph
    apart: tuple[str, ...] = ()


def _look(source: Source) -> tuple[str, bool, bool]:
    """Return a digest, and whether there may be relative IRIs and blank nodes.

    Raises:
        DataError: it is ill-formed XML, of which Oxigraph takes what it can read; or is not read.
    """
    digest = hashlib.sha256()
    has_relative = source.format not in (*_LINES, *_TERSE)
    has_blank = source.format not in _LINES
    parser = expat.ParserCreate() if source.format == RDFXML else None
    try:
        with source.opened() as file:
            while piece := file.read(_PIECE):
                if source.format in (*_LINES, *_TERSE):
                    piece += file.readline()  # what has no line break in it keeps together
                digest.update(piece)
                has_blank = has_blank or _BLANK_NODE in piece
                if source.format in _TERSE:
                    has_relative = has_relative or bool(_RELATIVE_IRI.search(piece))
                if parser:
                    parser.Parse(piece, False)
        if parser:
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        detail = f"It is not well-formed XML: {expat.ErrorString(error.code)}."
        line, column = error.lineno, error.offset + 1
        raise DataError(detail, source=source.name, line=line, column=column) from error
    return digest.hexdigest(), has_relative, has_blank


def _encoding_of_xml(start: bytes) -> str | None:
    """Tell from its beginning in which encoding XML is; None: in UTF-8, or not known."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _ENCODING.match(start.decode("latin-1"))
    known = declared is None or declared["name"].lower() in ("utf-8", "utf8", "us-ascii")
    return None if declared is None or known else declared["name"]


def _stamp(file: IO[bytes]) -> tuple[int, int] | None:
    """Tell what changes when an open file does."""
    if isinstance(file, io.BytesIO):
        return None
    state = os.fstat(file.fileno())
    return state.st_mtime_ns, state.st_size
