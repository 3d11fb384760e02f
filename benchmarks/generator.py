"""The load generator: wrk, with a script that puts each question of a workload ready-made."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from benchmarks.workloads import Mix, Workload, draws

_PATIENCE: Final = 60
"""Seconds that wrk waits for one answer."""

_STRIDE: Final = 100_000_000
"""Numbers set aside for each measurement, so that no question is ever put twice."""

_BUSY: Final = 0.9
"""Share of a processor core from which the generator may be what limits the figure."""

_SHORT: Final = 0.9
"""Share of the expected size below which answers cannot have been whole."""

# Requests are written out here, since building them for each request would cost wrk as much as
# a fast server takes to answer.
_SCRIPT: Final = """\
local heads, tail, serial, ready = {%(heads)s}, %(tail)s, %(first)d, {}
local drawn, place = {}, 0
for number in string.gmatch("%(draws)s", "%%d+") do drawn[#drawn + 1] = tonumber(number) end
local function written(number) return heads[number %% #heads + 1] .. number .. tail end
for number = 0, %(distinct)d - 1 do ready[number] = written(number) end

function request()
  if #drawn == 0 then
    serial = serial + 1
    return written(serial)
  end
  place = place %% #drawn + 1
  return ready[drawn[place]]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "bytes": %%.0f, "microseconds": %%d, "p99": %%d, "refused": %%d, '
    .. '"broken": %%d, "late": %%d}\\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
end
"""


class LoadFailed(Exception):
    """A server refused requests, broke connections or sent less than whole answers under load."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the generator found.

    Attributes:
        rate: answers per second.
        p99: milliseconds within which 99 of 100 answers came.
        strained: whether the generator itself was busy nearly all the time.
    """

    rate: float
    p99: float
    strained: bool


class Generator:
    """Puts questions to servers, and never the same unique question twice."""

    def __init__(self) -> None:
        self._next = _STRIDE

    def run(
        self,
        url: str,
        workload: Workload,
        stems: Sequence[str],
        mix: Mix,
        *,
        clients: int,
        seconds: int,
        size: int,
    ) -> Load:
        """Put questions one after the other over a number of connections that are kept alive.

        Args:
            url: of the endpoint.
            workload: what kind of questions.
            stems: what the questions begin with.
            mix: how they follow each other.
            clients: how many connections.
            seconds: for how long.
            size: bytes of the body of an answer.

        Raises:
            LoadFailed: some answers were errors or not whole.
        """
        self._next += _STRIDE
        script = _script(url, workload, stems, mix, self._next)
        began = _processor_seconds()
        counts = _wrk(url, script, clients, seconds)
        used = _processor_seconds() - began
        _check(counts, size, clients)
        lasted = counts["microseconds"] / 1e6
        return Load(counts["requests"] / lasted, counts["p99"] / 1e3, used / lasted > _BUSY)


def request_target(url: str, stem: str, number: int) -> str:
    """Return path and query string of a question."""
    path = "" if stem.startswith("/") else urlsplit(url).path
    return f"{path}{stem}{number}"


def _script(url: str, workload: Workload, stems: Sequence[str], mix: Mix, first: int) -> str:
    tail = f" HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept: {workload.accept}\r\n\r\n"
    path = urlsplit(url).path
    heads = [f"GET {stem if stem.startswith('/') else path + stem}" for stem in stems]
    distinct = workload.distinct if mix is Mix.ZIPF else 0
    return _SCRIPT % {
        "heads": ", ".join(map(json.dumps, heads)),
        "tail": json.dumps(tail),
        "first": first,
        "draws": " ".join(map(str, draws(distinct))) if distinct else "",
        "distinct": distinct,
    }


def _wrk(url: str, script: str, clients: int, seconds: int) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", f"--timeout={_PATIENCE}s"]
        command += ["-s", file.name, url]
        written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counts: dict[str, float] = json.loads(written.strip().splitlines()[-1])
    return counts


def _check(counts: dict[str, float], size: int, clients: int) -> None:
    if counts["refused"] or counts["broken"] or counts["late"]:
        raise LoadFailed(
            f"{counts['refused']:.0f} of {counts['requests']:.0f} answers were errors, "
            f"{counts['broken']:.0f} connections broke, {counts['late']:.0f} answers were late"
        )
    if counts["requests"] == 0:
        raise LoadFailed(f"no answer to {clients} clients")
    if counts["bytes"] < counts["requests"] * size * _SHORT:
        raise LoadFailed("answers under load are shorter than the one that was checked")


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CORES: Final = os.cpu_count() or 1
"""Processor cores of this machine."""
