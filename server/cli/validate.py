"""The command `dermograph validate`."""

import json
import sys
from pathlib import Path

import click

from kg import validate as shapes
from kg.builder.build import build
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.cli.conventions import Invalid, command, failures_told, progress_shown


@command
def validate(*, files: list[Path], added: list[Path], form: str, reference: bool) -> None:
    """Validate RDF FILES against the shapes, or the shipped knowledge when none are given.

    FILES are read together, and with the terms, sources and claims that ship, so they may name
    them; what a file describes takes the place of what ships. With --add they are validated as
    build and serve take them, with all that is computed from them. The exit code is 1 if there is a
    violation or nothing to check; warnings do not count.
    """
    with failures_told(), progress_shown() as progress:
        try:
            is_whole = added or not files
            built = build(ONTOLOGY_FOLDER, progress, [*added, *files]) if is_whole else None
            progress("validating")
            report = shapes.validate(
                built.nquads if built else list(files),
                origins=built.origins if built else None,
                accelerated=not reference,
            )
        except shapes.ValidationInputError as error:
            raise Invalid(str(error)) from error
    if form == "json":
        written = json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
    else:
        written = report.as_text() if form == "text" else report.as_rdf().serialize(format=form)
    click.echo(written.rstrip("\n"))
    if not report.conforms or not report.checked:
        sys.exit(Invalid.exit_code)
