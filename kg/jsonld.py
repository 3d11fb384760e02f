"""JSON-LD in and out: triples to readable objects and back, without a fetch.

Objects use the terms of ontology/context.jsonld, and no other context is ever loaded. How the
context is kept so that what is written reads back as exactly the same triples:

- Decimals are strings ("value": "2940"): a JSON number would read back as xsd:double. Integers
  and booleans are native.
- A property that may have several values is always an array.
- Identifiers are whole IRIs, as in results of SPARQL queries.
- Keys follow the order of the context.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pyld import jsonld

from kg.ntriples import unescaped

if TYPE_CHECKING:
    from pathlib import Path

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_NATIVE: Final = {
    _XSD + "integer": re.compile(r"0|-?[1-9][0-9]{0,14}"),
    _XSD + "boolean": re.compile(r"true|false"),
}
"""For datatypes that JSON has too, the lexical forms that read back as they were."""


class JsonLdError(Exception):
    """A document is not JSON-LD, or uses a context other than ours."""


class NotInJsonLd(Exception):
    """A triple cannot be written as JSON-LD; says why."""


@dataclass(frozen=True)
class Context:
    """The terms that JSON-LD is written with.

    Attributes:
        document: the context document, with the one member @context.
        iri: where it is published; documents that name it are read with `document`.
    """

    document: Mapping[str, Any]
    iri: str

    @classmethod
    def load(cls, path: Path, iri: str) -> Context:
        """Read the context from a file.

        Raises:
            JsonLdError: the file is not a JSON document with a context.
        """
        try:
            document = json.loads(path.read_bytes())
        except ValueError as error:
            raise JsonLdError(f"{path} is not JSON: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get("@context"), dict):
            raise JsonLdError(f"{path} has no @context.")
        return cls(document, iri)

    @cached_property
    def terms(self) -> Mapping[str, Any]:
        """The definition of each term, in the order of the file."""
        terms: Mapping[str, Any] = self.document["@context"]
        return terms

    @cached_property
    def reverse_terms(self) -> Mapping[str, str]:
        """For each term that follows a property backwards, the IRI of that property."""
        return {
            term: definition["@reverse"]
            for term, definition in self.terms.items()
            if isinstance(definition, dict) and "@reverse" in definition
        }

    @cached_property
    def _links(self) -> frozenset[str]:
        return frozenset(
            term
            for term, definition in self.terms.items()
            if isinstance(definition, dict)
            and (definition.get("@type") == "@id" or "@reverse" in definition)
        )

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    @cached_property
    def options(self) -> dict[str, Any]:
        """What PyLD is always told: JSON-LD 1.1, and a loader that fetches nothing."""
        return {"processingMode": "json-ld-1.1", "documentLoader": self._load}

    def _load(self, url: str, _options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if url != self.iri:
            raise jsonld.JsonLdError(
                f"The context {url} is not known here and nothing is fetched; use {self.iri}.",
                "dermograph.ForeignContext",
                code="loading remote context failed",
            )
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": self.document,
        }

    def shaped(self, value: Any, term: str | None = None) -> Any:
        """Give a compacted document with keys in the order of the context and links as objects.

        A link is an object with an id, whether or not more is said of what it points to.
        """
        if isinstance(value, list):
            return [self.shaped(each, term) for each in value]
        if isinstance(value, str) and term in self._links:
            return {"id": value}
        if not isinstance(value, dict):
            return value
        last = len(self._places)
        keys = sorted(value, key=lambda key: (key[0] != "@", self._places.get(key, last), key))
        return {key: self.shaped(value[key], key) for key in keys}


FORMS: Final = ("framed", "compacted", "flattened", "expanded")
"""The forms of JSON-LD, by the names of https://www.w3.org/TR/json-ld11/#iana-considerations."""


def write(ntriples: bytes, context: Context, *, root: str | None, form: str = "framed") -> bytes:
    """Write triples as JSON-LD.

    Args:
        ntriples: the triples, as N-Triples.
        context: the terms.
        root: the resource that a framed document begins with; None: all nodes stand side by
            side, as in a flattened document.
        form: one of FORMS. Compacted is the same as flattened: no node is inside another.

    Raises:
        NotInJsonLd: there is a triple term.
    """
    expanded = _expanded(ntriples)
    if form == "expanded":
        return _dump(expanded)
    if form == "framed" and root is not None:
        body = _frame(expanded, context, root)
    else:
        body = {"@graph": _compact(expanded, context)}
    return _dump({"@context": context.iri, **context.shaped(body)})


def read(document: bytes, context: Context) -> bytes:
    """Read JSON-LD as triples: sorted N-Triples.

    Raises:
        JsonLdError: it is not JSON-LD, names a context other than ours, or has named graphs.
    """
    try:
        parsed = json.loads(document)
        nquads: str = jsonld.to_rdf(parsed, {**context.options, "format": "application/n-quads"})
    except ValueError as error:
        raise JsonLdError(f"This is not JSON: {error}") from error
    except jsonld.JsonLdError as error:
        raise JsonLdError(_reason(error)) from error
    except RecursionError as error:
        raise JsonLdError("This is nested too deeply.") from error
    lines = sorted(line for line in nquads.split("\n") if line)
    if not all(_TRIPLE.fullmatch(line) for line in lines):
        raise JsonLdError("This has named graphs; triples of one graph are expected.")
    return "".join(f"{line}\n" for line in lines).encode()


def _reason(error: BaseException) -> str:
    """Give the innermost message of PyLD, which names the place."""
    while isinstance(error.__cause__, jsonld.JsonLdError):
        error = error.__cause__
    return str(error.args[0])


_TRIPLE: Final = re.compile(
    r"(?:<([^>]*)>|(_:\S+)) <([^>]*)> "
    r'(?:<([^>]*)>|(_:\S+)|"((?:[^"\\]|\\.)*+)"(?:\^\^<([^>]*)>|@([A-Za-z0-9-]+))?) \.'
)


def _expanded(ntriples: bytes) -> list[dict[str, Any]]:
    """Read N-Triples as expanded JSON-LD, nodes and values in the order of the triples.

    PyLD can do this too, but misreads an escaped backslash before an n, takes quadratic time, and
    folds lists whose nodes have IRIs so that these are lost.
    """
    nodes: dict[str, dict[str, Any]] = {}
    for line in ntriples.decode().split("\n"):
        if line:
            subject, predicate, value = _triple(line)
            node = nodes.setdefault(subject, {"@id": subject})
            if predicate == f"{_RDF}type" and "@id" in value:
                node.setdefault("@type", []).append(value["@id"])
            else:
                node.setdefault(predicate, []).append(value)
    return list(nodes.values())


def _triple(line: str) -> tuple[str, str, dict[str, Any]]:
    match = _TRIPLE.fullmatch(line)
    if match is None and "<<(" in line:
        raise NotInJsonLd("JSON-LD cannot hold the triple terms of RDF 1.2.")
    if match is None:
        raise JsonLdError(f"This is not an N-Triple: {line}")
    subject, blank_subject, predicate, iri, blank, text, datatype, language = match.groups()
    value = {"@id": blank or unescaped(iri)} if text is None else _literal(text, datatype, language)
    return blank_subject or unescaped(subject), unescaped(predicate), value


def _literal(text: str, datatype: str | None, language: str | None) -> dict[str, Any]:
    """Write a literal; integers and booleans as JSON does, where that reads back the same."""
    value = unescaped(text)
    if language:
        return {"@value": value, "@language": language}
    if datatype is None:
        return {"@value": value}
    kind = unescaped(datatype)
    if kind in _NATIVE and _NATIVE[kind].fullmatch(value):
        return {"@value": json.loads(value)}
    return {"@value": value, "@type": kind}


def _frame(nodes: list[dict[str, Any]], context: Context, root: str) -> dict[str, Any]:
    """Nest all nodes into one, following links forwards and the reverse terms backwards."""
    reverse: dict[str, dict[str, Any]] = {
        term: {} for term, name in context.reverse_terms.items() if _leads_back(nodes, name, root)
    }
    frame = {"@context": context.terms, "id": root, **reverse}
    wishes = {"embed": "@always", "omitDefault": True, "omitGraph": True}
    framed: dict[str, Any] = jsonld.frame(nodes, frame, {**context.options, **wishes})
    return {key: value for key, value in framed.items() if key != "@context"}


def _leads_back(nodes: list[dict[str, Any]], name: str, root: str) -> bool:
    """Tell whether a property leads to the root; PyLD cannot follow one that has literals too."""
    values = [value for node in nodes for value in node.get(name, ())]
    return {"@id": root} in values and all("@id" in value for value in values)


def _compact(nodes: list[dict[str, Any]], context: Context) -> list[dict[str, Any]]:
    compacted: dict[str, Any] = jsonld.compact(
        nodes, context.terms, {**context.options, "graph": True}
    )
    members: list[dict[str, Any]] = compacted["@graph"]
    return members


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
