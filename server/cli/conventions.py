"""What the commands have in common: exit codes, options, progress, writing files."""

import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

import kg
from kg.catalogue.canned_queries import ParameterError, UnknownQueryError
from kg.catalogue.front_matter import CatalogueError
from kg.engine import DataError, EngineUnavailable, FormatNotAvailable, QueryError, QuerySyntaxError

_DECLARED: Final = tomllib.loads(Path(__file__).with_name("options.toml").read_text("utf-8"))
_KINDS: Final = {
    "count": click.IntRange(1),
    "file": click.Path(exists=True, dir_okay=False, path_type=Path),
    "folder": click.Path(exists=True, file_okay=False, path_type=Path),
    "output": click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    "port": click.IntRange(1, 65535),
}


class Invalid(click.ClickException):
    """The files or the knowledge are invalid."""

    exit_code = 1


class NotAnswerable(click.ClickException):
    """The query cannot be answered as it is asked."""

    exit_code = 3


class Unavailable(click.ClickException):
    """The engine could not finish."""

    exit_code = 4


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn the exceptions of the library into messages and exit codes."""
    try:
        yield
    except (kg.BuildError, kg.InvalidKnowledge, CatalogueError) as error:
        raise Invalid(str(error)) from error
    except QuerySyntaxError as error:
        hint = f"\n{error.hint}" if error.hint else ""
        raise NotAnswerable(f"{error}\n{error.excerpt}{hint}") from error
    except FormatNotAvailable as error:
        names = ", ".join(each.name for each in error.available)
        message = f"The result is {error.kind.phrase}; give --format as one of {names}."
        raise NotAnswerable(message) from error
    except QueryError as error:
        raise NotAnswerable(str(error)) from error
    except DataError as error:
        raise Invalid(f"{error}\n{error.hint or ''}".rstrip()) from error
    except EngineUnavailable as error:
        raise Unavailable(str(error)) from error
    except (UnknownQueryError, ParameterError) as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def progress_shown() -> Iterator[Callable[[str], None]]:
    """Show the step at hand on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - scripts do not need it

    with Console(stderr=True).status("") as status:
        yield lambda step: status.update(f"{step} ...")


def load() -> kg.KnowledgeGraph:
    """Return the shipped knowledge; show on a terminal what is done for it."""
    with progress_shown() as progress:
        return kg.load(progress)


def command(function: Callable[..., None]) -> click.Command:
    """Make a command of a function, with the arguments and options that options.toml has for it."""
    for names, said in reversed(_DECLARED[function.__name__].items()):
        settings = {name: value for name, value in said.items() if name != "kind"}
        if kind := said.get("kind"):
            settings["type"] = click.Choice(kind) if isinstance(kind, list) else _KINDS[kind]
        declare = click.option if names.startswith("-") else click.argument
        function = declare(*names.split(), **settings)(function)
    return click.command()(function)


def save(content: bytes, output: Path) -> None:
    """Write a file, or standard output for -."""
    try:
        with click.open_file(str(output), "wb") as file:
            file.write(content)
    except OSError as error:
        raise click.UsageError(f"Cannot write {output}: {error.strerror}.") from error
