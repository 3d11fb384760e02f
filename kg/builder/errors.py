"""What stops a build: problems in the files, each with its place and its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kg.text_files import Fault

_SHOWN: Final = 100
"""How many problems a message lists; one mistake in a file that all others need makes thousands."""


@dataclass(frozen=True, slots=True, order=True)
class FileProblem:
    """Something in a file that must be mended.

    Attributes:
        file: the file, relative to the folder that was built.
        line: the line, counted from 1; 0 when the whole file is meant.
        column: the name of the column of a table, or empty.
        detail: what is wrong.
        remedy: what to do.
    """

    file: str
    line: int
    column: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        """Say it in one line: place, what is wrong, what to do."""
        place = self.file + (f", line {self.line}" if self.line else "")
        place += f", column {self.column}" if self.column else ""
        return f"{place}: {self.detail} {self.remedy}"


class BuildError(Exception):
    """The files cannot be built into a dataset.

    Attributes:
        problems: all that was found: first what is wrong with whole files, since much else may
            come of it, then the rest in the order of files and lines.
    """

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda each: (each.line > 0, each)))
        count = len(self.problems)
        lines = [f"{count} problem{'s' if count > 1 else ''}:"]
        lines += [str(problem) for problem in self.problems[:_SHOWN]]
        if count > _SHOWN:
            lines.append(f"... and {count - _SHOWN} more, of which many may be mended with these.")
        super().__init__("\n".join(lines))


def refuse(problems: Iterable[FileProblem]) -> None:
    """Stop a build if there are any problems.

    Raises:
        BuildError: there are.
    """
    if found := list(problems):
        raise BuildError(found)


def problems_of(file: str, faults: Iterable[Fault]) -> list[FileProblem]:
    """Return the faults of a file as problems of a build.

    Args:
        file: the file, relative to the folder that is built.
        faults: what makes it unfit.
    """
    return [FileProblem(file, each.line, "", each.detail, each.remedy) for each in faults]
