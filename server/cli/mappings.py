"""The command `dermograph mappings`."""

from __future__ import annotations

import click

from kg.builder.read.mappings import TABLE, MappingTable, read_table
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.cli.conventions import failures_told, format_option


@click.command()
@format_option(
    ["text", "tsv"], "How they are written; tsv gives the published SSSOM table, byte by byte."
)
def mappings(form: str) -> None:
    """List what our terms correspond to in public ontologies."""
    with failures_told():
        table = read_table(ONTOLOGY_FOLDER)
        if form == "tsv":
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
