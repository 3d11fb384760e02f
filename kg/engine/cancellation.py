"""Cancelling calls: each has a token, within that of the request that it is for, if there is one.

A token is found by who has it, such as the connection of the client; or by a name of the query, in
the process that calls. What other processes call is found on the scoreboard of the engine alone.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

from kg.sparql.errors import QueryStopped


class CancelToken:
    """Tells, once and for all, that nobody waits for an answer any more.

    Attributes:
        is_set: whether it does.
        within: the tokens that are set together with this.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.within: Final[set[CancelToken]] = set()

    def make_current(self) -> None:
        """Make this cancel all calls from now on in this context; see ``contextvars``."""
        _CURRENT.set(self)

    def set(self) -> bool:
        """Cancel the calls that there are and refuse later ones; tell whether there were any."""
        with self._lock:
            self.is_set = True
            if self._connection is not None:
                with suppress(OSError):  # it may have ended meanwhile
                    # The method of the class, as that of a TLS connection is not for other threads.
                    socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        within = self.within.copy()  # at once, so that no lock is needed to add to it
        for token in within:
            token.set()
        return bool(within)

    def shuts_down(self, connection: socket.socket) -> None:
        """Attach the connection that is shut down when this is set.

        Raises:
            QueryStopped: it is set.
        """
        with self._lock:
            self._connection = connection
        self.refuse_if_set()

    def release(self) -> None:
        """Detach the connection, before it is closed and its descriptor used for something else."""
        with self._lock:
            self._connection = None

    def refuse_if_set(self) -> None:
        """Raise if this is set.

        Raises:
            QueryStopped: it is.
        """
        if self.is_set:
            raise QueryStopped


_CURRENT: ContextVar[CancelToken | None] = ContextVar("cancel_token", default=None)


class CallsByName:
    """The calls of one process to an engine, each with the names of its query."""

    def __init__(self) -> None:
        self._names: dict[CancelToken, tuple[str, ...]] = {}

    @contextmanager
    def call(self, names: tuple[str, ...]) -> Iterator[CancelToken]:
        """Yield the token of a call, which any of the names and the current token lead to."""
        token = CancelToken()
        outer = _CURRENT.get() or CancelToken()
        self._names[token] = names
        # Added first: whoever sets the outer one meanwhile finds this, or this finds it set.
        outer.within.add(token)
        if outer.is_set:
            token.set()
        try:
            yield token
        finally:
            outer.within.discard(token)
            del self._names[token]

    def stop(self, name: str) -> bool:
        """Cancel the calls of a name, and tell whether there were any."""
        tokens = [token for token, names in self._names.copy().items() if name in names]
        for token in tokens:
            token.set()
        return bool(tokens)
