"""The command `dermograph report`."""

from pathlib import Path

from kg.curation import report as quality
from server.cli.conventions import command, failures_told, load, save


@command
def report(output: Path) -> None:
    """Write the quality report, in Markdown: counts, coverage, gaps, and what remains to be done."""
    with failures_told():
        written = quality.report(load())
    save(written.encode(), output)
