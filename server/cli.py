"""The command line: serve, build, validate, query, queries, sources, mappings, report.

Exit codes: 0 success; 1 the files or the knowledge are invalid; 2 the command is used wrongly; 3 the
query cannot be answered as it is asked; 4 the engine could not finish.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

import kg
from kg.catalogue.canned_queries import (
    CannedQuery,
    CatalogueError,
    Parameter,
    ParameterError,
    UnknownQueryError,
)
from kg.curation import citations
from kg.engine import (
    CSV,
    FORMATS,
    JSON,
    Answer,
    DataError,
    EngineUnavailable,
    Format,
    FormatNotAvailable,
    Query,
    QueryError,
    QuerySyntaxError,
    ResultKind,
    formats_for,
)
from kg.engine.dataset import COMPRESSED, SUFFIXES, DefaultGraph
from kg.rdf.namespaces import curie
from kg.releases import bundled
from kg.releases.bundled import ONTOLOGY_FOLDER
from kg.releases.dataset_spec import DatasetSpec
from kg.results import Rows, Value, python_result

if TYPE_CHECKING:
    from kg.builder.read.mappings import MappingTable

_Command = TypeVar("_Command", bound=Callable[..., object])

_BY_NAME: Final = {each.name: each for each in FORMATS}


class Invalid(click.ClickException):
    """The files or the knowledge are invalid."""

    exit_code = 1


class NotAnswerable(click.ClickException):
    """The query cannot be answered as it is asked."""

    exit_code = 3


class Unavailable(click.ClickException):
    """The engine could not finish."""

    exit_code = 4


@contextmanager
def _failures_said() -> Iterator[None]:
    """Turn the exceptions of the library into messages and exit codes."""
    try:
        yield
    except (kg.BuildError, kg.InvalidKnowledge, CatalogueError) as error:
        raise Invalid(str(error)) from error
    except QuerySyntaxError as error:
        hint = f"\n{error.hint}" if error.hint else ""
        raise NotAnswerable(f"{error}\n{error.excerpt}{hint}") from error
    except FormatNotAvailable as error:
        names = ", ".join(each.name for each in error.available)
        message = f"The result is {error.kind.phrase}; give --format as one of {names}."
        raise NotAnswerable(message) from error
    except QueryError as error:
        raise NotAnswerable(str(error)) from error
    except DataError as error:
        raise Invalid(f"{error}\n{error.hint}" if error.hint else str(error)) from error
    except EngineUnavailable as error:
        raise Unavailable(str(error)) from error
    except (UnknownQueryError, ParameterError) as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the step at hand on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - scripts do not need it

    with Console(stderr=True).status("") as status:
        yield lambda step: status.update(f"{step} ...")


def _load() -> kg.KnowledgeGraph:
    with _progress() as progress:
        return kg.load(progress)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kg.__version__, prog_name="dermograph")
def main() -> None:
    """Dermograph: the open knowledge graph of laser skin rejuvenation.

    Exit codes: 0 success, 1 invalid files or knowledge, 2 wrong usage, 3 a query that cannot be
    answered, 4 the engine could not finish.
    """
    _open_standard_streams()


def _open_standard_streams() -> None:
    """Open the null device in place of standard streams that the parent closed.

    Otherwise the next files that are opened get their descriptors, which child processes take for
    their standard streams.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            # The lowest number that is free: this one.
            opened = os.open(os.devnull, os.O_RDWR)
            assert opened == descriptor, "lower descriptors are open"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _format_option(forms: Collection[str], what: str) -> Callable[[_Command], _Command]:
    """Return the option --format of a command that writes text unless told otherwise."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(list(forms)),
        default="text",
        show_default=True,
        help=what,
    )


def _output_option(what: str, **settings: Any) -> Callable[[_Command], _Command]:
    """Return the option --output of a command that writes a file."""
    path = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
    return click.option("--output", "-o", type=path, help=what, **settings)


_DATA_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port to listen on.",
)
@click.option("--public-url", help="URL that clients see, when it differs, as behind a proxy.")
@click.option(
    "--data",
    "files",
    multiple=True,
    type=_DATA_FILE,
    metavar="FILE...",
    help=f"Serve the RDF of these files instead: {', '.join(SUFFIXES)}, also with {COMPRESSED}.",
)
@click.option("--empty", is_flag=True, help="Serve no data instead.")
@click.option(
    "--engine",
    envvar="DERMOGRAPH_ENGINE",
    metavar="URL",
    help="Serve what a SPARQL endpoint holds instead; see docs/engines.md.",
)
@click.option(
    "--default-graph",
    type=click.Choice([each.value for each in DefaultGraph]),
    default=DefaultGraph.UNION.value,
    show_default=True,
    help="What a query that names no graph sees: all graphs, or only what is in no named graph.",
)
@click.argument("others", nargs=-1, type=_DATA_FILE, metavar="")
def serve(
    *,
    host: str,
    port: int,
    public_url: str | None,
    files: Sequence[Path],
    others: Sequence[Path],
    default_graph: str,
    empty: bool,
    engine: str | None,
) -> None:
    """Serve the knowledge, or other data: SPARQL, canned queries and linked data.

    Further settings are read from environment variables; see docs/deploying.md.
    """
    from server.config import SettingError  # noqa: PLC0415 - the other commands need no server
    from server.serve import AddressError, IsolationError  # noqa: PLC0415 - as above
    from server.serve import serve as serve_spec  # noqa: PLC0415 - as above

    instead = _instead(files, others, empty=empty)
    if engine and instead is not None:
        raise click.UsageError("--engine and other data exclude each other.")
    options = {"PUBLIC_URL": public_url, "ENGINE": engine}
    given = {name: value for name, value in options.items() if value is not None}
    with _failures_said(), ExitStack() as stack:
        progress = stack.enter_context(_progress())
        public_url = public_url or os.environ.get("DERMOGRAPH_PUBLIC_URL")
        graph = DefaultGraph(default_graph)
        elsewhere = bundled.spec_elsewhere(graph) if engine else None
        chosen = elsewhere or _spec(instead, graph, public_url, progress)
        progress("loading")

        def announce(message: str) -> None:
            stack.close()
            click.echo(message, err=True)

        try:
            serve_spec(chosen, given, host=host, port=port, announce=announce)
        except (SettingError, AddressError, IsolationError) as error:
            raise click.UsageError(str(error)) from error


def _instead(files: Sequence[Path], more: Sequence[Path], *, empty: bool) -> list[Path] | None:
    """Return the files to serve instead of the shipped knowledge; None: it is to be served."""
    if empty and (files or more):
        raise click.UsageError("--empty and --data exclude each other.")
    if more and not files:
        raise click.UsageError(f"Put --data before the files: --data {more[0]}")
    chosen = [*files, *more]
    for file in chosen:
        if not file.is_file():
            raise click.UsageError(f"{file} is no regular file, so it cannot be read again.")
    return chosen if chosen or empty else None


def _spec(
    files: list[Path] | None,
    default_graph: DefaultGraph,
    public_url: str | None,
    progress: Callable[[str], None],
) -> DatasetSpec:
    if files is None:
        return bundled.spec(progress, default_graph)
    try:
        return DatasetSpec.of_files(files, default_graph, public_url)
    except DataError as error:
        raise click.UsageError(f"{error} {error.hint or ''}".strip()) from error


@main.command("build")
@_output_option("Where to write the dataset as N-Quads; - for standard output.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ONTOLOGY_FOLDER,
    help="Folder to build from, instead of the one that ships with the package.",
)
def build_command(output: Path | None, folder: Path) -> None:
    """Build the dataset from its files, validate it, and write it if it is valid."""
    from kg.builder import build as build_dataset  # noqa: PLC0415 - most commands do not need it
    from kg.validate import validate as check  # noqa: PLC0415 - as above

    with _failures_said(), _progress() as progress:
        built = build_dataset(folder, progress)
        progress("validating")
        report = check(built.nquads, origins=built.origins, accelerated=True)
    if not report.conforms:
        raise Invalid(report.as_text())
    if output is not None:
        _save(built.nquads, output)
    total = sum(built.counts.values())
    graphs = ", ".join(f"{name} {count}" for name, count in built.counts.items())
    click.echo(f"version {built.version}: {total} triples ({graphs})", err=True)


def _save(content: bytes, output: Path) -> None:
    try:
        with click.open_file(str(output), "wb") as file:
            file.write(content)
    except OSError as error:
        raise click.UsageError(f"Cannot write {output}: {error.strerror}.") from error


@main.command()
@click.argument("files", nargs=-1, type=_DATA_FILE)
@_format_option(["text", "json", "turtle"], "How the report is written.")
@click.option(
    "--reference",
    is_flag=True,
    help="Let pySHACL, the reference, judge. It is slower; the verdict is the same.",
)
@click.option(
    "--public-url",
    envvar="DERMOGRAPH_PUBLIC_URL",
    help="URL of the service that wrote JSON-LD among FILES; not needed for one on this machine.",
)
def validate(files: Sequence[Path], form: str, *, reference: bool, public_url: str | None) -> None:
    """Validate RDF FILES against the shapes, or the shipped knowledge when none are given.

    FILES are read together, and with the terms, sources and claims that ship, so they may name
    them; what a file describes takes the place of what ships. The exit code is 1 if there is a
    violation or nothing to check; warnings do not count.
    """
    from kg.builder import build as build_dataset  # noqa: PLC0415 - most commands do not need it
    from kg.validate import ValidationInputError  # noqa: PLC0415 - as above
    from kg.validate import validate as check  # noqa: PLC0415 - as above

    with _failures_said(), _progress() as progress:
        try:
            if files:
                progress("validating")
                report = check(list(files), accelerated=not reference, public_url=public_url)
            else:
                built = build_dataset(ONTOLOGY_FOLDER, progress)
                progress("validating")
                report = check(built.nquads, origins=built.origins, accelerated=not reference)
        except ValidationInputError as error:
            raise Invalid(str(error)) from error
    writers: dict[str, Callable[[], str]] = {
        "text": report.as_text,
        "json": lambda: json.dumps(report.as_dict(), indent=2, ensure_ascii=False),
        "turtle": lambda: report.as_rdf().serialize(format="turtle"),
    }
    click.echo(writers[form]().rstrip("\n"))
    if not report.conforms or not report.checked:
        sys.exit(Invalid.exit_code)


@main.command()
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
    with _failures_said():
        graph = _load()
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


@main.command()
@click.argument("name", required=False)
@_format_option(["text", "json"], "How they are written.")
def queries(name: str | None, form: str) -> None:
    """List the canned queries, or show the one called NAME."""
    with _failures_said():
        catalogue = _load().catalogue
        shown = [catalogue[name]] if name else list(catalogue.values())
    if form == "json":
        described = [_described(each) for each in shown]
        content = described[0] if name else described
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    elif name:
        _print_query(shown[0])
    else:
        width = max(len(each.name) for each in shown)
        for each in shown:
            click.echo(f"{each.name:{width}}  {each.title}")


def _described(canned: CannedQuery) -> dict[str, object]:
    return {
        "name": canned.name,
        "title": canned.title,
        "description": canned.description,
        "parameters": [parameter.described() for parameter in canned.parameters],
        "examples": [dict(example) for example in canned.examples],
    }


def _print_query(canned: CannedQuery) -> None:
    click.echo(f"{canned.title}\n\n{click.wrap_text(canned.description, width=100)}")
    if canned.parameters:
        click.echo("\nParameters:")
    for parameter in canned.parameters:
        click.echo(f"  {parameter.name}  {parameter.description.strip()} {_accepted(parameter)}")
    click.echo("\nExamples:")
    needs = any(parameter.required for parameter in canned.parameters)
    for example in canned.examples if needs else ({}, *canned.examples):
        given = [f"{key}={shlex.quote(value)}" for key, value in example.items()]
        click.echo(" ".join(["  dermograph query", canned.name, *given]))
    sparql = [line for line in canned.text.splitlines() if not line.startswith("#+")]
    click.echo("\n" + "\n".join(sparql).strip())


def _accepted(parameter: Parameter) -> str:
    """Say in brackets which values a parameter takes."""
    said = [parameter.type]
    if parameter.class_iri:
        said.append(f"a kind of {curie(parameter.class_iri)}")
    if parameter.values:
        said.append(f"one of {', '.join(parameter.values)}")
    if parameter.required:
        said.append("required")
    if parameter.default is not None:
        said.append(f"default {parameter.default}")
    return f"[{'; '.join(said)}]"


_SOURCES_AS: Final[dict[str, Callable[[Sequence[citations.Citation]], str]]] = {
    "text": lambda records: "".join(f"{each.key}  {each.title}\n" for each in records),
    "csl-json": citations.as_csl_json,
    "bibtex": citations.as_bibtex,
}
"""How sources are written, by the value of --format."""


@main.command()
@click.argument("keys", nargs=-1)
@_format_option(list(_SOURCES_AS), "How they are written.")
def sources(keys: Sequence[str], form: str) -> None:
    """List the sources, or those called KEYS, as text or as records for reference managers."""
    with _failures_said():
        records = citations.citations(_load().engine)
    try:
        chosen = citations.chosen(records, keys)
    except citations.UnknownSourceError as error:
        raise click.UsageError(str(error)) from error
    click.echo(_SOURCES_AS[form](chosen), nl=False)


@main.command()
@_format_option(
    ["text", "tsv"], "How they are written; tsv gives the published SSSOM table, byte by byte."
)
@click.option(
    "--proposals",
    is_flag=True,
    help="Give instead the terms to propose to public ontologies, as tab-separated values.",
)
def mappings(form: str, *, proposals: bool) -> None:
    """List what our terms correspond to in public ontologies, or what these are not known to have."""
    from kg.builder.read.mappings import (  # noqa: PLC0415 - the others do not need it
        TABLE,
        read_table,
    )
    from kg.curation.term_requests import as_tsv  # noqa: PLC0415 - as above
    from kg.curation.term_requests import proposals as terms_to_propose  # noqa: PLC0415 - as above

    with _failures_said():
        table = read_table(ONTOLOGY_FOLDER)
        if proposals:
            click.echo(as_tsv(terms_to_propose(_load().engine, table)), nl=False)
        elif form == "tsv":
            click.echo((ONTOLOGY_FOLDER / TABLE).read_bytes(), nl=False)
        else:
            click.echo(_mapping_lines(table), nl=False)


def _mapping_lines(table: MappingTable) -> str:
    return "".join(
        f"{match.cells['subject_label']}  {match.predicate}  {match.cells['object_id']}"
        f"  {match.cells['object_label']}".rstrip()
        + "\n"
        for match in table.found
    )


@main.command()
@_output_option("Where to write it.", default="-", show_default="standard output")
def report(output: Path) -> None:
    """Write the quality report, in Markdown: counts, coverage, gaps, and what remains to be done."""
    from kg.curation.report import (  # noqa: PLC0415 - the others do not need it
        report as quality_report,
    )

    with _failures_said():
        written = quality_report(_load(), ONTOLOGY_FOLDER)
    _save(written.encode(), output)
