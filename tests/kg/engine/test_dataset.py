"""Any RDF files can be held: in every format, each triple once, and the same after every start."""

from __future__ import annotations

import gzip
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from kg.engine import CSV, DEFAULT_FORMATS, DataError, Engine, EngineUnavailable, Query, ResultKind
from kg.engine.dataset import Contents, Data, DefaultGraph, Source
from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import IsolatedEngine, Limits
from kg.engine.oxigraph.engine import InProcessEngine
from kg.engine.oxigraph.store import DatasetStore
from kg.rdf.formats import NQUADS

EX: Final = "http://example.org/"
EVERYTHING: Final = "SELECT ?s ?p ?o { ?s ?p ?o }"
STRICT: Final = DefaultGraph.STRICT

SAME: Final = {
    "data.ttl": f'@prefix : <{EX}> . :a :b "c"@en .',
    "data.nt": f'<{EX}a> <{EX}b> "c"@en .\n',
    "data.nq": f'<{EX}a> <{EX}b> "c"@en .\n',
    "data.trig": f'@prefix : <{EX}> . {{ :a :b "c"@en }}',
    "data.jsonld": f'{{"@id": "{EX}a", "{EX}b": {{"@value": "c", "@language": "en"}}}}',
    "data.rdf": (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'xmlns:e="{EX}"><rdf:Description rdf:about="{EX}a"><e:b xml:lang="en">c</e:b>'
        "</rdf:Description></rdf:RDF>"
    ),
}
"""The same triple in every format."""

BROKEN: Final = {
    "data.ttl": (f'@prefix : <{EX}> .\n:a :b "c" .\n:a :b oops .\n', 3, 7, "oops"),
    "data.nt": (f"<{EX}a> <{EX}b> <{EX}c> .\n<{EX}a> <rel> <{EX}c> .\n", 2, 24, "scheme"),
    "data.nq": (f"<{EX}a> <{EX}b> <{EX}c> <{EX}g>", 1, 92, "dot"),
    "data.trig": ("<a:g> {\n <a:b> <a:c> <a:d> \n", 3, 1, "end"),
    "data.rdf": ('<a xmlns="http://e/">\n<b>', 2, 4, "no element found"),
    "data.jsonld": ('{"@id": "a:b",\n}', 2, 1, "commas"),
}
"""Files that do not parse, where they do not, and a word of what is said of it."""

OVERLAPPING: Final = """
<a:s> <a:p> <a:shared> .
<a:s> <a:p> <a:shared> <a:g1> .
<a:s> <a:p> <a:shared> <a:g2> .
<a:s> <a:p> <a:one> <a:g1> .
<a:s> <a:p> <a:two> <a:g2> .
<a:s> <a:p> <a:unnamed> .
"""
APART: Final = """
<a:s> <a:p> <a:one> <a:g1> .
<a:s> <a:p> <a:two> <a:g2> .
<a:s> <a:p> <a:unnamed> .
"""

Write = Callable[..., Source]
Isolate = Callable[..., IsolatedEngine]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file and names it as a source."""

    def written(name: str, content: str | bytes, graph: str | None = None) -> Source:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Source.at(path, graph)

    return written


def engine_over(*sources: Source, default_graph: DefaultGraph = DefaultGraph.UNION) -> Engine:
    """Hold sources in this process."""
    return InProcessEngine(Data(sources, default_graph))


def quads(text: str, default_graph: DefaultGraph = DefaultGraph.UNION) -> Engine:
    """Hold N-Quads in this process."""
    return engine_over(Source(text.encode(), NQUADS), default_graph=default_graph)


def rows(engine: Engine, text: str = EVERYTHING, **query: tuple[str, ...]) -> list[str]:
    """Return the rows of an answer, as lines of CSV, in order."""
    formats = {**DEFAULT_FORMATS, ResultKind.SOLUTIONS: CSV}
    answer = engine.run(replace(Query(text, formats=formats), **query))  # type: ignore[arg-type]
    return sorted(answer.body.decode().split("\r\n")[1:-1])


def objects(engine: Engine, text: str, **query: tuple[str, ...]) -> str:
    """Return the last steps of the IRIs ?o of a query, in order."""
    return " ".join(row.removeprefix("a:") for row in rows(engine, text, **query))


class TestFormats:
    """Files are read by the ending of their name."""

    @pytest.mark.parametrize("name", SAME)
    @pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "gz"])
    def test_every_format_is_read(self, write: Write, name: str, *, is_compressed: bool) -> None:
        """The same triple comes of every format, compressed or not."""
        content = SAME[name].encode()
        source = (
            write(f"{name}.gz", gzip.compress(content)) if is_compressed else write(name, content)
        )

        assert rows(engine_over(source), "SELECT * { ?s ?p ?o FILTER(LANG(?o) = 'en') }") == [
            f"c,{EX}b,{EX}a"
        ]

    @pytest.mark.parametrize("name", ["data", "data.txt", "data.gz", "data.ttl.zip"])
    def test_an_unknown_ending_is_refused(self, name: str) -> None:
        """Nothing is guessed; the endings that there are are named."""
        with pytest.raises(DataError, match="format") as refusal:
            Source.at(Path(name))

        assert ".ttl, .trig, .nt, .nq, .rdf, .owl, .xml, .jsonld" in str(refusal.value.hint)

    @pytest.mark.parametrize("name", BROKEN)
    def test_a_file_that_does_not_parse_is_refused(self, write: Write, name: str) -> None:
        """The file, the line, the column and the fault are told; nothing is half loaded."""
        content, line, column, word = BROKEN[name]
        source = write(name, content)

        with pytest.raises(DataError, match=word) as refusal:
            engine_over(source)

        assert (refusal.value.line, refusal.value.column) == (line, column)
        assert str(refusal.value).startswith(f"{source.name}, line {line}, column {column}: ")

    def test_a_compressed_file_has_to_be_whole(self, write: Write) -> None:
        """What is cut off, or not compressed at all, is refused."""
        whole = gzip.compress(SAME["data.nt"].encode() * 1000)

        for content in (whole[:-9], b"plain"):
            with pytest.raises(DataError, match="not whole, or not compressed"):
                engine_over(write("data.nt.gz", content))

    def test_nothing_is_fetched(self, write: Write) -> None:
        """A context elsewhere is refused, and the way out is told."""
        source = write("data.jsonld", '{"@context": "http://127.0.0.1:9/", "@id": "a:b"}')

        with pytest.raises(DataError, match="nothing is fetched") as refusal:
            engine_over(source)

        assert refusal.value.hint == "Put the context into the file."

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        """A file that has gone is named."""
        with pytest.raises(DataError, match=r"gone\.ttl: It cannot be read: No such file"):
            engine_over(Source.at(tmp_path / "gone.ttl"))

    def test_relative_iris_are_resolved_against_the_file(
        self, write: Write, tmp_path: Path
    ) -> None:
        """The base is the URI of the file, as when it is opened from disk."""
        engine = engine_over(write("a b.ttl", "<#x> <other> <> ."))

        base = tmp_path.as_uri()
        assert rows(engine) == [f"{base}/a%20b.ttl#x,{base}/other,{base}/a%20b.ttl"]

    def test_triples_may_be_put_into_a_graph(self, write: Write) -> None:
        """What is in no graph goes into the one that the source names, in every format."""
        sources = [write(name, content, graph="a:g") for name, content in SAME.items()]

        engine = engine_over(*sources, default_graph=STRICT)

        assert engine.contents == Contents(0, {"a:g": 1}, STRICT)


class TestBlankNodes:
    """Blank nodes are of their file, and have the same names after every start."""

    FILES: Final = (
        ("one.ttl", '_:x <a:p> [ <a:q> "anonymous" ], (1 2) .'),
        ("two.nt", '_:x <a:p> "labelled" .\n_:b0 <a:p> _:x .\n'),
        ("three.trig", '_:g { _:x <a:p> <<( _:x <a:q> "quoted" )>> }'),
        ("four.jsonld", '{"a:p": [{"a:q": 1}, {"a:q": [{"a:r": 2}]}]}'),
    )

    def test_those_of_different_files_are_different(self, write: Write) -> None:
        """A label that two files use stands for two things."""
        engine = engine_over(*(write(*file) for file in self.FILES))

        assert len(rows(engine, "SELECT DISTINCT ?s { ?s <a:p> ?o }")) == 5

    def test_they_are_named_alike_after_every_start(self, write: Write) -> None:
        """The same files give the same bytes, rows in the same order."""
        sources = [write(*file) for file in self.FILES]

        first, second = (engine_over(*sources).run(Query(EVERYTHING)).body for _ in range(2))

        assert b'"bnode"' in first
        assert first == second


class TestDefaultGraph:
    """What a pattern outside GRAPH sees."""

    ALL: Final = "SELECT ?o { ?s ?p ?o }"

    @pytest.mark.parametrize("data", [OVERLAPPING, APART], ids=["overlapping", "apart"])
    def test_the_union_has_each_triple_once(self, data: str) -> None:
        """However many graphs a triple is in, it is one row, and counts as one."""
        engine = quads(data)

        expected = sorted({line.split()[2].strip("<>")[2:] for line in data.split("\n") if line})
        assert objects(engine, self.ALL) == " ".join(expected)
        assert engine.contents.triples == len(expected)
        assert rows(engine, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }") == [str(len(expected))]

    @pytest.mark.parametrize("default_graph", list(DefaultGraph), ids=lambda each: each.value)
    def test_graph_sees_named_graphs_only(self, default_graph: DefaultGraph) -> None:
        """GRAPH ?g goes through the named graphs as they are, also where a union was made."""
        engine = quads(OVERLAPPING, default_graph)

        assert rows(engine, "SELECT ?g ?o { GRAPH ?g { ?s ?p ?o } }") == [
            "a:g1,a:one",
            "a:g1,a:shared",
            "a:g2,a:shared",
            "a:g2,a:two",
        ]
        assert rows(engine, "SELECT ?g { GRAPH ?g {} }") == ["a:g1", "a:g2"]
        assert engine.contents.graphs == {"a:g1": 2, "a:g2": 2}

    @pytest.mark.parametrize(
        ("text", "alone"),
        [
            ('SELECT ("Nothing in this graph answers this" AS ?x) { ?s ?p ?o }', True),
            ("# of what graph it is\nSELECT * { ?s ?p ?o }", True),
            ("SELECT ?graph { ?s <a:graph> ?graph }", True),
            ("SELECT * { graph ?g { ?s ?p ?o } }", False),
            (r"SELECT * { \u0047RAPH ?g { ?s ?p ?o } }", False),
        ],
    )
    def test_only_the_keyword_asks_for_graphs(self, text: str, *, alone: bool) -> None:
        """A text or comment about graphs does not send a query to the quads, which join slower."""
        view = DatasetStore(Data.of(OVERLAPPING.encode())).view(
            text, Query(text), has_clauses=False
        )

        assert (list(view.store.named_graphs()) == []) is alone

    def test_graphs_are_gone_through_in_order(self) -> None:
        """What enumerates graphs gives the same rows in the same order after every start."""
        names = [f"a:g{number:02}" for number in range(50)]
        engine = quads("".join(f"<a:s> <a:p> <a:o> <{name}> .\n" for name in names))

        answer = engine.run(Query("SELECT ?g { GRAPH ?g {} }"))

        assert re.findall(r"a:g\d+", answer.body.decode()) == names

    def test_strict_is_what_is_in_no_named_graph(self) -> None:
        """Strictly, the default graph has what no graph was named for."""
        engine = quads(OVERLAPPING, STRICT)

        assert objects(engine, self.ALL) == "shared unnamed"
        assert engine.contents.triples == 2

    @pytest.mark.parametrize("default_graph", list(DefaultGraph), ids=lambda each: each.value)
    @pytest.mark.parametrize(
        ("clauses", "seen"),
        [
            ("FROM <a:g1>", "one shared"),
            ("FROM <a:g1> FROM <a:g1>", "one shared"),
            ("FROM <a:g1> FROM <a:g2>", "one shared two"),
            ("FROM <a:g2> FROM NAMED <a:g1> FROM <a:g1>", "one shared two"),
            ("FROM <g1> FROM a:g2", "one shared two"),
            ("FROM <a:none>", ""),
            ("FROM NAMED <a:g1>", ""),
        ],
    )
    def test_a_query_may_name_its_dataset(
        self, default_graph: DefaultGraph, clauses: str, seen: str
    ) -> None:
        """FROM makes the default graph of the graphs that it names, each triple once."""
        engine = quads(OVERLAPPING, default_graph)
        text = f"BASE <a:> PREFIX a: <a:> # prologue\nSELECT ?o {clauses} {{ ?s ?p ?o }}"

        assert objects(engine, text) == seen
        assert objects(quads(APART, default_graph), text) == seen.replace(
            "shared", ""
        ).strip().replace("  ", " ")

    @pytest.mark.parametrize("default_graph", list(DefaultGraph), ids=lambda each: each.value)
    def test_the_protocol_comes_before_the_query(self, default_graph: DefaultGraph) -> None:
        """Graphs of the protocol replace those of FROM, each triple once, repeated or not."""
        engine = quads(OVERLAPPING, default_graph)
        text = "SELECT ?o FROM <a:g1> { ?s ?p ?o }"
        named = "SELECT ?g FROM NAMED <a:g1> { GRAPH ?g { ?s ?p <a:shared> } }"

        assert objects(engine, text, default_graphs=("a:g2",)) == "shared two"
        both = ("a:g1", "a:g2", "a:g1")
        assert objects(engine, text, default_graphs=both) == "one shared two"
        assert objects(engine, text, named_graphs=("a:g2",)) == ""
        assert rows(engine, named, named_graphs=("a:g2", "a:g2")) == ["a:g2"]
        assert rows(engine, named, named_graphs=both, default_graphs=both) == ["a:g1", "a:g2"]

    def test_an_empty_engine_answers(self) -> None:
        """No data are data too."""
        engine = InProcessEngine(Data())

        assert rows(engine) == []
        assert engine.contents == Contents(0, {}, DefaultGraph.UNION)


class TestVersion:
    """The version changes exactly when the data do, or how they are put together."""

    def test_it_is_of_the_contents(self, write: Write, tmp_path: Path) -> None:
        """Another name, folder or compression is no other version; another content is."""
        content = f"<{EX}a> <{EX}b> <{EX}c> .\n"
        folder = tmp_path / "other"
        folder.mkdir()
        moved = folder / "moved.ttl"
        moved.write_text(content)
        same = [
            Data((write("data.nt", content),)),
            Data((Source.at(moved),)),
            Data((write("data.nt.gz", gzip.compress(content.encode())),)),
        ]
        other = [
            Data((write("other.nt", content.replace(">c", ">d").replace("/c", "/d")),)),
            Data((write("data.nt", content), write("more.nt", content))),
            Data((write("data.nt", content, graph="a:g"),)),
            Data((write("data.nt", content),), STRICT),
            Data(),
        ]

        versions = [InProcessEngine(each).version for each in (*same, *other)]

        assert len(set(versions[:3])) == 1
        assert len(set(versions)) == 1 + len(other)
        assert all(len(version) == 16 for version in versions)

    def test_relative_iris_make_the_place_part_of_it(self, tmp_path: Path) -> None:
        """Where relative IRIs mean other things in another folder, the data are others."""
        sources = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "data.ttl").write_text("<> <a:b> <#c> .")
            sources.append(Source.at(tmp_path / name / "data.ttl"))

        assert len({engine_over(source).version for source in sources}) == 2


@pytest.mark.skipif(sandbox.lacking() is not None, reason="this platform cannot isolate")
class TestIsolated:
    """An isolated engine loads by itself, and says when it cannot."""

    TEXT: Final = Query("SELECT * { ?s ?p ?o }")

    @pytest.fixture
    def isolate(self) -> Iterator[Callable[..., IsolatedEngine]]:
        """Yield what holds data in processes of their own, until the test ends."""
        made: list[IsolatedEngine] = []

        def isolated(data: Data, **options: Any) -> IsolatedEngine:
            made.append(IsolatedEngine(data, processes=1, **options))
            return made[-1]

        yield isolated
        for each in made:
            each.close()

    def test_it_can_be_waited_for(self, isolate: Isolate, write: Write) -> None:
        """Version and contents are those that an engine in this process finds."""
        sources = [write(*file) for file in TestBlankNodes.FILES]
        engine, same = isolate(Data((*sources,))), engine_over(*sources)

        assert (engine.version, engine.contents) == (same.version, same.contents)
        assert engine.run(self.TEXT).body == same.run(self.TEXT).body

    def test_what_does_not_parse_is_told_once(self, isolate: Isolate, write: Write) -> None:
        """The fault reaches whoever waits, with its place, and nothing is tried again."""
        before = children()
        engine = isolate(Data((write("data.ttl", BROKEN["data.ttl"][0]),)))

        for _ in range(2):
            with pytest.raises(DataError, match="oops") as refusal:
                engine.wait_until_loaded()
            assert (refusal.value.line, refusal.value.column) == (3, 7)
        assert children() == before

    def test_what_always_kills_the_loader_is_given_up(self, isolate: Isolate) -> None:
        """A fork server that ends whenever it loads is not started for ever."""
        engine = isolate(Data(), functions=sys.exit)

        with pytest.raises(EngineUnavailable, match="ended 3 times, at last by exit code 1"):
            engine.wait_until_loaded()

    def test_replaced_files_do_not_matter(self, isolate: Isolate, write: Write) -> None:
        """What was there at the start is what is loaded again, even from a file that has gone."""
        before = children()
        source = write("data.nt", SAME["data.nt"])
        engine = isolate(Data((source,)))
        answer = engine.run(self.TEXT).body
        assert isinstance(source.content, Path)
        source.content.unlink()
        write("data.nt", "")
        (fork_server,) = children() - before
        os.kill(fork_server, signal.SIGKILL)

        outcomes = (self._outcome(engine) for _ in range(10))
        assert next(each for each in outcomes if isinstance(each, bytes)) == answer

    def test_changed_files_are_not_taken_for_the_same(
        self, isolate: Isolate, write: Write, caplog: pytest.LogCaptureFixture
    ) -> None:
        """When a file was written over, queries are refused and told when to ask again."""
        before = children()
        source = write("data.nt", SAME["data.nt"])
        engine = isolate(Data((source,)), limits=Limits(patience=0.5))
        engine.wait_until_loaded()
        answer = engine.run(self.TEXT).body
        write("data.nt", SAME["data.nt"].replace("c", "d"))
        (fork_server,) = children() - before
        os.kill(fork_server, signal.SIGKILL)

        deadline = time.monotonic() + 60
        seconds = 0
        while seconds < 15 and time.monotonic() < deadline:
            outcome = self._outcome(engine)
            assert outcome == answer or isinstance(outcome, EngineUnavailable)
            seconds = getattr(outcome, "seconds_to_retry", None) or 0
        assert 15 <= seconds <= 30
        assert "have changed since the service was started" in caplog.text

    def _outcome(self, engine: Engine) -> bytes | EngineUnavailable:
        try:
            return engine.run(self.TEXT).body
        except EngineUnavailable as error:  # it may have been asked while it was killed
            return error


def children() -> set[int]:
    """Return the process identifiers of the loaders that this process has started."""
    found = Path("/proc/self/task").glob("*/children")
    return {int(each) for path in found for each in path.read_text().split()}
