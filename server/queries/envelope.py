"""The answer of a canned query as plain JSON: rows of numbers, texts, terms and lists, gaps apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from rdflib import URIRef

from kg.catalogue.canned_queries import CannedQuery
from kg.catalogue.columns import Column
from kg.engine import Answer, Term
from kg.rdf import jsonld
from kg.rdf.namespaces import BASE, DGD, PREFIXES, expand
from server.context import Snapshot, public_url
from server.protocol.errors import CursorExpired, ParameterRefused
from server.protocol.parameters import Parameters

LICENCE: Final = "https://creativecommons.org/licenses/by/4.0/"
NOTICE: Final = "What published sources report, with its limits; no medical advice."

PAGING: Final = ("limit", "cursor", "sort", "fields")
"""Parameters of every answer in plain JSON, which say what of it is wanted."""

_NUMBERS: Final = {"integer": int, "year": int, "decimal": float, "double": float}
_GAP: Final = re.compile(r"(G\d+): (.*)", re.DOTALL)


class Envelope:
    """Makes the document of one answer.

    Args:
        snapshot: what the request sees.
        found: the query.
        bindings: its parameters, as understood.
        paging: the parameters in PAGING, as given.

    Raises:
        ParameterRefused: a parameter for paging is not right.
        CursorExpired: the data are of another version than the page before.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        found: CannedQuery,
        bindings: Mapping[str, Term],
        paging: Parameters,
    ) -> None:
        self._snapshot, self._found, self._bindings = snapshot, found, bindings
        self._paging = {name: paging.at_most_once(name) for name in PAGING}
        self._address = f"{public_url()}/queries/{found.name}"
        self._answers = f"{self._address}/answer"
        if found.collection:
            self._answers = f"{public_url()}/collections/{found.collection}"
        # What is wrong with them is told before the query is run.
        self._begin = self._offset(self._paging["cursor"])
        self._size = paging.number("limit", 999_999_999)

    def document(self, answer: Answer) -> dict[str, Any]:
        """Return the document of an answer in SPARQL JSON.

        Raises:
            ParameterRefused: there is no such column to sort by, or to show.
        """
        _, solutions = answer.solutions()
        columns = self._found.keys
        facts = [each for each in solutions if "gap" not in each]
        rows = [self._row(each, columns) for each in facts]
        gaps = [self._gap(each, columns) for each in solutions if "gap" in each]
        columns.pop("gap", None)
        fields, shown, after = self._page(rows, columns)
        paging = {**self._paging, "format": "json"}
        document = {
            "query": {"name": self._found.name, "title": self._found.title, "url": self._address},
            "parameters": {
                each.name: self._value(self._bindings[each.name], each.unit)
                for each in self._found.parameters
                if each.name in self._bindings
            },
            "version": answer.version,
            "release": self._snapshot.graph.release,
            "licence": LICENCE,
            "citation": f"Dermograph {self._snapshot.graph.release}, data version {answer.version},"
            f" {self._found.title} {self._link()}",
            "notice": NOTICE,
            "count": len(rows),
            "columns": fields,
            "rows": shown,
            "gaps": gaps,
            "links": {
                "self": self._link(**paging),
                "next": self._link(**{**paging, "cursor": after}) if after else None,
                "csv": self._link(format="csv"),
                "page": self._link(format="html"),
                "query": self._address,
                "sparql": self._link(self._address, format="sparql"),
            },
        }
        return self._as_jsonld(document) if self._found.collection else document

    def _as_jsonld(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document whose rows are nodes of JSON-LD, each with what is stated of its thing."""
        known = jsonld.Context.published(self._snapshot.settings.context_url or public_url())
        terms: dict[str, Any] = {**dict.fromkeys(document), "rows": "@included"}
        for key, column in self._found.keys.items():
            # What a source is called here is its title, no label.
            iri = column.type in ("iri", "iris") and {"@type": "@id", "@context": {"label": None}}
            kind = iri or {"@type": f"{PREFIXES['xsd']}{column.datatype}"}
            stated = column.predicate and {"@id": expand(column.predicate), **kind}
            terms |= {} if key in ("id", "label", "definition") else {key: stated or None}
        return {"@context": [known.iri, terms], **document}

    def _row(self, solution: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
        return {key: self._cell(solution, each) for key, each in columns.items() if key != "gap"}

    def _cell(self, solution: Mapping[str, Any], column: Column) -> Any:
        """Return what stands in a column, with the labels beside it."""
        value, key = solution.get(column.name, {"value": ""})["value"], column.key
        if column.separator:
            parts = value.split(column.separator) if value else []
            if column.name == key:
                return parts
            labels = solution[key]["value"].split(column.separator) if value else []
            return [{"id": iri, "label": name} for iri, name in zip(parts, labels, strict=True)]
        if column.type == "iri":
            beside = solution.get(f"{key}_label", solution.get(f"{key}_title"))
            label = beside["value"] if beside else self._label(value)
            return {"id": value or None, "label": label} if value or label else None
        if not value or column.type == "boolean":
            return value == "true" if value else None
        return _NUMBERS.get(column.type, str)(value)

    def _gap(self, solution: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
        """Return what is not known, with what it is about; without what a gap never has."""
        recorded = _GAP.fullmatch(solution["gap"]["value"])
        row = self._row(solution, columns)
        about = {key: value for key, value in row.items() if value not in (None, [])}
        return {
            "id": f"{DGD}gap/{recorded[1]}" if recorded else None,
            "text": recorded[2] if recorded else solution["gap"]["value"],
            **about,
        }

    def _label(self, iri: str) -> str | None:
        thing = self._snapshot.graph.names.thing(iri) if iri.startswith(BASE) else None
        return thing.label if thing else None

    def _value(self, term: Term, unit: str | None) -> Any:
        if isinstance(term, URIRef):
            return {"id": str(term), "label": self._label(str(term))}
        value = term.toPython()
        value = value if isinstance(value, bool | int | str) else float(str(term))
        return {"value": value, "unit": unit} if unit else value

    def _link(self, address: str = "", /, **others: str | None) -> str:
        values = {name: str(term) for name, term in self._bindings.items()}
        pairs = {**values, **{name: value for name, value in others.items() if value}}
        return (address or self._answers) + (f"?{urlencode(pairs)}" if pairs else "")

    def _page(
        self, rows: list[dict[str, Any]], columns: Iterable[str]
    ) -> tuple[list[str], list[dict[str, Any]], str | None]:
        """Return the columns and rows that are asked for, and the cursor of the rows after them."""
        known = list(columns)
        either_way = [*known, *(f"-{name}" for name in known)]
        for key in reversed(_named("sort", self._paging["sort"], either_way)):
            name = key.removeprefix("-")
            rows = sorted(rows, key=lambda row: _rank(row[name]), reverse=key != name)
            rows.sort(key=lambda row: row[name] in (None, []))  # what is missing comes last
        fields = _named("fields", self._paging["fields"], known) or known
        end = self._begin + (self._size or len(rows))
        shown = [{name: row[name] for name in fields} for row in rows[self._begin : end]]
        return fields, shown, f"{self._snapshot.version}.{end}" if end < len(rows) else None

    def _offset(self, cursor: str | None) -> int:
        if cursor is None:
            return 0
        found = re.fullmatch(r"(.+)\.(\d{1,9})", cursor, re.ASCII)
        if found is None:
            raise ParameterRefused("cursor", "cursor: take it from links.next of the page before.")
        if found[1] != self._snapshot.version:
            raise CursorExpired(
                "The data have changed since the page before, so the pages no longer fit together.",
                hint=f"Begin again: {self._link(**{**self._paging, 'cursor': None})}",
            )
        return int(found[2])


def _named(parameter: str, given: str | None, known: Sequence[str]) -> list[str]:
    """Return the columns that a parameter names."""
    names = [each for each in (given or "").split(",") if each]
    for name in names:
        if name not in known:
            columns = ", ".join(each for each in known if each[0] != "-")
            detail = f"{parameter}: there is no column {name[:80]!r}."
            raise ParameterRefused(parameter, detail, hint=f"The columns are {columns}.")
    return names


def _rank(value: Any) -> tuple[bool, Any]:
    """Return what a cell is sorted by: numbers, then texts."""
    if isinstance(value, dict):
        value = value["label"] or value["id"]
    if isinstance(value, list):
        value = "; ".join(each if isinstance(each, str) else each["label"] for each in value)
    is_text = isinstance(value, str)
    return is_text, value.casefold() if is_text else value or 0
