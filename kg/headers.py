"""The header of an .rq file: YAML in `#+` comment lines at its top, checked against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_MARK = "#+"


class HeaderError(Exception):
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
        """Give the line of the file, counted from 1, where a part of the header stands."""
        return _node_at(self._root, keys).start_mark.line + 1


def read_header(path: Path, schema: Mapping[str, Any] | None) -> Header:
    """Read the header of an .rq file.

    Args:
        path: the file, UTF-8.
        schema: a JSON Schema (2020-12) for the header; None: it is known to fit.

    Raises:
        HeaderError: the file is not UTF-8, has no header, or its header is no YAML or does not
            fit the schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(path, 1, f"The file is not UTF-8: {error}.") from error
    node = _parse(path, _header_lines(path, text))
    values = yaml.SafeLoader("").construct_document(node)
    if schema is not None:
        _check(path, node, values, schema)
    return Header(path, values, text, node)


def _check(path: Path, node: yaml.MappingNode, values: Any, schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - checked headers do not need it

    for violation in Draft202012Validator(schema).iter_errors(values):
        keys = tuple(violation.absolute_path)
        line = _node_at(node, keys).start_mark.line + 1
        where = ".".join(str(key) for key in keys)
        raise HeaderError(path, line, f"{where + ': ' if where else ''}{violation.message}.")


def _header_lines(path: Path, text: str) -> str:
    """Give the YAML of the header, on the lines where it stands in the file."""
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
    try:
        node = yaml.compose(header, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise HeaderError(path, line, f"The header is not YAML: {error.problem}.") from error
    if not isinstance(node, yaml.MappingNode):
        raise HeaderError(path, 1, "The header is not a list of `key: value` lines.")
    _refuse_repeated_keys(path, node)
    return node


def _refuse_repeated_keys(path: Path, node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:
            raise HeaderError(path, key.start_mark.line + 1, f"{key.value} is given twice.")
        seen.add(key.value)


def _node_at(node: yaml.Node, keys: tuple[str | int, ...]) -> yaml.Node:
    """Give the node at a path of keys and indices, or the nearest one above it."""
    for key in keys:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
        elif isinstance(node, yaml.MappingNode):
            below = [value for name, value in node.value if name.value == str(key)]
            if not below:
                return node
            node = below[0]
    return node
