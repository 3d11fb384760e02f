"""The command `dermograph serve`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from kg.engine import DataError
from kg.engine.dataset import COMPRESSED, SUFFIXES, DefaultGraph
from kg.releases import bundled
from kg.releases.dataset_spec import DatasetSpec
from server import serve as service
from server.cli.conventions import DATA_FILE, failures_told, progress_shown
from server.config import SettingError

_PORT: Final = click.IntRange(1, 65535)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=_PORT, help="Port to listen on.")
@click.option("--public-url", help="URL that clients see, when it differs, as behind a proxy.")
@click.option(
    "--data",
    "files",
    multiple=True,
    type=DATA_FILE,
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
@click.argument("others", nargs=-1, type=DATA_FILE, metavar="")
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
    instead = _instead(files, others, empty=empty)
    if engine and instead is not None:
        raise click.UsageError("--engine and other data exclude each other.")
    options = {"PUBLIC_URL": public_url, "ENGINE": engine}
    given = {name: value for name, value in options.items() if value is not None}
    with failures_told(), ExitStack() as stack:
        progress = stack.enter_context(progress_shown())
        public_url = public_url or os.environ.get("DERMOGRAPH_PUBLIC_URL")
        graph = DefaultGraph(default_graph)
        elsewhere = bundled.spec_elsewhere(graph) if engine else None
        chosen = elsewhere or _spec(instead, graph, public_url, progress)
        progress("loading")

        def announce(message: str) -> None:
            stack.close()
            click.echo(message, err=True)

        try:
            service.serve(chosen, given, host=host, port=port, announce=announce)
        except (SettingError, service.AddressError, service.IsolationError) as error:
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
