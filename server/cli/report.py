"""The command `dermograph report`."""

from __future__ import annotations

from pathlib import Path

import click

from kg.curation import report as quality
from server.cli.conventions import failures_told, load, output_option, save


@click.command()
@output_option("Where to write it.", default="-", show_default="standard output")
def report(output: Path) -> None:
    """Write the quality report, in Markdown: counts, coverage, gaps, and what remains to be done."""
    with failures_told():
        written = quality.report(load())
    save(written.encode(), output)
