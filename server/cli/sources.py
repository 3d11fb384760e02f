"""The command `dermograph sources`."""

from collections.abc import Sequence

import click

from kg.curation import citations
from server.cli.conventions import command, failures_told, load


@command
def sources(keys: Sequence[str], form: str) -> None:
    """List the sources, or those called KEYS, as text or as records for reference managers."""
    with failures_told():
        records = citations.citations(load().engine)
    try:
        chosen = citations.chosen(records, keys)
    except citations.UnknownSourceError as error:
        raise click.UsageError(str(error)) from error
    if form == "text":
        written = "".join(f"{each.key}  {each.title}\n" for each in chosen)
    else:
        written = citations.as_bibtex(chosen) if form == "bibtex" else citations.as_csl_json(chosen)
    click.echo(written, nl=False)
