"""What the build composes from the cells of a record: its label, and the names of its creators."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rdflib import DCTERMS, RDFS, Literal

from kg.builder.derive.figures import counts_of, counts_patients, wilson_interval
from kg.builder.label import phrases
from kg.builder.label.phrases import WORDS
from kg.builder.read.tables import SourceTable, TableRow
from kg.builder.read.terms import Triple, term_of
from kg.rdf.namespaces import DGD

_AND_OTHERS: Final = "et al."
_PAUSE: Final = "dg:TimeBeforeTreatment"

Labels = Mapping[str, str]
"""Labels by IRI."""


def composed(tables: Iterable[SourceTable], labels: Labels) -> Iterator[tuple[SourceTable, Triple]]:
    """Compose what the rows of tables say as a whole, with the table that each triple is from.

    Args:
        tables: all tables, since the settings of a claim stand in a table of their own.
        labels: labels of what the rows name.
    """
    tables = list(tables)
    settings: defaultdict[str, list[TableRow]] = defaultdict(list)
    for row in (row for table in tables for row in table.rows if "parameter" in row.cells):
        settings[row.cells["claim"]].append(row)
    for table in tables:
        for row in table.rows:
            text = label(row, labels, settings.get(row.cells.get("id", ""), ()))
            if text is not None:
                yield table, (row.subject, RDFS.label, Literal(text, lang="en"))
            for name in creators(row):
                yield table, (row.subject, DCTERMS.creator, Literal(name))


def creators(row: TableRow) -> list[str]:
    """Return each creator of a source by name, without those that are not named."""
    if "study_design" not in row.cells:
        return []
    names = row.cells.get("creator", "").split("; ")
    return [name for name in dict.fromkeys(names) if name not in ("", _AND_OTHERS)]


def label(row: TableRow, labels: Labels, settings: Iterable[TableRow] = ()) -> str | None:
    """Compose the label of a record; None for records that come with one or need none.

    Args:
        row: a row of any table.
        labels: labels of what the row names.
        settings: the rows of its settings, if it is a claim.
    """
    if "predicate" in row.cells:
        return sentence(row, labels, settings)
    if "wavelength_nm" in row.cells:
        spectrum = labels.get(f"{DGD}spectrum/{row.cells['spectrum']}", row.cells["spectrum"])
        return f"{spectrum} at {row.cells['wavelength_nm']} nm"
    if "parameter" in row.cells:
        return _setting(row, labels)
    if row.subject.startswith(f"{DGD}gap/"):
        return f"gap {row.cells['id']} in the evidence on {_called(row.cells['topic'], labels)}"
    if row.subject.startswith(f"{DGD}disagreement/"):
        return f"disagreement on {row.cells['topic']}"
    return None


def sentence(row: TableRow, labels: Labels, settings: Iterable[TableRow] = ()) -> str:
    """Say in one sentence what a claim says, under which conditions, and where from.

    Args:
        row: a row of a claims table.
        labels: labels of what it names; what has none is called by its prefixed name.
        settings: the rows of its settings.

    Returns:
        For example `CO2 laser has interaction mode ablative [JCAS_CO2]`.
    """
    cells, settings = row.cells, list(settings)
    said = _said(cells, labels, settings)
    limits = dict.fromkeys(
        [*_limits(cells, labels, said), *(_setting(each, labels) for each in settings)]
    )
    return "; ".join([said, *limits]) + f" [{cells['source']}]"


def _said(cells: Mapping[str, str], labels: Labels, settings: list[TableRow]) -> str:
    finding, advice, hedge = (
        cells.get(name, "").rpartition("/")[2] for name in ("finding", "recommendation", "hedge")
    )
    is_hedged, key = hedge in ("hedged", "authors-suggestion"), cells["predicate"]
    is_denied = finding == "not-observed" and key != "dg:cannotTreat"
    subject, predicate = (_called(cells[name], labels) for name in ("subject", "predicate"))
    objects, text = _objects(cells, labels, denied=is_denied), cells.get("object_text", "")
    outcome = _called(cells.get("outcome_measure", ""), labels)
    named = {"s": subject, "o": objects or text, "m": outcome}
    figure = _figure(cells, labels, predicate)
    against = _called(cells.get("comparator", ""), labels)
    if cells.get("effect", "").endswith("/from-baseline"):
        against = "before"
    said = phrases.found(key, named, finding, figure, against, hedged=is_hedged)
    rest = [text]
    if said:
        if is_denied and cells.get("event_count") == "0" and counts_patients(cells):
            limit = 100 * wilson_interval(0, int(cells["sample_size"]))[1]
            said = said.removesuffix(")") + f"; not ruled out up to {limit:.1f}%)"
    elif said := phrases.advised(key, advice, named, cells.get("strength", "")):
        waits = key == "dg:hasContraindication"
        is_text = waits or advice == "wait-at-least" or key == "dg:hasParameter"
        # How long to wait before treatment, where a setting says it.
        pauses = [each.cells for each in settings if each.cells["parameter"] == _PAUSE]
        waited = _quantity(pauses[0], "") if waits and pauses else ""
        time = waited or figure or ("" if is_text else text)
        said = said.replace("{f}", time).replace("  ", " ").strip()
        rest = [figure, text]
    else:
        # Whether the claim names or words an object, and does not only give a quantity.
        relates = objects or not _quantity(cells, "")
        pattern = WORDS["patterns"].get(key, "{s} {p} {o}" if relates else "{s} {p} {f}")
        before, what = pattern.split("{s}")
        figure = figure if "{p}" in what else _figure(cells, labels)
        is_optional = "{f}" not in re.sub(r"\[[^]]*\]", "", what)  # which stands in brackets
        slots = {
            "p": predicate,
            "o": objects or text,
            "a": "an" if re.match("[aeiou]|Er:", objects or text) else "a",
            "t": text or objects,
            "f": figure if figure or is_optional else objects or text,
        }
        said = phrases.filled(what, slots)
        rest = [text if objects else "", _besides(what, slots)]
        said = before + phrases.stated(subject, said, denied=is_denied, hedged=is_hedged)
    # How many were studied stands beside every figure, once: "9 of 63 patients" has said it.
    counted = re.escape(_counted(cells, labels))
    if not re.search(rf"(of|=) {counted}(?!\w)", " ".join([said, *rest])):
        rest.append(_size(cells, labels))
    rest = [each for each in dict.fromkeys(rest) if each and each not in said]
    return said + (f" ({', '.join(rest)})" if rest else "")


def _objects(cells: Mapping[str, str], labels: Labels, *, denied: bool) -> str:
    """Return the objects in words: each, one or the other, or all together."""
    combination = cells.get("objects", "").rpartition("/")[2]
    several = _called(
        cells.get("object", ""), labels, "or" if denied or combination == "either" else "and"
    )
    return f"{several} together" if combination == "together" and not denied else several


def _besides(pattern: str, slots: Mapping[str, str]) -> str:
    """Return what a sentence has no slot for: the figure, or the objects or wording beside it."""
    if "{f}" not in pattern:
        return slots["f"]
    if "{o}" in pattern and slots["f"]:
        return ""
    rest = slots["o"] if slots["f"] else slots["t"]
    return "" if rest in phrases.filled(pattern, slots) else rest


def _called(names: str, labels: Labels, joint: str = "and") -> str:
    """Return the terms of a cell by their labels."""
    found = [labels.get(str(term_of(name)), name) for name in names.split("|") if name]
    return phrases.listed(found, joint) if found else ""


def _limits(cells: Mapping[str, str], labels: Labels, said: str) -> Iterator[str]:
    """Yield what limits a claim in words, slot by slot."""
    for column, wording in WORDS["limits"].items():
        cell = cells.get(column, "")
        words = _called(cell, labels)
        told = words.partition(" ")[0] if column == "strength" else words
        if cell not in WORDS["unsaid"] and not (column in WORDS["repeated"] and told in said):
            yield wording.format(words)
    if "skin_type" in cells:
        yield _skin_types(cells["skin_type"])
    low, high = cells.get("age_minimum"), cells.get("age_maximum")
    if low or high:
        ages = low if low == high else _between(low, high, cells.get("circumstances", ""))
        yield f"age {ages} years"
    for column, wording in WORDS["beside"].items():
        if column in cells and (text := wording.format(cells[column])) not in said:
            yield text
    if (hedge := cells.get("hedge", "").rpartition("/")[2]) in WORDS["hedges"]:
        yield WORDS["hedges"][hedge]


def _skin_types(cell: str) -> str:
    """Return skin types in short: `skin type IV`, `skin types III and IV`, or `I to III`."""
    first, *others = [name.rpartition("/")[2] for name in cell.split("|")]
    if not others:
        return f"skin type {first}"
    return f"skin types {first} {'to' if others[1:] else 'and'} {others[-1]}"


def _setting(row: TableRow, labels: Labels) -> str:
    """Return the label of a setting, such as `pulse duration 10 ms (envelope)`.

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
    note = row.cells.get("note", "")
    return said + (f" ({note})" if note and note not in said else "")


def _figure(cells: Mapping[str, str], labels: Labels, head: str = "") -> str:
    """Return the figures of a claim in short, such as `19%, 12 of 63 patients`.

    How many were examined is no figure by itself.
    """
    share = _share(cells)
    events, size = cells.get("event_count"), _counted(cells, labels)
    parts = [_quantity(cells, head), share]
    if events and "sample_size" in cells:
        parts.append(f"{events} of {size}")
    elif events:
        parts.append(f"seen in {_counted(cells, labels, 'event_count')}")
    elif share and size:
        parts[-1] = f"{share} of {size}" + _computed(cells)
    elif parts[0]:
        parts.append(_size(cells, labels))
    figure = ", ".join(part for part in parts if part)
    if figure and "about" not in figure and re.match("about|approx", cells.get("reported", "")):
        return f"about {figure}"
    return figure or re.sub(r"[ ,]*\(?[Pp] ?[<=>][^)]*\)?", "", cells.get("reported", ""))


def _share(cells: Mapping[str, str]) -> str:
    """Return the percentage that is reported, as a number, range or limit."""
    if "reported_percentage" in cells:
        return f"{cells['reported_percentage']}%"
    low, high = (cells.get(f"reported_percentage_{end}") for end in ("minimum", "maximum"))
    return f"{_between(low, high, cells.get('reported', ''))}%" if low or high else ""


def _computed(cells: Mapping[str, str]) -> str:
    """Return the count behind a printed percentage in brackets, as far as it can be known."""
    is_printed = cells.get("frequency_origin", "").endswith("/printed")
    if not is_printed or not {"reported_percentage", "sample_size"} <= cells.keys():
        return ""
    found = counts_of(cells["reported_percentage"], int(cells["sample_size"]))
    if not found:
        return " (no whole number fits)"
    return f" ({' to '.join(map(str, sorted({found[0], found[-1]})))}, computed)"


def _counted(cells: Mapping[str, str], labels: Labels, column: str = "sample_size") -> str:
    """Return a number with its unit of analysis: `63 patients`; without a number, `patients`."""
    size, counted = cells.get(column, ""), cells.get("unit_of_analysis", "")
    unit = "" if counted in WORDS["uncounted"] else _called(counted, labels)
    if unit and size != "1":
        unit = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{size} {unit}".strip()


def _size(cells: Mapping[str, str], labels: Labels) -> str:
    return f"n = {_counted(cells, labels)}" if "sample_size" in cells else ""


def _quantity(cells: Mapping[str, str], head: str) -> str:
    """Return value and bounds with their unit; empty if there is no number."""
    low, high = cells.get("minimum"), cells.get("maximum")
    bounds = _between(low, high, cells.get("reported", "")) if low or high else ""
    if bounds and re.search(r"\d0s$", cells.get("reported", "")):  # which years, none says
        bounds = f"the {cells['reported']}"
    joint = "or" if re.search(r"\d\S* or \d", cells.get("reported", "")) else "and"
    each_value = [phrases.number(each) for each in cells.get("value", "0").split("|")]
    values = phrases.listed(each_value, joint)
    if not (main := values if "value" in cells else bounds):
        return ""
    kind, kinds = cells.get("bounds", "").rpartition("/")[2], WORDS["bounds"]
    statistic = "" if kind == "mean-sd" else cells.get("statistic", "").rpartition("/")[2]
    wording = str(WORDS["statistics"].get(statistic, "{}"))
    shown = wording.format(phrases.with_unit(main, cells.get("unit", ""), head))
    if not bounds or main == bounds:
        return shown
    return f"{shown} ({kinds[kind]} {bounds})" if kind in kinds else f"{shown}, from {bounds}"


def _between(low: str | None, high: str | None, reported: str) -> str:
    """Return bounds in words; whether a limit itself is meant is told by how it is printed."""
    strict = re.search(r"[<>](?!=)|(?<!or )\b(?:less|more|over|under|below|above)\b", reported)
    if low and high:
        return f"{phrases.number(low)} to {phrases.number(high)}"
    if high:
        most = "up to" if re.search("up to|as high as", reported) else "at most"
        return f"{'less than' if strict else most} {phrases.number(high)}"
    return f"{'more than' if strict else 'at least'} {phrases.number(low or '')}"
