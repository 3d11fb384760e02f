"""The sources as citable records: CSL-JSON and BibTeX."""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kg.engine import Engine, Query
from kg.results import Rows, python_result

_QUERY: Final = """
PREFIX bibo: <http://purl.org/ontology/bibo/>
PREFIX dcterms: <http://purl.org/dc/terms/>
PREFIX dg: <https://w3id.org/dermograph/ontology/>

SELECT ?key ?title ?creator ?year ?container ?doi ?pmid ?pmcid ?url ?design ?licence ?seen ?unverified
WHERE {
  ?source a dg:Source ; dcterms:identifier ?key ; dcterms:title ?title ; dg:studyDesign ?design .
  OPTIONAL { ?source dcterms:creator ?creator }
  OPTIONAL { ?source dcterms:issued ?year }
  OPTIONAL { ?source dcterms:bibliographicCitation ?container }
  OPTIONAL { ?source bibo:doi ?doi }
  OPTIONAL { ?source bibo:pmid ?pmid }
  OPTIONAL { ?source dg:pmcid ?pmcid }
  OPTIONAL { ?source dcterms:source ?url }
  OPTIONAL { ?source dg:licenceText ?licence }
  OPTIONAL { ?source dg:seenAs ?seen }
  OPTIONAL { ?source dg:unverifiedDetail ?unverified }
}
ORDER BY ?key ?unverified
"""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of source as the two formats have it.

    Attributes:
        csl, bibtex: its type.
        csl_container, bibtex_container: where the name of what it appeared in stands.
    """

    csl: str
    csl_container: str
    bibtex: str
    bibtex_container: str


_ARTICLE: Final = _Kind("article-journal", "container-title", "article", "journal")
_LOOSE: Final = _Kind("document", "publisher", "misc", "howpublished")
_KINDS: Final = {
    "textbook-chapter": _Kind("chapter", "container-title", "incollection", "booktitle"),
    "reference-web-page": _Kind("webpage", "container-title", "misc", "howpublished"),
    "regulatory-document": _Kind("report", "publisher", "techreport", "institution"),
    "data-set": _Kind("dataset", "publisher", "misc", "howpublished"),
    "calculation": _LOOSE,
    "editorial": _LOOSE,
    "founding-text": _LOOSE,
}
"""Kinds by study design; all others are journal articles, where a journal is known."""

_PAGES: Final = r"(?P<pages>[A-Za-z]*\d+(?:-[A-Za-z]?\d+(?:\.e\d+)?)?)"
_CONTAINERS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<title>.+?),? (?P<volume>\d+)?(?:\((?P<issue>[^)]+)\))?:{_PAGES}",
        r"(?P<title>.+?),? (?P<volume>\d+)\((?P<issue>\d+\w*)\)",
        rf"(?P<title>.+?), pp?\.? ?{_PAGES}",
        r"(?P<title>Proc\. SPIE) (?P<volume>\d+)(?:, .+)?",
    )
)
"""How containers are printed with volume, issue and pages, each as far as it is given."""

_NAME: Final = re.compile(r"(?P<family>[^\W\d_].*[a-z].*) (?P<given>[A-Z](?:-?[A-Z]){0,3})")
_ORGANISATION: Final = re.compile(r"/|\b(?:Center|Clinic|Force|Society|Surgery|Technologies)\b")
_EDITOR: Final = re.compile(
    r"(?P<before>.+) \(eds?\)|\(editor (?P<bracketed>.+)\)|chief ed (?P<chief>.+)"
)
_AND_OTHERS: Final = re.compile(r"(?P<named>.*?),? ?\bet al\b\.?(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Citation:
    """A source, as it is cited.

    Attributes:
        key: its key, which is also the last part of its IRI.
        title: its title.
        creator: its authors as printed, separated by semicolons; None: not known.
        year: the year, four digits; None: not known.
        container: journal, book or publisher with volume and pages as printed; None: not known.
        identifiers: DOI, PMID, PMCID, URL and licence, by these names, as far as known.
        design: the last part of the IRI of its study design.
        seen: what was read of it.
        unverified: details that were given from memory and await checking.
    """

    key: str
    title: str
    creator: str | None
    year: str | None
    container: str | None
    identifiers: Mapping[str, str]
    design: str
    seen: str | None
    unverified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """A person with the initials, or an organisation, which has none."""

    family: str
    initials: str = ""


@dataclass(frozen=True, slots=True)
class _Creators:
    """Who made a source.

    Attributes:
        authors, editors: by name.
        and_others: whether there are authors that are not named.
        as_printed: the whole as printed, where the names do not hold all of it; else empty.
    """

    authors: tuple[_Name, ...]
    editors: tuple[_Name, ...]
    and_others: bool
    as_printed: str


def citations(engine: Engine) -> list[Citation]:
    """Give all sources, in the order of their keys."""
    rows = python_result(engine.run(Query(_QUERY)))
    assert isinstance(rows, Rows)
    by_key = defaultdict(list)
    for row in rows:
        by_key[str(row["key"])].append(row)
    return [_citation(key, group) for key, group in by_key.items()]


class UnknownSourceError(LookupError):
    """There is no source of a key.

    Attributes:
        key: what was asked for.
        near: keys that are spelt like it.
    """

    def __init__(self, key: str, near: Sequence[str]) -> None:
        hint = f" Near are: {', '.join(near)}." if near else ""
        super().__init__(f"There is no source {key[:80]!r}.{hint}")
        self.key = key
        self.near = tuple(near)


def chosen(records: Sequence[Citation], keys: Sequence[str]) -> list[Citation]:
    """Give the records of the keys, in their order; all records if there are no keys.

    Raises:
        UnknownSourceError: there is no record of a key.
    """
    by_key = {record.key: record for record in records}
    for key in keys:
        if key not in by_key:
            near = difflib.get_close_matches(key[:80].upper(), by_key, n=3)
            raise UnknownSourceError(key, near)
    return [by_key[key] for key in dict.fromkeys(keys)] if keys else list(records)


def _citation(key: str, rows: list[dict[str, Any]]) -> Citation:
    first = rows[0]
    names = {"DOI": "doi", "PMID": "pmid", "PMCID": "pmcid", "URL": "url", "licence": "licence"}

    def text(column: str) -> str | None:
        return None if first[column] is None else str(first[column])

    return Citation(
        key=key,
        title=str(first["title"]),
        creator=text("creator"),
        year=year if (year := text("year")) and re.fullmatch(r"\d{4}", year) else None,
        container=text("container"),
        identifiers={
            name: str(first[key]) for name, key in names.items() if first[key] is not None
        },
        design=str(first["design"]).rpartition("/")[2],
        seen=text("seen"),
        unverified=tuple(str(row["unverified"]) for row in rows if row["unverified"] is not None),
    )


def as_csl_json(records: Iterable[Citation]) -> str:
    """Write records as CSL-JSON (https://citeproc-js.readthedocs.io/en/latest/csl-json/markup.html)."""
    return json.dumps([_csl(record) for record in records], indent=2, ensure_ascii=False) + "\n"


def _csl(record: Citation) -> dict[str, Any]:
    kind = _kind(record)
    creators = _creators(record.creator)
    authors = [_csl_name(name) for name in creators.authors]
    item: dict[str, Any] = {
        "id": record.key,
        "type": kind.csl,
        "title": record.title,
        "author": authors + [{"literal": "et al."}] * creators.and_others,
        "editor": [_csl_name(name) for name in creators.editors],
        "issued": {"date-parts": [[int(record.year)]]} if record.year else None,
    }
    title, parts = _container(record.container)
    item |= {kind.csl_container: title}
    item |= {_CSL_PARTS[name]: text for name, text in parts.items()}
    item |= {name: text for name, text in record.identifiers.items() if name != "licence"}
    item["note"] = _note(record)
    return {name: value for name, value in item.items() if value}


_CSL_PARTS: Final = {"volume": "volume", "issue": "issue", "pages": "page"}
_BIBTEX_PARTS: Final = {"volume": "volume", "issue": "number", "pages": "pages"}


def _kind(record: Citation) -> _Kind:
    kind = _KINDS.get(record.design, _ARTICLE)
    needs_container = kind.csl in ("article-journal", "chapter")
    return _LOOSE if needs_container and _container(record.container)[0] is None else kind


def _creators(creator: str | None) -> _Creators:
    """Read authors and editors as printed, such as `Nanni CA; Alster TS` or `Vu L (ed)`."""
    authors: list[_Name] = []
    editors: list[_Name] = []
    rest = others = ""
    for printed in re.split(r"[;|]", creator or ""):
        name = printed.strip()
        cut = _AND_OTHERS.fullmatch(name)
        if cut is not None:
            name, others, rest = cut["named"], "et al.", rest + cut["rest"]
        editor = _EDITOR.fullmatch(name)
        if editor is not None:
            editors.append(_name(next(filter(None, editor.groups()))))
        elif name:
            authors.append(_name(name))
    as_printed = creator if creator and rest else ""
    return _Creators(tuple(authors), tuple(editors), bool(others), as_printed)


def _name(printed: str) -> _Name:
    match = _NAME.fullmatch(printed)
    if match is None or _ORGANISATION.search(printed):
        return _Name(printed)
    letters = match["given"].replace("-", "")
    return _Name(match["family"], " ".join(f"{letter}." for letter in letters))


def _csl_name(name: _Name) -> dict[str, str]:
    if not name.initials:
        return {"literal": name.family}
    return {"family": name.family, "given": name.initials}


def _container(container: str | None) -> tuple[str | None, dict[str, str]]:
    """Give the name of a container, and volume, issue and pages as far as they are printed."""
    if container is None or container.startswith("("):
        return None, {}
    matches = (pattern.fullmatch(container) for pattern in _CONTAINERS)
    match = next(filter(None, matches), None)
    if match is None:
        return container, {}
    parts = {name: text for name, text in match.groupdict().items() if text}
    return parts.pop("title"), parts


def _note(record: Citation) -> str:
    """Say what has no field of its own: what was seen of a source, and what is unverified."""
    container = record.container or ""
    licence = record.identifiers.get("licence")
    said = {
        "Authors as printed": [_creators(record.creator).as_printed],
        "Published": [container.strip("()") if container.startswith("(") else ""],
        "Licence": [licence or ""],
        "Seen": [record.seen or ""],
        "Unverified": list(record.unverified),
    }
    parts = [
        f"{what}: {text.rstrip('.')}." for what, texts in said.items() for text in texts if text
    ]
    return " ".join(parts)


_TEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        # Not \{ and \}, which BibTeX counts as braces.
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "$": r"\$",
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def as_bibtex(records: Iterable[Citation]) -> str:
    """Write records as BibTeX, in UTF-8 as BibLaTeX and today's BibTeX styles read it."""
    return "\n".join(_bibtex(record) for record in records)


def _bibtex(record: Citation) -> str:
    kind = _kind(record)
    creators = _creators(record.creator)
    title, parts = _container(record.container)
    authors = [_bibtex_name(name) for name in creators.authors] + ["others"] * creators.and_others
    fields = {
        "title": f"{{{record.title.translate(_TEX)}}}",
        "author": " and ".join(authors),
        "editor": " and ".join(_bibtex_name(name) for name in creators.editors),
        "year": record.year,
        kind.bibtex_container: title and title.translate(_TEX),
        **{_BIBTEX_PARTS[name]: text.replace("-", "--") for name, text in parts.items()},
        **{name: record.identifiers.get(name.upper()) for name in ("doi", "pmid", "pmcid")},
        "url": record.identifiers.get("URL", "").translate(_IN_URL),
        "note": _note(record).translate(_TEX),
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind.bibtex}{{{record.key},", *lines, "}"]) + "\n"


_IN_URL: Final = str.maketrans({"{": "%7B", "}": "%7D", "\\": "%5C"})


def _bibtex_name(name: _Name) -> str:
    if not name.initials:
        return f"{{{name.family.translate(_TEX)}}}"
    return f"{name.family.translate(_TEX)}, {name.initials}"
