"""The command `dermograph serve`."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from kg.engine import DataError
from kg.engine.dataset import DefaultGraph
from kg.releases import bundled
from kg.releases.dataset_spec import DatasetSpec
from server import serve as service
from server.cli.conventions import command, failures_told, progress_shown
from server.config import SettingError


@command
def serve(
    *,
    host: str,
    port: int,
    public_url: str | None,
    context_url: str | None,
    data: Sequence[Path],
    added: Sequence[Path],
    files: Sequence[Path],
    default_graph: str,
    empty: bool,
    engine: str | None,
) -> None:
    """Serve the knowledge, or other data: SPARQL, canned queries and linked data.

    Further settings are read from environment variables; see docs/deploying.md.
    """
    if sum(map(bool, (data, added, empty, engine))) > 1:
        raise click.UsageError("--data, --add, --empty and --engine exclude each other.")
    if files and not (data or added):
        raise click.UsageError(f"Put --data or --add before the files: --add {files[0]}")
    for file in (*data, *added, *files):
        if not file.is_file():
            raise click.UsageError(f"{file} is no regular file, so it cannot be read again.")
    options = {"PUBLIC_URL": public_url, "CONTEXT_URL": context_url, "ENGINE": engine}
    given = {name: value for name, value in options.items() if value is not None}
    with failures_told(), ExitStack() as stack:
        progress = stack.enter_context(progress_shown())
        graph = DefaultGraph(default_graph)
        if engine:
            chosen = bundled.spec_elsewhere(graph)
        elif data or empty:
            chosen = _other([*data, *files], graph)
        else:
            chosen = bundled.spec(progress, graph, [*added, *files])
        progress("loading")

        def announce(message: str) -> None:
            stack.close()
            click.echo(message, err=True)

        try:
            service.serve(chosen, given, host=host, port=port, announce=announce)
        except (SettingError, service.AddressError, service.IsolationError) as error:
            raise click.UsageError(str(error)) from error


def _other(files: Sequence[Path], graph: DefaultGraph) -> DatasetSpec:
    try:
        return DatasetSpec.of_files(files, graph)
    except DataError as error:
        raise click.UsageError(f"{error} {error.hint or ''}".strip()) from error
