"""One question to a query process, from the queue to the answer."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import Final

from kg.engine import wire
from kg.engine.errors import QueryStopped
from kg.engine.stopping import Ask


class Exchange:
    """A job, and the connection over which its outcome comes.

    Args:
        job: the job.
        ask: by which it can be stopped.

    Attributes:
        connection: to the query process.
        fits: whether the queue takes it whole; otherwise ``follow`` has to be called.
        begun: whether it was seen that the job has begun.

    Raises:
        QueryStopped: it was stopped already.
    """

    def __init__(self, job: wire.Job, ask: Ask) -> None:
        self.job: Final = job
        self.ask: Final = ask
        self.begun = False
        self.connection, self._theirs = socket.socketpair()
        self._told = wire.packed(job)
        self.fits = len(self._told) <= wire.MOST_AT_ONCE
        self._incoming = wire.Incoming(self.connection, time.monotonic())
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
        """Put the job into the queue of jobs, unless that is full.

        Returns:
            Whether it is there.

        Raises:
            QueryStopped: it was stopped meanwhile.
        """
        told = self._told if self.fits else wire.TO_FOLLOW
        try:
            socket.send_fds(jobs, [told], [self._theirs.fileno()])
        except BlockingIOError:
            self.ask.refuse_if_stopped()
            return False
        self._theirs.close()
        return True

    def follow(self) -> None:
        """Send what did not fit, now that it is announced.

        Raises:
            TimeoutError: the connection has a time limit, and it passed.
        """
        # If whoever took it has died, there will be no outcome, as is seen then.
        with suppress(ConnectionError):
            wire.send(self.connection, self.job)

    async def follow_soon(self) -> None:
        """Send what did not fit like ``follow``, while the event loop sees to other things."""
        self.connection.setblocking(False)
        with suppress(ConnectionError):  # as above
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self.connection, wire.framed(self.job))

    def receive(self) -> wire.Message | None:
        """Receive what is there or comes next; see ``wire.Incoming.receive``."""
        return self._incoming.receive()

    def done(self, message: wire.Message) -> wire.Done:
        """Give the outcome that a message tells.

        Raises:
            EngineError: the message tells of it.
        """
        if isinstance(message, wire.Failed):
            raise message.exception()
        assert isinstance(message, wire.Done)
        return message
