"""Reading the text files that the knowledge is kept in, and what makes such a file unfit."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

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

_OTHER_ENCODINGS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What makes a file unfit.

    Attributes:
        line: the line, counted from 1; 0 when the whole file is meant.
        detail: what is wrong.
        remedy: what to do.
    """

    line: int
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file that has been read, as far as that was possible.

    Attributes:
        text: what it holds, with line feeds at the ends of lines; where it has faults, as much of
            it as can be used to look for more.
        faults: what makes it unfit; empty if it is sound.
    """

    text: str = field(repr=False)
    faults: tuple[Fault, ...]


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


def read_text_file(path: Path) -> TextFile:
    """Read a file, which should be UTF-8 with line feeds and without conflicts of versions.

    Nothing is raised: a file that cannot be read at all is empty and has a fault.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return TextFile("", (Fault(0, "The file is missing.", "Restore it."),))
    except OSError as error:
        detail = f"The file cannot be read: {error.strerror}."
        return TextFile("", (Fault(0, detail, "Put a file there that can be read."),))
    if not content.strip():
        return TextFile("", (Fault(0, "The file is empty.", "Restore it, or delete it."),))
    encoding, faults = _encoding_faults(content)
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    if "\r" in text:
        line = re.split(r"\r\n|\r|\n", text[: text.index("\r")])
        detail = "Lines end in carriage returns, as on Windows."
        remedy = "Save the file with line feeds only (LF, Unix line ends)."
        faults.append(Fault(len(line), detail, remedy))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return TextFile(text, (*faults, *_conflicts(text), *_unseen(text)))


def _encoding_faults(content: bytes) -> tuple[str, list[Fault]]:
    """Tell what a file is to be decoded with, and what is wrong with its encoding."""
    if content.startswith(_OTHER_ENCODINGS):
        return "utf-16", [Fault(0, "The file is not UTF-8 but UTF-16.", "Save it as UTF-8.")]
    faults = []
    if content.startswith(codecs.BOM_UTF8):
        detail = "The file begins with a byte order mark, which is invisible."
        faults.append(Fault(1, detail, "Save it as UTF-8 without byte order mark (BOM)."))
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        before = content[: error.start].rpartition(b"\n")[2].decode(errors="replace")
        detail = (
            f"The file is not UTF-8: see byte {content[error.start]:#x} after {before[-20:]!r}."
        )
        faults.append(Fault(line, detail, "Save it as UTF-8."))
    return "utf-8", faults


def _unseen(text: str) -> Iterator[Fault]:
    """Find characters that have no place in a text."""
    for match in UNSEEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        detail = f"The line holds the character U+{ord(match[0]):04X}, which is not seen."
        yield Fault(line, detail, "Take it out.")


def _conflicts(text: str) -> list[Fault]:
    """Find where conflicts begin, or whatever marks of conflicts are left."""
    lines = enumerate(text.split("\n"), start=1)
    marks = [(number, line) for number, line in lines if CONFLICT.fullmatch(line)]
    begins = [number for number, line in marks if line.startswith("<")]
    detail = "Two versions of the file were not joined: there are marks of a conflict."
    remedy = "Keep what is right of both, and take out the lines of <<<<<<<, =======, >>>>>>>."
    return [Fault(number, detail, remedy) for number in begins or [each for each, _ in marks]]
