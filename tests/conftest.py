"""What tests of several rooms need: the shipped knowledge, examples to generate, what was left out."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from rdflib import Dataset

import kg

_SECOND_TIER: Final = ("long", "browser", "node", "interpreters")
"""The marks of tests that `make test` leaves to `make test-all`; see pyproject.toml."""

# The first tier tries the same examples in every run, the second more, and others each time: but in
# continuous integration, where a run says whether a change may land, not how lucky it was.
_IN_CI: Final = "CI" in os.environ
settings.register_profile("same", max_examples=50, deadline=None, derandomize=True)
settings.register_profile(
    "deep",
    max_examples=200 if _IN_CI else 1000,
    deadline=None,
    derandomize=_IN_CI,
    print_blob=True,
)
settings.load_profile("same")


def _here_to_stay() -> None:
    """Have the collector of garbage pass over all that there is now.

    Tests, the knowledge and its dataset are millions of objects, which last to the end of the run.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """Go through tests and modules no more, once they are there."""
    _here_to_stay()


@pytest.fixture(scope="session")
def graph() -> kg.KnowledgeGraph:
    """Return the shipped knowledge."""
    knowledge = kg.load()
    _here_to_stay()
    return knowledge


@pytest.fixture(scope="session")
def dataset(graph: kg.KnowledgeGraph) -> Dataset:
    """Return the shipped knowledge as an rdflib dataset; tests must not change it."""
    gc.disable()  # which would go through a million new objects again and again
    everything = graph.as_rdflib()
    gc.enable()
    _here_to_stay()
    return everything


Once = Callable[[str, Callable[[], Any]], Any]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Return what has one worker of a run do some work, of a name, for all of them.

    The others wait, and take what came of it from a file.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def done(name: str, work: Callable[[], Any]) -> Any:
        outcome = folder / f"{name}.pickle"
        with (folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not outcome.exists():
                outcome.write_bytes(pickle.dumps(work()))
        return pickle.loads(outcome.read_bytes())  # noqa: S301 - written above

    return done


class LeftOut:
    """Tells at the end of a run which tests were left out, and why; with STRICT=1 that is a failure.

    The file that LEFT_OUT names keeps the list, so that the second tier ends with that of both.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._later: Counter[str] = Counter()

    @pytest.hookimpl(trylast=True)
    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count the tests that are left to the second tier."""
        if self._config.option.markexpr.startswith("not"):
            marks = (mark.name for item in items for mark in item.iter_markers())
            self._later.update(name for name in marks if name in _SECOND_TIER)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Have a worker say what it counted, and fail where nothing may be left out."""
        worker: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if worker is not None:
            worker["later"] = dict(self._later)
        elif self._skipped() and os.environ.get("STRICT") == "1" and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear what a worker counted; all of them count the same tests."""
        self._later |= Counter(getattr(node, "workeroutput", {}).get("later", {}))

    def _skipped(self) -> list[str]:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        reports = reporter.stats.get("skipped", []) if reporter else []
        reasons = Counter(
            (report.nodeid.partition("::")[0], report.longrepr[2].removeprefix("Skipped: "))
            for report in reports
        )
        return [f"{file} ({n}): {why}" for (file, why), n in sorted(reasons.items())]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the list."""
        if hasattr(self._config, "workeroutput"):
            return
        lines = self._skipped()
        kept = os.environ.get("LEFT_OUT")
        if kept:
            with Path(kept).open("a+", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.seek(0)
                lines = file.read().splitlines()
        terminalreporter.section("left out")
        later = ", ".join(f"{count} {mark}" for mark, count in sorted(self._later.items()))
        if later:
            terminalreporter.line(f"Left to `make test-all`: {later}")
        for line in lines or ["Nothing."]:
            terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Have what is left out told."""
    config.pluginmanager.register(LeftOut(config), "left-out")
