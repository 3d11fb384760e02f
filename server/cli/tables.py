"""Rows on a terminal: a table as wide as it is or, where that does not do, one record a block."""

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import click

from kg.catalogue.canned_queries import as_text
from kg.rdf.namespaces import curie
from kg.results import Rows, Value
from kg.search.folding import like
from server import data

_PLACES: Final = {row["column"]: int(row["place"]) for row in data.rows("columns")}
"""Where the columns of canned queries stand: 1 (what is not listed), what a row is of; 2 what it says,
which has its qualifiers and its source; 3 and 4 the figure; 5 the study; then what goes first."""
_IF_IT_FITS: Final = 6
"""From this place on, columns of a table go where it is too wide, the last first."""
_ASIDE: Final = 7
"""The place of columns that blocks are without where the sentence of a claim says it too."""
_ENOUGH: Final = 22
"""The width at which a column has room enough (a judgement: longer text is wrapped)."""
_BETWEEN: Final = 3
"""The width of what stands between the texts of two columns."""
_ROWS: Final = 50
"""How many rows a terminal shows unless told otherwise: what a person scrolls through; a judgement."""


def told(line: str, indent: int = 4) -> None:
    """Print a line, on a terminal folded between words; what follows is indented by some columns."""
    width = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and len(line) > width:
        inner = " " * (indent if indent < width // 2 else 4)
        line = textwrap.fill(line, width, subsequent_indent=inner, break_on_hyphens=False)
    click.echo(line)


def check_columns(chosen: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse columns that an answer has not.

    Raises:
        click.UsageError: names one, and those that there are.
    """
    for name in chosen:
        if name not in columns:
            near = like(name, columns, 1)
            meant = f"Did you mean {near[0]}? " if near else ""
            there = f"{meant}The columns are: {', '.join(columns)}."
            raise click.UsageError(f"There is no column {name!r}. {there}")


def print_rows(rows: Rows, chosen: Sequence[str], *, everything: bool, canned: bool) -> None:
    """Print rows as a table or, where it does not fit, as blocks; say on stderr what is left out.

    Args:
        rows: the rows.
        chosen: the columns to show, in order; empty: those that have values, without IRIs beside
            which there is a name.
        everything: whether to show all columns and rows. In a pipe all rows and values are shown.
        canned: whether it is known which columns are asides, and where the others belong.

    Raises:
        click.UsageError: a column that is chosen is none of the rows.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - scripts do not need it
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Column, Table  # noqa: PLC0415 - as above

    check_columns(chosen, rows.columns)
    console = Console(markup=False, highlight=False)
    shown = rows if everything or not sys.stdout.isatty() else rows[:_ROWS]
    texts = {name: [_cell(row[name]) for row in shown] for name in chosen or rows.columns}
    is_free = not (chosen or everything)
    if is_free:
        texts = {name: cells for name, cells in texts.items() if not cells or _tells(name, texts)}
    if is_free and canned:
        texts = dict(sorted(texts.items(), key=lambda each: _PLACES.get(each[0], 1)))
    widths = {name: max(map(cell_len, (name, *cells))) for name, cells in texts.items()}

    def fits(names: Iterable[str]) -> bool:
        return sum(min(widths[name], _ENOUGH) + _BETWEEN for name in names) < console.width

    said, aside = texts.get("claim_says", ()), set[str]()
    if is_free and canned and sys.stdout.isatty() and any(said):  # else nothing stands for the rest
        order = list(texts)
        while not fits(order) and _PLACES.get(order[-1], 1) >= _IF_IT_FITS:
            order.pop()
        texts = {name: texts[name] for name in (order if fits(order) else texts)}
        aside = {name for name in texts if _PLACES.get(name) == _ASIDE and not fits(texts)}
    if fits(texts):
        table = Table(*(Column(name, overflow="fold") for name in texts))
        for row in zip(*texts.values(), strict=True):
            table.add_row(*row)
        console.print(table)
    else:
        for number in range(len(shown)):
            console.rule(f"{number + 1} of {len(rows)}", align="left")
            columns = Column(overflow="fold", style="dim"), Column(overflow="fold")
            record = Table.grid(*columns, padding=(0, 2, 0, 0))
            for name, cells in texts.items():
                if everything or (cells[number] and not (name in aside and said[number])):
                    record.add_row(name, cells[number])
            console.print(record)
    gaps = sum(row.get("gap") is not None for row in rows) if canned else 0
    click.echo(_summary(rows, len(shown), texts.keys() - aside, gaps), err=True)


def _tells(name: str, texts: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a column has values that no name beside them stands for."""
    stem, _, part = name.rpartition("_")
    names = texts.get({"iri": f"{stem}_label", "iris": stem}.get(part, ""), ())
    is_named = names and all(own or not cell for own, cell in zip(names, texts[name], strict=True))
    return any(texts[name]) and not is_named


def _summary(rows: Rows, number: int, shown: Collection[str], gaps: int) -> str:
    """Say in a line how many rows there are, gaps apart, what is left out, and how to get it."""
    count = _number(len(rows) - gaps, "row") + (f" and {_number(gaps, 'gap')}" if gaps else "")
    count = count if number == len(rows) else f"the first {number} of {count}"
    without = [name for name in rows.columns if name not in shown]
    left = ", ".join(name for name in without if any(row[name] is not None for row in rows))
    empty = sum(all(row[name] is None for row in rows) for name in without)
    parts = [f"{count}, version {rows.version}", f"not shown: {left}" if left else ""]
    how = "--all shows all, --columns a,b those named, --format csv has all"
    parts += [_number(empty, "empty column") if empty else ""]
    parts += [how if without or number < len(rows) else ""]
    return "; ".join(filter(None, parts))


def _number(number: int, things: str) -> str:
    return f"{number} {things}{'' if number == 1 else 's'}"


def _cell(value: Value) -> str:
    return "" if value is None else curie(as_text(value))
