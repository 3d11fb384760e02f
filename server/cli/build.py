"""The command `dermograph build`."""

from __future__ import annotations

from pathlib import Path

import click

from kg.releases.bundled import ONTOLOGY_FOLDER, built_and_valid
from server.cli.conventions import failures_told, output_option, progress_shown, save


@click.command()
@output_option("Where to write the dataset as N-Quads; - for standard output.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ONTOLOGY_FOLDER,
    help="Folder to build from, instead of the one that ships with the package.",
)
def build(output: Path | None, folder: Path) -> None:
    """Build the dataset from its files, validate it, and write it if it is valid."""
    with failures_told(), progress_shown() as progress:
        built = built_and_valid(folder, progress)
    if output is not None:
        save(built.nquads, output)
    total = sum(built.counts.values())
    graphs = ", ".join(f"{name} {count}" for name, count in built.counts.items())
    click.echo(f"version {built.version}: {total} triples ({graphs})", err=True)
