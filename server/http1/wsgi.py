"""Running a WSGI application: what it says, and its body whole."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, NoReturn
from wsgiref.types import WSGIEnvironment

REFUSAL: Final = "dermograph.refusal"
"""Key in the WSGI environment: an error that the server found, for the app to tell."""

LARGE: Final = 4 << 20
"""Bytes from which a body is passed on piece by piece, and not kept."""

OK: Final = "200 OK"
"""The status line of an answer."""

Headers = list[tuple[str, str]]


class RawResponse(NamedTuple):
    """What an application said.

    Attributes:
        status: the status line, without the version of HTTP.
        headers: as the application gave them.
        body: what it gives piece by piece.
        head: status and headers as HTTP/1.1 sends them, without the empty line after them, where
            they are at hand.
    """

    status: str
    headers: Headers
    body: Iterable[bytes]
    head: bytes = b""


def run(app: Callable[..., Iterable[bytes]], environ: WSGIEnvironment) -> RawResponse:
    """Run an application that has begun its response when it returns, as Flask does."""
    said: list[tuple[str, Headers]] = []

    def start_response(status: str, headers: Headers, _: object = None) -> Callable[[bytes], None]:
        said[:] = [(status, headers)]
        return _refuse_write

    body = app(environ, start_response)
    return RawResponse(*said[0], body)


def _refuse_write(_: bytes) -> NoReturn:
    raise NotImplementedError("The app has to return its body, not to write it.")


def whole(body: Iterable[bytes]) -> bytes:
    """Return a body in one piece."""
    try:
        return b"".join(body)
    finally:
        close(body)


def close(body: Iterable[bytes]) -> None:
    """Tell a body that no more of it is wanted."""
    closing = getattr(body, "close", None)
    if closing is not None:
        closing()


def length_of(headers: Headers) -> int:
    """Return the length that headers declare for a body, in bytes; 0 if they declare none."""
    return next((int(value) for name, value in headers if name.lower() == "content-length"), 0)


def lines_of(headers: Headers) -> bytes:
    """Return headers as they are sent."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")


def head_of(status: str, headers: Headers) -> bytes:
    """Return status and headers as HTTP/1.1 sends them, without the empty line after them."""
    return b"HTTP/1.1 " + status.encode() + b"\r\n" + lines_of(headers)
