"""What the engine and its processes say to each other: pickled messages behind their lengths.

Both ends are processes of this service, so unpickling is safe.
"""

from __future__ import annotations

import errno
import os
import pickle
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kg.engine.cancellation import CancellableCall
from kg.engine.dataset import Contents, Data
from kg.engine.interface import Answer, FunctionsOf, Query, Task, TaskResult, TaskRunner
from kg.engine.spool import Content, SpooledFile
from kg.rdf.formats import ResultKind, named
from kg.sparql.errors import EngineError, QueryStopped

_LENGTHS: Final = struct.Struct("=IQ")
"""Of a message without content, and of the content, if that is in memory."""

_MOST_AT_ONCE: Final = 60_000
"""Bytes of a job that goes through the queue; of a larger one the queue has only TO_FOLLOW."""

FOLLOWS: Final = b"."

_FIRST_PIECE: Final = 4096
"""Bytes that are received at first, which is all of most messages; much more takes time to allocate."""

_IN_MESSAGE: Final = 64 << 10
"""Bytes of content up to which it is part of a message."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a fork server has to know to begin.

    Attributes:
        parent: process identifier of who starts it.
        jobs: descriptor of the queue that query processes take their questions from.
        scoreboard, slots: descriptor of the scoreboard, and how many slots it has.
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
    scoreboard: int
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
    """A fork server holds its data, and is about to start query processes.

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
        seconds: how long it may run.
        number: no other job of this engine has it.
    """

    work: Query | Task
    seconds: float
    number: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel in few pieces, as taking each of them apart takes longer than a short query."""
        query, job = self.work, (self.seconds, self.number)
        if isinstance(query, Task):
            return Job, (query, *job)
        formats = [each and each.name for each in map(query.formats.get, ResultKind)]
        asked = (query.text, query.bindings, query.default_graphs, query.named_graphs)
        rest = (query.base_iri, None, query.max_bytes, query.names)
        return _job, (asked, formats, rest, job)


def _job(
    asked: tuple[Any, ...], names: list[str | None], rest: tuple[Any, ...], job: tuple[Any, ...]
) -> Job:
    formats = {kind: name and named(name) for kind, name in zip(ResultKind, names, strict=True)}
    arguments = (*asked, formats, *rest)
    return Job(Query(*arguments), *job)


@dataclass(frozen=True, slots=True)
class Done:
    """A job was done.

    Attributes:
        answer: its answer, or what came of the task.
        began: when, on the monotonic clock.
    """

    answer: Answer | TaskResult
    began: float

    def told(self) -> tuple[Any, ...]:
        """Return what travels of it beside the content of the answer, in few pieces."""
        answer = self.answer
        if isinstance(answer, Answer):
            told = (answer.version, answer.repeatable, answer.seconds)
            return self.began, None, answer.kind.value, answer.format.name, *told
        return self.began, answer.about

    @classmethod
    def of(cls, content: Content, asked: float, began: float, about: Any, *told: Any) -> Done:
        """Put it together again, given when the job was put, and what ``told`` gave."""
        if about is not None:
            return cls(TaskResult(content, about, began - asked), began)
        kind, name, version, repeatable, seconds = told
        about_it = (version, repeatable, seconds, began - asked)
        return cls(Answer(ResultKind(kind), named(name), content, *about_it), began)


Message = Loaded | Job | Done | EngineError


def packed(message: Message) -> bytes:
    """Return a message as it travels, without the content of an answer."""
    told = message.told() if isinstance(message, Done) else message
    return pickle.dumps(told, protocol=pickle.HIGHEST_PROTOCOL)


def unpacked(message: bytes | memoryview, content: Content = b"", asked: float = 0.0) -> Message:
    """Return the message that ``packed`` made this of.

    Args:
        message: as it travelled.
        content: of the answer, if it is one.
        asked: when the job was put that it answers, on the monotonic clock.
    """
    unpickled: Any = pickle.loads(message)  # noqa: S301 - see above
    if isinstance(unpickled, tuple):
        return Done.of(content, asked, *unpickled)
    told: Message = unpickled
    return told


def send(connection: socket.socket, message: Message) -> None:
    """Send a message wholly, the content of an answer with it; a file is handed over, not copied."""
    content: Content = b""
    if isinstance(message, Done):
        content = message.answer.content
    told = packed(message)
    if isinstance(content, SpooledFile):
        socket.send_fds(connection, [_LENGTHS.pack(len(told), 0), told], [content.descriptor])
        return
    head = _LENGTHS.pack(len(told), len(content)) + told
    if len(content) <= _IN_MESSAGE:
        connection.sendall(head + content)
        return
    # Sent through the connection, it would have to be taken out before its end fits in.
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
        self.connection: Final = connection
        self._asked = asked
        self._received = bytearray()
        self._missing = _FIRST_PIECE
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
            piece, files, flags, _ = socket.recv_fds(self.connection, self._missing, 1)
        except ConnectionError as error:
            raise EOFError from error
        if not piece:
            raise EOFError
        if flags & socket.MSG_CTRUNC:  # otherwise the answer would be taken for an empty one
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._received += piece
        self._descriptors += files
        if len(self._received) < _LENGTHS.size:
            return None
        told, length = _LENGTHS.unpack_from(self._received)
        end = _LENGTHS.size + told
        self._missing = end + (0 if self._descriptors else length) - len(self._received)
        if self._missing:
            return None
        received = memoryview(self._received)
        content: Content = bytes(received[end:])
        if self._descriptors:
            content = SpooledFile(self._descriptors[0])
            if length:
                content = os.pread(content.descriptor, length, 0)
        return unpacked(received[_LENGTHS.size : end], content, self._asked)


class PendingCall(Incoming):
    """A job, and the connection over which its outcome comes.

    Args:
        job: the job.
        ask: by which it can be stopped.

    Attributes:
        begun: whether it was seen that the job has begun.

    Raises:
        QueryStopped: it was stopped already.
    """

    def __init__(self, job: Job, ask: CancellableCall) -> None:
        self.job: Final = job
        self.ask: Final = ask
        self.begun = False
        mine, self._theirs = socket.socketpair()
        super().__init__(mine, time.monotonic())
        self.connection.setblocking(False)
        told = packed(job)
        fits = len(told) <= _MOST_AT_ONCE
        self._told = told if fits else FOLLOWS
        self._rest = memoryview(b"" if fits else _LENGTHS.pack(len(told), 0) + told)
        try:
            ask.over(self.connection)
        except QueryStopped:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, which ends the job if it is not done."""
        self.ask.forget()
        self.drop()

    def drop(self) -> None:
        """Close the connection in a process that was forked meanwhile; it is open where it was."""
        self.connection.close()
        self._theirs.close()

    def interrupt(self) -> None:
        """End the connection, as whoever waits for it notices."""
        self.connection.shutdown(socket.SHUT_RDWR)

    def put(self, jobs: socket.socket) -> bool:
        """Put the job into the queue of jobs, unless that is full; tell whether it is there.

        Raises:
            QueryStopped: it was stopped meanwhile.
        """
        try:
            socket.send_fds(jobs, [self._told], [self._theirs.fileno()])
        except BlockingIOError:
            self.ask.refuse_if_stopped()
            return False
        self._theirs.close()
        return True

    def follow(self) -> bool:
        """Send on what did not fit, as far as there is room; tell whether all of it is sent."""
        # If whoever took it has died, there will be no outcome, as is seen then.
        with suppress(ConnectionError):
            while self._rest:
                try:
                    self._rest = self._rest[self.connection.send(self._rest) :]
                except BlockingIOError:
                    return False
        return True

    def done(self, message: Message) -> Done:
        """Return the outcome that a message tells.

        Raises:
            EngineError: the message tells of it.
        """
        if isinstance(message, EngineError):
            raise message
        assert isinstance(message, Done)
        return message


def take(jobs: socket.socket) -> tuple[bytes, socket.socket]:
    """Wait for a job; give what the queue has of it, and the connection to whoever asks."""
    while True:
        told, descriptors, _, _ = socket.recv_fds(jobs, _MOST_AT_ONCE, 1)
        for descriptor in descriptors:
            return told, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)


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
