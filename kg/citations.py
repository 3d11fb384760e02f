"""The sources as citable records: CSL-JSON and BibTeX."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
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

_TYPES: Final = {
    "textbook-chapter": ("chapter", "incollection"),
    "reference-web-page": ("webpage", "misc"),
    "regulatory-document": ("report", "techreport"),
    "data-set": ("dataset", "misc"),
    "calculation": ("document", "misc"),
    "editorial": ("document", "misc"),
    "founding-text": ("document", "misc"),
}
"""Type in CSL and in BibTeX by study design; all others are journal articles."""

_ARTICLE: Final = ("article-journal", "article")
_NAME: Final = re.compile(r"(?P<family>\S.*?) (?P<given>[A-Z]{1,4})")
_CONTAINER: Final = re.compile(
    r"(?P<title>.+?),? (?P<volume>\d+)(?:\((?P<issue>[^)]+)\))?:(?P<pages>[A-Za-z]?\d+(?:-[A-Za-z]?\d+)?)"
)


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


def citations(engine: Engine) -> list[Citation]:
    """Give all sources, in the order of their keys."""
    rows = python_result(engine.run(Query(_QUERY)))
    assert isinstance(rows, Rows)
    by_key = defaultdict(list)
    for row in rows:
        by_key[str(row["key"])].append(row)
    return [_citation(key, group) for key, group in by_key.items()]


def _citation(key: str, rows: list[dict[str, Any]]) -> Citation:
    first = rows[0]
    names = {"DOI": "doi", "PMID": "pmid", "PMCID": "pmcid", "URL": "url", "licence": "licence"}

    def text(column: str) -> str | None:
        return None if first[column] is None else str(first[column])

    return Citation(
        key=key,
        title=str(first["title"]),
        creator=text("creator"),
        year=text("year"),
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
    item: dict[str, Any] = {
        "id": record.key,
        "type": _TYPES.get(record.design, _ARTICLE)[0],
        "title": record.title,
    }
    if record.creator:
        item["author"] = [_csl_name(name.strip()) for name in record.creator.split(";")]
    if record.year:
        item["issued"] = {"date-parts": [[int(record.year)]]}
    item |= _csl_container(record.container)
    item |= {name: text for name, text in record.identifiers.items() if name != "licence"}
    if _note(record):
        item["note"] = _note(record)
    return item


def _csl_name(name: str) -> dict[str, str]:
    match = _NAME.fullmatch(name)
    return match.groupdict() if match else {"literal": name}


def _csl_container(container: str | None) -> dict[str, str]:
    if container is None:
        return {}
    match = _CONTAINER.fullmatch(container)
    if match is None:
        return {"container-title": container}
    parts = {"container-title": match["title"], "volume": match["volume"]}
    parts |= {"issue": match["issue"]} if match["issue"] else {}
    return parts | {"page": match["pages"]}


def _note(record: Citation) -> str:
    """Say what was seen of a source, and which details are unverified."""
    parts = [f"Seen: {record.seen}."] if record.seen else []
    parts += [f"Unverified: {detail}." for detail in record.unverified]
    return " ".join(part.replace("..", ".") for part in parts)


_TEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
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
    container = _csl_container(record.container)
    kind = _TYPES.get(record.design, _ARTICLE)[1]
    within = {"article": "journal", "incollection": "booktitle"}.get(kind, "howpublished")
    fields = {
        "title": f"{{{record.title.translate(_TEX)}}}",
        "author": record.creator
        and " and ".join(_bibtex_name(name.strip()) for name in record.creator.split(";")),
        "year": record.year,
        within: container.get("container-title", "").translate(_TEX) or None,
        "volume": container.get("volume"),
        "number": container.get("issue"),
        "pages": container.get("page", "").replace("-", "--") or None,
        "doi": record.identifiers.get("DOI"),
        "pmid": record.identifiers.get("PMID"),
        "url": record.identifiers.get("URL"),
        "note": _note(record).translate(_TEX) or None,
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind}{{{record.key},", *lines, "}"]) + "\n"


def _bibtex_name(name: str) -> str:
    match = _NAME.fullmatch(name)
    if match is None:
        return f"{{{name.translate(_TEX)}}}"
    initials = " ".join(f"{letter}." for letter in match["given"])
    return f"{match['family'].translate(_TEX)}, {initials}"
