"""What the benchmarks compare is the same for every server, and the same every time."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote

import pytest
from rdflib import RDFS, Graph

from benchmarks.agreement import NoAnswer, check, size
from benchmarks.data import BenchmarkData, ntriples, prepare
from benchmarks.workloads import LOOKUP, WORKLOADS, Workload, draws
from kg.engine import Query, ResultKind
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf import formats

_SMALL = 20_000
_SHARED = [workload for workload in WORKLOADS if not workload.ours_only]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkData:
    """Return a small generated graph."""
    return prepare(str(_SMALL), tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="module")
def engine(data: BenchmarkData) -> InProcessEngine:
    """Return an engine over it."""
    return InProcessEngine(data.path, version="generated")


def test_a_generated_graph_is_the_same_every_time(data: BenchmarkData) -> None:
    """As many lines as were asked for, all different, and the same ones whoever writes them."""
    lines = list(ntriples(_SMALL))

    assert data.path.read_text(encoding="ascii").splitlines(keepends=True) == lines
    assert len(set(lines)) == _SMALL


def test_a_generated_graph_speaks_of_nothing_unknown() -> None:
    """The lines are N-Triples, and every thing of whole blocks that is named has a label or title."""
    graph = Graph().parse(data="".join(ntriples(1200)), format="nt")
    described = set(graph.subjects())

    named = {each for each in graph.objects() if "/id/source" in str(each)}
    concepts = {each for each in graph.objects() if "/id/concept" in str(each)}
    assert named <= described
    assert concepts <= set(graph.subjects(RDFS.label))


@pytest.mark.parametrize("workload", _SHARED, ids=lambda workload: workload.name)
def test_every_workload_has_answers(
    workload: Workload, data: BenchmarkData, engine: InProcessEngine
) -> None:
    """A query of each workload, open for any number, finds something in a generated graph."""
    stems = workload.stems(data)
    text = unquote(stems[-1].removeprefix("?query="))
    written = {**dict.fromkeys(ResultKind, formats.JSON), ResultKind.GRAPH: formats.NTRIPLES}

    answer = engine.run(Query(f"{text}123", formats=written))

    expected = {"row": 1, "lookup": 13, "join": 1000, "construct": 400, "aggregate": 3}
    assert size(answer.body, workload) >= expected.get(workload.name, 2)


def test_repeated_questions_follow_zipf() -> None:
    """The n-th question comes about 1/n as often as the first, in the same order every time."""
    counts = Counter(draws(100))

    assert draws(100) == draws(100)
    assert set(counts) <= set(range(100))
    assert counts[0] == pytest.approx(2 * counts[1], rel=0.1)
    assert counts[0] == pytest.approx(10 * counts[9], rel=0.2)


def _rows(*values: str) -> bytes:
    rows = ", ".join(f'{{"x": {{"type": "literal", "value": "{value}"}}}}' for value in values)
    return f'{{"head": {{"vars": ["x"]}}, "results": {{"bindings": [{rows}]}}}}'.encode()


def test_answers_agree_in_any_order_and_spelling_of_numbers() -> None:
    """Servers may give rows in another order, and numbers with other digits at the end."""
    check(_rows("1.50", "b"), _rows("b", "1.5"), LOOKUP)
    check(_rows("0.3333333333"), _rows("0.33333333333333"), LOOKUP)


@pytest.mark.parametrize("other", [_rows("a"), _rows("a", "a", "b"), _rows("a", "c")])
def test_other_answers_are_noticed(other: bytes) -> None:
    """A server that gives other rows, or another number of them, is not measured against others."""
    with pytest.raises(NoAnswer, match="rows"):
        check(_rows("a", "b"), other, LOOKUP)
