"""What others send, refused where it nests so deeply that Oxigraph's parsers overflow the stack."""

import re
from typing import Any, Final

from kg.rdf.formats import JSON, Format

_DEEPEST: Final = 100
"""Triples within triples: a process of pyoxigraph 0.5 ends at 10,000, and does not at 1,000."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ALL_BUT_BRACES: Final = bytes(byte for byte in range(256) if byte not in b"{}")


class ShallowReader:
    """A file in SPARQL JSON or N-Triples to parse; a SyntaxError where it nests too deeply.

    Args:
        file: to read from.
        written: its format.
    """

    def __init__(self, file: Any, written: Format) -> None:
        self._file = file
        self._depth = self._depth_in_json if written is JSON else self._depth_in_lines
        self._rest = b""  # of what was read, what has to be looked at again with what follows
        self._open = b""
        self._opened = 0

    def read(self, size: int = -1) -> bytes:
        """Return what comes next."""
        piece: bytes = self._file.read(size)
        if self._depth(self._rest + piece) > _DEEPEST:
            raise SyntaxError("It nests too deeply.")
        return piece

    def _depth_in_json(self, text: bytes) -> int:
        """Count the braces that are open, but not those in strings."""
        escaping = len(text) - (len(text) - len(text.rstrip(b"\\"))) % 2
        outside, quote, _ = _STRING.sub(b"", text[:escaping]).partition(b'"')
        self._rest = quote + text[escaping:]  # a string that goes on begins anew
        self._open += outside.translate(None, _ALL_BUT_BRACES)
        for _ in range(_DEEPEST):
            self._open = self._open.replace(b"{}", b"")
        return len(self._open)

    def _depth_in_lines(self, text: bytes) -> int:
        """Count what opens a triple in a line, of which each is a statement; literals count too."""
        lines = text.replace(b"\r", b"\n").split(b"\n")
        opened = [line.count(b"<<") for line in lines]
        opened[0] += self._opened
        self._opened, self._rest = opened[-1], lines[-1][-1:]
        return max(opened)
