"""What the engine and its query processes say to each other: pickled messages behind their length."""

from __future__ import annotations

import base64
import pickle
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kg.engine.errors import EngineError
from kg.engine.interface import Answer, ExtensionFunction, Query

_LENGTH: Final = struct.Struct("!Q")
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Setup:
    """What a loader has to know to begin.

    Attributes:
        parent: process identifier of who starts it.
        jobs: descriptor of the queue that query processes take their questions from.
        board, slots: descriptor of the board, and how many slots it has.
        dataset: descriptor of the N-Quads.
        version, prefixes, functions: see ``IsolatedEngine``.
    """

    parent: int
    jobs: int
    board: int
    slots: int
    dataset: int
    version: str
    prefixes: Mapping[str, str]
    functions: Callable[[bytes], Mapping[str, ExtensionFunction]] | None

    def to_text(self) -> str:
        """Write it as an argument of a command."""
        return base64.b64encode(pickle.dumps(self)).decode()

    @classmethod
    def from_text(cls, text: str) -> Setup:
        """Read what ``to_text`` wrote."""
        setup = pickle.loads(base64.b64decode(text))  # noqa: S301 - written by our own process
        assert isinstance(setup, cls)
        return setup


@dataclass(frozen=True, slots=True)
class Job:
    """A question on its way to a query process.

    Attributes:
        query: the query.
        only_check: whether to parse it only.
        seconds: how long it may run.
        memory: how many bytes the process may grow by.
    """

    query: Query
    only_check: bool
    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class Started:
    """A query process has taken up a job.

    Attributes:
        slot: its place on the board.
        pid: its process identifier.
    """

    slot: int
    pid: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A job ended with an exception, taken apart so that any exception can travel.

    Attributes:
        kind: its class.
        arguments: its arguments.
        state: its attributes.
    """

    kind: type[EngineError]
    arguments: tuple[Any, ...]
    state: dict[str, Any]

    @classmethod
    def of(cls, error: EngineError) -> Failed:
        """Take an exception apart."""
        return cls(type(error), error.args, error.__dict__)

    def exception(self) -> EngineError:
        """Put the exception together again."""
        error = self.kind.__new__(self.kind)
        error.args = self.arguments
        error.__dict__.update(self.state)
        return error


Message = Job | Started | Failed | Answer | None


def send(connection: socket.socket, message: Message) -> None:
    """Send a message wholly."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    connection.sendall(_LENGTH.pack(len(content)) + content)


def receive(connection: socket.socket) -> Message:
    """Receive a message wholly.

    Both ends are processes of this service, so unpickling is safe.

    Raises:
        EOFError: the other end was closed before the message was complete.
        TimeoutError: the connection has a time limit, and it passed.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    message: Message = pickle.loads(_exactly(connection, length))  # noqa: S301 - see above
    return message


def _exactly(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    view = memoryview(content)
    filled = 0
    while filled < length:
        try:
            count = connection.recv_into(view[filled : filled + _PIECE])
        except ConnectionError as error:
            raise EOFError from error
        if count == 0:
            raise EOFError
        filled += count
    return content
