"""The command `dermograph query`."""

import csv
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

import kg
from kg.engine import CSV, FORMATS, JSON, Query, ResultKind, formats_for
from kg.results import Rows, python_result
from server.cli.conventions import command, failures_told, load
from server.cli.tables import check_columns, print_rows


@command
def query(
    *, query: str, parameters: Sequence[str], form: str | None, names: str | None, everything: bool
) -> None:
    """Answer a QUERY: SPARQL, a file that holds it (- for standard input), or a canned query.

    NAME=VALUE gives a canned query its parameters.
    """
    named = [name.strip() for name in names.split(",")] if names is not None else []
    if form not in (None, "table", "csv") and (named or everything):
        raise click.UsageError(f"--columns and --all go with a table or CSV, not with {form}.")
    if named and everything:
        raise click.UsageError("--columns and --all exclude each other.")
    with failures_told():
        graph = load()
        asked = _question(graph, query, _pairs(parameters))
        as_table = form == "table" or (form is None and sys.stdout.isatty())
        wanted = next((each for each in FORMATS if each.name == form), None)
        chosen = {kind: wanted or formats_for(kind)[0] for kind in ResultKind}
        chosen[ResultKind.SOLUTIONS] = wanted or (JSON if as_table else CSV)
        answer = graph.run(Query(asked.text, asked.bindings, formats=chosen))
    for each in graph.unmatched(asked, answer):
        click.echo(str(each), err=True)
    if as_table and answer.kind is ResultKind.SOLUTIONS:
        rows = python_result(answer)
        assert isinstance(rows, Rows)
        print_rows(rows, named, everything=everything, canned=query in graph.catalogue)
    elif answer.kind is ResultKind.BOOLEAN and form in (None, "table"):
        click.echo("true" if python_result(answer) else "false")
    else:
        body = _cut(answer.body, named) if named and answer.format == CSV else answer.body
        ending = b"\n" if sys.stdout.isatty() and not body.endswith(b"\n") else b""
        sys.stdout.buffer.write(body + ending)
        sys.stdout.buffer.flush()


def _question(graph: kg.KnowledgeGraph, text: str, values: dict[str, str]) -> Query:
    """Take the argument for a canned query, a file or SPARQL, in this order."""
    if text in graph.catalogue:
        if (name := graph.catalogue[text].name) != text:
            click.echo(f"{text} is called {name} now: use that.", err=True)
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


def _cut(body: bytes, chosen: Sequence[str]) -> bytes:
    """Return the chosen columns of rows in CSV."""
    rows = csv.DictReader(io.StringIO(body.decode(), newline=""))
    check_columns(chosen, rows.fieldnames or ())
    written = io.StringIO()
    csv.writer(written).writerows([chosen, *([row[name] for name in chosen] for row in rows)])
    return written.getvalue().encode()
