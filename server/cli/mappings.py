"""The command `dermograph mappings`."""

from __future__ import annotations

import click

from kg.builder.read.mappings import TABLE, read_table
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.cli.conventions import command, failures_told
from server.cli.tables import told


@command
def mappings(form: str) -> None:
    """List what our terms correspond to in public ontologies."""
    with failures_told():
        table = read_table(ONTOLOGY_FOLDER)
        if form == "tsv":
            click.echo((ONTOLOGY_FOLDER / TABLE).read_bytes(), nl=False)
        else:
            for match in table.found:
                cells = match.cells
                mapped = (cells["subject_label"], match.predicate, cells["object_id"])
                told("  ".join([*mapped, cells["object_label"]]).rstrip())
