"""The command `dermograph sources`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import click

from kg.curation import citations
from server.cli.conventions import failures_told, format_option, load

_SOURCES_AS: Final[dict[str, Callable[[Sequence[citations.Citation]], str]]] = {
    "text": lambda records: "".join(f"{each.key}  {each.title}\n" for each in records),
    "csl-json": citations.as_csl_json,
    "bibtex": citations.as_bibtex,
}
"""How sources are written, by the value of --format."""


@click.command()
@click.argument("keys", nargs=-1)
@format_option(list(_SOURCES_AS), "How they are written.")
def sources(keys: Sequence[str], form: str) -> None:
    """List the sources, or those called KEYS, as text or as records for reference managers."""
    with failures_told():
        records = citations.citations(load().engine)
    try:
        chosen = citations.chosen(records, keys)
    except citations.UnknownSourceError as error:
        raise click.UsageError(str(error)) from error
    click.echo(_SOURCES_AS[form](chosen), nl=False)
