"""The isolated engine answers as the one in this process does, and no query takes it down."""

from __future__ import annotations

import ctypes
import errno
import mmap
import multiprocessing
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from types import NoneType

import pytest
from rdflib import Literal, URIRef

from kg.engine import (
    FORMATS,
    Answer,
    EngineError,
    EngineUnavailable,
    MemoryLimitExceeded,
    Overloaded,
    Query,
    QueryStopped,
    QuerySyntaxError,
    QueryTimeout,
    ResultKind,
    ResultTooLarge,
    kernel,
)
from kg.engine.inprocess import InProcessEngine
from kg.engine.isolated import IsolatedEngine, Limits
from kg.engine.spool import SpooledFile

pytestmark = pytest.mark.skipif(not kernel.SUPPORTED, reason="this platform cannot isolate")

ITEMS = 700
DENSE = 40
LIMIT = 0.4
GRACE = 0.25
PREFIXES = {"e": "http://e/"}
LOOKUP = Query("SELECT ?v { <http://e/7> <http://e/value> ?v }")
BOMB = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . FILTER(?a != ?g) }"

Make = Callable[..., IsolatedEngine]


def nquads() -> bytes:
    """Give about 3,000 quads: items with values and labels, and a dense graph of nodes."""
    integer = "http://www.w3.org/2001/XMLSchema#integer"
    lines = []
    for item in range(ITEMS):
        lines.append(f'<http://e/{item}> <http://e/value> "{item}"^^<{integer}> <http://e/a> .')
        lines.append(f'<http://e/{item}> <http://e/label> "Größe {item}"@de <http://e/b> .')
    lines += [
        f"<http://e/n{one}> <http://e/near> <http://e/n{two}> <http://e/c> ."
        for one in range(DENSE)
        for two in range(DENSE)
    ]
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def reference() -> InProcessEngine:
    """Give the engine in this process, whose answers are the right ones."""
    return InProcessEngine(nquads(), version="v", prefixes=PREFIXES)


@pytest.fixture(scope="module")
def engine() -> Iterator[IsolatedEngine]:
    """Give an isolated engine over the same data."""
    isolated = IsolatedEngine(nquads(), version="v", prefixes=PREFIXES, processes=4)
    yield isolated
    isolated.close()


@pytest.fixture
def make() -> Iterator[Make]:
    """Give what makes an engine for one test; its loader is recognised by its version."""
    made: list[IsolatedEngine] = []

    def made_of(limits: Limits | None = None, processes: int = 1) -> IsolatedEngine:
        version = f"test-{time.monotonic_ns()}"
        made.append(IsolatedEngine(nquads(), version=version, limits=limits, processes=processes))
        assert value(made[-1].run(LOOKUP)) == b"7"
        return made[-1]

    yield made_of
    for each in made:
        each.close()


def value(answer: Answer) -> bytes:
    """Give the one value in an answer in SPARQL JSON."""
    return answer.body.split(b'"value":"')[1].partition(b'"')[0]


def eventually(true: Callable[[], object], seconds: float = 10) -> bool:
    """Tell whether something becomes true before long."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def parents() -> dict[int, int]:
    """Give the parent of every process that has not ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended meanwhile
            continue
        if state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found


def loader_of(engine: IsolatedEngine) -> int:
    """Give the process identifier of the loader of an engine."""
    (found,) = (
        process
        for process, parent in parents().items()
        if parent == os.getpid() and engine.version.encode() in command_of(process)
    )
    return found


def command_of(process: int) -> bytes:
    """Give the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def query_processes(loader: int) -> list[int]:
    """Give the process identifiers of the query processes of a loader."""
    return [process for process, parent in parents().items() if parent == loader]


def processes_of(engine: IsolatedEngine) -> list[int]:
    """Give all processes with the command line of an engine's loader, whoever is their parent."""
    return [each for each in parents() if engine.version.encode() in command_of(each)]


def outcome(ask: Callable[[], object]) -> object:
    """Give the answer, without the time it took, or all that is to be known of the error."""
    try:
        answer = ask()
    except EngineError as error:
        return type(error), str(error), vars(error)
    return replace(answer, seconds=0, waited=0) if isinstance(answer, Answer) else answer


QUERIES = {
    "lookup": "SELECT ?v { <http://e/7> <http://e/value> ?v }",
    "all": "SELECT * { ?s ?p ?o }",
    "graphs": "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g ORDER BY ?g",
    "nothing": "SELECT * { ?s <http://e/none> ?o }",
    "from": "SELECT (COUNT(*) AS ?n) FROM <http://e/a> { ?s ?p ?o }",
    "path": "SELECT (COUNT(?o) AS ?n) { <http://e/n1> <http://e/near>+ ?o }",
    "optional": "SELECT * { ?s <http://e/value> ?v OPTIONAL { ?s <http://e/label> ?l } } ORDER BY ?v",
    "values": "SELECT * { VALUES (?a ?b) { (1 UNDEF) ('ü' <http://e/>) } }",
    "subquery": "SELECT * { { SELECT (MAX(?v) AS ?m) { ?s <http://e/value> ?v } } }",
    "yes": "ASK { ?s ?p 7 }",
    "no": "ASK { ?s ?p 'nothing' }",
    "construct": "CONSTRUCT { ?s <http://e/has> ?v } { ?s <http://e/value> ?v FILTER(?v < 50) }",
    "describe": "DESCRIBE <http://e/7>",
    "empty graph": "CONSTRUCT WHERE { ?s <http://e/none> ?o }",
}
ERRORS = {
    "syntax": "SELECT * {\n  ?s ?p\n}",
    "empty": "",
    "prefix": "SELECT * { ?s x:y ?o }",
    "nul": "SELECT * { ?s ?p '\0",
    "garbage": "\ufeff\U0001f4a9",
    "unclosed": "SELECT * { ?s ?p 'abc }",
    "update": "INSERT DATA { <a:> <b:> <c:> }",
    "drop": "DROP ALL",
    "service": "SELECT * { SERVICE <http://127.0.0.1/> { ?s ?p ?o } }",
    "silent": "SELECT * { SERVICE SILENT ?x { ?s ?p ?o } }",
    "function": "SELECT (<http://e/f>(1) AS ?x) {}",
    "aggregate": "SELECT ?s (COUNT(*) AS ?n) { ?s ?p ?o }",
    "scope": "SELECT * { BIND(1 AS ?x) BIND(2 AS ?x) }",
}


@pytest.mark.parametrize("text", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_an_answer_is_that_of_the_engine_in_this_process(
    engine: IsolatedEngine, reference: InProcessEngine, text: str, form: object
) -> None:
    """Every form of query in every format gives the same bytes, or the same refusal."""
    query = Query(text, formats=dict.fromkeys(ResultKind, form))  # type: ignore[arg-type]

    assert outcome(lambda: engine.run(query)) == outcome(lambda: reference.run(query))


@pytest.mark.parametrize("text", ERRORS.values(), ids=ERRORS)
def test_an_error_is_that_of_the_engine_in_this_process(
    engine: IsolatedEngine, reference: InProcessEngine, text: str
) -> None:
    """The exception has the same type, message, position, excerpt and hint, for run and check."""
    expected = outcome(lambda: reference.run(Query(text)))

    assert isinstance(expected, tuple)
    assert outcome(lambda: engine.run(Query(text))) == expected
    assert outcome(lambda: engine.check(text)) == outcome(lambda: reference.check(text))


@pytest.mark.parametrize(
    "query",
    [
        Query("SELECT * { ?s ?p ?v }", bindings={"v": Literal(7)}),
        Query("SELECT * { ?s ?p ?v }", bindings={"s": URIRef("http://e/9")}),
        Query("SELECT * { ?s ?p ?v }", bindings={"x": Literal(7)}),
        Query("SELECT * { ?s ?p ?v }", bindings={"p": Literal(7)}),
        Query("SELECT * { ?s ?p ?o }", default_graphs=("http://e/a",)),
        Query("SELECT * { GRAPH ?g { ?s ?p ?o } }", named_graphs=("http://e/b",)),
        Query("SELECT * { ?s ?p ?o }", default_graphs=("no iri",)),
        Query("SELECT (<x> AS ?x) {}", base_iri="http://base/"),
        Query("SELECT * { ?s ?p ?o }", max_bytes=100),
    ],
)
def test_every_member_of_a_query_reaches_the_query_process(
    engine: IsolatedEngine, reference: InProcessEngine, query: Query
) -> None:
    """Bindings, graphs, base and size limit mean what they mean to the engine in this process."""
    assert outcome(lambda: engine.run(query)) == outcome(lambda: reference.run(query))


def test_a_text_is_checked_without_being_answered(engine: IsolatedEngine) -> None:
    """Checking gives nothing for a legal query, however long answering it would take."""
    began = time.monotonic()
    engine.check(BOMB)

    assert time.monotonic() - began < 1


def test_the_version_is_the_one_it_was_made_with(engine: IsolatedEngine) -> None:
    """The engine and its answers have the version of the data."""
    assert engine.version == engine.run(LOOKUP).version == "v"


def nested(before: str, middle: str, after: str, depth: int) -> str:
    """Give a text with the same around it many times."""
    return before * depth + middle + after * depth


OPTIONALS = "?a{0} ?b{0} ?c{0} OPTIONAL {{ "
BOMBS = {
    "product": BOMB,
    "path": "SELECT (COUNT(*) AS ?n) { ?a (<http://e/near>/<http://e/near>)* ?b . ?b <http://e/near>+ ?c }",
    "negated path": "SELECT (COUNT(*) AS ?n) { ?a (!<http://e/x>|^<http://e/near>)+ ?b . ?c !<http://e/y> ?d }",
    "order": "SELECT * { ?a ?b ?c . ?d ?e ?f } ORDER BY RAND() ?c ?f",
    "distinct": "SELECT DISTINCT ?a ?d { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "group_concat": "SELECT (STRLEN(GROUP_CONCAT(STR(?c))) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "group": "SELECT ?a ?d (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } GROUP BY ?a ?d",
    "optional": "SELECT (COUNT(*) AS ?n) { ?a ?b ?c OPTIONAL { ?d ?e ?f OPTIONAL { ?g ?h ?i } } }",
    "construct": "CONSTRUCT { ?a ?b ?f } { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "ask": "ASK { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(STR(?a) = CONCAT(STR(?f), STR(?i), '!')) }",
    "minus": "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f MINUS { ?g ?h ?c . ?a ?x ?y } }",
    "exists": "SELECT * { ?a ?b ?c FILTER NOT EXISTS { ?d ?e ?f . ?g ?h ?i FILTER(?c = 'x') } }",
    "regex": (
        "SELECT (COUNT(*) AS ?n) { ?a <http://e/label> ?c . ?d <http://e/label> ?f "
        "FILTER REGEX(CONCAT(?c, ?f, ?c, ?f), CONCAT('(.*', STR(?f), '.*){9}$')) }"
    ),
    "replace": "SELECT * { ?a ?b ?c . ?d ?e ?f BIND(REPLACE(STR(?c), '(.)', STR(?f)) AS ?x) FILTER(?x = '') }",
    "hash": "SELECT * { ?a ?b ?c . ?d ?e ?f . FILTER(SHA512(CONCAT(STR(?a), STR(?f))) = '') }",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_query_is_stopped_at_its_time_limit(engine: IsolatedEngine, text: str) -> None:
    """Whatever it is doing, whoever asked hears of it within 250 ms after the limit."""
    began = time.monotonic()
    with pytest.raises(QueryTimeout, match=f"stopped after {LIMIT} s"):
        engine.run(Query(text, seconds=LIMIT))

    assert LIMIT <= time.monotonic() - began < LIMIT + GRACE
    assert value(engine.run(LOOKUP)) == b"7"


@pytest.mark.parametrize("seconds", [1e-9, 1e-6, 0.001])
def test_a_minute_limit_is_a_limit(engine: IsolatedEngine, seconds: float) -> None:
    """A time limit below the resolution of the timer is not taken for none."""
    began = time.monotonic()
    with pytest.raises(QueryTimeout):
        engine.run(Query(BOMB, seconds=seconds))

    assert time.monotonic() - began < 1


def test_a_caller_cannot_ask_for_more_time_than_there_is(make: Make) -> None:
    """The longest time bounds what a query asks for."""
    engine = make(Limits(seconds=0.2, most_seconds=0.3))
    for asked, granted in ((None, 0.2), (0.25, 0.25), (9, 0.3)):
        with pytest.raises(QueryTimeout, match=f"after {granted} s"):
            engine.run(Query(BOMB, seconds=asked))


STRINGS = " ".join(f"BIND(CONCAT(?x{n}, ?x{n}, ?x{n}, ?x{n}) AS ?x{n + 1})" for n in range(20))
MEMORY_BOMBS = {
    "concat": f"SELECT (STRLEN(?x20) AS ?n) {{ BIND('xxxxxxxx' AS ?x0) {STRINGS} }}",
    "order": "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?i ?f ?c",
    "group_concat": "SELECT (GROUP_CONCAT(?c) AS ?n) { ?a <http://e/label> ?c . ?d ?e ?f . ?g ?h ?i }",
    "distinct": "SELECT DISTINCT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "construct": "CONSTRUCT { ?a ?c ?f } { ?a ?b ?z . ?d ?c ?e . ?g ?h ?f }",
    "select": "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
}


def test_a_query_is_stopped_at_its_memory_limit(make: Make) -> None:
    """A query that takes more memory than it may ends, and says so; the next one is answered."""
    engine = make(Limits(seconds=1, memory=64 << 20))
    for name, text in MEMORY_BOMBS.items():
        expected = (MemoryLimitExceeded, QueryTimeout) if name != "concat" else MemoryLimitExceeded
        with pytest.raises(expected) as failure:
            engine.run(Query(text))
        if failure.type is MemoryLimitExceeded:
            assert "64 MiB" in str(failure.value), name
        assert value(engine.run(LOOKUP)) == b"7"


DEEP = 20_000
NESTINGS = {
    "groups": nested("{", "", "}", DEEP),
    "optionals": "{ ?s ?p ?o " + nested("OPTIONAL { ?s ?p ?o ", "", "}", DEEP) + "}",
    "unions": "{" + nested("{} UNION {", "", "}", DEEP) + "}",
    "brackets": f"{{ FILTER({nested('(', '1', ')', DEEP)}) }}",
    "negations": f"{{ FILTER({'!' * DEEP}true) }}",
    "minuses": f"{{ FILTER({'- ' * DEEP}1) }}",
    "sum": f"{{ FILTER({'1+' * DEEP}1) }}",
    "path": f"{{ ?s {nested('(', 'a', ')', DEEP)} ?o }}",
    "path steps": f"{{ ?s {'a/' * DEEP}a ?o }}",
    "lists": f"{{ ?s ?p {nested('(', '1', ')', DEEP)} }}",
    "blank nodes": f"{{ ?s ?p {nested('[ a ', '1', ']', DEEP)} }}",
    "subqueries": nested("{ SELECT * ", "{}", "}", DEEP),
    "functions": f"{{ FILTER({nested('STR(', '1', ')', DEEP)}) }}",
    "exists": nested("{ FILTER EXISTS ", "{}", "}", DEEP),
    "unclosed": "{" * DEEP,
    "unclosed brackets": "{ FILTER" + "(" * DEEP,
    "joins": "{" + "?s ?p ?o . " * DEEP + "}",
    "triple terms": f"{{ ?s ?p {nested('<<( ?s ?p ', '1', ')>>', DEEP)} }}",
}


@pytest.mark.parametrize("text", NESTINGS.values(), ids=NESTINGS)
def test_deep_nesting_ends_the_query_and_nothing_else(engine: IsolatedEngine, text: str) -> None:
    """What is nested too deeply is refused or stopped at a limit, or answered."""
    failure = failure_of(engine, Query(f"ASK {text}", seconds=0.6))

    assert type(failure) in (MemoryLimitExceeded, QueryTimeout, QuerySyntaxError, NoneType)
    assert value(engine.run(LOOKUP)) == b"7"


def test_lookups_are_answered_while_bombs_run(engine: IsolatedEngine) -> None:
    """Eight threads get the right answers to 400 lookups while two bombs run."""
    with ThreadPoolExecutor(10) as threads:
        bombs = [threads.submit(engine.run, Query(BOMB, seconds=1.5)) for _ in range(2)]
        lookups = [threads.submit(ask_often, engine, thread) for thread in range(8)]
        right = sum(each.result() for each in lookups)
        failures = [each.exception() for each in bombs]

    assert right == 400
    assert all(isinstance(each, QueryTimeout) for each in failures)


def ask_often(engine: IsolatedEngine, thread: int) -> int:
    """Look 50 items up, and count the right answers."""
    return sum(
        value(engine.run(Query(f"SELECT ?v {{ <http://e/{item}> <http://e/value> ?v }}")))
        == str(item).encode()
        for item in range(thread * 50, thread * 50 + 50)
    )


def test_a_full_queue_refuses_at_once(make: Make) -> None:
    """With one query process and one place to wait, the third and fourth query are refused."""
    engine = make(Limits(waiting=1, seconds=0.6))
    with ThreadPoolExecutor(4) as threads:
        bombs = [threads.submit(failure_of, engine, Query(BOMB)) for _ in range(4)]
        failures = [each.result() for each in as_completed(bombs)]

    assert [type(each) for each in failures] == [Overloaded] * 2 + [QueryTimeout] * 2
    assert value(engine.run(LOOKUP)) == b"7"


def failure_of(engine: IsolatedEngine, query: Query) -> EngineError | None:
    """Ask, and give the error if there is one."""
    try:
        engine.run(query)
    except EngineError as error:
        return error
    return None


def test_patience_ends(make: Make) -> None:
    """A query that waits too long for a query process is Overloaded, in the time that is set."""
    engine = make(Limits(seconds=2, patience=1))
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        began = time.monotonic()
        with pytest.raises(Overloaded, match="free within"):
            engine.run(LOOKUP)

        assert 1 <= time.monotonic() - began < 1 + GRACE
        assert isinstance(bomb.exception(), QueryTimeout)


def is_busy(engine: IsolatedEngine) -> bool:
    """Tell whether a query process has used processor time since it was started."""
    return any(ticks(each) > 5 for each in query_processes(loader_of(engine)))


def ticks(process: int) -> int:
    """Give the processor time that a process has used, in ticks of the kernel's clock."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[11])


def test_a_killed_query_process_is_replaced(make: Make) -> None:
    """The kill -9 of a query process ends its query with an error; the next is answered at once."""
    engine = make()
    loader = loader_of(engine)
    (before,) = query_processes(loader)
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        os.kill(before, signal.SIGKILL)

        error = bomb.exception(timeout=2)
    assert type(error) is EngineUnavailable
    assert value(engine.run(LOOKUP)) == b"7"
    assert query_processes(loader) != [before]
    assert loader_of(engine) == loader


def test_an_idle_query_process_may_be_killed_unnoticed(make: Make) -> None:
    """The kill -9 of idle query processes is noticed by no caller."""
    engine = make(processes=2)
    loader = loader_of(engine)
    for _ in range(20):
        for process in query_processes(loader):
            os.kill(process, signal.SIGKILL)
        assert value(engine.run(LOOKUP)) == b"7"


def test_a_killed_loader_is_replaced(make: Make) -> None:
    """The kill -9 of the loader ends its query processes; a new one answers the next query."""
    engine = make(processes=3)
    loader = loader_of(engine)
    workers = query_processes(loader)
    os.kill(loader, signal.SIGKILL)

    assert eventually(lambda: not {loader, *workers} & set(parents()))
    assert value(engine.run(LOOKUP)) == b"7"
    assert loader_of(engine) != loader


def test_a_running_query_hears_of_the_death_of_the_loader(make: Make) -> None:
    """A query that runs when the loader is killed fails at once instead of waiting."""
    engine = make()
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        os.kill(loader_of(engine), signal.SIGKILL)

        assert type(bomb.exception(timeout=3)) is EngineUnavailable
    assert value(engine.run(LOOKUP)) == b"7"


def test_closing_leaves_no_process_and_no_zombie(make: Make) -> None:
    """After close, neither the loader nor a query process is left, even if one was busy."""
    engine = make(processes=3)
    assert eventually(lambda: len(processes_of(engine)) == 4)
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        loader = loader_of(engine)
        engine.close()

        assert isinstance(bomb.exception(timeout=3), EngineUnavailable)
    assert eventually(lambda: not processes_of(engine))
    assert not Path(f"/proc/{loader}").exists()


def test_closing_twice_is_closing_once(make: Make) -> None:
    """An engine may be closed again."""
    engine = make()
    engine.close()
    engine.close()

    assert eventually(lambda: not processes_of(engine))


def test_a_closed_engine_says_so(make: Make) -> None:
    """Asking after close is an error at once."""
    engine = make()
    engine.close()

    with pytest.raises(EngineUnavailable, match="closed"):
        engine.run(LOOKUP)


def test_an_engine_without_a_loader_refuses_in_time() -> None:
    """When the loader cannot even start, queries are refused as soon as patience ends."""
    engine = IsolatedEngine(b"no quads", version="broken", limits=Limits(patience=0.3))
    with pytest.raises(Overloaded):
        engine.run(LOOKUP)
    engine.close()


def test_closing_leaves_no_file_open(make: Make) -> None:
    """An engine gives back all descriptors that it took."""
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    make().close()

    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def forked(work: Callable[[], object]) -> multiprocessing.process.BaseProcess:
    """Start a forked copy of this process that does some work; its exit code tells how it went."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that threads are running
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
    return child


def test_the_query_of_whoever_has_gone_is_stopped(make: Make) -> None:
    """When the process that asked is killed, its query ends and its place is free at once."""
    engine = make(Limits(seconds=30, patience=5))
    asking = forked(lambda: failure_of(engine, Query(BOMB)))
    assert eventually(lambda: is_busy(engine))
    asking.kill()
    asking.join()
    began = time.monotonic()

    assert value(engine.run(LOOKUP)) == b"7"
    assert time.monotonic() - began < 1


def test_a_query_can_be_stopped_by_its_name(make: Make) -> None:
    """It ends at once, whether it runs or waits, and also when another process asked it."""
    engine = make(Limits(seconds=30, patience=20))
    assert not engine.stop("mine")
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(failure_of, engine, Query(BOMB, names=("other", "mine")))
        assert eventually(lambda: is_busy(engine))
        waiting = threads.submit(failure_of, engine, Query(BOMB, names=("mine",)))
        assert eventually(lambda: engine.stop("mine"))
        assert eventually(lambda: engine.stop("mine") or waiting.done())

        assert isinstance(running.result(5), QueryStopped)
        assert isinstance(waiting.result(5), QueryStopped)
    elsewhere = forked(lambda: failure_of(engine, Query(BOMB, names=("mine",))))
    assert eventually(lambda: engine.stop("mine"))
    elsewhere.join(5)

    assert elsewhere.exitcode == 0
    assert not engine.stop("mine")
    assert value(engine.run(LOOKUP)) == b"7"


def test_long_queries_leave_room_for_short_ones(make: Make) -> None:
    """Of as many long queries as there are processes, the last to come make way, and say so."""
    engine = make(Limits(seconds=2), processes=4)
    with ThreadPoolExecutor(4) as threads:
        bombs = [threads.submit(failure_of, engine, Query(BOMB)) for _ in range(4)]
        failures = [type(bomb.result()) for bomb in bombs]
        assert value(engine.run(LOOKUP)) == b"7"

    assert sorted(each.__name__ for each in failures) == ["Overloaded", *["QueryTimeout"] * 3]


def test_a_query_makes_way_when_memory_runs_short(make: Make) -> None:
    """The machine keeps a part of its memory free, and short queries go on."""
    engine = make(Limits(seconds=10, reserve=1 << 60), processes=2)

    failure = failure_of(engine, Query(BOMB))

    assert isinstance(failure, Overloaded)
    assert "Memory ran short" in str(failure)
    assert value(engine.run(LOOKUP)) == b"7"


def test_a_large_answer_comes_in_a_file(engine: IsolatedEngine, reference: InProcessEngine) -> None:
    """It is the same, and takes the memory of neither process."""
    query = Query("SELECT ?a ?b ?c ?e { ?a ?b ?c . ?d ?e ?f } LIMIT 40000")
    answer = engine.run(query)

    assert isinstance(answer.content, SpooledFile)
    assert len(answer.content) > 4 << 20
    assert b"".join(answer.content.pieces()) == answer.body == reference.run(query).body
    with pytest.raises(ResultTooLarge):
        engine.run(replace(query, max_bytes=5 << 20))


def test_a_forked_process_may_ask(make: Make) -> None:
    """An engine works in processes forked after it was made, and closing it there does nothing."""
    engine = make(processes=2)

    def ask() -> None:
        assert value(engine.run(LOOKUP)) == b"7"
        assert isinstance(failure_of(engine, Query(BOMB, seconds=0.1)), QueryTimeout)
        engine.close()

    children = [forked(ask) for _ in range(3)]
    for child in children:
        child.join(20)

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert value(engine.run(LOOKUP)) == b"7"


def test_the_kernel_refuses_the_network() -> None:
    """After forbid_network no socket can be opened, of any family, and open ones go on."""

    def attempt() -> None:
        one, two = socket.socketpair()
        kernel.forbid_network()
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
                with pytest.raises(PermissionError):
                    socket.socket(family, kind)
        with pytest.raises(OSError, match=r".*"):
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        one.sendall(b"x")
        assert two.recv(1) == b"x"

    child = forked(attempt)
    child.join(20)

    assert child.exitcode == 0


X32 = 0x40000000
IO_URING_SETUP, PIDFD_GETFD = 425, 438
I386_SOCKET = bytes.fromhex("53 b867010000 bb02000000 b901000000 31d2 cd80 5b c3")
"""Machine code of x86_64: push rbx; eax=359 (socket), ebx=2, ecx=1, edx=0; int 0x80; pop rbx; ret."""


@pytest.mark.parametrize("call", [X32 | 41, IO_URING_SETUP, PIDFD_GETFD])
def test_the_kernel_refuses_other_ways_to_a_socket(call: int) -> None:
    """Neither another table of system calls nor io_uring nor another process gives one."""

    def attempt() -> None:
        kernel.forbid_network()
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.syscall(call, 2, 1, 0) == -1
        assert ctypes.get_errno() == errno.EPERM

    child = forked(attempt)
    child.join(20)

    assert child.exitcode == 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="machine code of x86_64")
def test_the_kernel_refuses_a_socket_of_32_bits() -> None:
    """The system calls of i386 are refused to a process of x86_64, where the kernel has them."""

    def attempt() -> int:
        with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as code:
            code.write(I386_SOCKET)
            view = ctypes.c_char.from_buffer(code)
            outcome: int = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(view))()
            del view
        return outcome

    def filtered() -> None:
        kernel.forbid_network()
        assert attempt() == -errno.EPERM

    unfiltered = forked(lambda: os._exit(attempt() < 0))
    unfiltered.join(20)
    if unfiltered.exitcode:
        pytest.skip("this kernel has no system calls of i386")
    child = forked(filtered)
    child.join(20)

    assert child.exitcode == 0


def test_query_processes_have_no_network(engine: IsolatedEngine, make: Make) -> None:
    """Every query process is under the filter of system calls, and cannot take it off."""
    del engine
    isolated = make(processes=3)
    loader = loader_of(isolated)
    assert eventually(lambda: len(query_processes(loader)) == 3)

    for process in (loader, *query_processes(loader)):
        status = Path(f"/proc/{process}/status").read_text()
        assert "Seccomp:\t2\n" in status
        assert "NoNewPrivs:\t1\n" in status


def test_queries_survive_kills_at_random_moments(make: Make) -> None:
    """While processes are killed, each answer is either the right one or an error."""
    engine = make(processes=3)
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.02):
            loader = next(iter(each for each in processes_of(engine)), None)
            for process in query_processes(loader)[:1] if loader else ():
                os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    everything = Query("SELECT * { ?s ?p ?o }")
    expected = InProcessEngine(nquads(), version="x").run(everything).body
    outcomes = [outcome(lambda: engine.run(everything)) for _ in range(100)]
    stop.set()
    killer.join()

    answers = [each for each in outcomes if isinstance(each, Answer)]
    assert answers
    assert all(each.body == expected for each in answers)
    assert all(each[0] is EngineUnavailable for each in outcomes if isinstance(each, tuple))
    assert value(engine.run(LOOKUP)) == b"7"
