"""The command `dermograph queries`."""

from __future__ import annotations

import json
import shlex

import click

from kg.catalogue.canned_queries import CannedQuery, Parameter
from kg.rdf.namespaces import curie
from server.cli.conventions import failures_told, format_option, load


@click.command()
@click.argument("name", required=False)
@format_option(["text", "json"], "How they are written.")
def queries(name: str | None, form: str) -> None:
    """List the canned queries, or show the one called NAME."""
    with failures_told():
        catalogue = load().catalogue
        shown = [catalogue[name]] if name else list(catalogue.values())
    if form == "json":
        described = [_described(each) for each in shown]
        content = described[0] if name else described
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    elif name:
        _print_query(shown[0])
    else:
        width = max(len(each.name) for each in shown)
        for each in shown:
            click.echo(f"{each.name:{width}}  {each.title}")


def _described(canned: CannedQuery) -> dict[str, object]:
    return {
        "name": canned.name,
        "title": canned.title,
        "description": canned.description,
        "parameters": [parameter.described() for parameter in canned.parameters],
        "examples": [dict(example) for example in canned.examples],
    }


def _print_query(canned: CannedQuery) -> None:
    click.echo(f"{canned.title}\n\n{click.wrap_text(canned.description, width=100)}")
    if canned.parameters:
        click.echo("\nParameters:")
    for parameter in canned.parameters:
        click.echo(f"  {parameter.name}  {parameter.description.strip()} {_accepted(parameter)}")
    click.echo("\nExamples:")
    needs = any(parameter.required for parameter in canned.parameters)
    for example in canned.examples if needs else ({}, *canned.examples):
        given = [f"{key}={shlex.quote(value)}" for key, value in example.items()]
        click.echo(" ".join(["  dermograph query", canned.name, *given]))
    sparql = [line for line in canned.text.splitlines() if not line.startswith("#+")]
    click.echo("\n" + "\n".join(sparql).strip())


def _accepted(parameter: Parameter) -> str:
    """Say in brackets which values a parameter takes."""
    said = [parameter.type]
    if parameter.classes:
        said.append(f"a kind of {' or '.join(map(curie, parameter.classes))}")
    if parameter.values:
        said.append(f"one of {', '.join(parameter.values)}")
    if parameter.required:
        said.append("required")
    if parameter.default is not None:
        said.append(f"default {parameter.default}")
    return f"[{'; '.join(said)}]"
