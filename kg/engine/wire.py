"""What the engine and its query processes say to each other: pickled messages behind their length."""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kg.engine.data import Contents, Data
from kg.engine.errors import EngineError
from kg.engine.interface import Answer, FunctionsOf, Query
from kg.engine.spool import SpooledFile

_LENGTH: Final = struct.Struct("!Q")
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Setup:
    """What a loader has to know to begin.

    Attributes:
        parent: process identifier of who starts it.
        jobs: descriptor of the queue that query processes take their questions from.
        board, slots: descriptor of the board, and how many slots it has.
        data: what to load.
        version, prefixes, functions: see ``IsolatedEngine``.
        report: descriptor of a connection on which it says how the loading went.
        expected: the version that the data must have; None: any.
    """

    parent: int
    jobs: int
    board: int
    slots: int
    data: Data
    version: str | None
    prefixes: Mapping[str, str]
    functions: FunctionsOf | None
    report: int = -1
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loader holds its data, and is about to start query processes.

    Attributes:
        version, contents: see ``Engine``.
    """

    version: str
    contents: Contents


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


Message = Loaded | Job | Started | Failed | Answer | None


def send(connection: socket.socket, message: Message) -> None:
    """Send a message wholly; a file in it is handed over, not copied."""
    descriptors = []
    if isinstance(message, Answer) and isinstance(message.content, SpooledFile):
        descriptors = [message.content.descriptor]
        message = replace(message, content=b"")
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    head = _LENGTH.pack(len(content))
    if descriptors:
        socket.send_fds(connection, [head], descriptors)
        head = b""
    connection.sendall(head + content)


def receive(connection: socket.socket) -> Message:
    """Receive a message wholly.

    Both ends are processes of this service, so unpickling is safe.

    Raises:
        EOFError: the other end was closed before the message was complete.
        TimeoutError: the connection has a time limit, and it passed.
    """
    head, descriptors = _head(connection)
    (length,) = _LENGTH.unpack(head)
    message: Message = pickle.loads(_exactly(connection, length))  # noqa: S301 - see above
    if descriptors and isinstance(message, Answer):
        return replace(message, content=SpooledFile(descriptors[0]))
    return message


def _head(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Receive the length of a message, and the file that comes with it if there is one."""
    try:
        head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 1)
    except ConnectionError as error:
        raise EOFError from error
    if not head:
        raise EOFError
    return head + _exactly(connection, _LENGTH.size - len(head)), descriptors


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
