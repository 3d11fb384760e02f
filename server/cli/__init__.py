"""The command line, `dermograph`: one module a command, and what they have in common."""

import os
import sys
from importlib import import_module

import click

import kg

_NAMES = ["build", "mappings", "queries", "query", "report"]
_NAMES += ["search", "serve", "sources", "validate"]


class _Commands(click.Group):
    """The commands, each in the module of its name, which is imported when it is wanted."""

    def list_commands(self, _: click.Context) -> list[str]:
        return _NAMES

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in _NAMES:
            found: click.Command = vars(import_module(f"server.cli.{name}"))[name]
            return found
        from kg.search.folding import like  # noqa: PLC0415 - seldom needed

        if near := like(name, _NAMES):
            context.fail(f"There is no command {name!r}. Did you mean {' or '.join(near)}?")
        return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kg.__version__, prog_name="dermograph")
def main() -> None:
    """Dermograph: the open knowledge graph of laser skin rejuvenation.

    Exit codes: 0 success, 1 invalid files or knowledge, 2 wrong usage, 3 a query that cannot be
    answered, 4 the engine could not finish.
    """
    # Otherwise the next files that are opened get the descriptors of standard streams that the
    # parent closed, which child processes take for their standard streams.
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            # The lowest number that is free: this one.
            opened = os.open(os.devnull, os.O_RDWR)
            assert opened == descriptor, "lower descriptors are open"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
