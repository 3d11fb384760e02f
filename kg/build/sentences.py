"""What the build composes from the cells of a record: its label, and the names of its creators."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rdflib import RDFS, Literal, URIRef

from kg.build import phrases
from kg.build.tables import Row, Table, Triple, term_of
from kg.namespaces import DGD, PREFIXES

_NEGATED: Final = DGD + "polarity/negated"
_CREATOR: Final = URIRef(PREFIXES["dcterms"] + "creator")
_AND_OTHERS: Final = "et al."

Labels = Mapping[str, str]
"""Labels by IRI."""


def composed(tables: Iterable[Table], labels: Labels) -> Iterator[tuple[Table, Triple]]:
    """Compose what the rows of tables say as a whole, with the table that each triple is from.

    Args:
        tables: all tables, since the settings of a claim stand in a table of their own.
        labels: labels of what the rows name.
    """
    tables = list(tables)
    settings: defaultdict[str, list[str]] = defaultdict(list)
    for row in (row for table in tables for row in table.rows if "parameter" in row.cells):
        settings[row.cells["claim"]].append(_setting(row, labels))
    for table in tables:
        for row in table.rows:
            text = label(row, labels, settings.get(row.cells.get("id", ""), ()))
            if text is not None:
                yield table, (row.subject, RDFS.label, Literal(text, lang="en"))
            for name in creators(row):
                yield table, (row.subject, _CREATOR, Literal(name))


def creators(row: Row) -> list[str]:
    """Give each creator of a source by name, without those that are not named."""
    if "study_design" not in row.cells:
        return []
    names = row.cells.get("creator", "").split("; ")
    return [name for name in dict.fromkeys(names) if name not in ("", _AND_OTHERS)]


def label(row: Row, labels: Labels, settings: Iterable[str] = ()) -> str | None:
    """Compose the label of a record; None for records that come with one or need none.

    Args:
        row: a row of any table.
        labels: labels of what the row names.
        settings: the labels of its settings, if it is a claim.
    """
    if "predicate" in row.cells:
        return sentence(row, labels, settings)
    if "wavelength_nm" in row.cells:
        spectrum = labels.get(f"{DGD}spectrum/{row.cells['spectrum']}", row.cells["spectrum"])
        return f"{spectrum} at {row.cells['wavelength_nm']} nm"
    if "parameter" in row.cells:
        return _setting(row, labels)
    if row.subject.startswith(f"{DGD}gap/"):
        topics = _called(row.cells["topic"], labels)
        return f"gap {row.cells['id']} in the evidence on {topics}"
    if row.subject.startswith(f"{DGD}disagreement/"):
        return f"disagreement on {row.cells['topic']}"
    return None


def sentence(row: Row, labels: Labels, settings: Iterable[str] = ()) -> str:
    """Say in one sentence what a claim says, under which conditions, and where from.

    Args:
        row: a row of a claims table.
        labels: labels of what it names; what has none is called by its prefixed name.
        settings: the labels of its settings.

    Returns:
        For example `CO2 laser has interaction mode ablative [JCAS_CO2]`.
    """
    cells = row.cells
    said = _said(cells, labels)
    limits = dict.fromkeys((*_limits(cells, labels, said), *settings))
    return "; ".join([said, *limits]) + f" [{cells['source']}]"


def _said(cells: Mapping[str, str], labels: Labels) -> str:
    denied = str(term_of(cells["polarity"])) == _NEGATED
    subject, predicate = (_called(cells[name], labels) for name in ("subject", "predicate"))
    text = cells.get("object_text", "")
    objects = _called(cells.get("object", ""), labels, "or" if denied else "and")
    relates = bool(objects) or not _quantity(cells, "")
    pattern = phrases.pattern_of(cells["predicate"], relates=relates)
    before, what = pattern.split("{s}")
    figure = _figure(cells, labels, predicate if "{p}" in what else "")
    is_told = figure or phrases.is_optional("f", what)
    slots = {
        "p": predicate,
        "o": objects or text,
        "a": "an" if re.match("[aeiou]|Er:", objects or text) else "a",
        "t": text or objects,
        "f": figure if is_told else objects or text,
    }
    said = phrases.filled(what, slots)
    rest = [
        each for each in (_besides(what, slots), "" if figure else _size(cells, labels)) if each
    ]
    said += f" ({', '.join(rest)})" if rest else ""
    return before + phrases.stated(subject, said, denied=denied)


def _besides(pattern: str, slots: Mapping[str, str]) -> str:
    """Give what a sentence has no slot for: the figure, or the objects or wording beside it."""
    if "{f}" not in pattern:
        return slots["f"]
    if "{o}" in pattern and slots["f"]:
        return ""
    rest = slots["o"] if slots["f"] else slots["t"]
    return "" if rest in phrases.filled(pattern, slots) else rest


def _called(names: str, labels: Labels, joint: str = "and") -> str:
    """Give the terms of a cell by their labels."""
    found = [labels.get(str(term_of(name)), name) for name in names.split("|") if name]
    return phrases.listed(found, joint) if found else ""


_LIMITS: Final = {
    "strength": "{}",
    "phase": "{}",
    "condition": "for {}",
    "outcome_measure": "outcome: {}",
    "comparator": "compared with {}",
    "laser": "with {}",
    "technique": "{}",
    "body_site": "{}",
    "specimen": "in {}",
    "sex": "{}",
    "ancestry": "{}",
}
"""How the terms that limit a claim are worded, in the order of the sentence."""

_UNSAID: Final = ("", "dgd:specimen/human-in-vivo", "dgd:strength/unspecified")
"""What goes without saying."""

_REPEATED: Final = ("condition", "outcome_measure", "comparator")
"""What need not be said again where the sentence has named it."""


def _limits(cells: Mapping[str, str], labels: Labels, said: str) -> Iterator[str]:
    """Give in words what limits a claim, slot by slot."""
    for column, wording in _LIMITS.items():
        cell = cells.get(column, "")
        words = _called(cell, labels)
        if cell not in _UNSAID and not (column in _REPEATED and words in said):
            yield wording.format(words)
    if "skin_type" in cells:
        yield _skin_types(cells["skin_type"])
    youngest, oldest = cells.get("age_minimum"), cells.get("age_maximum")
    if youngest or oldest:
        ages = youngest if youngest == oldest else _between(youngest, oldest, "")
        yield f"age {ages} years"
    if "follow_up" in cells:
        yield f"follow-up {phrases.duration(cells['follow_up'])}"


def _skin_types(cell: str) -> str:
    """Give skin types in short: `skin type IV`, `skin types III and IV`, `skin types I to III`."""
    first, *others = [name.rpartition("/")[2] for name in cell.split("|")]
    if not others:
        return f"skin type {first}"
    return f"skin types {first} {'to' if others[1:] else 'and'} {others[-1]}"


def _setting(row: Row, labels: Labels) -> str:
    """Give the label of a setting, such as `pulse duration 10 ms (envelope)`.

    Neither the parameter nor the wording of the source says again what the other says.
    """
    parameter = _called(row.cells["parameter"], labels)
    figure, wording = _quantity(row.cells, parameter), row.cells.get("reported", "")
    words = [set(text.replace("-", " ").lower().split()) for text in (parameter, wording)]
    if figure:
        said = f"{parameter} {figure}"
    elif words[1] <= words[0]:
        said = parameter
    else:
        said = wording if words[0] <= words[1] else f"{parameter}: {wording}"
    return said + (f" ({row.cells['note']})" if "note" in row.cells else "")


def _figure(cells: Mapping[str, str], labels: Labels, head: str = "") -> str:
    """Give the figures of a claim in short, such as `19%, 12 of 63 patients`.

    How many were examined is no figure by itself.
    """
    share = f"{cells['reported_percentage']}%" if "reported_percentage" in cells else ""
    events, size = cells.get("event_count"), _everyone(cells, labels)
    parts = [_quantity(cells, head), share]
    if events and size:
        parts.append(f"{events} of {size}")
    elif share and size:
        parts[-1] = f"{share} of {size}"
    elif parts[0]:
        parts.append(_size(cells, labels))
    return ", ".join(part for part in parts if part)


def _everyone(cells: Mapping[str, str], labels: Labels) -> str:
    """Give the sample with its unit of analysis: `63 patients`."""
    size, unit = cells.get("sample_size", ""), _called(cells.get("unit_of_analysis", ""), labels)
    return f"{size} {unit if size == '1' else phrases.plural(unit)}" if size and unit else size


def _size(cells: Mapping[str, str], labels: Labels) -> str:
    everyone = _everyone(cells, labels)
    return f"n = {everyone}" if everyone else ""


_STATISTICS: Final = {
    "dgd:statistic/mean": "{} on average",
    "dgd:statistic/mean-difference": "mean difference {}",
    "dgd:statistic/weighted-mean-difference": "weighted mean difference {}",
    "dgd:statistic/relative-risk": "relative risk {}",
    "dgd:statistic/odds-ratio": "odds ratio {}",
    "dgd:statistic/approximate": "about {}",
    "dgd:statistic/fold-change": "{}-fold",
}
"""How a number is worded by what it is."""


def _quantity(cells: Mapping[str, str], head: str) -> str:
    """Give value and bounds with their unit; empty if there is no number."""
    low, high = cells.get("minimum"), cells.get("maximum")
    bounds = _between(low, high, cells.get("reported", "")) if low or high else ""
    values = phrases.listed([phrases.number(each) for each in cells.get("value", "0").split("|")])
    main = values if "value" in cells else bounds
    if not main:
        return ""
    kind = cells.get("bounds", "")
    wording = "{}" if kind == _MEAN_SD else _STATISTICS.get(cells.get("statistic", ""), "{}")
    shown = wording.format(phrases.with_unit(main, cells.get("unit", ""), head))
    return f"{shown}, {_KINDS.get(kind, 'from ')}{bounds}" if bounds and main != bounds else shown


_MEAN_SD: Final = "dgd:bounds/mean-sd"
_KINDS: Final = {"dgd:bounds/confidence-interval-95": "95% CI ", _MEAN_SD: "mean ± SD "}
"""What bounds around a value are, where it is not their range."""


def _between(low: str | None, high: str | None, reported: str) -> str:
    """Give bounds in words; whether a limit itself is meant is told by how it is printed."""
    strict = re.search(r"[<>](?!=)|\b(?:less|more|over|under)\b", reported)
    if low and high:
        return f"{phrases.number(low)} to {phrases.number(high)}"
    if high:
        return f"{'less than' if strict else 'at most'} {phrases.number(high)}"
    return f"{'more than' if strict else 'at least'} {phrases.number(low or '')}"
