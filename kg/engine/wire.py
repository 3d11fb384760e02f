"""What the engine and its processes say to each other: pickled messages behind their lengths.

Both ends are processes of this service, so unpickling is safe.
"""

from __future__ import annotations

import errno
import os
import pickle
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kg.engine.data import Contents, Data
from kg.engine.errors import EngineError
from kg.engine.formats import Format, ResultKind, named
from kg.engine.interface import Answer, FunctionsOf, Query, Task, TaskResult, TaskRunner
from kg.engine.spool import Content, SpooledFile

_LENGTHS: Final = struct.Struct("=IQ")
"""Of a message without content, and of the content, if that is in memory."""

MOST_AT_ONCE: Final = 60_000
"""Bytes of a job that goes through the queue; of a larger one the queue has only TO_FOLLOW."""

TO_FOLLOW: Final = b"."

_FIRST_PIECE: Final = 4096
"""Bytes that are received at first, which is all of most messages; much more takes time to allocate."""

_IN_MESSAGE: Final = 64 << 10
"""Bytes of content up to which it is part of a message."""

_ROOM: Final = socket.CMSG_SPACE(4)
"""Bytes of ancillary data that hold a file descriptor."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a loader has to know to begin.

    Attributes:
        parent: process identifier of who starts it.
        jobs: descriptor of the queue that query processes take their questions from.
        board, slots: descriptor of the board, and how many slots it has.
        data: what to load.
        version, prefixes, functions: see ``IsolatedEngine``.
        memory: how many bytes a query process may grow by.
        reserve: how many bytes of the machine's memory queries leave free.
        tasks: does other work than queries in query processes; None: there is none.
        active: how many query processes may be about short queries at a time.
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
    memory: int
    reserve: int
    active: int
    tasks: TaskRunner | None = None
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
        work: the query, or the task.
        only_check: whether to parse it only.
        seconds: how long it may run.
        number: no other job of this engine has it.
    """

    work: Query | Task
    only_check: bool
    seconds: float
    number: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel in few pieces, as taking each of them apart takes longer than a short query."""
        query, job = self.work, (self.only_check, self.seconds, self.number)
        if isinstance(query, Task):
            return Job, (query, *job)
        formats = _names(tuple(map(query.formats.get, ResultKind)))
        asked = (query.text, query.bindings, query.default_graphs, query.named_graphs)
        rest = (query.base_iri, None, query.max_bytes, query.names)
        return _job, (asked, formats, rest, job)


def _job(
    asked: tuple[Any, ...],
    formats: tuple[str | None, ...],
    rest: tuple[Any, ...],
    job: tuple[Any, ...],
) -> Job:
    arguments = (*asked, _formats(formats), *rest)
    return Job(Query(*arguments), *job)


@lru_cache(maxsize=256)
def _names(formats: tuple[Format | None, ...]) -> tuple[str | None, ...]:
    return tuple(each.name if each else None for each in formats)


@lru_cache(maxsize=256)
def _formats(names: tuple[str | None, ...]) -> Mapping[ResultKind, Format | None]:
    return {
        kind: named(name) if name else None for kind, name in zip(ResultKind, names, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Done:
    """A job was done.

    Attributes:
        answer: its answer, or what came of the task; None if the query was only parsed.
        began: when, on the monotonic clock.
    """

    answer: Answer | TaskResult | None
    began: float

    def told(self) -> _Told:
        """Give it in few pieces, without the content of the answer."""
        answer = self.answer
        if answer is None:
            return _Told(self.began)
        if isinstance(answer, TaskResult):
            return _Told(self.began, about=answer.about)
        kind, name = answer.kind.value, answer.format.name
        return _Told(self.began, kind, name, answer.version, answer.repeatable, answer.seconds)


class _Told(NamedTuple):
    """What travels of a job that was done, beside the content of the answer."""

    began: float
    kind: str = ""
    format: str = ""
    version: str = ""
    repeatable: bool = True
    seconds: float = 0.0
    about: Any = None

    def done(self, content: Content, asked: float) -> Done:
        """Give what was done.

        Args:
            content: of the answer.
            asked: when the job was put, on the monotonic clock.
        """
        if self.about is not None:
            return Done(TaskResult(content, self.about, self.began - asked), self.began)
        if not self.kind:
            return Done(None, self.began)
        return Done(
            Answer(
                ResultKind(self.kind),
                named(self.format),
                content,
                self.version,
                self.repeatable,
                self.seconds,
                self.began - asked,
            ),
            self.began,
        )


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


def follows(told: memoryview) -> bool:
    """Tell whether the queue has no more of a job than that it follows over the connection."""
    return len(told) == len(TO_FOLLOW)


Ancillary = list[tuple[int, int, bytes]]
Message = Loaded | Job | Done | Failed


def packed(message: Message) -> bytes:
    """Give a message as it travels, without the content of an answer."""
    told = tuple(message.told()) if isinstance(message, Done) else message
    return pickle.dumps(told, protocol=pickle.HIGHEST_PROTOCOL)


def unpacked(message: bytes | memoryview, content: Content = b"", asked: float = 0.0) -> Message:
    """Give the message that ``packed`` made this of.

    Args:
        message: as it travelled.
        content: of the answer, if it is one.
        asked: when the job was put that it answers, on the monotonic clock.
    """
    unpickled: Any = pickle.loads(message)  # noqa: S301 - see above
    if isinstance(unpickled, tuple):
        return _Told(*unpickled).done(content, asked)
    told: Message = unpickled
    return told


def framed(message: Job) -> bytes:
    """Return a job as it travels by itself, over a connection."""
    told = packed(message)
    return _LENGTHS.pack(len(told), 0) + told


def send(connection: socket.socket, message: Message) -> None:
    """Send a message wholly, the content of an answer with it; a file is handed over, not copied."""
    content: bytes = b""
    descriptors = []
    if isinstance(message, Done) and message.answer is not None:
        if isinstance(message.answer.content, SpooledFile):
            descriptors = [message.answer.content.descriptor]
        else:
            content = message.answer.content
    told = packed(message)
    head = _LENGTHS.pack(len(told), len(content)) + told
    if descriptors:
        socket.send_fds(connection, [head], descriptors)
    elif len(content) <= _IN_MESSAGE:
        connection.sendall(head + content)
    else:
        _send_beside(connection, head, content)


def _send_beside(connection: socket.socket, head: bytes, content: bytes) -> None:
    """Send a message whose content is in memory that is handed over.

    Sent through the connection, it would have to be taken out before its end fits in.
    """
    with os.fdopen(os.memfd_create("answer", os.MFD_CLOEXEC), "wb") as memory:
        memory.write(content)
        memory.flush()
        socket.send_fds(connection, [head], [memory.fileno()])


class Incoming:
    """A message on its way in.

    Args:
        connection: where it comes from.
        asked: when the job was put that it answers, on the monotonic clock.
    """

    def __init__(self, connection: socket.socket, asked: float = 0.0) -> None:
        self._connection = connection
        self._asked = asked
        self._received = bytearray()
        self._filled = 0
        self._total = 0
        self._descriptors: list[int] = []

    def receive(self) -> Message | None:
        """Receive what is there or comes next; give the message if it is complete.

        Raises:
            EOFError: the other end was closed before the message was complete.
            TimeoutError: the connection has a time limit, and it passed.
            BlockingIOError: the connection does not wait, and nothing is there.
            OSError: this process may have no more files open, so the content is lost.
        """
        try:
            if self._total:
                view = memoryview(self._received)[self._filled :]
                count = self._connection.recv_into(view)
                self._filled += count
            else:
                count = self._begin()
        except ConnectionError as error:
            raise EOFError from error
        if not count:
            raise EOFError
        return self._message() if self._total and self._filled == self._total else None

    def _begin(self) -> int:
        piece, ancillary, flags, _ = self._connection.recvmsg(_FIRST_PIECE, _ROOM)
        if flags & socket.MSG_CTRUNC:  # otherwise the answer would be taken for an empty one
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._descriptors += descriptors_in(ancillary)
        self._received += piece
        self._filled = len(self._received)
        if self._filled >= _LENGTHS.size:
            told, content = _LENGTHS.unpack_from(self._received)
            beside = bool(self._descriptors)
            self._total = _LENGTHS.size + told + (0 if beside else content)
            self._received.extend(bytes(self._total - self._filled))
        return len(piece)

    def _message(self) -> Message:
        told, length = _LENGTHS.unpack_from(self._received)
        received = memoryview(self._received)
        end = _LENGTHS.size + told
        content: Content = bytes(received[end:])
        if self._descriptors:
            content = SpooledFile(self._descriptors[0])
            if length:
                content = os.pread(content.descriptor, length, 0)
        return unpacked(received[_LENGTHS.size : end], content, self._asked)


def descriptors_in(ancillary: Ancillary) -> list[int]:
    """Give the descriptors of the files that are handed over in ancillary data."""
    return [int.from_bytes(data, sys.byteorder) for _, _, data in ancillary]


class Queue:
    """The end of the queue of jobs where they are taken out.

    Args:
        jobs: the socket.
    """

    def __init__(self, jobs: socket.socket) -> None:
        self._jobs = jobs
        self._buffer = bytearray(MOST_AT_ONCE)

    def take(self) -> tuple[memoryview, socket.socket]:
        """Wait for a job; give what the queue has of it, and the connection to whoever asks."""
        while True:
            length, ancillary, _, _ = self._jobs.recvmsg_into([self._buffer], _ROOM)
            for descriptor in descriptors_in(ancillary):
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
                return memoryview(self._buffer)[:length], connection


def receive(connection: socket.socket) -> Message:
    """Receive a message wholly.

    Raises:
        EOFError: the other end was closed before the message was complete.
        TimeoutError: the connection has a time limit, and it passed.
    """
    incoming = Incoming(connection)
    while (message := incoming.receive()) is None:
        pass
    return message
