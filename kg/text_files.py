"""Text files: those that the knowledge is kept in, what makes one unfit, expressions, and templates."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final, TypeAlias

ONTOLOGY_FOLDER: Final = Path(__file__).resolve().parents[1] / "ontology"
"""The files that the knowledge is built from."""

CONFLICT: Final = re.compile(r"(?:<{7}|={7}|\|{7}|>{7})(?: .*)?")
"""A line that version control leaves where two versions of a file could not be joined."""

UNREADABLE: Final = "\ufffd"
"""What stands for bytes that are not UTF-8."""

UNSEEN: Final = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
"""What has no place in a text: control characters but tab and line feed, other ends of lines, and
what turns the direction of writing; much software breaks texts there, or cannot show them."""


@dataclass(frozen=True, slots=True, order=True)
class FileProblem:
    """Something in a file that must be mended.

    Attributes:
        file: the file, relative to the folder that is read.
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


def patterns(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parts and the patterns of a TOML file of regular expressions.

    In either, `$word` stands for the part of that name above it.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    parts: dict[str, str] = {}
    for name, pattern in table["parts"].items():
        parts[name] = Template(pattern).substitute(parts)
    whole = {name: Template(each).substitute(parts) for name, each in table["patterns"].items()}
    return parts, whole


def rendered(path: Path, **content: object) -> str:
    """Return what a Jinja template beside a module writes.

    Args:
        path: the template; it may use nothing that it is not given.
        content: what it is given, by name.
    """
    import jinja2  # noqa: PLC0415 - seldom needed

    environment = jinja2.Environment(  # noqa: S701 - no template of kg writes a page
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.from_string(path.read_text(encoding="utf-8")).render(**content)


def knowledge_files(folder: Path) -> list[Path]:
    """Return the files of a folder and those below it, without what editors and systems leave."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.endswith("~")
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and "__pycache__" not in path.parts
    )


def read_text_file(folder: Path, name: str, problems: list[FileProblem]) -> str:
    """Read a file, which should be UTF-8 with line feeds and without conflicts of versions.

    Nothing is raised: a file that cannot be read at all is empty.

    Args:
        folder: what the name is relative to.
        name: the file.
        problems: takes what makes it unfit.

    Returns:
        What it holds, with line feeds at the ends of lines; where it is unfit, as much of it as can
        be used to look for more.
    """
    content, fault = b"", ("The file is empty.", "Restore it, or delete it.")
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        fault = "The file is missing.", "Restore it."
    except OSError as error:
        fault = f"The file cannot be read: {error.strerror}.", "Put a file there that can be read."
    if not content.strip():
        problems.append(FileProblem(name, 0, "", *fault))
        return ""
    if name.endswith(".csv"):
        # Spreadsheets write this mark, and the standard of CSV has these ends of lines.
        content = content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
    encoding, found = _encoding_faults(content)
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    if "\r" in text:
        line = re.split(r"\r\n|\r|\n", text[: text.index("\r")])
        detail = "Lines end in carriage returns, as on Windows."
        remedy = "Save the file with line feeds only (LF, Unix line ends)."
        found.append((len(line), detail, remedy))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    found += (*_conflicts(text), *_unseen(text))
    problems += (FileProblem(name, line, "", detail, remedy) for line, detail, remedy in found)
    return text


_Fault: TypeAlias = tuple[int, str, str]
"""The line of something that makes a file unfit, what it is, and what to do."""


def _encoding_faults(content: bytes) -> tuple[str, list[_Fault]]:
    """Tell what a file is to be decoded with, and what is wrong with its encoding."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", [(0, "The file is not UTF-8 but UTF-16.", "Save it as UTF-8.")]
    faults: list[_Fault] = []
    if content.startswith(codecs.BOM_UTF8):
        detail = "The file begins with a byte order mark, which is invisible."
        faults.append((1, detail, "Save it as UTF-8 without byte order mark (BOM)."))
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        before = content[: error.start].rpartition(b"\n")[2].decode(errors="replace")
        detail = (
            f"The file is not UTF-8: see byte {content[error.start]:#x} after {before[-20:]!r}."
        )
        faults.append((line, detail, "Save it as UTF-8."))
    return "utf-8", faults


def _unseen(text: str) -> Iterator[_Fault]:
    """Find characters that have no place in a text."""
    for match in UNSEEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        detail = f"The line holds the character U+{ord(match[0]):04X}, which is not seen."
        yield line, detail, "Take it out."


def _conflicts(text: str) -> list[_Fault]:
    """Find where conflicts begin, or whatever marks of conflicts are left."""
    lines = enumerate(text.split("\n"), start=1)
    marks = [(number, line) for number, line in lines if CONFLICT.fullmatch(line)]
    begins = [number for number, line in marks if line.startswith("<")]
    detail = "Two versions of the file were not joined: there are marks of a conflict."
    remedy = "Keep what is right of both, and take out the lines of <<<<<<<, =======, >>>>>>>."
    return [(number, detail, remedy) for number in begins or [each for each, _ in marks]]
