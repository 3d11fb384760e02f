"""The command `dermograph search`."""

from collections.abc import Sequence

import click

from kg.rdf.namespaces import curie
from kg.search.folding import like
from server.cli.conventions import command, failures_told, load
from server.cli.tables import told


@command
def search(words: Sequence[str], kind: str | None, limit: int) -> None:
    """Find what WORDS may mean: names, lay words, codes, identifiers, titles, authors.

    Each line has the short IRI, what it is called, its kind, and the name that was found.
    """
    with failures_told():
        names = load().names
    if kind is not None and kind not in names.kinds:
        kinds = ", ".join(like(kind, names.kinds) or sorted(names.kinds))
        raise click.UsageError(f"--kind: there is no kind {kind!r}. Give one of {kinds}.")
    found = names.search(" ".join(words))
    shown = [each for each in found if kind in (None, each.thing.kind)]
    for each in shown[:limit]:
        thing = each.thing
        by = "" if each.name == thing.label else f", {each.field}: {each.name}"
        told(f"{curie(thing.iri)}  {thing.label} ({thing.kind}{by})")
    click.echo(f"{min(len(shown), limit)} of {len(shown)}", err=True)
