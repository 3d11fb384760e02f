"""Stopping what is being asked, from another thread: by name, or all that is asked for somebody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar

from kg.sparql.errors import QueryStopped


def stopped() -> QueryStopped:
    """Return the error that whoever waits for a stopped query gets."""
    return QueryStopped("The query was stopped on request.")


class CancellableCall:
    """A question on its way to whoever answers it.

    Attributes:
        is_stopped: whether it was stopped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.is_stopped = False

    def over(self, connection: socket.socket) -> None:
        """Say which connection it takes now.

        Raises:
            QueryStopped: it was stopped.
        """
        with self._lock:
            self._connection = connection
        self.refuse_if_stopped()

    def forget(self) -> None:
        """Say that its connection is about to be closed, and its descriptor to be used again."""
        with self._lock:
            self._connection = None

    def stop(self) -> None:
        """Stop it, and shut its connection down."""
        with self._lock:
            self.is_stopped = True
            if self._connection is not None:
                with suppress(OSError):  # it may have ended meanwhile
                    # The method of the class, as that of a TLS connection is not for other threads.
                    socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def refuse_if_stopped(self) -> None:
        """Raise if it was stopped.

        Raises:
            QueryStopped: it was.
        """
        if self.is_stopped:
            raise stopped()


class CancelToken:
    """Tells all that is asked for somebody, now and from now on, that nobody waits for it any more.

    A name finds only what is being asked at that moment; this also stops what is asked later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asks: set[CancellableCall] = set()
        self._is_set = False

    def make_current(self) -> None:
        """Have this stop all that is asked from now on in this context; see ``contextvars``."""
        _CURRENT.set(self)

    def set(self) -> bool:
        """Stop what is being asked and refuse what is asked later; tell whether there was any."""
        with self._lock:
            self._is_set = True
            asks = list(self._asks)
        for ask in asks:
            ask.stop()
        return bool(asks)

    @contextmanager
    def over(self, ask: CancellableCall) -> Iterator[None]:
        """Stop a question too, as long as the context lasts."""
        with self._lock:
            self._asks.add(ask)
            is_set = self._is_set
        if is_set:
            ask.stop()
        try:
            yield
        finally:
            with self._lock:
                self._asks.discard(ask)


_CURRENT: ContextVar[CancelToken | None] = ContextVar("cancel_token", default=None)


class CancellableCalls:
    """The questions of one process that are on their way, each with the names of its query."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[CancellableCall, frozenset[str]] = {}

    @contextmanager
    def known_as(self, names: Iterable[str]) -> Iterator[CancellableCall]:
        """Yield a question that can be stopped as long as the context lasts.

        Args:
            names: by any of which it can be; and by the token that is current.
        """
        ask = CancellableCall()
        token = _CURRENT.get()
        with self._lock:
            self._names[ask] = frozenset(names)
        try:
            with token.over(ask) if token else nullcontext():
                yield ask
        finally:
            with self._lock:
                del self._names[ask]

    def stop(self, name: str) -> bool:
        """Stop the questions of a name, and tell whether there were any."""
        with self._lock:
            asks = [ask for ask, names in self._names.items() if name in names]
        for ask in asks:
            ask.stop()
        return bool(asks)
