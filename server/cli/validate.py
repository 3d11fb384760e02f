"""The command `dermograph validate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from kg import validate as shapes
from kg.builder.build import build
from kg.releases.bundled import ONTOLOGY_FOLDER
from server.cli.conventions import DATA_FILE, Invalid, failures_told, format_option, progress_shown


@click.command()
@click.argument("files", nargs=-1, type=DATA_FILE)
@format_option(["text", "json", "turtle"], "How the report is written.")
@click.option(
    "--reference",
    is_flag=True,
    help="Let pySHACL, the reference, judge. It is slower; the verdict is the same.",
)
@click.option(
    "--public-url",
    envvar="DERMOGRAPH_PUBLIC_URL",
    help="URL of the service that wrote JSON-LD among FILES; not needed for one on this machine.",
)
def validate(files: Sequence[Path], form: str, *, reference: bool, public_url: str | None) -> None:
    """Validate RDF FILES against the shapes, or the shipped knowledge when none are given.

    FILES are read together, and with the terms, sources and claims that ship, so they may name
    them; what a file describes takes the place of what ships. The exit code is 1 if there is a
    violation or nothing to check; warnings do not count.
    """
    with failures_told(), progress_shown() as progress:
        try:
            built = None if files else build(ONTOLOGY_FOLDER, progress)
            progress("validating")
            report = shapes.validate(
                built.nquads if built else list(files),
                origins=built.origins if built else None,
                accelerated=not reference,
                public_url=public_url,
            )
        except shapes.ValidationInputError as error:
            raise Invalid(str(error)) from error
    writers: dict[str, Callable[[], str]] = {
        "text": report.as_text,
        "json": lambda: json.dumps(report.as_dict(), indent=2, ensure_ascii=False),
        "turtle": lambda: report.as_rdf().serialize(format="turtle"),
    }
    click.echo(writers[form]().rstrip("\n"))
    if not report.conforms or not report.checked:
        sys.exit(Invalid.exit_code)
