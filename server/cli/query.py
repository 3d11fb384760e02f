"""The command `dermograph query`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

import kg
from kg.engine import CSV, FORMATS, JSON, Answer, Format, Query, ResultKind, formats_for
from kg.rdf.namespaces import curie
from kg.results import Rows, Value, python_result
from server.cli.conventions import failures_told, load

_BY_NAME: Final = {each.name: each for each in FORMATS}


@click.command()
@click.argument("query")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", *_BY_NAME]),
    help="How the answer is written. Default: a table on a terminal, or lists where it is too wide; "
    "otherwise CSV for rows and Turtle for graphs.",
)
def query(query: str, parameters: Sequence[str], form: str | None) -> None:
    """Answer a QUERY: SPARQL, a file that holds it (- for standard input), or a canned query.

    NAME=VALUE gives a canned query its parameters.
    """
    with failures_told():
        graph = load()
        asked = _question(graph, query, _pairs(parameters))
        kinds = {kind: formats_for(kind)[0] for kind in ResultKind} | {ResultKind.SOLUTIONS: CSV}
        as_table = form == "table" or (form is None and sys.stdout.isatty())
        chosen: dict[ResultKind, Format | None] = dict(kinds)
        if as_table:
            chosen[ResultKind.SOLUTIONS] = JSON
        elif form is not None:
            chosen = dict.fromkeys(ResultKind, _BY_NAME[form])
        answer = graph.run(Query(asked.text, asked.bindings, formats=chosen))
    _write(answer, as_table=as_table, plain=form is None or form == "table")


def _question(graph: kg.KnowledgeGraph, text: str, values: dict[str, str]) -> Query:
    """Take the argument for a canned query, a file or SPARQL, in this order."""
    if text in graph.catalogue:
        return Query(graph.catalogue[text].text, graph.catalogue.bindings(text, values))
    is_file = text == "-" or Path(text).is_file()
    if not is_file and re.fullmatch(r"[\w-]+", text):
        graph.catalogue[text]  # raises: a single word is no SPARQL
    if values:
        raise click.UsageError(f"NAME=VALUE goes with a canned query, and {text!r} is none.")
    if is_file:
        return Query(_content(text))
    if re.fullmatch(r"[^\s{<]+", text):
        raise click.UsageError(f"There is no file {text!r}, and it is no SPARQL.")
    return Query(text)


def _content(file: str) -> str:
    try:
        with click.open_file(file, encoding="utf-8") as opened:
            return str(opened.read())
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8: {error}.") from error
    except OSError as error:
        raise click.UsageError(f"Cannot read {file}: {error.strerror}.") from error


def _pairs(parameters: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            raise click.UsageError(f"{parameter!r} is not of the form NAME=VALUE.")
        if name in values:
            raise click.UsageError(f"{name} is given twice.")
        values[name] = value
    return values


def _write(answer: Answer, *, as_table: bool, plain: bool) -> None:
    if plain and answer.kind is ResultKind.BOOLEAN:
        click.echo("true" if python_result(answer) else "false")
    elif as_table and answer.kind is ResultKind.SOLUTIONS:
        rows = python_result(answer)
        assert isinstance(rows, Rows)
        _print_table(rows)
    else:
        ending = b"\n" if sys.stdout.isatty() and not answer.body.endswith(b"\n") else b""
        sys.stdout.buffer.write(answer.body + ending)
        sys.stdout.buffer.flush()


_ENOUGH: Final = 30
"""The width at which a column has room enough (a judgement: longer text is wrapped)."""
_BETWEEN: Final = 3
"""The width of what stands between the texts of two columns."""


def _print_table(rows: Rows) -> None:
    """Print rows as a table or, where it does not fit, each as a list; names in place of IRIs."""
    from rich.cells import cell_len  # noqa: PLC0415 - scripts do not need it
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Column, Table  # noqa: PLC0415 - as above

    console = Console(markup=False)
    texts = {name: [_cell(row[name]) for row in rows] for name in rows.columns}
    for name, cells in [*texts.items()]:
        names = texts.get(f"{name[:-4]}_label", ()) if name.endswith("_iri") else ()
        has_names = names and all(own or not cell for own, cell in zip(names, cells, strict=True))
        if cells and (has_names or not any(cells)):
            del texts[name]
    widths = [max(map(cell_len, (name, *cells))) for name, cells in texts.items()]
    if sum(min(each, _ENOUGH) + _BETWEEN for each in widths) < console.width:
        table = Table(*(Column(name, overflow="fold") for name in texts))
        for row in zip(*texts.values(), strict=True):
            table.add_row(*row)
        console.print(table)
    else:
        for number in range(len(rows)):
            console.rule(f"{number + 1} of {len(rows)}", align="left")
            columns = Column(no_wrap=True, style="dim"), Column(overflow="fold")
            record = Table.grid(*columns, padding=(0, 2, 0, 0))
            for name, cells in texts.items():
                if cells[number]:
                    record.add_row(name, cells[number])
            console.print(record)
    left = ", ".join(name for name in rows.columns if name not in texts)
    more = f"; not shown: {left}; --format csv has all columns" if left else ""
    count = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
    click.echo(f"{count}, version {rows.version}{more}", err=True)


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return curie(str(value))
