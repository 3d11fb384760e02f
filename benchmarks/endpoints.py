"""Requests per second of the service beside `oxigraph serve`, on the same data in the same run.

Needs `wrk` (Debian package wrk) and `oxigraph` (PyPI) on the path. Prints the table of
docs/benchmarks.md; quote the ratios, since absolute figures are those of one machine.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import kg

LOOKUP = "SELECT ?p ?o WHERE { <https://w3id.org/dermograph/ontology/CO2Laser> ?p ?o }"
THOUSAND_ROWS = """SELECT ?claim ?label ?source ?title WHERE {
  ?claim <http://www.w3.org/ns/prov#wasDerivedFrom> ?source ;
         <http://www.w3.org/2000/01/rdf-schema#label> ?label .
  ?source <http://purl.org/dc/terms/title> ?title .
} LIMIT 1000"""


@dataclass(frozen=True)
class Workload:
    """A request that is sent again and again.

    Attributes:
        name: what the table calls it.
        query: the SPARQL.
        unique: whether each request differs, so that no cache can answer it.
    """

    name: str
    query: str
    unique: bool


WORKLOADS = (
    Workload("one subject, repeated", LOOKUP, unique=False),
    Workload("one subject, unique", LOOKUP, unique=True),
    Workload("1,000 rows, repeated", THOUSAND_ROWS, unique=False),
    Workload("1,000 rows, unique", THOUSAND_ROWS, unique=True),
)


@contextmanager
def running(command: list[str], url: str) -> Iterator[None]:
    """Run a server until the block ends, beginning when it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_answered(f"{url}?query={quote('ASK {}')}", process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_until_answered(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when a URL answers.

    Raises:
        SystemExit: the server ended, or did not answer within a minute.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{process.args!r} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url):
                return
        except urllib.error.URLError:
            time.sleep(0.05)
    sys.exit(f"{url} does not answer")


def requests_per_second(url: str, workload: Workload, seconds: int, clients: int) -> float:
    """Measure with wrk; a unique query differs from the last one in a comment."""
    target = f"{url}?query={quote(workload.query)}"
    script = (
        "local n = math.random(1000000000)\n"
        "request = function()\n  n = n + 1\n"
        f'  return wrk.format("GET", "{target[target.index("/", 8) :]}'
        + ('%23" .. n' if workload.unique else '"')
        + ")\nend\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", file.name]
        command += ["-H", "Accept: application/sparql-results+json", url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        sys.exit(f"{workload.name} at {url}: {output}")
    match = re.search(r"Requests/sec:\s*([\d.]+)", output)
    assert match is not None
    return float(match[1])


def main() -> None:
    """Measure all workloads in turn, several rounds, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    if shutil.which("wrk") is None or shutil.which("oxigraph") is None:
        sys.exit("Install wrk (Debian) and oxigraph (PyPI) first.")
    ours, theirs = "http://127.0.0.1:8181/sparql", "http://127.0.0.1:8182/query"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "dataset.nq")
        data.write_bytes(kg.load().nquads)
        store = str(Path(folder, "store"))
        load = ["oxigraph", "load", "--location", store, "--file", str(data)]
        subprocess.run(load, check=True, capture_output=True)
        serve = ["oxigraph", "serve-read-only", "--location", store, "--bind", "127.0.0.1:8182"]
        serve.append("--union-default-graph")
        with (
            running(["dermograph", "serve", "--port", "8181"], ours),
            running(serve, theirs),
        ):
            print("| workload | Dermograph, requests/s | oxigraph serve, requests/s | ratio |")
            print("|---|---|---|---|")
            for workload in WORKLOADS:
                measured: dict[str, list[float]] = {ours: [], theirs: []}
                for _ in range(options.rounds):
                    for url, figures in measured.items():
                        figures.append(
                            requests_per_second(url, workload, options.seconds, options.clients)
                        )
                own, other = (statistics.median(figures) for figures in measured.values())
                print(f"| {workload.name} | {own:,.0f} | {other:,.0f} | {own / other:.2f} |")


if __name__ == "__main__":
    main()
