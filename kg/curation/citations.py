"""The sources as citable records: CSL-JSON and BibTeX."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kg.engine import Engine
from kg.results import select, stored
from kg.search.folding import like
from kg.text_files import patterns

_PRINTED, _PEOPLE = patterns(Path(__file__).with_suffix(".toml"))
_CONTAINERS: Final = ("paged", "unpaged", "without_volume", "spie", "cochrane")
_AND_OTHERS: Final = "et al."
_WRITTEN: Final = json.loads(Path(__file__).with_suffix(".json").read_bytes())
"""How a document is cited by its type: the type in either format, and where the name of what it
appeared in and its publisher stand (BibTeX wants the journal or book of an article, paper or chapter;
where it is not known, they are cited as other documents); what either format calls volume, issue and
pages, and how BibTeX writes characters in texts (braces not as \\{ and \\}, which it counts as
braces) and in URLs."""
_TEX, _IN_URL = (str.maketrans(_WRITTEN[name]) for name in ("tex", "url"))
_Name = dict[str, str]
"""A person with family name and initials, or an organisation, as CSL-JSON has them."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A source, as it is cited.

    Attributes:
        key: its key, which is also the last part of its IRI.
        title: its title.
        kind: the last part of the IRI of its document type.
        creators: its creators in order, separated by semicolons, and "et al." for those that are
            not named; None: not known.
        editors: its editors.
        year: the year, four digits; None: not known.
        container: journal, book or site with volume and pages as printed; None: not known.
        publisher: who published it; None: not known.
        identifiers: DOI, PMID, PMCID, URL and licence, by these names, as far as known.
        seen: what was read of it.
        unverified: details that were given from memory and await checking.
        same: the keys of other records of the same document.
    """

    key: str
    title: str
    kind: str
    creators: str | None
    editors: tuple[str, ...]
    year: str | None
    container: str | None
    publisher: str | None
    identifiers: Mapping[str, str]
    seen: str | None
    unverified: tuple[str, ...]
    same: tuple[str, ...]


def citations(engine: Engine) -> list[Citation]:
    """Return all sources, in the order of their keys."""
    by_key = select(engine, stored("citations")).by("key")
    return [_citation(key, rows) for key, rows in by_key.items()]


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
    """Return the records of the keys, in their order; all records if there are no keys.

    Raises:
        UnknownSourceError: there is no record of a key.
    """
    by_key = {record.key: record for record in records}
    for key in keys:
        if key not in by_key:
            raise UnknownSourceError(key, like(key, by_key))
    return [by_key[key] for key in dict.fromkeys(keys)] if keys else list(records)


_IDENTIFIERS: Final = ("DOI", "PMID", "PMCID", "URL", "licence")


def _citation(key: str, rows: list[dict[str, Any]]) -> Citation:
    def texts(column: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(row[column]) for row in rows if row[column] is not None))

    first = {column: str(value) for column, value in rows[0].items() if value is not None}
    return Citation(
        key=key,
        title=first["title"],
        kind=first["type"].rpartition("/")[2],
        creators=first.get("creators"),
        editors=texts("editor"),
        year=first.get("year"),
        container=first.get("container"),
        publisher=first.get("publisher"),
        identifiers={name: first[name] for name in _IDENTIFIERS if name in first},
        seen=first.get("seen"),
        unverified=texts("unverified"),
        same=texts("same"),
    )


def as_csl_json(records: Iterable[Citation]) -> str:
    """Write records as CSL-JSON (https://citeproc-js.readthedocs.io/en/latest/csl-json/markup.html)."""
    return json.dumps([_csl(record) for record in records], indent=2, ensure_ascii=False) + "\n"


def _csl(record: Citation) -> dict[str, Any]:
    kind = _WRITTEN["types"][record.kind]["csl"]
    title, parts = _container(record.container)
    item: dict[str, Any] = {
        "id": record.key,
        "type": kind["type"],
        "title": record.title,
        "author": _authors(record),
        "editor": [_name(name) for name in record.editors],
        "issued": {"date-parts": [[int(record.year)]]} if record.year else None,
        kind["container"]: title,
        **({kind["publisher"]: record.publisher} if record.publisher else {}),
        **{_WRITTEN["csl"][name]: text for name, text in parts.items()},
        **{name: text for name, text in record.identifiers.items() if name != "licence"},
        "note": _note(record),
    }
    return {name: value for name, value in item.items() if value}


def _authors(record: Citation) -> list[_Name]:
    """Return the creators, "et al." last if there are others that are not named."""
    names = [part for part in (record.creators or "").split("; ") if part]
    return [_name(name) for name in sorted(names, key=_AND_OTHERS.__eq__)]


def _name(printed: str) -> _Name:
    match = re.fullmatch(_PEOPLE["name"], printed)
    if match is None or re.search(_PEOPLE["organisation"], printed):
        return {"literal": printed}
    initials = re.sub(r"([A-Z])(?!$|-)", r"\1. ", match["given"]).replace("-", ".-")
    return {"family": match["family"], "given": f"{initials}."}


def _container(container: str | None) -> tuple[str | None, dict[str, str]]:
    """Return the name of a container, and volume, issue and pages as far as they are printed."""
    matches = (re.fullmatch(_PRINTED[name], container or "") for name in _CONTAINERS)
    match = next(filter(None, matches), None)
    if match is None:
        return container, {}
    parts = {name: text for name, text in match.groupdict().items() if text}
    return parts.pop("title"), parts


def _note(record: Citation) -> str:
    """Say what has no field of its own: what was seen of a source, and what is unverified."""
    said = {
        "Licence": [record.identifiers.get("licence", "")],
        "Seen": [record.seen or ""],
        "Unverified": list(record.unverified),
        "Same document as": list(record.same),
    }
    parts = [
        f"{what}: {text.rstrip('.')}." for what, texts in said.items() for text in texts if text
    ]
    return " ".join(parts)


def as_bibtex(records: Iterable[Citation]) -> str:
    """Write records as BibTeX, in UTF-8 as BibLaTeX and today's BibTeX styles read it."""
    return "\n".join(_bibtex(record) for record in records)


def _bibtex(record: Citation) -> str:
    title, parts = _container(record.container)
    kind = _WRITTEN["types"][record.kind]["bibtex"]
    if title is None and kind["type"] in ("article", "incollection", "inproceedings"):
        kind = _WRITTEN["types"]["document"]["bibtex"]
    fields = {
        "title": f"{{{record.title.translate(_TEX)}}}",
        "author": " and ".join(map(_bibtex_name, _authors(record))),
        "editor": " and ".join(_bibtex_name(_name(name)) for name in record.editors),
        "year": record.year,
        kind["container"]: title and title.translate(_TEX),
        kind["publisher"]: record.publisher and record.publisher.translate(_TEX),
        **{_WRITTEN["bibtex"][name]: text.replace("-", "--") for name, text in parts.items()},
        **{name: record.identifiers.get(name.upper()) for name in ("doi", "pmid", "pmcid")},
        "url": record.identifiers.get("URL", "").translate(_IN_URL),
        "note": _note(record).translate(_TEX),
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind['type']}{{{record.key},", *lines, "}"]) + "\n"


def _bibtex_name(name: _Name) -> str:
    if "literal" in name:
        text = name["literal"]
        return "others" if text == _AND_OTHERS else f"{{{text.translate(_TEX)}}}"
    return f"{name['family'].translate(_TEX)}, {name['given']}"
