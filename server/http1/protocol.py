"""A connection of HTTP/1.1: its requests as WSGI environments, one after the other, and its responses.

See https://www.rfc-editor.org/rfc/rfc9112; the grammar is left to llhttp, the parser of Node.js.
A client that sends no more may still read, as after ``shutdown(SHUT_WR)``, or have gone: TCP tells the
two apart only when something is sent to it. So an answer that takes time is preceded by interim
responses (100 Continue), which every client of HTTP/1.1 has to pass over, and by which a client that
has gone is found out, so that its query can be stopped.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
import tomllib
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Final, Protocol, cast
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

import httptools

from server.http1.errors import (
    HeadTooLarge,
    MalformedRequest,
    RequestError,
    RequestStalled,
    UnknownMethod,
)
from server.http1.wsgi import REFUSAL, Headers, RawResponse, close, head_of

_LIMITS: Final = SimpleNamespace(
    **tomllib.loads(Path(__file__).with_name("limits.toml").read_text("utf-8"))
)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS: Final = ("204", "304")
_COMMON_ENVIRON: Final[WSGIEnvironment] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.url_scheme": "http",
}
"""What the WSGI environment of every request has."""


class Handler(Protocol):
    """Sees to the requests of all connections."""

    body_seconds: float
    """How long a client may take to send a body."""

    max_body_bytes: int
    """How much of a body is read, to the byte after it."""

    connections: set[Connection]
    """The connections that are open."""

    def answer(self, environ: WSGIEnvironment, connection: Connection) -> None:
        """Have ``connection.send`` or ``connection.stream`` called for a request, now or later."""

    def gone(self, connection: Connection) -> None:
        """Take note that the client has gone whose request is being answered."""


class Connection(asyncio.Protocol):
    """A connection: what it reads, and what it answers of that meanwhile.

        reading    idle ──> head ──> body ──> waiting ──> idle, and so on
                     └────────┴────────┴──> ended: broken, late, too large, or the last
        answering  waiting ──> answering ──> answered ──> the next that waits
                                   │             └──> lingering ──> closed: it was the last
                                   └──> gone: the connection is lost, and its query is stopped

    Args:
        handler: sees to its requests.
    """

    _transport: asyncio.Transport

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[WSGIEnvironment, bool]] = deque()
        self._common_environ: WSGIEnvironment = {}
        self._environ: WSGIEnvironment = {}
        self._target = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        """Bytes of the headers that are complete."""
        self._overhead_bytes = 0
        """Bytes beside the body that came since the last piece of it: of head, chunks, trailers."""
        self._headers = 0
        self._upgrading = False
        """Whether the parser takes the head for the whole request, or another reads it once more."""
        self._reading_since: float | None = None
        """When the request began that is being read; None: none is."""
        self._head_read = False
        self._quiet_since = time.monotonic()
        """When something was last read or written."""
        self._unsent = 0
        self._ended = False
        """Whether no further request is read."""
        self._answering = False
        self._streaming = False
        """Whether a part of a response was sent."""
        self._half_closed = False
        """Whether the client sends no more."""
        self._is_handing_over = False
        self._keep_alive = True
        self._is_http11 = True
        """Whether the client knows interim responses, and connections that stay open unasked."""
        self._writable = asyncio.Event()
        self._writable.set()

    # What the event loop tells, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._handler.connections.add(self)
        if len(self._handler.connections) > _LIMITS.connections:
            self.abort()
        own, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        self._common_environ = {
            **_COMMON_ENVIRON,
            "SERVER_NAME": own[0],
            "SERVER_PORT": str(own[1]),
            "REMOTE_ADDR": client[0] if client else "",
            "REMOTE_PORT": str(client[1]) if client else "",
        }

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self._handler.connections.discard(self)
        self._ended = True
        del self._parser  # which holds this
        self._waiting.clear()
        self._writable.set()
        if self._answering:
            self._handler.gone(self)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        if self._ended:
            return
        self._quiet_since = time.monotonic()
        for begin in range(0, len(data), _LIMITS.piece_bytes):
            rest = data[begin : begin + _LIMITS.piece_bytes]
            self._overhead_bytes += len(rest)
            while rest and not self._ended:
                rest = self._parsed(rest)
            if self._reading_since is not None and self._overhead_bytes > _LIMITS.head_bytes:
                self._refuse(_too_large())
        self._answer_next()

    def eof_received(self) -> bool:
        """Take note that the client sends no more; what it asked is answered if it still reads."""
        self._half_closed = True
        waits = self._answering or bool(self._waiting)
        if self._reading_since is not None:
            self._refuse(MalformedRequest("The request breaks off."))
            self._answer_next()
        self._ended = True
        if waits:
            seconds = _LIMITS.first_probe_seconds if self._is_http11 else _LIMITS.grace_seconds
            asyncio.get_running_loop().call_later(
                seconds, self._probe, _LIMITS.second_probe_seconds
            )
        return self._answering or bool(self._waiting)  # True keeps our side of the connection open

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than it is sent to."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the client has read what it was sent."""
        self._writable.set()
        self._answer_next()

    # What the parser finds, see httptools.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._upgrading:
            return
        self._environ = self._common_environ.copy()
        self._target = b""
        self._body = []
        self._body_bytes = self._head_bytes = self._overhead_bytes = self._headers = 0
        self._head_read = False
        self._reading_since = self._quiet_since

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the target."""
        if not self._upgrading:
            self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after the body is none of the head."""
        if self._head_read:
            return
        self._headers += 1
        self._head_bytes += len(name) + len(value)
        # A name of a spelling that was met before costs one look.
        key = _short_key(name) if len(name) <= _LIMITS.short_name_bytes else _key(name)
        if not key:
            return
        text = value.decode("latin-1")
        environ = self._environ
        environ[key] = f"{environ[key]},{text}" if key in environ else text

    def on_headers_complete(self) -> None:
        """Take the head of a request, which is complete."""
        if self._upgrading:
            self._upgrading = False
            return
        self._head_read = True
        self._upgrading = self._parser.should_upgrade()
        environ = self._environ
        environ["REQUEST_METHOD"] = self._parser.get_method().decode()
        version = self._parser.get_http_version()
        environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
        refusal = self._fault_of_target() or self._fault_of_head(version)
        if refusal is not None:
            self._refuse(refusal)
        elif environ.get("HTTP_EXPECT", "").lower() == "100-continue" and not self._answering:
            self._transport.write(_CONTINUE)

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self._ended:
            return
        self._overhead_bytes = 0
        self._body.append(piece)
        self._body_bytes += len(piece)
        if self._body_bytes > self._handler.max_body_bytes:
            self._enqueue(keep_alive=False)  # the app refuses it

    def on_message_complete(self) -> None:
        """Take a request, which is complete."""
        if not (self._ended or self._upgrading):
            self._enqueue(keep_alive=self._parser.should_keep_alive())

    # Reading.

    def _parsed(self, data: bytes) -> bytes:
        """Parse what has come; return what is left for another parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # What it asks to upgrade to is not offered (RFC 9110, 7.8), so what follows is the body,
            # which the parser passes over. Another reads on, behind what matters of the head.
            head = b"" if self._ended else self._head_for_body(self._parser.should_keep_alive())
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(head)
            return data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError:
            self.abort()
            raise  # it is not the client's fault
        except httptools.HttpParserInvalidMethodError:
            self._refuse(UnknownMethod("The request has a method that is not known."))
        except httptools.HttpParserError as error:
            self._refuse(_malformed(error))
        return b""

    def _head_for_body(self, keep_alive: bool) -> bytes:  # noqa: FBT001 - there is nothing else
        """Return a head with what says where the body ends, and whether the connection is kept."""
        named = {
            "Content-Length": self._environ.get("CONTENT_LENGTH"),
            "Transfer-Encoding": self._environ.get("HTTP_TRANSFER_ENCODING"),
            "Connection": "keep-alive" if keep_alive else "close",
        }
        lines = [f"{name}: {value}\r\n" for name, value in named.items() if value is not None]
        head = f"POST / {self._environ['SERVER_PROTOCOL']}\r\n{''.join(lines)}\r\n"
        return head.encode("latin-1")

    def _fault_of_target(self) -> RequestError | None:
        """Put the target into the environment; return what is wrong with it, if anything."""
        target = self._target
        if target.startswith(b"/"):
            path, _, query = target.partition(b"?")
        elif target == b"*":
            path, query = target, b""
        else:
            try:
                url = httptools.parse_url(target)
            except httptools.HttpParserInvalidURLError:
                return MalformedRequest("The target of the request is no URL.")
            path, query = url.path or b"/", url.query or b""
            if url.host is None:
                return MalformedRequest("The target of the request names no host.")
            port = f":{url.port}" if url.port else ""
            self._environ["HTTP_HOST"] = url.host.decode("latin-1") + port
        if b"%" in path:
            path = unquote_to_bytes(path)
        self._environ["PATH_INFO"] = path.decode("latin-1")
        self._environ["QUERY_STRING"] = query.decode("latin-1")
        return None

    def _fault_of_head(self, version: str) -> RequestError | None:
        """Return what is wrong with the head of a request, if anything."""
        if version not in ("1.0", "1.1"):
            return MalformedRequest("The request is not HTTP/1.1.")
        if len(self._target) + self._head_bytes > _LIMITS.head_bytes:
            return _too_large()
        if self._headers > _LIMITS.headers:
            return HeadTooLarge(f"There are more than {_LIMITS.headers} headers.", _LIMITS.headers)
        host = self._environ.get("HTTP_HOST")
        if host is None and version == "1.1":
            return MalformedRequest("The request has no Host header.")
        if host is not None and "," in host:
            return MalformedRequest("The request has more than one Host header.")
        return None

    def _enqueue(self, *, keep_alive: bool) -> None:
        environ = self._environ
        body = b"".join(self._body)
        environ["wsgi.input"] = io.BytesIO(body)
        if body and "CONTENT_LENGTH" not in environ:
            environ["CONTENT_LENGTH"] = str(len(body))
        self._reading_since = None
        self._ended = not keep_alive
        self._waiting.append((environ, keep_alive))
        # A connection may be idle for long, and there may be thousands: none keeps what it was sent.
        self._environ, self._body, self._target = {}, [], b""

    def _refuse(self, error: RequestError) -> None:
        """Let the app tell what is wrong with a request that cannot be read to its end."""
        if self._ended:
            return
        self._environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "*",  # whatever was asked for is not known
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_ACCEPT": self._environ.get("HTTP_ACCEPT", ""),
            **self._common_environ,
            REFUSAL: error,
        }
        self._body = []
        self._enqueue(keep_alive=False)

    def _answer_next(self) -> None:
        """Answer the requests that wait, one after the other."""
        if self._is_handing_over:  # as an answer that is at hand is sent at once, which leads here
            return
        self._is_handing_over = True
        while self._waiting and not self._answering and self._writable.is_set():
            environ, self._keep_alive = self._waiting.popleft()
            self._answering = True
            self._is_http11 = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
            self._handler.answer(environ, self)
        self._is_handing_over = False
        if self._waiting:  # or a client that never reads could fill the memory with requests
            self._transport.pause_reading()
        elif not (self._ended or self._transport.is_closing()):
            self._transport.resume_reading()

    # Answering.

    def send(self, response: RawResponse) -> None:
        """Send a response whose body is in memory."""
        body = b"".join(response.body)
        head = response.head or head_of(response.status, _with_length(response, body))
        if len(body) <= _LIMITS.joined_bytes:
            self._write(b"".join((head, self._end_of_head(), body)))
        else:
            self._write(head + self._end_of_head())
            self._write(body)
        self._response_sent()

    async def stream(self, response: RawResponse) -> int:
        """Send a response piece by piece; its headers declare its length.

        Returns:
            How many bytes of its body were sent.
        """
        self._streaming = True
        self._write(head_of(response.status, response.headers) + self._end_of_head())
        sent = 0
        try:
            for piece in response.body:
                await self._writable.wait()
                if self._transport.is_closing():
                    return sent
                self._write(piece)
                sent += len(piece)
        finally:
            close(response.body)
        self._response_sent()
        return sent

    def _probe(self, again: float) -> None:
        """Find out whether a client that sends no more still reads.

        If it does not, its side answers what it is sent with a reset, by which the next probe fails.

        Args:
            again: the time until the next probe, in seconds.
        """
        if not self._answering or self._transport.is_closing():
            return
        if not self._is_http11:
            self.abort()
            return
        if not self._streaming:
            self._transport.write(_CONTINUE)
        longer = min(2 * again, _LIMITS.probe_seconds)
        asyncio.get_running_loop().call_later(again, self._probe, longer)

    def abort(self) -> None:
        """End at once, so that what was sent of a response is not taken for the whole."""
        self._transport.abort()

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there any more to be sent anything."""
        return self._transport.is_closing()

    @property
    def is_sending(self) -> bool:
        """Whether a response has not wholly been sent."""
        return self._answering or self._transport.get_write_buffer_size() > 0

    def _write(self, data: bytes) -> None:
        self._quiet_since = time.monotonic()
        if not self._transport.is_closing():
            self._transport.write(data)

    def _end_of_head(self) -> bytes:
        """Return the headers of the connection, and the end of the head."""
        kept = b"\r\n" if self._is_http11 else _KEEP_ALIVE
        return _date(int(time.time())) + (kept if self._keep_alive else _CLOSE)

    def _response_sent(self) -> None:
        self._answering = self._streaming = False
        if not self._keep_alive or (self._half_closed and not self._waiting):
            self._end()
        elif self._waiting:
            self._answer_next()

    def _end(self) -> None:
        """Close as soon as the client has had the time to read the last response."""
        self._ended = True
        self._waiting.clear()
        if self._transport.is_closing():
            return
        if self._half_closed:
            self._transport.close()  # when all has been sent
            return
        # Were it closed with something unread, the client would be sent a reset, by which its kernel
        # drops what it has not read of the response.
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(_LIMITS.linger_seconds, self._transport.close)

    def finish(self) -> None:
        """Answer what is being answered, and no more."""
        self._keep_alive = False
        self._waiting.clear()
        if not self._answering:
            self._transport.close()

    def end_if_overdue(self, now: float) -> None:
        """Refuse or end what takes too long.

        Args:
            now: the monotonic time.
        """
        unsent = self._transport.get_write_buffer_size()
        if unsent:
            if unsent != self._unsent:
                self._quiet_since = now
            elif now - self._quiet_since > _LIMITS.unread_seconds:
                self._transport.abort()
            self._unsent = unsent
        elif self._reading_since is not None:
            seconds = self._handler.body_seconds if self._head_read else _LIMITS.head_seconds
            if now - self._reading_since > seconds:
                part = "body" if self._head_read else "head"
                detail = f"The {part} of the request was not complete after {seconds:g} seconds."
                self._refuse(RequestStalled(detail))
                self._answer_next()
        elif not self._answering and now - self._quiet_since > _LIMITS.idle_seconds:
            self._transport.close()


_CLOSE: Final = b"Connection: close\r\n\r\n"
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n\r\n"


def _too_large() -> HeadTooLarge:
    what = f"Target and headers, or what is beside the body, are longer than {_LIMITS.head_bytes} bytes."
    return HeadTooLarge(what, _LIMITS.head_bytes)


def _malformed(error: httptools.HttpParserError) -> MalformedRequest:
    reason = str(error).rstrip(".").lower() or "it does not parse"
    hint = "Write what is not ASCII percent-encoded in UTF-8." if " in url" in reason else None
    return MalformedRequest(f"The request is not HTTP/1.1: {reason}.", hint=hint)


def _key(name: bytes) -> str:
    """Return the key of a header in an environment of WSGI; empty if others could have the same."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_short_key = lru_cache(maxsize=256)(_key)


def _with_length(response: RawResponse, body: bytes) -> Headers:
    has_length = any(name.lower() == "content-length" for name, _ in response.headers)
    if has_length or response.status.startswith(_BODILESS):
        return response.headers
    return [*response.headers, ("Content-Length", str(len(body)))]


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
