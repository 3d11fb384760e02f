"""The service starts, stops, and leaves nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kg.edition import Edition
from kg.engine.data import Data
from server.serve import AddressError, serve

Start = Callable[[], AbstractContextManager[tuple[subprocess.Popen[bytes], int]]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told_to(start: Start, number: signal.Signals) -> None:
    """On SIGTERM and SIGINT the service ends without an error, and nothing listens any more."""
    with start() as (process, port):
        process.send_signal(number)

        assert process.wait(timeout=20) == 0
        assert not _listens(port)


def test_a_killed_service_leaves_no_process(start: Start) -> None:
    """The process that serves ends with the one that started it, even if that is killed."""
    with start() as (process, port):
        process.kill()
        process.wait(timeout=20)

        deadline = time.monotonic() + 10
        while _listens(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _listens(port)


def test_an_address_in_use_is_an_error(live_url: str) -> None:
    """A second service does not share the port of the first in silence."""
    port = urlsplit(live_url).port
    assert port is not None

    with pytest.raises(AddressError, match=f"port {port}.*Choose another"):
        serve(Edition(Data()), {}, host="127.0.0.1", port=port)


def test_an_unknown_host_is_an_error() -> None:
    """A name that is no interface of this machine is said to be the trouble."""
    with pytest.raises(AddressError, match=r"192\.0\.2\.1"):
        serve(Edition(Data()), {}, host="192.0.2.1", port=8080)


def test_flask_finds_the_app() -> None:
    """`flask --app server` works, without our own server."""
    listed = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "server", "routes"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "/sparql" in listed.stdout


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
