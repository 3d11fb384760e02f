"""The command `dermograph build`."""

from collections.abc import Sequence
from pathlib import Path

import click

from kg.releases.bundled import ONTOLOGY_FOLDER, built_and_valid
from server.cli.conventions import command, failures_told, progress_shown, save


@command
def build(
    output: Path | None, folder: Path | None, added: Sequence[Path], files: Sequence[Path]
) -> None:
    """Build the dataset from its files, validate it, and write it if it is valid."""
    if files and not added:
        raise click.UsageError(f"Put --add before the files: --add {files[0]}")
    with failures_told(), progress_shown() as progress:
        built = built_and_valid(folder or ONTOLOGY_FOLDER, progress, [*added, *files])
    if output is not None:
        save(built.nquads, output)
    total = sum(built.counts.values())
    graphs = ", ".join(f"{name} {count}" for name, count in built.counts.items())
    click.echo(f"version {built.version}: {total} triples ({graphs})", err=True)
