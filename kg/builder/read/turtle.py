"""Files of Turtle or JSON-LD to triples without blank nodes."""

import difflib
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rdflib import DCTERMS, OWL, PROV, RDF, RDFS, SH, SKOS, BNode, Literal, URIRef
from rdflib.compare import to_canonical_graph
from rdflib.namespace import DefinedNamespace

from kg.builder.errors import FileProblem
from kg.builder.read.terms import Triple, fault_of_term
from kg.engine.dataset import Source
from kg.engine.oxigraph.engine import ntriples_of
from kg.rdf import jsonld
from kg.rdf.formats import NTRIPLES, TURTLE
from kg.rdf.jsonld import JsonLdError
from kg.rdf.namespaces import BASE, NOWHERE, PREFIXES, curie
from kg.rdf.ntriples import graph_of
from kg.sparql.errors import DataError
from kg.text_files import CONFLICT, read_text_file

SKOLEM: Final = BASE + ".well-known/genid/"
"""How the IRIs begin that blank nodes get."""

_ID: Final = re.compile(r'"@?id"\s*:\s*"([^"]*)"')
_PREFIX: Final = re.compile(r"\s*@?prefix\s+([\w.-]*):\s*<([^>]*)>", re.IGNORECASE)
_VOCABULARIES: Final[list[type[DefinedNamespace]]] = [DCTERMS, OWL, PROV, RDF, RDFS, SH, SKOS]
"""Vocabularies whose terms are known by name."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file of Turtle or JSON-LD that has been read.

    Attributes:
        file: its name, relative to the folder.
        graph: the named graph that it belongs to.
        triples: what it says; nothing if it cannot be read.
        lines: the line, counted from 1, on which each of its subjects begins, by IRI.
        text: the whole file.
    """

    file: str
    graph: str
    triples: frozenset[Triple] = field(repr=False)
    lines: Mapping[str, int] = field(repr=False)
    text: str = field(repr=False)

    def line_of(self, subject: URIRef, term: object = None) -> int:
        """Return the line on which something is said of a subject, or where it begins; 0: unknown.

        Args:
            subject: what is described.
            term: what is named there.
        """
        name = subject.removeprefix(NOWHERE)
        start = self.lines.get(name, 0)
        if not start or not isinstance(term, URIRef | Literal):
            return start
        end = min((line for line in self.lines.values() if line > start), default=None)
        is_text = isinstance(term, Literal)
        written = (
            (f'"{term}"', term) if is_text else (curie(term), f"<{term.removeprefix(NOWHERE)}>")
        )
        pattern = "|".join(rf"(?<![\w:-]){re.escape(each)}(?![\w/-])" for each in written)
        lines = self.text.split("\n")[start - 1 : None if end is None else end - 1]
        found = (number for number, line in enumerate(lines, start) if re.search(pattern, line))
        return next(found, start)


def read_document(folder: Path, path: Path, graph: str, problems: list[FileProblem]) -> Document:
    """Read a file of Turtle or JSON-LD.

    A blank node, such as a member of a list, becomes an IRI made from the name of the file and from
    what is said of it, so that it is the same in every build and can be looked up.

    Args:
        folder: what the name of the file is given relative to.
        path: the file.
        graph: the named graph that it belongs to.
        problems: takes what is wrong: no Turtle or JSON-LD, or terms that are none.
    """
    name = path.relative_to(folder).as_posix()
    found: list[FileProblem] = []
    text = read_text_file(folder, name, found)
    found += _foreign_prefixes(name, text)
    lines = lines_of_subjects(text)
    triples: frozenset[Triple] = frozenset()
    if not any(CONFLICT.fullmatch(line) for line in text.split("\n")):
        try:
            triples = frozenset(_triples(name, text))
        except JsonLdError as error:
            found.append(FileProblem(name, 0, "", f"This is not JSON-LD: {error}", "Mend it."))
        except (DataError, ValueError) as error:
            found.append(_syntax_problem(name, text, error, max(lines.values(), default=0)))
    document = Document(name, graph, triples, lines, text)
    faulty = {term for triple in triples for term in triple if _fault(term) is not None}
    found += (
        FileProblem(name, document.line_of(triple[0], term), "", str(_fault(term)), "Correct it.")
        for triple in triples
        for term in faulty.intersection(triple)
    )
    problems += found
    return document


def _fault(term: URIRef | Literal) -> str | None:
    """Say what is wrong with a term of a Turtle file, or give None."""
    if not isinstance(term, URIRef):
        return fault_of_term(term)
    if term.startswith(NOWHERE):
        return f"An IRI is relative: {term.removeprefix(NOWHERE)}."
    for vocabulary in _VOCABULARIES:
        if term.startswith(str(vocabulary)) and term not in vocabulary:
            local = term.removeprefix(str(vocabulary))
            near = difflib.get_close_matches(local, vocabulary.__annotations__, n=1, cutoff=0.7)
            meant = f"; is {curie(vocabulary[near[0]])} meant?" if near else "."
            return f"{curie(term)} is no term of that vocabulary{meant}"
    return fault_of_term(term)


def _triples(name: str, text: str) -> Iterator[Triple]:
    """Read a file whose name is given.

    Raises:
        DataError: it is no Turtle.
        JsonLdError: its name ends in .jsonld, and it is no JSON-LD.
        ValueError: it has what RDF 1.1 has not.
    """
    source = Source(text.encode(), TURTLE, name, base_iri=NOWHERE)
    if name.endswith(".jsonld"):
        source = Source(jsonld.read(text.encode(), jsonld.Context.published()), NTRIPLES, name)
    graph = graph_of(ntriples_of(source, itertools.count()))
    if any(isinstance(term, BNode) for triple in graph for term in triple):
        graph = to_canonical_graph(graph)

    def named(node: object) -> URIRef:
        # The labels are those of a file: the same one may stand for something else in another.
        label = hashlib.sha256(f"{name} {node}".encode()).hexdigest()[:32]
        return URIRef(SKOLEM + label) if isinstance(node, BNode) else URIRef(str(node))

    for subject, predicate, value in graph:
        yield (
            named(subject),
            named(predicate),
            value if isinstance(value, Literal) else named(value),
        )


def lines_of_subjects(text: str) -> dict[str, int]:
    """Return the line on which each subject begins: at its beginning or, in JSON-LD, by its id."""
    namespaces = dict(PREFIXES)
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if declared := _PREFIX.match(line):
            namespaces[declared[1]] = declared[2]
        elif identified := _ID.search(line):
            prefix, colon, local = identified[1].partition(":")
            lines.setdefault(namespaces.get(prefix, prefix + colon) + local, number)
        elif line and not line[0].isspace() and line[0] not in "#.]":
            written = line.split(maxsplit=1)[0]
            prefix, colon, local = written.partition(":")
            iri = namespaces.get(prefix, prefix + colon) + local.replace("\\", "")
            lines.setdefault(written[1:-1] if written.startswith("<") else iri, number)
    return lines


def _foreign_prefixes(name: str, text: str) -> Iterator[FileProblem]:
    """Find prefixes that stand for something else than they do in all other files."""
    for number, line in enumerate(text.split("\n"), start=1):
        declared = _PREFIX.match(line)
        if declared and declared[2] != PREFIXES.get(declared[1], declared[2]):
            detail = f"The prefix {declared[1]}: does not stand for <{declared[2]}>."
            remedy = f"Correct it to <{PREFIXES[declared[1]]}>."
            yield FileProblem(name, number, "", detail, remedy)


def _syntax_problem(name: str, text: str, error: DataError | ValueError, last: int) -> FileProblem:
    """Say where a file is no Turtle.

    Args:
        name: the file.
        text: what it holds.
        error: what the parser raised.
        last: the line on which the last subject begins.
    """
    if not isinstance(error, DataError):
        line = next((n for n, each in enumerate(text.split("\n"), 1) if "<<" in each), 0)
        detail = f"This is no triple of RDF 1.1: {error}"
        return FileProblem(name, line, "", detail, "Take it out: nothing here knows triple terms.")
    if "nexpected end" in error.detail:
        detail = "This is not Turtle: the file ends within the statement that begins here."
        return FileProblem(name, last, "", detail, "Finish it.")
    detail = f"This is not Turtle: {error.detail}"
    slash = " In a short name, write a slash as \\/." if "'/'" in error.detail else ""
    remedy = f"Mend the syntax there, or just above.{slash}"
    return FileProblem(name, error.line or 0, "", detail, remedy)
