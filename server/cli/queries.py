"""The command `dermograph queries`."""

import json
import shlex
import shutil
from dataclasses import asdict

import click

from kg.catalogue.canned_queries import CannedQuery, Parameter
from kg.rdf.namespaces import curie
from server.cli.conventions import command, failures_told, load
from server.cli.tables import told


@command
def queries(name: str | None, form: str) -> None:
    """List the canned queries, or show the one called NAME."""
    with failures_told():
        catalogue = load().catalogue
        shown = [catalogue[name]] if name else list(catalogue.values())
    if form == "json":
        described = [{k: v for k, v in asdict(each).items() if k != "text"} for each in shown]
        content = described[0] if name else described
        click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))  # dates
    elif name:
        _print_query(shown[0])
    else:
        width = max(len(each.name) for each in shown)
        for each in shown:
            told(f"{each.name:{width}}  {each.title}", width + 2)


def _print_query(canned: CannedQuery) -> None:
    width = min(100, shutil.get_terminal_size((100, 0)).columns)
    click.echo(f"{canned.title}\n\n{click.wrap_text(canned.description, width)}")
    if canned.parameters:
        click.echo("\nParameters:")
    for parameter in canned.parameters:
        told(f"  {parameter.name}  {parameter.description.strip()} {_accepted(parameter)}")
    click.echo("\nExamples:")
    needs = any(parameter.required for parameter in canned.parameters)
    for example in canned.examples if needs else ({}, *canned.examples):
        given = [f"{key}={shlex.quote(value)}" for key, value in example.items()]
        told(" ".join(["  dermograph query", canned.name, *given]))
    sparql = [line for line in canned.text.splitlines() if not line.startswith("#+")]
    click.echo("\n" + "\n".join(sparql).strip())


def _accepted(parameter: Parameter) -> str:
    """Say in brackets which values a parameter takes."""
    kinds, values = " or ".join(map(curie, parameter.classes)), ", ".join(parameter.values)
    said = [parameter.type, kinds and f"a kind of {kinds}", values and f"one of {values}"]
    said += [f"in {parameter.unit}" if parameter.unit else "", parameter.bounds]
    said.append("required" if parameter.required else "")
    said.append("" if parameter.default is None else f"default {parameter.default}")
    return f"[{'; '.join(filter(None, said))}]"
