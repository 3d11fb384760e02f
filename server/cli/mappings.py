"""The command `dermograph mappings`."""

import click

from kg.builder.read.mappings import TABLE
from kg.builder.read.tables import read_table
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.cli.conventions import command, failures_told
from server.cli.tables import told


@command
def mappings(form: str) -> None:
    """List what our terms correspond to in public ontologies."""
    with failures_told():
        table = read_table(ONTOLOGY_FOLDER, TABLE)
        if form == "tsv":
            click.echo((ONTOLOGY_FOLDER / TABLE).read_bytes(), nl=False)
        else:
            for cells in (row.cells for row in table.rows if row.triples):
                mapped = ("subject_label", "predicate_id", "object_id", "object_label")
                told("  ".join(cells[name] for name in mapped if name in cells))
