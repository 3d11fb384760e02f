"""What servers answer to requests that go wrong: prints the table of docs/deploying.md."""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from benchmarks.data import OWN, prepare
from benchmarks.fleet import Fleet, FleetSetting
from benchmarks.servers import KINDS, OTHERS, TIME_LIMIT, Server, install

_BEGIN: Final = "<!-- printed by python -m benchmarks.manners -->"
_END: Final = "<!-- end of what it prints -->"
_COMPARED: Final = ("dermograph", "oxigraph-disk")
_PATIENCE: Final = 2.0 * TIME_LIMIT
_PIECE: Final = 1 << 20
_MANY: Final = 6_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """What came back.

    Attributes:
        status: of the response; None: there was none in time.
        headers: by name in lower case.
        body: the beginning of it.
        length: all of its bytes.
        lines: how many ends of lines are in it.
        seconds: until its end, or until patience ended.
    """

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    length: int
    lines: int
    seconds: float

    @property
    def media_type(self) -> str:
        """What it says it is."""
        return self.headers.get("content-type", "").partition(";")[0]


def _plain(reply: Received) -> str:
    return f"{reply.status}, `{reply.media_type}`"


def _status(reply: Received) -> str:
    return str(reply.status)


def _timed(reply: Received) -> str:
    if reply.status is None:
        return f"none within {reply.seconds:.0f} s"
    return f"{reply.status} after {reply.seconds:.1f} s"


def _counted(reply: Received) -> str:
    if reply.status != http.client.OK:
        return str(reply.status)
    rows = reply.lines - 1
    missing = ", and no sign that there are more" if rows < _MANY else ""
    return f"{reply.status}, {rows:,} rows{missing}"


def _coded(reply: Received) -> str:
    return f"{reply.length:,} bytes, {reply.headers.get('content-encoding', 'not compressed')}"


def _complete(reply: Received) -> str:
    try:
        json.loads(reply.body)
    except ValueError:
        return f"{reply.status}, and a body that is no JSON"
    return f"{reply.status}, `{reply.media_type}`"


@dataclass(frozen=True, slots=True)
class Case:
    """A request that something is wrong with, or that tries the manners of a server.

    Attributes:
        title: what is asked.
        query: the SPARQL.
        say: what to say of the reply.
        parameters, headers, method: of the request.
        revalidate: whether to ask again with the ETag of the first reply.
    """

    title: str
    query: str
    say: Callable[[Received], str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    revalidate: bool = False


_ROWS: Final = "SELECT * { ?s ?p ?o } LIMIT 1000"
_CASES: Final = (
    Case("a prefix that is not declared", "SELECT ?x { ?x a nope:Laser }", _plain),
    Case("a misspelt parameter, `timeot=5`", "ASK {}", _status, {"timeot": "5"}),
    Case("rows as `text/turtle`", _ROWS, _plain, headers={"Accept": "text/turtle"}),
    Case("`HEAD`", "ASK {}", _status, method="HEAD"),
    Case("1,000 rows with `Accept-Encoding: gzip`", _ROWS, _coded, headers={"Accept-Encoding": "gzip"}),
    Case("the same again with its `ETag`", _ROWS, _status, revalidate=True),
    Case(
        "`SERVICE` to an endpoint that is not there",
        "SELECT * { SERVICE <http://127.0.0.1:9/sparql> { ?s ?p ?o } }",
        _complete,
    ),
    Case(
        f"a query that would run for hours, with a limit of {TIME_LIMIT} s",
        "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
        _timed,
    ),
    Case(
        f"{_MANY:,} rows as CSV, with a limit of {TIME_LIMIT} s",
        f"SELECT * {{ ?a ?b ?c . ?d ?e ?f }} LIMIT {_MANY}",
        _counted,
        headers={"Accept": "text/csv"},
    ),
)  # fmt: skip


def _ask(server: Server, case: Case, headers: Mapping[str, str]) -> Received:
    url = urlsplit(server.url)
    target = f"{url.path}?{urlencode({'query': case.query, **case.parameters})}"
    connection = http.client.HTTPConnection(url.netloc, timeout=_PATIENCE)
    began = time.perf_counter()
    try:
        connection.request(case.method, target, headers=dict(headers))
        response = connection.getresponse()
        body = response.read(_PIECE)
        length, lines = len(body), body.count(b"\n")
        while piece := response.read(_PIECE):
            length += len(piece)
            lines += piece.count(b"\n")
    except TimeoutError:
        return Received(None, {}, b"", 0, 0, time.perf_counter() - began)
    finally:
        connection.close()
    named = {name.lower(): value for name, value in response.getheaders()}
    return Received(response.status, named, body, length, lines, time.perf_counter() - began)


def _outcome(server: Server, case: Case) -> str:
    reply = _ask(server, case, case.headers)
    if case.revalidate:
        if "etag" not in reply.headers:
            return f"{reply.status}, no `ETag`"
        reply = _ask(server, case, {"If-None-Match": reply.headers["etag"]})
    return case.say(reply)


def main() -> None:
    """Ask all servers the same, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manners", description=__doc__)
    parser.add_argument("--into", type=Path, help="file to put the table into, between the marks")
    into: Path | None = parser.parse_args().into
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting = FleetSetting(folder, install(folder / "servers"), patience=120)
        fleet = Fleet(prepare(OWN, folder), setting)
        fleet.start_all([kind for kind in KINDS if kind.name in _COMPARED], limited=True)
        try:
            servers = [fleet.servers[each] for each in _COMPARED]
            titles = " | ".join(server.kind.title for server in servers)
            lines = [_BEGIN, "", OTHERS[0], "", f"| request | {titles} |", "|---" * 3 + "|"]
            lines += [
                f"| {case.title} | {' | '.join(_outcome(each, case) for each in servers)} |"
                for case in _CASES
            ]
        finally:
            fleet.stop_all()
    text = "\n".join([*lines, "", _END])
    sys.stdout.write(f"{text}\n")
    if into is not None:
        before, _, rest = into.read_text(encoding="utf-8").partition(_BEGIN)
        into.write_text(f"{before}{text}{rest.partition(_END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
