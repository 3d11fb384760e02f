"""What stops a build: problems in the files, each with its place and its remedy."""

from collections.abc import Iterable
from typing import Final

from kg.text_files import FileProblem

__all__ = ["BuildError", "FileProblem", "refuse"]

_SHOWN: Final = 100
"""How many problems a message lists; one mistake in a file that all others need makes thousands."""


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
