"""Terms that are named: each must be described somewhere, and in one place."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from rdflib import OWL, RDF, URIRef

from kg.builder.derive.rules import Rule
from kg.builder.errors import FileProblem
from kg.builder.read.table_schemas import fixed_terms
from kg.builder.read.tables import SourceTable, TableRow
from kg.builder.read.terms import Triple, is_ours, term_of
from kg.builder.read.turtle import Document
from kg.rdf.namespaces import DG, curie
from kg.text_files import UNREADABLE

_REMEDY: Final = "Correct it, or describe it in a file of concepts, sources or claims."
_MOST_SUGGESTIONS: Final = 20
"""For how many unknown terms a similar one is looked for, which takes time."""

_MEANINGLESS: Final = 2
"""How many letters an identifier has that is a number otherwise."""

_RULE: Final = URIRef(DG + "rule")
_ALIGNMENTS: Final = "mappings"
"""The graph of files that speak of what others describe."""


class References:
    """Looks for terms that are named and not described, or described twice.

    Attributes:
        described: what is described, by IRI.
    """

    def __init__(
        self, documents: Sequence[Document], tables: Sequence[SourceTable], rules: Sequence[Rule]
    ) -> None:
        self._documents = documents
        self._tables = tables
        self.described = {str(rule.iri) for rule in rules}
        for document in documents:
            if document.graph != _ALIGNMENTS:
                self.described |= {str(subject) for subject, _, _ in document.triples}
                self.described |= document.lines.keys()
        for table in tables:
            if table.schema.key is not None:
                self.described |= {str(row.subject) for row in table.rows}
        # Nobody is helped by hearing that all is unknown that a lost table describes.
        lost = [each.schema for each in tables if each.is_lost and each.schema.key is not None]
        # What their IRIs begin with.
        self._lost = tuple(each.content["aboutUrl"].partition("{")[0] for each in lost)
        self._near: dict[str, str] = {}

    def problems(self) -> Iterator[FileProblem]:
        """Find all problems in the files."""
        for document in self._documents:
            yield from self._unknown_in_document(document)
        yield from self._described_twice()
        for schema in {each.schema.file: each.schema for each in self._tables}.values():
            for column, text in fixed_terms(schema):
                if self._is_unknown(term_of(text)):
                    yield FileProblem(schema.file, 0, column, *self._said(term_of(text)))
        for table in self._tables:
            fixed = {term_of(text) for _, text in fixed_terms(table.schema)}
            for row in table.rows:
                yield from self._unknown_in_row(row, fixed)

    def unknown_conclusions(
        self, derived: Collection[Triple], rules: Iterable[Rule]
    ) -> Iterator[FileProblem]:
        """Find unknown terms in what rules conclude."""
        files = {rule.iri: rule.file for rule in rules}
        by_rule = {node: files[URIRef(iri)] for node, said, iri in derived if said == _RULE}
        for node, predicate, term in derived:
            if predicate in (RDF.subject, RDF.predicate, RDF.object) and self._is_unknown(term):
                detail = f"The rule concludes something of {curie(str(term))}, which is unknown."
                yield FileProblem(by_rule[node], 0, "", detail, "Correct the name in the rule.")

    def _is_unknown(self, term: object) -> bool:
        return (
            isinstance(term, URIRef)
            and is_ours(term)
            and str(term) not in self.described
            and not str(term).startswith(self._lost)
            and UNREADABLE not in term
        )

    def _said(self, term: object) -> tuple[str, str]:
        """Say that a term is unknown and what to do."""
        name = str(term)
        if name not in self._near and len(self._near) < _MOST_SUGGESTIONS:
            space, _, local = name.rpartition("/")
            names = [each.rpartition("/")[2] for each in self.described if each.startswith(space)]
            # One number is as good as another.
            is_word = len(local) - len(re.findall(r"\d", local)) > _MEANINGLESS
            near = difflib.get_close_matches(local, names, n=1, cutoff=0.8) if is_word else []
            self._near[name] = f" Is {curie(f'{space}/{near[0]}')} meant?" if near else ""
        return f"{curie(name)} is unknown.{self._near.get(name, '')}", _REMEDY

    def _unknown_in_document(self, document: Document) -> Iterator[FileProblem]:
        named = {
            (subject, term)
            for subject, predicate, value in document.triples
            for term in (subject, predicate, value)
            if self._is_unknown(term) and predicate != OWL.versionIRI
        }
        for subject, term in named:
            yield FileProblem(document.file, document.line_of(subject, term), "", *self._said(term))

    def _unknown_in_row(self, row: TableRow, fixed: Collection[URIRef]) -> Iterator[FileProblem]:
        if self._is_unknown(row.subject):
            column = next(iter(row.cells))
            yield FileProblem(row.file, row.line, column, *self._said(row.subject))
        for triple, column in zip(row.triples, row.columns, strict=True):
            for term in (triple[0], triple[2]):
                if term != row.subject and term not in fixed and self._is_unknown(term):
                    yield FileProblem(row.file, row.line, column, *self._said(term))

    def _described_twice(self) -> Iterator[FileProblem]:
        first: dict[URIRef, Document] = {}
        for document in self._documents:
            for subject in {s for s, predicate, _ in document.triples if predicate == RDF.type}:
                other = first.setdefault(subject, document)
                if other is not document and is_ours(subject):
                    place = f"{other.file}, line {other.line_of(subject)}"
                    detail = f"{curie(subject)} is described in {place} already."
                    line = document.line_of(subject)
                    yield FileProblem(document.file, line, "", detail, "Describe it in one place.")
