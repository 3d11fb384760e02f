"""The labels of records, composed from their parts."""

from __future__ import annotations

from collections.abc import Mapping

from kg.build.tables import Row, term_of
from kg.namespaces import DGD

_NEGATED = DGD + "polarity/negated"


def label(row: Row, labels: Mapping[str, str]) -> str | None:
    """Compose the label of a record; None for records that come with one or need none.

    Args:
        row: a row of any table.
        labels: labels by IRI.
    """
    if "predicate" in row.cells:
        return sentence(row, labels)
    if "wavelength_nm" in row.cells:
        spectrum = labels.get(f"{DGD}spectrum/{row.cells['spectrum']}", row.cells["spectrum"])
        return f"{spectrum} at {row.cells['wavelength_nm']} nm"
    if "parameter" in row.cells:
        parameter = labels.get(str(term_of(row.cells["parameter"])), row.cells["parameter"])
        return f"{parameter} {_figure(row.cells) or row.cells.get('reported', '')}".rstrip()
    if row.subject.startswith(f"{DGD}gap/"):
        return f"evidence gap {row.cells['id']}"
    if row.subject.startswith(f"{DGD}disagreement/"):
        return f"disagreement on {row.cells['topic']}"
    return None


def sentence(row: Row, labels: Mapping[str, str]) -> str:
    """Say in one sentence what a claim says and where from.

    Args:
        row: a row of a claims table.
        labels: labels by IRI; what has none is called by its prefixed name.

    Returns:
        For example `carbon dioxide laser has interaction mode ablative [JCAS_CO2]`.
    """

    def called(short: str) -> str:
        return labels.get(str(term_of(short)), short)

    cells = row.cells
    negated = str(term_of(cells["polarity"])) == _NEGATED
    said = [called(name) for name in cells.get("object", "").split("|") if name]
    if "object_text" in cells and not said:
        said.append(cells["object_text"])
    figure = _figure(cells)
    if figure:
        said.append(f"({figure})" if said else figure)
    predicate = called(cells["predicate"])
    start = "negated: " if negated else ""
    return f"{start}{called(cells['subject'])} {predicate} {_listed(said)} [{cells['source']}]"


def _listed(parts: list[str]) -> str:
    *terms, last = parts or [""]
    if last.startswith("(") and terms:
        return f"{', '.join(terms)} {last}"
    return ", ".join([*terms, last])


def _figure(cells: Mapping[str, str]) -> str:
    """Give the figures of a claim in short form, such as `12/63 = 19%` or `10 to 50 um`."""
    parts = []
    if "reported_percentage" in cells:
        parts.append(f"{cells['reported_percentage']}%")
    if "event_count" in cells and "sample_size" in cells:
        parts.append(f"{cells['event_count']} of {cells['sample_size']}")
    elif "sample_size" in cells:
        parts.append(f"n = {cells['sample_size']}")
    quantity = _quantity(cells)
    if quantity:
        unit = cells.get("unit", "")
        shown = "" if unit in ("1", "") else f" {unit.strip('{}')}"
        parts.insert(0, quantity + shown)
    return ", ".join(parts)


def _quantity(cells: Mapping[str, str]) -> str:
    low, high = cells.get("minimum"), cells.get("maximum")
    if low is not None and high is not None:
        bounds = f"{low} to {high}"
    elif high is not None:
        bounds = f"at most {high}"
    elif low is not None:
        bounds = f"at least {low}"
    else:
        bounds = ""
    value = cells.get("value", "").replace("|", " and ")
    return f"{value} ({bounds})" if value and bounds else value or bounds
