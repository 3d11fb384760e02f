"""Reading N-Triples as an engine writes them: one triple a line, terms one space apart."""

import re
from functools import cached_property
from typing import Final

from rdflib import BNode, Graph, Literal, URIRef

from kg.rdf.datatypes import is_ill_typed

TRIPLE: Final = re.compile(
    r"(?:<([^>]*)>|_:(\S+)) <([^>]*)> "
    r'(?:<([^>]*)>|_:(\S+)|"(?P<text>(?:[^"\\]|\\.)*+)"(?:\^\^<(?P<datatype>[^>]*)>|@([A-Za-z0-9-]+))?) \.'
)
"""A line; its groups are subject (IRI, blank node), predicate, and object (IRI, blank node, text,
datatype, language), with their escapes."""

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


def unescaped(text: str) -> str:
    """Resolve the escapes in what an IRI or a literal holds between its marks."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    short, long, letter = match.groups()
    return _ESCAPED.get(letter, letter) if letter else chr(int(short or long, 16))


class WrittenLiteral(Literal):
    """A literal with the text that was written, which is judged by XML Schema.

    rdflib rewrites `007` to `7` unless it is told not to, and takes `3_7` for a number.
    """

    @cached_property
    def ill_typed(self) -> bool | None:
        """Whether the text stands for no value of the datatype."""
        return is_ill_typed(str(self), self.datatype)


def split(line: str) -> tuple[str, str, str]:
    """Return subject, predicate and object of a line, each as it is written."""
    subject, predicate, rest = line.split(" ", 2)
    return subject, predicate, rest.removesuffix(" .")


def graph_of(ntriples: str) -> Graph:
    """Return N-Triples as a graph in memory, with the texts of literals as they are written.

    Raises:
        ValueError: with the first line that is no triple of RDF 1.1.
    """
    graph = Graph()
    for line in filter(None, ntriples.split("\n")):
        match = TRIPLE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        subject, blank_subject, predicate, iri, blank, text, datatype, language = match.groups()
        value: BNode | URIRef | Literal
        if text is not None:
            kind = None if datatype is None else URIRef(unescaped(datatype))
            value = WrittenLiteral(unescaped(text), lang=language, datatype=kind, normalize=False)
        else:
            value = URIRef(unescaped(iri)) if blank is None else BNode(blank)
        start = BNode(blank_subject) if subject is None else URIRef(unescaped(subject))
        graph.add((start, URIRef(unescaped(predicate)), value))
    return graph
