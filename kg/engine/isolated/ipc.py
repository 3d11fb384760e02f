"""Messages between an engine, its fork server and its workers: pickled, in one packet each.

A message is there as a whole or not at all. Both ends are processes of this service, so unpickling
is safe. What is done for each query is done in few calls, as it takes as long as a short query runs.
"""

from __future__ import annotations

import errno
import os
import pickle
import socket
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from kg.engine.cancellation import CancelToken
from kg.engine.dataset import Contents, Data
from kg.engine.interface import Answer, FunctionsOf, Query, Task, TaskResult, TaskRunner
from kg.engine.spool import Content, SpooledFile
from kg.rdf.formats import Format, ResultKind, named
from kg.sparql.errors import EngineError, QueryStopped

_PACKET: Final = 64 << 10
"""Bytes of a message that are sent as they are; a longer one goes in a file in memory, which takes as
long as a short query to make, and the packet says _IN_FILE."""

_IN_FILE: Final = b"."
_ROOM_FOR_DESCRIPTORS: Final = socket.CMSG_SPACE(3 * array("i").itemsize)
_CUT_OFF: Final = int(socket.MSG_CTRUNC)
_KINDS: Final = tuple(ResultKind)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a fork server has to know to begin.

    Attributes:
        parent: process identifier of who starts it.
        jobs: descriptor of the queue that workers take their jobs from.
        scoreboard, slots: descriptor of the scoreboard, and how many slots it has.
        data: what to load.
        version, prefixes, functions: see ``IsolatedEngine``.
        memory: how many bytes the address space of a worker may grow by.
        reserve: how many bytes of the machine's memory queries leave free.
        tasks: does other work than queries in workers; None: there is none.
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
    tasks: TaskRunner | None = None
    report: int = -1
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A fork server holds its data, and is about to start workers.

    Attributes:
        version, contents: see ``Engine``.
    """

    version: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class Job:
    """A query or task on its way to a worker.

    Attributes:
        work: the query, or the task.
        seconds: how long it may run.
        number: no other job of this engine has it.
    """

    work: Query | Task
    seconds: float
    number: int

    def fields(self) -> tuple[Any, ...]:
        """Return what travels of it, in few pieces, without what the worker does not need."""
        query, job = self.work, (self.seconds, self.number)
        if isinstance(query, Task):
            return *job, query
        formats = tuple([each and each.name for each in map(query.formats.get, _KINDS)])
        asked = (query.text, query.bindings, query.default_graphs, query.named_graphs)
        return *job, asked, formats, (query.base_iri, None, query.max_bytes, query.names)

    @classmethod
    def of(cls, seconds: float, number: int, work: Any, *rest: Any) -> Job:
        """Put it together again, given its ``fields``."""
        if isinstance(work, Task):
            return cls(work, seconds, number)
        formats, others = rest
        arguments = (*work, _formats(formats), *others)
        return cls(Query(*arguments), seconds, number)


@lru_cache(maxsize=64)
def _formats(names: tuple[str | None, ...]) -> Mapping[ResultKind, Format | None]:
    return {
        kind: None if name is None else named(name)
        for kind, name in zip(_KINDS, names, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Done:
    """A job was done.

    Attributes:
        answer: its answer, or what came of the task.
        began: when, on the monotonic clock.
    """

    answer: Answer | TaskResult
    began: float

    def fields(self) -> tuple[Any, ...]:
        """Return what travels of it beside the content of the answer, in few pieces."""
        answer = self.answer
        if isinstance(answer, Answer):
            rest = (answer.version, answer.repeatable, answer.seconds)
            return self.began, None, _KINDS.index(answer.kind), answer.format.name, *rest
        return self.began, answer.about

    @classmethod
    def of(cls, content: Content, put: float, began: float, about: Any, *fields: Any) -> Done:
        """Put it together again, given when the job was put, and ``fields``."""
        if about is not None:
            return cls(TaskResult(content, about, began - put), began)
        kind, written, version, repeatable, seconds = fields
        rest = (version, repeatable, seconds, began - put)
        return cls(Answer(_KINDS[kind], named(written), content, *rest), began)


Message: TypeAlias = Loaded | Job | Done | EngineError


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets that packets go through, which are whole and in order."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def packed(message: Message) -> tuple[bytes, list[SpooledFile]]:
    """Return a message as a packet, and the files that go with it; a file is not copied."""
    content: Content = message.answer.content if isinstance(message, Done) else b""
    files = [content] if isinstance(content, SpooledFile) else []
    fields = message.fields() if isinstance(message, Job | Done) else message
    about = (type(message) is Job, -1 if files else len(content), fields)
    packet = pickle.dumps(about, protocol=pickle.HIGHEST_PROTOCOL)
    if isinstance(content, bytes):
        packet += content
    if len(packet) > _PACKET:
        files.append(SpooledFile(os.memfd_create("message", os.MFD_CLOEXEC)))
        with os.fdopen(files[-1].descriptor, "wb", closefd=False) as memory:
            memory.write(packet)
        packet = _IN_FILE
    return packet, files


def unpacked(packet: bytes, files: list[SpooledFile], put: float = 0.0) -> Message:
    """Return the message that ``packed`` made this of.

    Args:
        packet: as it travelled.
        files: those that travelled with it.
        put: when the job was put that it answers, on the monotonic clock.
    """
    if packet == _IN_FILE:
        packet = b"".join(files.pop())
    is_job, length, fields = pickle.loads(packet)  # noqa: S301 - see above
    if is_job:
        return Job.of(*fields)
    if isinstance(fields, tuple):
        content = files[0] if length < 0 else packet[len(packet) - length :]
        return Done.of(content, put, *fields)
    message: Message = fields
    return message


def send(connection: socket.socket, message: Message) -> None:
    """Send a message."""
    packet, files = packed(message)
    _send(connection, packet, [file.descriptor for file in files])


def receive(connection: socket.socket, put: float = 0.0) -> Message:
    """Receive a message; see ``unpacked``.

    Raises:
        EOFError: the other end was closed.
        BlockingIOError: the connection does not wait, and nothing is there.
        OSError: this process may have no more files open, so the content is lost.
    """
    try:
        packet, descriptors = _received(connection)
    except ConnectionError as error:
        raise EOFError from error
    if not packet:
        raise EOFError
    return unpacked(packet, [SpooledFile(each) for each in descriptors], put)


class PendingCall:
    """A job, and the connection over which its outcome comes.

    Args:
        job: the job.
        token: cancels it.

    Attributes:
        put_at: when it is put, on the monotonic clock.

    Raises:
        QueryStopped: it is cancelled already.
    """

    def __init__(self, job: Job, token: CancelToken) -> None:
        self.job: Final = job
        self.token: Final = token
        self.put_at: Final = time.monotonic()
        self._packet, self._files = packed(job)
        self.connection, self._theirs = pair()
        self.connection.setblocking(False)
        try:
            token.shuts_down(self.connection)
        except QueryStopped:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, which ends the job if it is not done."""
        self.token.release()
        self.drop()

    def drop(self) -> None:
        """Close the connection in a process that was forked meanwhile; it is open where it was."""
        self.connection.close()
        self._theirs.close()

    def put(self, jobs: socket.socket) -> bool:
        """Put the job into the queue of jobs, unless that is full; tell whether it is there.

        Raises:
            QueryStopped: it was cancelled meanwhile.
        """
        descriptors = [self._theirs.fileno(), *(file.descriptor for file in self._files)]
        try:
            _send(jobs, self._packet, descriptors)
        except BlockingIOError:
            self.token.refuse_if_set()
            return False
        self._theirs.close()  # or the end of the worker would not end the connection
        self._files.clear()
        return True


def take(jobs: socket.socket) -> tuple[socket.socket, Job]:
    """Wait for a job; return it behind the connection over which its outcome is awaited."""
    while True:
        packet, descriptors = _received(jobs)
        if descriptors:
            connection = socket.socket(
                socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=descriptors[0]
            )
            job = unpacked(packet, [SpooledFile(each) for each in descriptors[1:]])
            assert isinstance(job, Job)
            return connection, job


# ``socket.send_fds`` and ``socket.recv_fds`` take several times as long.


def _send(connection: socket.socket, packet: bytes, descriptors: Sequence[int]) -> None:
    rights = array("i", descriptors)
    connection.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else [])


def _received(connection: socket.socket) -> tuple[bytes, Sequence[int]]:
    packet, ancillary, flags, _ = connection.recvmsg(_PACKET, _ROOM_FOR_DESCRIPTORS)
    descriptors = array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    if flags & _CUT_OFF:  # otherwise the answer would be taken for an empty one
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return packet, descriptors
