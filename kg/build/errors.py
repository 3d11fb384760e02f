"""What stops a build: problems in the files, each with its place and its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
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
        problems: all that was found, in the order of files and lines.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'s' if count > 1 else ''}:\n"
            + "\n".join(str(problem) for problem in self.problems)
        )
