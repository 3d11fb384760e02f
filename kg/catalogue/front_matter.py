"""The header of an .rq file: YAML in `#+` comment lines at its top, checked against a schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from kg.search.folding import like
from kg.text_files import FileProblem, read_text_file

if TYPE_CHECKING:
    from jsonschema import ValidationError

_MARK = "#+"


class CatalogueError(Exception):
    """A query that cannot be offered; says the file, the line and what to do."""


class HeaderError(CatalogueError):
    """A header that is not as it must be.

    Attributes:
        path: the file.
        line: the line, counted from 1.
        detail: what is wrong and what to do.
    """

    def __init__(self, path: Path, line: int, detail: str) -> None:
        super().__init__(f"{path}, line {line}: {detail}")
        self.path = path
        self.line = line
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Header:
    """A header that has been read.

    Attributes:
        path: the file.
        values: what the YAML says; it fits the schema.
        text: the whole file, header included, as it is handed to an engine.
    """

    path: Path
    values: Mapping[str, Any]
    text: str
    _root: yaml.MappingNode

    def line_of(self, *keys: str | int) -> int:
        """Return the line of the file, counted from 1, where a part of the header stands."""
        return _node_at(self._root, keys).start_mark.line + 1


def read_header(path: Path, schema: str | None) -> Header:
    """Read the header of an .rq file.

    Args:
        path: the file, UTF-8.
        schema: what the header must fit: the JSON Schema (2020-12) kg/SCHEMA.schema.json; None: it
            is known to fit.

    Raises:
        HeaderError: the file is no sound text, has no header, or its header is no YAML or does
            not fit the schema.
    """
    faults: list[FileProblem] = []
    text = read_text_file(path.parent, path.name, faults)
    for fault in faults:
        raise HeaderError(path, max(1, fault.line), f"{fault.detail} {fault.remedy}")
    node = _parse(path, _header_lines(path, text))
    with _reading_yaml(path):
        values: Mapping[str, Any] = yaml.SafeLoader("").construct_document(node)
    if schema is not None:
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - checked headers need none

        content = json.loads(Path(__file__).with_name(f"{schema}.schema.json").read_bytes())
        for violation in Draft202012Validator(content).iter_errors(values):
            raise _error(path, node, violation)
    return Header(path, values, text, node)


def _error(path: Path, node: yaml.MappingNode, violation: ValidationError) -> HeaderError:
    """Say what of a header does not fit the schema, on its line."""
    keys = list(violation.absolute_path)
    detail = violation.message
    if violation.validator == "additionalProperties":
        schema, given = cast("Any", violation.schema), cast("Any", violation.instance)
        known = list(schema["properties"])
        name = next(name for name in given if name not in known)
        near = like(name, known, 1)
        detail = f"{name} is unknown"
        detail += f"; did you mean {near[0]}?" if near else f"; what is known is {', '.join(known)}"
        lines = {key.value: key.start_mark.line + 1 for key, _ in _node_at(node, keys).value}
        return HeaderError(path, lines[name], f"{detail}.".replace("?.", "?"))
    where = f"{'.'.join(str(key) for key in keys)}: " if keys else ""
    return HeaderError(path, _node_at(node, keys).start_mark.line + 1, f"{where}{detail}.")


@contextmanager
def _reading_yaml(path: Path) -> Iterator[None]:
    """Raise a HeaderError for what is no YAML, or has a form that is not taken."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise HeaderError(path, line, f"The header is not YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        detail = "The header is not YAML: it has a character that YAML does not allow."
        raise HeaderError(path, 1, detail) from error
    except (ValueError, TypeError) as error:  # such as for a date that does not exist
        detail = f"A value of the header cannot be read: {error}. Put it in quotation marks."
        raise HeaderError(path, 1, detail) from error


def _header_lines(path: Path, text: str) -> str:
    """Return the YAML of the header, on the lines where it stands in the file."""
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith(_MARK):
            break
        content = line[len(_MARK) :]
        if content and not content.startswith(" "):
            raise HeaderError(path, number, f"Put a space after {_MARK}.")
        lines.append(content[1:])
    if not lines:
        raise HeaderError(path, 1, f"The file has no header; begin it with {_MARK} title: ...")
    return "\n".join(lines)


def _parse(path: Path, header: str) -> yaml.MappingNode:
    with _reading_yaml(path):
        node = yaml.compose(header, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise HeaderError(path, 1, "The header is not a list of `key: value` lines.")
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise HeaderError(path, key.start_mark.line + 1, "A key of the header is not a word.")
        if key.value in seen:
            raise HeaderError(path, key.start_mark.line + 1, f"{key.value} is given twice.")
        seen.add(key.value)
    return node


def _node_at(node: yaml.Node, keys: Sequence[str | int]) -> yaml.Node:
    """Return the node at a path of keys and indices, or the nearest one above it."""
    for key in keys:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
        elif isinstance(node, yaml.MappingNode):
            below = [value for name, value in node.value if name.value == str(key)]
            if not below:
                return node
            node = below[0]
    return node
