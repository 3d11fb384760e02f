"""The isolated engine answers as the one in this process does, and no query takes it down."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import itertools
import mmap
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
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
)
from kg.engine.isolated import ipc, sandbox
from kg.engine.isolated.engine import IsolatedEngine, Limits
from kg.engine.isolated.scoreboard import Cause, Scoreboard
from kg.engine.oxigraph.engine import InProcessEngine
from kg.engine.spool import SpooledFile
from tests.processes import command_of, eventually, parents

pytestmark = pytest.mark.skipif(
    sandbox.lacking() is not None, reason="this platform cannot isolate"
)

ITEMS = 700
DENSE = 40
VERSION = "isolated-engine-under-test"
"""By which the fork server of the engine is told from other child processes of the tests."""

LIMIT = 0.4
LONG = 600.0
"""Seconds that no test lasts."""

PREFIXES = {"e": "http://e/"}
LOOKUP = Query("SELECT ?v { <http://e/7> <http://e/value> ?v }")
BOMB = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . FILTER(?a != ?g) }"

Make = Callable[..., IsolatedEngine]


def nquads() -> bytes:
    """Return about 3,000 quads: items with values and labels, and a dense graph of nodes."""
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
    """Return the engine in this process, whose answers are the right ones."""
    return InProcessEngine(nquads(), version=VERSION, prefixes=PREFIXES)


@pytest.fixture(scope="module")
def engine() -> Iterator[IsolatedEngine]:
    """Yield an isolated engine over the same data."""
    isolated = IsolatedEngine(nquads(), version=VERSION, prefixes=PREFIXES, processes=4)
    yield isolated
    isolated.close()


@pytest.fixture
def make() -> Iterator[Make]:
    """Yield what makes an engine for one test; its fork server is recognised by its version."""
    made: list[IsolatedEngine] = []

    def made_of(limits: Limits | None = None, processes: int = 1) -> IsolatedEngine:
        version = f"test-{time.monotonic_ns()}"
        made.append(IsolatedEngine(nquads(), version=version, limits=limits, processes=processes))
        made[-1].wait_until_loaded()
        assert value(made[-1].run(LOOKUP)) == b"7"
        return made[-1]

    yield made_of
    for each in made:
        each.close()


def value(answer: Answer) -> bytes:
    """Return the one value in an answer in SPARQL JSON."""
    return answer.body.split(b'"value":"')[1].partition(b'"')[0]


def fork_server_of(engine: IsolatedEngine) -> int:
    """Return the process identifier of the fork server of an engine."""
    (found,) = (
        process
        for process, parent in parents().items()
        if parent == os.getpid() and engine.version.encode() in command_of(process)
    )
    return found


def query_processes(fork_server: int) -> list[int]:
    """Return the process identifiers of the query processes of a fork server."""
    return [process for process, parent in parents().items() if parent == fork_server]


def processes_of(engine: IsolatedEngine) -> list[int]:
    """Return all processes with the command line of an engine's fork server, whoever is their parent."""
    return [each for each in parents() if engine.version.encode() in command_of(each)]


def outcome(ask: Callable[[], object]) -> object:
    """Return the answer, without the time it took, or all that is to be known of the error."""
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
    """The exception has the same type, message, position, excerpt and hint."""
    expected = outcome(lambda: reference.run(Query(text)))

    assert isinstance(expected, tuple)
    assert outcome(lambda: engine.run(Query(text))) == expected


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


def test_the_version_is_the_one_it_was_made_with(engine: IsolatedEngine) -> None:
    """The engine and its answers have the version of the data."""
    assert engine.version == engine.run(LOOKUP).version == VERSION


def nested(before: str, middle: str, after: str, depth: int) -> str:
    """Return a text with the same around it many times."""
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
    """Whatever it is doing, not before, and its process is no more."""
    began = time.monotonic()
    with pytest.raises(QueryTimeout, match=f"stopped after {LIMIT} s"):
        engine.run(Query(text, seconds=LIMIT))

    assert time.monotonic() - began >= LIMIT
    assert eventually(lambda: not computes(engine))
    assert value(engine.run(LOOKUP)) == b"7"


@pytest.mark.parametrize("seconds", [1e-9, 1e-6, 0.001])
def test_a_minute_limit_is_a_limit(engine: IsolatedEngine, seconds: float) -> None:
    """A time limit below the resolution of the timer is not taken for none."""
    with pytest.raises(QueryTimeout, match=f"after {seconds:g} s"):
        engine.run(Query(BOMB, seconds=seconds))


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("FILTER NOT EXISTS { ?a ?x ?y . ?y ?z ?i }", "use MINUS"),
        ("FILTER NOT EXISTS { ?a ?x ?y FILTER(?y = ?i) }", "use MINUS"),
        ("FILTER EXISTS { ?a ?x ?y ; ?z ?i }", "SELECT DISTINCT"),
        (f"FILTER(?c IN ({', '.join(map(str, range(600)))}))", "VALUES"),
        (" UNION ".join(f"{{ ?a ?b {number} }}" for number in range(600)), "VALUES"),
        ("FILTER NOT EXISTS { ?a ?x ?i . }", "Name classes and properties"),
    ],
)
def test_who_asks_slowly_is_told_how_to_ask(engine: IsolatedEngine, shape: str, told: str) -> None:
    """A query of a shape that is known to be slow is told the fast one when it is stopped."""
    with pytest.raises(QueryTimeout) as caught:
        engine.run(Query(f"{BOMB.rstrip(' }')} . {shape} }}", seconds=1e-6))

    assert told in caught.value.hint


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


@pytest.mark.parametrize(
    "names", [("concat", "order"), pytest.param((*MEMORY_BOMBS,), marks=pytest.mark.long)], ids=len
)
def test_a_query_is_stopped_at_its_memory_limit(make: Make, names: tuple[str, ...]) -> None:
    """A query that takes more memory than it may ends, and says so; the next one is answered."""
    engine = make(Limits(seconds=4, memory=64 << 20))
    for name in names:
        text = MEMORY_BOMBS[name]
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
    engine = make(Limits(waiting=1, seconds=LONG, most_seconds=LONG, patience=LONG))
    bomb = Query(BOMB, names=("bomb",))
    with ThreadPoolExecutor(4) as threads:
        done = as_completed([threads.submit(failure_of, engine, bomb) for _ in range(4)])
        failures = [type(next(done).result()) for _ in range(2)]
        engine.stop("bomb")
        failures += [type(each.result()) for each in done]

    assert failures == [Overloaded] * 2 + [QueryStopped] * 2
    assert value(engine.run(LOOKUP)) == b"7"


def failure_of(engine: IsolatedEngine, query: Query) -> EngineError | None:
    """Ask, and give the error if there is one."""
    try:
        engine.run(query)
    except EngineError as error:
        return error
    return None


def test_patience_ends(make: Make) -> None:
    """A query that waits too long for a query process is Overloaded, while others go on."""
    engine = make(Limits(seconds=LONG, most_seconds=LONG))
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB, names=("bomb",)))
        assert eventually(lambda: is_busy(engine))
        engine.limits = replace(engine.limits, patience=0.3)
        began = time.monotonic()
        with pytest.raises(Overloaded, match="free within"):
            engine.run(LOOKUP)

        assert time.monotonic() - began >= 0.3
        assert not bomb.done()
        engine.stop("bomb")


def computes(engine: IsolatedEngine) -> bool:
    """Tell whether a query process is using a processor, or would like to."""
    return "R" in {state_of(each) for each in query_processes(fork_server_of(engine))}


def state_of(process: int) -> str:
    """Return the state of a process, R when it is running; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_busy(engine: IsolatedEngine) -> bool:
    """Tell whether a query process has used processor time since it was started."""
    return any(ticks(each) > 5 for each in query_processes(fork_server_of(engine)))


def ticks(process: int) -> int:
    """Return the processor time that a process has used, in ticks of the kernel's clock."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[11])


def test_a_killed_query_process_is_replaced(make: Make) -> None:
    """The kill -9 of a query process ends its query with an error; the next is answered at once."""
    engine = make()
    fork_server = fork_server_of(engine)
    (before,) = query_processes(fork_server)
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        os.kill(before, signal.SIGKILL)

        error = bomb.exception(timeout=30)
    assert type(error) is EngineUnavailable
    assert value(engine.run(LOOKUP)) == b"7"
    assert query_processes(fork_server) != [before]
    assert fork_server_of(engine) == fork_server


def test_an_idle_query_process_may_be_killed_unnoticed(make: Make) -> None:
    """The kill -9 of idle query processes is noticed by no caller."""
    engine = make(processes=2)
    fork_server = fork_server_of(engine)
    for _ in range(20):
        for process in query_processes(fork_server):
            with suppress(ProcessLookupError):  # it had not quite ended when it was listed
                os.kill(process, signal.SIGKILL)
        assert value(engine.run(LOOKUP)) == b"7"


def test_a_killed_loader_is_replaced(make: Make) -> None:
    """The kill -9 of the fork server ends its query processes; a new one answers the next query."""
    engine = make(processes=3)
    fork_server = fork_server_of(engine)
    workers = query_processes(fork_server)
    os.kill(fork_server, signal.SIGKILL)

    assert eventually(lambda: not {fork_server, *workers} & set(parents()))
    assert value(engine.run(LOOKUP)) == b"7"
    assert fork_server_of(engine) != fork_server


def test_a_running_query_hears_of_the_death_of_the_loader(make: Make) -> None:
    """A query that runs when the fork server is killed fails at once instead of waiting."""
    engine = make()
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        os.kill(fork_server_of(engine), signal.SIGKILL)

        assert type(bomb.exception(timeout=30)) is EngineUnavailable
    assert value(engine.run(LOOKUP)) == b"7"


def test_closing_leaves_no_process_and_no_zombie(make: Make) -> None:
    """After close, neither the fork server nor a query process is left, even if one was busy."""
    engine = make(processes=3)
    assert eventually(lambda: len(processes_of(engine)) == 4)
    with ThreadPoolExecutor(1) as threads:
        bomb = threads.submit(engine.run, Query(BOMB))
        assert eventually(lambda: is_busy(engine))
        fork_server = fork_server_of(engine)
        engine.close()

        assert isinstance(bomb.exception(timeout=30), EngineUnavailable)
    assert eventually(lambda: not processes_of(engine))
    assert not Path(f"/proc/{fork_server}").exists()


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
    """When the fork server cannot even start, queries are refused as soon as patience ends."""
    engine = IsolatedEngine(b"no quads", version="broken", limits=Limits(patience=0.3))
    with pytest.raises(Overloaded):
        engine.run(LOOKUP)
    engine.close()


def test_closing_leaves_no_file_open(make: Make) -> None:
    """An engine gives back all descriptors that it took."""
    before = open_files()
    make().close()

    assert open_files() == before


def forked(work: Callable[[], object]) -> multiprocessing.process.BaseProcess:
    """Start a forked copy of this process that does some work; its exit code tells how it went."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that threads are running
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
    return child


def test_the_query_of_whoever_has_gone_is_stopped(make: Make) -> None:
    """When the process that asked is killed, its query ends and its place is free at once."""
    engine = make(Limits(seconds=LONG, most_seconds=LONG, patience=60))
    asking = forked(lambda: failure_of(engine, Query(BOMB)))
    assert eventually(lambda: is_busy(engine))
    asking.kill()
    asking.join()

    assert value(engine.run(LOOKUP)) == b"7"


def test_a_query_can_be_stopped_by_its_name(make: Make) -> None:
    """It ends at once, whether it runs or waits, and also when another process asked it."""
    engine = make(Limits(seconds=LONG, most_seconds=LONG, patience=LONG))
    assert not engine.stop("mine")
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(failure_of, engine, Query(BOMB, names=("other", "mine")))
        assert eventually(lambda: is_busy(engine))
        waiting = threads.submit(failure_of, engine, Query(BOMB, names=("mine",)))
        assert eventually(lambda: engine.stop("mine"))
        assert eventually(lambda: engine.stop("mine") or waiting.done())

        assert isinstance(running.result(30), QueryStopped)
        assert isinstance(waiting.result(30), QueryStopped)
    elsewhere = forked(lambda: failure_of(engine, Query(BOMB, names=("mine",))))
    assert eventually(lambda: engine.stop("mine"))
    elsewhere.join(30)

    assert elsewhere.exitcode == 0
    assert not engine.stop("mine")
    assert value(engine.run(LOOKUP)) == b"7"


def test_long_queries_leave_room_for_short_ones(make: Make) -> None:
    """Of as many long queries as there are processes, the last to come make way, and say so."""
    engine = make(Limits(seconds=LONG, most_seconds=LONG), processes=4)
    bomb = Query(BOMB, names=("bomb",))
    with ThreadPoolExecutor(4) as threads:
        done = as_completed([threads.submit(failure_of, engine, bomb) for _ in range(4)])
        first = next(done).result()
        assert value(engine.run(LOOKUP)) == b"7"
        engine.stop("bomb")
        failures = [type(each.result()) for each in done]

    assert isinstance(first, Overloaded)
    assert "Too many long queries" in str(first)
    assert failures == [QueryStopped] * 3


def test_a_query_makes_way_when_memory_runs_short(make: Make) -> None:
    """The machine keeps a part of its memory free, and short queries go on."""
    engine = make(Limits(seconds=60, reserve=1 << 60), processes=2)

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
        child.join(60)

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert value(engine.run(LOOKUP)) == b"7"


def test_the_kernel_refuses_the_network() -> None:
    """After forbid_network no socket can be opened, of any family, and open ones go on."""

    def attempt() -> None:
        one, two = socket.socketpair()
        sandbox.forbid_network()
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
        sandbox.forbid_network()
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
        sandbox.forbid_network()
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
    fork_server = fork_server_of(isolated)
    assert eventually(lambda: len(query_processes(fork_server)) == 3)

    for process in (fork_server, *query_processes(fork_server)):
        status = Path(f"/proc/{process}/status").read_text()
        assert "Seccomp:\t2\n" in status
        assert "NoNewPrivs:\t1\n" in status


def test_queries_survive_kills_at_random_moments(make: Make) -> None:
    """While processes are killed, each answer is either the right one or an error."""
    engine = make(processes=3)
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.02):
            fork_server = next(iter(each for each in processes_of(engine)), None)
            for process in query_processes(fork_server)[:1] if fork_server else ():
                with suppress(ProcessLookupError):  # as above
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


def test_the_cause_of_a_death_is_waited_for(make: Make) -> None:
    """A query that ran out of time is told so, however late the fork server comes to note it."""
    engine = make()
    fork_server = fork_server_of(engine)
    (process,) = query_processes(fork_server)
    with ThreadPoolExecutor(1) as threads:
        os.kill(fork_server, signal.SIGSTOP)
        try:
            bomb = threads.submit(failure_of, engine, Query(BOMB, seconds=0.1))
            assert eventually(lambda: state_of(process) == "Z")
            with pytest.raises(TimeoutError):
                bomb.result(1)
        finally:
            os.kill(fork_server, signal.SIGCONT)

        assert isinstance(bomb.result(30), QueryTimeout)


def test_closing_on_the_event_loop_ends_what_is_asked(make: Make) -> None:
    """Close returns although answers are pending on the same event loop, which are told."""
    engine = make(Limits(seconds=LONG, most_seconds=LONG, patience=LONG))

    async def close_while_asking() -> list[BaseException | Answer]:
        asked = [asyncio.create_task(engine.answer(Query(BOMB))) for _ in range(5)]
        while not is_busy(engine):  # noqa: ASYNC110 - other processes have no events
            await asyncio.sleep(0.01)
        engine.close()
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = asyncio.run(close_while_asking())

    assert [str(each) for each in outcomes] == ["The engine is closed."] * 5
    assert eventually(lambda: not processes_of(engine))


def test_closing_under_load_from_many_threads(make: Make) -> None:
    """Whoever asks meanwhile gets the answer or is told; several may close; no file stays open."""
    before = open_files()
    engine = make(processes=3)
    closed = threading.Event()

    def ask() -> list[object]:
        outcomes = []
        while not closed.is_set():
            outcomes.append(outcome(lambda: engine.run(LOOKUP)))
        return outcomes

    with ThreadPoolExecutor(11) as threads:
        asking = [threads.submit(ask) for _ in range(8)]
        assert eventually(lambda: computes(engine))
        for each in [threads.submit(engine.close) for _ in range(3)]:
            each.result(60)
        closed.set()
        failures = {
            each[:2] for asked in asking for each in asked.result(60) if isinstance(each, tuple)
        }

    assert failures <= {(EngineUnavailable, "The engine is closed.")}
    assert eventually(lambda: not processes_of(engine))
    assert open_files() <= before  # what others left behind may be closed meanwhile


def open_files() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_full_queue_does_not_keep_the_event_loop_waiting(make: Make) -> None:
    """Questions wait for room in the queue, some are given up, and the rest is answered."""
    engine = make(Limits(waiting=100, patience=LONG), processes=2)
    fork_server = fork_server_of(engine)
    stopped = [fork_server, *query_processes(fork_server)]
    large = [LOOKUP.text + "#" + "x" * size for size in (59_000, 70_000) for _ in range(20)]

    async def ask_all() -> list[Answer]:
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        asked = [asyncio.create_task(engine.answer(Query(text))) for text in large]
        for _ in range(100):  # the loop goes on
            await asyncio.sleep(0)
        assert not any(each.done() for each in asked)
        for each in asked[::2]:
            each.cancel()
        for process in stopped:
            os.kill(process, signal.SIGCONT)
        return await asyncio.gather(*asked[1::2])

    assert {value(each) for each in asyncio.run(ask_all())} == {b"7"}


def test_a_process_forked_while_others_ask_may_ask(make: Make) -> None:
    """Whatever locks threads hold at the instant of a fork, the forked process has its own."""
    engine = make(processes=2)
    stop = threading.Event()

    def ask_on() -> None:
        while not stop.is_set():
            engine.run(LOOKUP)
            engine.stop("nothing")

    def ask() -> None:
        assert value(engine.run(LOOKUP)) == b"7"

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask_on) for _ in range(4)]
        children = [forked(ask) for _ in range(20)]
        for child in children:
            child.join(60)
        stop.set()
        assert [each.result() for each in asking] == [None] * 4

    assert [child.exitcode for child in children] == [0] * 20


def test_stopping_ends_no_other_query(make: Make) -> None:
    """Of queries that follow each other in one process, only those of a name are stopped."""
    engine = make()
    done = threading.Event()
    slow = "SELECT (COUNT(*) AS ?n) { ?a <http://e/near> ?b . ?b <http://e/near> ?c }"

    def stop_on() -> int:
        stopped = 0
        while not done.is_set():
            stopped += engine.stop("mine")
        return stopped

    with ThreadPoolExecutor(3) as threads:
        stopping = threads.submit(stop_on)
        others = threads.submit(lambda: [failure_of(engine, LOOKUP) for _ in range(500)])
        mine = [failure_of(engine, Query(slow, names=("mine",))) for _ in range(100)]
        failures = set(others.result())
        done.set()

    assert stopping.result() > 0
    assert failures == {None}
    assert {type(each) for each in mine} <= {QueryStopped, NoneType}


@pytest.mark.parametrize("mine", ["0", "1", "2"])
def test_what_is_on_the_board_is_whole(mine: str) -> None:
    """Nobody reads what is half written, and who is killed runs what is meant, at every instant."""
    scoreboard = Scoreboard(1)

    def work() -> None:
        for number in itertools.count(1):
            scoreboard.begin(0, number, [str(number % 3)])
            if number % 5 == 0:
                scoreboard.end(0)

    child = forked(work)
    seen: set[int] = set()
    expected = Scoreboard(1)
    while len(seen) < 50:
        running = scoreboard.running(0)
        if running.began:
            assert running.pid == child.pid
            expected.begin(0, running.number, [str(running.number % 3)])
            assert expected.running(0).digests == running.digests
            seen.add(running.number)
    expected.close()
    while not scoreboard.kill(0, Cause.ASKED, mine):
        pass
    child.join()
    last = scoreboard.running(0)
    scoreboard.died(0, signal.SIGKILL)

    assert child.exitcode == -signal.SIGKILL
    assert last.number % 3 == int(mine)
    assert scoreboard.death(last.number) == (signal.SIGKILL, Cause.ASKED)
    assert scoreboard.began(last.number) is None
    scoreboard.close()


def test_a_process_that_has_the_identifier_of_another_is_not_killed() -> None:
    """What is on the scoreboard of a process that ended says nothing of who has its identifier now."""
    scoreboard = Scoreboard(1)
    child = forked(lambda: scoreboard.begin(0, 1))
    child.join()
    running = scoreboard.running(0)
    scoreboard.begin(0, 2)
    mine = scoreboard.running(0)
    innocent = forked(signal.pause)

    assert (running.pid, mine.pid) == (child.pid, os.getpid())
    assert not scoreboard.kill(0, Cause.ASKED, number=1)
    scoreboard.end(0)
    assert not scoreboard.kill(0, Cause.ASKED)
    innocent.kill()
    innocent.join()
    scoreboard.close()


def test_an_answer_whose_file_cannot_be_taken_is_no_empty_answer() -> None:
    """Where no more files may be open, that is an error."""

    def receive() -> None:
        one, two = socket.socketpair()
        file = SpooledFile(os.memfd_create("large"))
        os.write(file.descriptor, b"x" * 100)
        answer = Answer(ResultKind.GRAPH, FORMATS[0], file, "v", repeatable=True, seconds=0)
        ipc.send(one, ipc.Done(answer, 0))
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (two.fileno() + 1, most))
        with pytest.raises(OSError, match="Too many open files"):
            ipc.receive(two)

    child = forked(receive)
    child.join(20)

    assert child.exitcode == 0


def test_large_answers_that_are_held_are_bounded(make: Make) -> None:
    """A single one is always given; another is refused until the first has been let go."""
    engine = make(Limits(spooled=1))
    large = Query("SELECT ?a ?b ?c ?e { ?a ?b ?c . ?d ?e ?f } LIMIT 40000")
    first = engine.run(large)
    with pytest.raises(Overloaded, match="Large answers"):
        engine.run(large)
    del first

    assert len(engine.run(large).content) > 4 << 20


def test_an_answer_takes_no_more_memory_than_a_query(make: Make) -> None:
    """Without a limit of its own, it is bounded by that of memory."""
    engine = make(Limits(memory=64 << 20, seconds=60))
    failure = failure_of(engine, Query("SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } LIMIT 1000000"))

    assert isinstance(failure, MemoryLimitExceeded)
    assert value(engine.run(LOOKUP)) == b"7"


def test_files_in_memory_count_as_memory_of_a_process() -> None:
    """What a process has written into one counts among what it has taken."""
    before = sandbox.taken_by(os.getpid())
    file = os.memfd_create("large")
    os.truncate(file, 100 << 20)
    after = sandbox.taken_by(os.getpid())
    os.close(file)

    assert after - before >= 100 << 20
    assert sandbox.taken_by(0) == 0
