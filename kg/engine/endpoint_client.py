"""Asking another endpoint: one request to an address that was checked, an answer that is whole.

The host is resolved once, every address that it has is checked, and the connection is made to such
an address, so that no second look-up can give another one. Nothing else is followed or sent:
no redirection, no proxy, no cookie, and no credentials but those of who is asked.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from queue import Empty, LifoQueue
from typing import Any, Final, NamedTuple

from kg.engine.cancellation import CancelToken
from kg.sparql.errors import (
    FederationRefused,
    Overloaded,
    UpstreamCutOff,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamTimedOut,
)

_ENDPOINT: Final = re.compile(
    r"http(?P<secure>s?)://"
    r"(?P<authority>(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?)"
    r"(?P<target>(?:[/?][!$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]*)?)"
)
_PIECE: Final = 1 << 16  # bytes, as much as a pipe or socket has at a time
_LAST_PORT: Final = 65_535
TOO_LARGE: Final = "gives more than endpoints may give here"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_SocketAddress = tuple[socket.AddressFamily, Any]
"""Where to connect to: a family of addresses, and an address as sockets take it."""

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class Endpoint(NamedTuple):
    """A SPARQL endpoint, as its IRI names it.

    Attributes:
        iri: the IRI.
        private: whether it may be on this machine or in a private network.
        secure: whether it is asked by TLS.
        host: name or address.
        port: the port.
        authority: host and port, as the header Host has them.
        target: path and query, as the request has them.
    """

    iri: str
    private: bool
    secure: bool
    host: str
    port: int
    authority: str
    target: str

    @classmethod
    def named(cls, iri: str, *, private: bool = False) -> Endpoint:
        """Read the IRI of an endpoint.

        Raises:
            ValueError: it is not one of http or https, has a user or a fragment, or has
                characters that a URL cannot have.
        """
        match = _ENDPOINT.fullmatch(iri)
        if match is None or int(match["port"] or 0) > _LAST_PORT:
            raise ValueError(
                f"{iri[:200]!r} is not the http or https URL of an endpoint, "
                "in ASCII and without user and fragment."
            )
        port = int(match["port"] or (443 if match["secure"] else 80))
        target = f"/{match['target'].removeprefix('/')}"
        host = match["host"].strip("[]")
        return cls(iri, private, bool(match["secure"]), host, port, match["authority"], target)


class Budget:
    """What the requests on behalf of one query may use together.

    Args:
        seconds: how long they may take.
        most_bytes: how much they may give, headers included.
    """

    def __init__(self, seconds: float, most_bytes: int = sys.maxsize) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self.bytes_left = most_bytes

    def seconds_left(self) -> float:
        """Return the time that is left.

        Raises:
            TimeoutError: there is none.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class EndpointClient:
    """Asks one endpoint, over connections that are kept for the next question, if they may be.

    Args:
        endpoint: who is asked.
        headers: of every request, such as who asks and by what right.
        most: how many questions there may be at a time.
        connecting: within how many seconds there has to be a connection; None: as all else.
        sending: how many an answer may take that has begun in time; None: as all else.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Sequence[str],
        most: int,
        connecting: float | None = None,
        sending: float | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._headers = headers
        self._connecting, self._sending = connecting, sending
        self._kept: LifoQueue[socket.socket | None] = LifoQueue()
        for _ in range(most):
            self._kept.put(None)
        os.register_at_fork(before=self.close)  # as two processes cannot share a connection

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connection in [self._kept.get_nowait() for _ in range(self._kept.qsize())]:
            self._kept.put(None)
            if connection is not None:
                connection.close()

    @contextmanager
    def asked(
        self, body: str, accepted: str, budget: Budget, token: CancelToken
    ) -> Iterator[http.client.HTTPResponse]:
        """Yield an answer, all of which has to be read in the context, by a parser.

        Args:
            body: of the request.
            accepted: the media type that is wanted, the only one, as not all endpoints choose well.
            budget: what may be used.
            token: cancels it.

        Raises:
            FederationRefused: an address of the endpoint is not public, and it may not be private.
            UpstreamFailed: it cannot be asked, or does not give a whole answer; or there was a
                SyntaxError in the context.
            Overloaded: too much is being asked.
            QueryStopped: it was stopped.
        """
        try:
            kept = self._kept.get(timeout=budget.seconds_left())
        except Empty:
            raise Overloaded("Too much is being asked of the engine behind this service.") from None
        source = response = keeping = None
        try:
            request = _request(
                self._endpoint, body.encode(), [f"Accept: {accepted}", *self._headers]
            )
            source, response = self._begun(kept, request, budget, token)
            if self._sending is not None:
                source.budget = Budget(self._sending)
            yield response
            if response.read(_PIECE).strip():
                raise SyntaxError  # noqa: TRY301 - as a parser does
            if response.length:
                raise http.client.IncompleteRead(b"")
            keeping = None if response.will_close else source.connection
        except (OSError, http.client.HTTPException, SyntaxError, ValueError) as error:
            token.refuse_if_set()
            raise _failure(error, response) from error
        finally:
            token.release()
            if source is not None and keeping is None:
                source.connection.close()
            self._kept.put(keeping)

    def _begun(
        self, kept: socket.socket | None, request: bytes, budget: Budget, token: CancelToken
    ) -> tuple[_Source, http.client.HTTPResponse]:
        """Send a request, again if a connection that was kept has been closed meanwhile."""
        connecting = Budget(self._connecting) if self._connecting else budget
        connection = kept or _connected(self._endpoint, connecting, token)
        try:
            token.shuts_down(connection)
            connection.settimeout(budget.seconds_left())
            connection.sendall(request)
            source = _Source(connection, budget)
            return source, _response(source)
        except BaseException as error:
            connection.close()
            stale = kept and isinstance(error, ConnectionError | http.client.BadStatusLine)
            if not stale or token.is_set:
                raise
        return self._begun(None, request, budget, token)


def _failure(error: Exception, response: http.client.HTTPResponse | None) -> UpstreamFailed:
    if isinstance(error, TimeoutError):
        return UpstreamTimedOut(f"has not {'finished' if response else 'begun'} to answer in time")
    if response is None:
        return UpstreamFailed(f"cannot be asked: {_reason(error)}")
    with suppress(OSError, http.client.HTTPException):
        while isinstance(error, SyntaxError) and response.read(_PIECE):
            pass  # to find out whether all of it is there
        if isinstance(error, SyntaxError) and not response.length:
            return UpstreamMalformed("gives what is no legal answer in its format")
    return UpstreamCutOff("ends its answer before it is complete")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeError):
        return "no host can have its name"
    return "it does not speak HTTP as it should"


def _resolved(endpoint: Endpoint, budget: Budget) -> list[_SocketAddress]:
    # In a thread, as looking up cannot be interrupted; it ends by itself when DNS gives up.
    future: Future[list[_SocketAddress]] = Future()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            future.set_result([(family, where) for family, _, _, _, where in found])
        except (OSError, UnicodeError) as error:
            future.set_exception(error)

    threading.Thread(target=resolve, daemon=True, name="resolver").start()
    return future.result(budget.seconds_left())


def is_public(address: _Address) -> bool:
    """Tell whether an address can only be that of a host on the public Internet.

    An IPv6 address that stands for an IPv4 address is judged as that.
    """
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.sixtofour or address.ipv4_mapped
        if address in _NAT64:
            embedded = ipaddress.IPv4Address(address.packed[-4:])
        if embedded is None:
            return address in _GLOBAL_UNICAST and address.is_global
        address = embedded
    return address.is_global and not address.is_multicast and not address.is_reserved


def _connected(endpoint: Endpoint, budget: Budget, token: CancelToken) -> socket.socket:
    """Connect to the first address of an endpoint that takes it, if all of them may be asked.

    An OSError tells that the host is unknown, a ValueError that it is no legal name.
    """
    addresses = _resolved(endpoint, budget)
    public = (is_public(ipaddress.ip_address(str(at[0]).partition("%")[0])) for _, at in addresses)
    if not endpoint.private and not all(public):
        raise FederationRefused(
            f"<{endpoint.iri}> is on this machine or in a private network; "
            "this service asks endpoints there only if that is allowed for them."
        )
    failure = OSError("the host has no address")
    for number, address in enumerate(addresses):
        try:
            # A host that does not answer at one of its addresses leaves time for the others.
            seconds = budget.seconds_left() / (len(addresses) - number)
            return _connection(endpoint, address, seconds, budget, token)
        except OSError as error:
            token.refuse_if_set()
            failure = error
    raise failure


def _connection(
    endpoint: Endpoint, address: _SocketAddress, seconds: float, budget: Budget, token: CancelToken
) -> socket.socket:
    family, where = address
    with ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
        token.shuts_down(connection)
        connection.settimeout(seconds)
        connection.connect(where)
        if endpoint.secure:
            connection = on_failure.enter_context(
                _context(ssl.get_default_verify_paths()).wrap_socket(
                    connection, server_hostname=endpoint.host, do_handshake_on_connect=False
                )
            )
            token.shuts_down(connection)
            connection.settimeout(budget.seconds_left())
            connection.do_handshake()
        on_failure.pop_all()
        return connection


@lru_cache(maxsize=1)
def _context(_: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    """Return what certificates are checked by, read from a place, which takes long to make."""
    return ssl.create_default_context()


def _request(endpoint: Endpoint, body: bytes, headers: Sequence[str]) -> bytes:
    lines = (
        f"POST {endpoint.target} HTTP/1.1",
        f"Host: {endpoint.authority}",
        f"Content-Length: {len(body)}",
        "Accept-Encoding: identity",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


def _response(source: Any) -> http.client.HTTPResponse:
    """Return a response that begins as it should."""
    response = http.client.HTTPResponse(source, method="POST")
    response.begin()
    status = response.status
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirections
        raise UpstreamFailed(f"answers with a redirection (status {status}), which is not followed")
    if status != http.client.OK:
        raise UpstreamFailed(f"answers with status {status}")
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamFailed("answers in a content coding that was not asked for")
    return response


class _Source(io.RawIOBase):
    """What a connection gives, as far as the budget goes; HTTPResponse takes it for a socket."""

    def __init__(self, connection: socket.socket, budget: Budget) -> None:
        self.connection = connection
        self.budget = budget

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file to read from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, and wait for it no longer than there is time."""
        self.connection.settimeout(self.budget.seconds_left())
        count = self.connection.recv_into(buffer)
        self.budget.bytes_left -= count
        if self.budget.bytes_left < 0:
            raise UpstreamFailed(TOO_LARGE)
        return count
