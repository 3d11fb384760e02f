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

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

from pyld import jsonld

from kg.rdf.known_context import KnownContext
from kg.rdf.namespaces import ABSOLUTE_IRI, BASE, NOWHERE
from kg.rdf.ntriples import TRIPLE, unescaped
from kg.text_files import ONTOLOGY_FOLDER

_FILE: Final = ONTOLOGY_FOLDER / "context.jsonld"

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_NATIVE: Final = {
    _XSD + "integer": re.compile(r"0|-?[1-9][0-9]{0,14}"),
    _XSD + "boolean": re.compile(r"true|false"),
}
"""For datatypes that JSON has too, the lexical forms that read back as they were."""


_OF_FRAMES: Final = ("@embed", "@explicit", "@first", "@omitDefault", "@preserve", "@requireAll")
_KEYWORDS: Final = {*jsonld.KEYWORDS, "@prefix"}.difference(_OF_FRAMES)
_LIKE_KEYWORD: Final = re.compile("@[A-Za-z]+")
SURROGATE: Final = re.compile("[\ud800-\udfff]")
RELEASED: Final = Path(__file__).with_name("contexts.txt").read_text("ascii").split()
"""Digests of the contexts that were released. Terms are only added within a major version, so what was
written with one of them means the same by the present one."""


class JsonLdError(Exception):
    """A document is not JSON-LD, or uses a context other than ours."""


class NotInJsonLd(Exception):
    """A triple cannot be written as JSON-LD; says why."""


@dataclass(frozen=True)
class Context:
    """The terms that JSON-LD is written with.

    Attributes:
        document: the context document, with the one member @context.
        digest: of the file; it is part of the name, so that a name stands for the same for ever.
        url: below which it is published.
    """

    document: Mapping[str, Any]
    digest: str
    url: str

    @classmethod
    def load(cls, path: Path, url: str) -> Context:
        """Read the context from a file, to be published below a URL.

        Raises:
            JsonLdError: the file is not a JSON document with a context.
        """
        try:
            content = path.read_bytes()
            document = json.loads(content)
        except ValueError as error:
            raise JsonLdError(f"{path} is not JSON: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get("@context"), dict):
            raise JsonLdError(f"{path} has no @context.")
        return cls(document, hashlib.sha256(content).hexdigest()[:16], url.rstrip("/"))

    @classmethod
    @lru_cache(maxsize=8)
    def published(cls, url: str = BASE) -> Context:
        """Return the context that ships, as it is published below a URL."""
        return cls.load(_FILE, url)

    @property
    def iri(self) -> str:
        """Where it is published; documents name it by that."""
        return f"{self.url}/context/{self.digest}.jsonld"

    @cached_property
    def known(self) -> KnownContext:
        """The context as readers other than PyLD take it."""
        return KnownContext(self.names, json.dumps(self.terms))

    @cached_property
    def names(self) -> str:
        """A regular expression of the URLs that stand for it, wherever there is a copy."""
        digests = "|".join([self.digest, *RELEASED])
        published = rf"https?://[^\s\"\\<>]+/context/(?:{digests})\.jsonld"
        return f"{published}|{re.escape(BASE + _FILE.name)}"

    @cached_property
    def terms(self) -> Mapping[str, Any]:
        """The definition of each term, in the order of the file."""
        terms: Mapping[str, Any] = self.document["@context"]
        return terms

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
        if not re.fullmatch(self.names, url):
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
        """Return a compacted document with keys in the order of the context and links as objects.

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
        wishes = {"graph": True, "skipExpansion": True}
        compacted = _Processor().compact(expanded, context.terms, {**context.options, **wishes})
        body = {"@graph": compacted["@graph"]}
    return _dump({"@context": context.iri, **context.shaped(body)})


def read(document: bytes, context: Context, base: str | None = None) -> bytes:
    """Read JSON-LD as triples: sorted N-Triples. Nothing that is said is passed over in silence.

    Args:
        document: the document.
        context: the one that it may name.
        base: what relative IRIs are resolved against; None: there may be none.

    Raises:
        JsonLdError: it is not JSON-LD, names a context other than ours, has named graphs, or says
            something that would be lost, as by a key that stands for nothing.
    """
    try:
        parsed = json.loads(document, object_pairs_hook=_object, parse_constant=_no_number)
    except ValueError as error:
        raise JsonLdError(f"This is not JSON: {error}") from error
    except RecursionError as error:
        raise JsonLdError("This is nested too deeply.") from error
    lost: list[str | None] = []
    processor = jsonld.JsonLdProcessor(on_property_dropped=lost.append)
    options = {**context.options, "base": base or NOWHERE}
    try:
        expanded = processor.expand(parsed, options)
        nquads: str = processor.to_rdf(expanded, {**options, "format": "application/n-quads"})
    except jsonld.JsonLdError as error:
        raise JsonLdError(_reason(error)) from error
    except RecursionError as error:
        raise JsonLdError("This is nested too deeply.") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise JsonLdError(f"PyLD cannot read this as JSON-LD: {error!r}") from error
    unknown = sorted({key for key in lost if key})
    if unknown:
        said = ", ".join(unknown)
        raise JsonLdError(f"These keys are no terms of the context, and no IRIs: {said}")
    for name, role in _names(expanded):
        _refuse_no_iri(name, role, (base or NOWHERE).rpartition("/")[0] + "/")
    lines = sorted(line for line in nquads.split("\n") if line)
    for line in lines:
        if SURROGATE.search(line):
            raise JsonLdError("This holds half of a character.")
        if TRIPLE.fullmatch(line) is None:
            raise JsonLdError(
                "This has named graphs, where triples of one graph are expected, or a malformed "
                f"language tag: {line}"
            )
    return "".join(f"{line}\n" for line in lines).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members.

    Raises:
        JsonLdError: a key is given twice, or is none of the keywords that it looks like.
    """
    made = dict(pairs)
    for key in made:
        if len(made) < len(pairs) and [name for name, _ in pairs].count(key) > 1:
            raise JsonLdError(f"The key {key!r} is given twice in the same object.")
        if _LIKE_KEYWORD.fullmatch(key) and key not in _KEYWORDS:
            raise JsonLdError(f"{key} is no keyword of JSON-LD.")
    return made


def _no_number(text: str) -> Any:
    raise JsonLdError(f"{text} is no number in JSON.")


def _names(value: Any) -> Iterator[tuple[str, str]]:
    """Return what has to be an IRI in an expanded document, each with the key of its role."""
    if isinstance(value, list):
        for each in value:
            yield from _names(each)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ("@id", "@type"):
                names = inner if isinstance(inner, list) else [inner]
                yield from ((str(name), key) for name in names if not str(name).startswith("@"))
            else:
                yield from [] if key.startswith("@") else [(key, "")]
                yield from _names(inner)


def _refuse_no_iri(name: str, role: str, folder: str) -> None:
    """Refuse a name with which PyLD would drop its statement, or make up another.

    Args:
        name: an IRI, if all is well.
        role: `@id`, `@type`, or nothing for a property.
        folder: what relative names become part of.

    Raises:
        JsonLdError: it is none.
    """
    if name.startswith("_:") and role:
        return
    written = name.removeprefix(folder)
    if role == "@type" and written != name:
        raise JsonLdError(f"The type {written!r} is no term of the context, and no IRI.")
    if name.startswith(NOWHERE):
        raise JsonLdError(f"{written!r} is relative, and nothing says to what.")
    if not ABSOLUTE_IRI.fullmatch(name):
        raise JsonLdError(f"{written!r} is no IRI; encode what IRIs may not hold.")


def _reason(error: BaseException) -> str:
    """Return the innermost message of PyLD, which names the place."""
    while isinstance(error.__cause__, jsonld.JsonLdError):
        error = error.__cause__
    return str(error.args[0])


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
    match = TRIPLE.fullmatch(line)
    if match is None and "<<(" in line:
        raise NotInJsonLd("JSON-LD cannot hold the triple terms of RDF 1.2.")
    if match is None:
        raise JsonLdError(f"This is not an N-Triple: {line}")
    subject, blank_subject, predicate, iri, blank, text, datatype, language = match.groups()
    value: dict[str, Any] = {"@id": f"_:{blank}" if iri is None else unescaped(iri)}
    if text is not None:
        value = _literal(text, datatype, language)
    start = f"_:{blank_subject}" if subject is None else unescaped(subject)
    return start, unescaped(predicate), value


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
        term: {}
        for term, definition in context.terms.items()
        if isinstance(definition, dict) and "@reverse" in definition
        if _leads_back(nodes, definition["@reverse"], root)
    }
    frame = {"@context": context.terms, "id": root, **reverse}
    wishes = {"embed": "@always", "omitDefault": True, "omitGraph": True}
    framed: dict[str, Any] = _Processor().frame(nodes, frame, {**context.options, **wishes})
    return {key: value for key, value in framed.items() if key != "@context"}


def _leads_back(nodes: list[dict[str, Any]], name: str, root: str) -> bool:
    """Tell whether a property leads to the root; PyLD cannot follow one that has literals too."""
    values = [value for node in nodes for value in node.get(name, ())]
    return {"@id": root} in values and all("@id" in value for value in values)


class _Processor(jsonld.JsonLdProcessor):  # type: ignore[misc]  # PyLD has no types
    """PyLD, but for a search that takes most of its time.

    For each IRI that is a value it tries every term of the context as the prefix of a compact IRI.
    Where no term can be one, the search is spared.
    """

    def __init__(self) -> None:
        super().__init__()
        self._has_prefixes: dict[str, bool] = {}

    def _compact_iri(
        self, active_ctx: Any, iri: str, value: Any = None, vocab: Any = None, **named: Any
    ) -> Any:
        is_term = iri in self._get_inverse_context(active_ctx)
        is_relative = vocab and str(iri).startswith(active_ctx.get("@vocab", "@"))
        if not (is_term or is_relative or self._can_shorten(active_ctx)):
            active_ctx = {**active_ctx, "mappings": {}}
        return super()._compact_iri(active_ctx, iri, value, vocab, **named)

    def _can_shorten(self, context: Any) -> bool:
        """Return whether a context has a term by which IRIs could be made compact."""
        identity: str = context["_uuid"]
        if identity not in self._has_prefixes:
            self._has_prefixes[identity] = any(
                ":" in term or (definition and definition["_prefix"])
                for term, definition in context["mappings"].items()
            )
        return self._has_prefixes[identity]


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
