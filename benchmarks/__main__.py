"""The command: measures, and prints the tables of docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import bombs, documents, tables
from benchmarks.comparison import Comparison, Effort, Measurement
from benchmarks.data import OWN, BenchmarkData, prepare
from benchmarks.fleet import Fleet, FleetSetting
from benchmarks.servers import KINDS, OTHERS, Kind, install
from benchmarks.tables import Footnotes, Footprint
from benchmarks.workloads import ROW, WORKLOADS, Mix, Workload

_PARTS: Final = ("workloads", "clients", "bombs", "documents")
_CLIENTS: Final = (1, 2, 4, 8, 16, 32)
_USUAL: Final = 8
_BEGIN: Final = "<!-- printed by python -m benchmarks -->"
_END: Final = "<!-- end of what is printed -->"


def main() -> None:
    """Measure what the options say, and print or write the tables."""
    options = _options()
    if shutil.which("wrk") is None:
        sys.exit("Install wrk first, such as with: apt-get install wrk")
    with _folder(options.folder) as folder:
        setting = FleetSetting(folder, install(folder / "servers"), options.patience)
        lines = [_BEGIN, "", *_machine()]
        for name in options.data:
            lines += ["", *_about(prepare(name, folder), setting, options)]
        text = "\n".join([*lines, "", _END])
    sys.stdout.write(f"{text}\n")
    if options.into is not None:
        _put_into(options.into, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    kinds = [kind.name for kind in KINDS]
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "--data", nargs="+", default=[OWN, "1e6"], help="own, or numbers of triples, such as 1e5"
    )
    parser.add_argument("--servers", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WORKLOAD")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument(
        "--clients",
        nargs="+",
        type=int,
        default=_CLIENTS,
        help=f"numbers of clients; workloads are compared with {_USUAL} of them if that is one",
    )
    parser.add_argument("--seconds", type=int, default=1, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how many there are")
    parser.add_argument("--bomb-seconds", type=int, default=10)
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds that a server may take to start"
    )
    parser.add_argument(
        "--folder", type=Path, help="keeps data and servers for the next run; else temporary"
    )
    parser.add_argument("--into", type=Path, help="file to put the tables into, between the marks")
    return parser.parse_args()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def _say(step: str) -> None:
    sys.stderr.write(f"{step} ...\n")


def _machine() -> list[str]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return [f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}; {', '.join(OTHERS)}."]


def _about(data: BenchmarkData, setting: FleetSetting, options: argparse.Namespace) -> list[str]:
    """Compare the servers over some data."""
    kinds = [kind for kind in KINDS if kind.name in options.servers]
    title = "Our graph" if data.is_own else "Generated graph"
    _say(f"{title}, {data.triples:,} triples: starting the servers")
    fleet, notes = Fleet(data, setting), Footnotes()
    try:
        sections = _sections(fleet, kinds, notes, options)
    finally:
        fleet.stop_all()
    return [f"## {title}, {data.triples:,} triples", *sections, *_listed(notes)]


def _sections(
    fleet: Fleet, kinds: Sequence[Kind], notes: Footnotes, options: argparse.Namespace
) -> list[str]:
    seconds = _start(fleet, kinds, options.rounds if fleet.data.is_own else 1)
    first = {server.kind.name: server.memory() for server in fleet}
    comparison = Comparison(fleet, Effort(options.seconds, options.rounds), _say)
    usual = _USUAL if _USUAL in options.clients else options.clients[0]
    lines: list[str] = []
    if "workloads" in options.parts:
        cells = _cells(comparison, _chosen(options.only, fleet.data), [usual])
        table = tables.workloads(cells, kinds, notes)
        lines += ["", f"Answers per second, {usual} clients:", "", *table]
    if "clients" in options.parts and fleet.data.is_own and len(options.clients) > 1:
        cells = _cells(comparison, [ROW], options.clients)
        table = tables.clients(cells, kinds, notes)
        lines += ["", "Answers per second, and the 99th percentile of latency:", "", *table]
    last = {server.kind.name: server.memory() for server in fleet}
    found = {name: Footprint(seconds[name], first[name], last.get(name)) for name in first}
    table = tables.footprints(found, kinds, fleet.missing, notes)
    lines += ["", "Start-up and memory:", "", *table]
    if "bombs" in options.parts and fleet.data.is_own:
        lines += ["", "Lookups under bombs:", "", *_bombed(fleet, kinds, options.bomb_seconds)]
    if "documents" in options.parts and fleet.data.is_own:
        table = _disturbed(fleet, kinds, options.bomb_seconds)
        lines += ["", "Cached lookups while 10 clients ask for the largest documents:", "", *table]
    return lines


def _start(fleet: Fleet, kinds: Sequence[Kind], times: int) -> dict[str, float]:
    """Start all servers some times, leave them running, and give the medians of the seconds."""
    taken: dict[str, list[float]] = {}
    for _ in range(times):
        fleet.stop_all()
        for name, seconds in fleet.start_all(kinds).items():
            taken.setdefault(name, []).append(seconds)
    return {name: statistics.median(each) for name, each in taken.items()}


def _chosen(names: Sequence[str], data: BenchmarkData) -> list[Workload]:
    return [
        workload
        for workload in WORKLOADS
        if workload.name in names and (data.is_own or not workload.ours_only)
    ]


def _cells(
    comparison: Comparison, workloads: Sequence[Workload], clients: Sequence[int]
) -> list[Measurement]:
    mixes = list(Mix)
    return [cell for each in workloads for cell in comparison.measure(each, mixes, clients)]


def _bombed(fleet: Fleet, kinds: Sequence[Kind], seconds: float) -> list[str]:
    """Bomb one server after the other; each is stopped afterwards, as it may go on for hours."""
    fleet.stop_all()
    outcomes = {}
    for kind in kinds:
        if kind.name in fleet.missing:
            continue
        _say(f"bombs on {kind.title}")
        fleet.start_all([kind], limited=True)
        for server in fleet:
            outcomes[kind.name] = bombs.bomb(server, fleet.data, seconds)
        fleet.stop_all()
    return tables.bombs(outcomes, kinds)


def _disturbed(fleet: Fleet, kinds: Sequence[Kind], seconds: float) -> list[str]:
    """See how cached lookups of our service fare beside documents, which only it has."""
    fleet.stop_all()
    _say("documents")
    fleet.start_all([kind for kind in kinds if kind.is_ours])
    lines = [
        line
        for server in fleet
        for line in tables.documents(documents.disturb(server, fleet.data, seconds))
    ]
    fleet.stop_all()
    return lines


def _listed(notes: Footnotes) -> list[str]:
    lines = notes.lines()
    return ["", *lines] if lines else []


def _put_into(path: Path, text: str) -> None:
    """Replace what stands between the marks of a file.

    Raises:
        SystemExit: the file has no marks.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(f"{path} has no lines {_BEGIN} and {_END}")
    path.write_text(f"{before}{text}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
