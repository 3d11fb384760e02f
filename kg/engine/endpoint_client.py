"""Asking another endpoint: one request to an address that was checked, within bounds.

The host is resolved once, every address that it has is checked, and the connection is made to such
an address, so that no second look-up can give another one. Nothing else is followed or sent:
no redirection, no proxy, no cookie, no credentials.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from kg.engine.cancellation import CancellableCall
from kg.sparql.errors import FederationRefused, ServiceFailed, ServiceTimedOut

_ENDPOINT: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:[/?][!$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]*)?)"
)
_TOO_LARGE: Final = "gives more than endpoints may give here"
_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Place = tuple[socket.AddressFamily, Any]
"""Where to connect to: a family of addresses, and an address as sockets take it."""

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A SPARQL endpoint, as its IRI names it.

    Attributes:
        iri: the IRI.
        private: whether it may be on this machine or in a private network.
        secure: whether it is asked by TLS.
        host: name or address.
        port: the port.
        target: path and query, as the request has them.
    """

    iri: str
    private: bool
    secure: bool
    host: str
    port: int
    target: str

    @classmethod
    def named(cls, iri: str, *, private: bool = False) -> Endpoint:
        """Read the IRI of an endpoint.

        Raises:
            ValueError: it is not one of http or https, has a user or a fragment, or has
                characters that a URL cannot have.
        """
        match = _ENDPOINT.fullmatch(iri)
        port = int((match and match["port"]) or 0)
        if match is None or port > _LAST_PORT or (match["port"] and port == 0):
            raise ValueError(
                f"{iri[:200]!r} is not the http or https URL of an endpoint, "
                "in ASCII and without user and fragment."
            )
        path = match["path"]
        return cls(
            iri=iri,
            private=private,
            secure=match["scheme"] == "https",
            host=match["host"].strip("[]"),
            port=port or _PORTS[match["scheme"]],
            target=path if path.startswith("/") else f"/{path}",
        )

    @property
    def authority(self) -> str:
        """Host and port, as the header Host has them."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _PORTS["https" if self.secure else "http"]
        return shown if usual else f"{shown}:{self.port}"


class Budget:
    """What the requests on behalf of one query may use together.

    Args:
        seconds: how long they may take.
        most_bytes: how much they may give, headers included.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self.seconds = seconds
        self.most_bytes = most_bytes
        self._deadline = time.monotonic() + seconds
        self._bytes_left = most_bytes

    def seconds_left(self) -> float:
        """Return the time that is left.

        Raises:
            TimeoutError: there is none.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def take(self, count: int) -> None:
        """Use up bytes.

        Raises:
            _Refusal: there are less.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise _Refusal(_TOO_LARGE)


def fetch(
    endpoint: Endpoint, query: str, budget: Budget, *, agent: str, ask: CancellableCall
) -> bytes:
    """Put a query to an endpoint, and give the whole body of its answer in SPARQL JSON.

    Args:
        endpoint: who is asked.
        query: in SPARQL.
        budget: what may be used; it is used up.
        agent: who asks, for the header User-Agent.
        ask: by which it can be stopped.

    Raises:
        FederationRefused: an address of the endpoint is not public, and it may not be private.
        ServiceFailed: the endpoint cannot be reached, or does not answer as it should.
        ServiceTimedOut: it takes longer than there is time.
        QueryStopped: it was stopped.
    """
    try:
        with _connected(endpoint, _places(endpoint, budget), budget, ask) as connection:
            connection.settimeout(budget.seconds_left())
            connection.sendall(_request(endpoint, query, agent))
            return _body(connection, budget)
    except TimeoutError as error:
        ask.refuse_if_stopped()
        raise ServiceTimedOut(endpoint.iri, budget.seconds) from error
    except _Refusal as error:
        raise ServiceFailed(endpoint.iri, str(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        ask.refuse_if_stopped()
        raise ServiceFailed(endpoint.iri, f"cannot be asked: {_reason(error)}") from error


def too_large(iri: str) -> ServiceFailed:
    """Make the error for an endpoint that gives more than there is room for."""
    return ServiceFailed(iri, _TOO_LARGE)


class _Refusal(Exception):
    """The endpoint answers, but not as it may; the message goes on from its name."""


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeError):
        return "no host can have its name"
    return "it does not speak HTTP as it should"


def _places(endpoint: Endpoint, budget: Budget) -> list[_Place]:
    """Resolve the host of an endpoint, and check all of its addresses.

    An OSError tells that the host is unknown, a ValueError that it is no legal name.
    """
    places = _resolved(endpoint, budget)
    addresses = [ipaddress.ip_address(str(where[0]).partition("%")[0]) for _, where in places]
    if not endpoint.private and not all(is_public(address) for address in addresses):
        raise FederationRefused(
            f"<{endpoint.iri}> is on this machine or in a private network; "
            "this service asks endpoints there only if that is allowed for them."
        )
    return places


def _resolved(endpoint: Endpoint, budget: Budget) -> list[_Place]:
    # In a thread, as looking up cannot be interrupted; it ends by itself when DNS gives up.
    future: Future[list[_Place]] = Future()

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
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    embedded = _embedded(address)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST and address.is_global


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    return address.ipv4_mapped


def _connected(
    endpoint: Endpoint, places: list[_Place], budget: Budget, ask: CancellableCall
) -> socket.socket:
    """Connect to the first place that takes it."""
    failure = OSError("the host has no address")
    for number, place in enumerate(places):
        try:
            # A host that does not answer at one of its addresses leaves time for the others.
            seconds = budget.seconds_left() / (len(places) - number)
            return _connection(endpoint, place, seconds, budget, ask)
        except OSError as error:
            ask.refuse_if_stopped()
            failure = error
    raise failure


def _connection(
    endpoint: Endpoint, place: _Place, seconds: float, budget: Budget, ask: CancellableCall
) -> socket.socket:
    family, where = place
    with ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
        ask.over(connection)
        connection.settimeout(seconds)
        connection.connect(where)
        if endpoint.secure:
            connection = on_failure.enter_context(
                _context(ssl.get_default_verify_paths()).wrap_socket(
                    connection, server_hostname=endpoint.host, do_handshake_on_connect=False
                )
            )
            ask.over(connection)
            connection.settimeout(budget.seconds_left())
            connection.do_handshake()
        on_failure.pop_all()
        return connection


@lru_cache(maxsize=1)
def _context(_: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    """Return what certificates are checked by, read from a place, which takes long to make."""
    return ssl.create_default_context()


def _request(endpoint: Endpoint, query: str, agent: str) -> bytes:
    body = query.encode()
    lines = (
        f"POST {endpoint.target} HTTP/1.1",
        f"Host: {endpoint.authority}",
        f"User-Agent: {agent}",
        "Content-Type: application/sparql-query",
        f"Content-Length: {len(body)}",
        "Accept: application/sparql-results+json",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


def _body(connection: socket.socket, budget: Budget) -> bytes:
    source: Any = _Source(connection, budget)
    response = http.client.HTTPResponse(source, method="POST")
    response.begin()
    status = response.status
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirections
        raise _Refusal(f"answers with a redirection (status {status}), which is not followed")
    if status != http.client.OK:
        raise _Refusal(f"answers with status {status}")
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise _Refusal("answers in a content coding that was not asked for")
    body = response.read(budget.most_bytes)  # never without a bound, as it makes room for that
    if response.length:
        raise _Refusal("ends its answer before it is complete")
    return body


class _Source(io.RawIOBase):
    """What a connection gives, as far as the budget goes; HTTPResponse takes it for a socket."""

    def __init__(self, connection: socket.socket, budget: Budget) -> None:
        self._connection = connection
        self._budget = budget

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file to read from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, and wait for it no longer than there is time."""
        self._connection.settimeout(self._budget.seconds_left())
        count = self._connection.recv_into(buffer)
        self._budget.take(count)
        return count
