"""JSON files, read with the places of what is wrong in them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kg.builder.errors import FileProblem
from kg.text_files import read_text_file


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON file that has been read.

    Attributes:
        name: the file, relative to the folder.
        text: the file as it is written.
        content: what it says.
    """

    name: str
    text: str = field(repr=False)
    content: Any = field(repr=False)

    def line_of(self, written: str) -> int:
        """Return the last line on which something is written, counted from 1; 0: on none."""
        place = self.text.rfind(written)
        return self.text.count("\n", 0, place) + 1 if place >= 0 else 0


def read_json(folder: Path, name: str, problems: list[FileProblem]) -> JsonFile | None:
    """Read a JSON file; None if it is malformed.

    Args:
        folder: what the name is relative to.
        name: the file.
        problems: takes what is wrong: the encoding, the syntax, members that are given twice.
    """
    found: list[FileProblem] = []
    text = read_text_file(folder, name, found)
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [key for key, _ in pairs]
        repeated.extend(key for key in dict.fromkeys(names) if names.count(key) > 1)
        return dict(pairs)

    content: Any = None
    if not found:
        try:
            content = json.loads(text, object_pairs_hook=members)
        except (json.JSONDecodeError, RecursionError) as error:
            line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            remedy = "Mend the syntax there, or just above."
            found.append(FileProblem(name, line, "", f"This is not JSON: {reason}.", remedy))
    read = JsonFile(name, text, content)
    for key in repeated:
        detail = f"The member {key} is given twice."
        found.append(FileProblem(name, read.line_of(f'"{key}"'), "", detail, "Keep one."))
    problems += found
    return None if found else read
