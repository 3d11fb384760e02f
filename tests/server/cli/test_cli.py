"""The command `dermograph`, run as a user runs it: in a process of its own, by its exit code and streams."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import io
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import rdflib
from click.testing import CliRunner
from rdflib.compare import isomorphic
from rdflib.query import Result

import kg
from kg.curation.citations import Citation, as_bibtex, as_csl_json, citations
from kg.curation.report import report
from kg.engine import FORMATS, Format, ResultKind
from kg.releases.bundled import ONTOLOGY_FOLDER, QUERIES_FOLDER
from kg.validate import read_checks
from server.cli import main
from tests.processes import free_port

_ROOT: Final = Path(__file__).parents[3]
_GOLDEN: Final = _ROOT / "tests" / "queries" / "golden"
_COMMAND: Final = (
    sys.executable,
    "-c",
    "from server.cli import main; main(prog_name='dermograph')",
)
_ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, *sys.path)))}
_SECONDS: Final = 600

_SELECT: Final = """
SELECT ?claim ?label {
  ?claim <http://purl.org/dc/terms/identifier> "B0375" ;
         <http://www.w3.org/2000/01/rdf-schema#label> ?label .
}
"""
_CONSTRUCT: Final = """
CONSTRUCT { ?claim ?p ?o } { ?claim <http://purl.org/dc/terms/identifier> "B0375" ; ?p ?o }
"""
_MESSAGE: Final = re.compile(r"^Usage: dermograph \w+ .*\n.*\n\nError: (.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended.

    Attributes:
        code: its exit code.
        out: its standard output.
        err: its standard error.
    """

    code: int
    out: bytes
    err: str


def dermograph(*arguments: str, stdin: bytes = b"", cwd: Path = _ROOT) -> Ended:
    """Run the command to its end."""
    done = subprocess.run(
        [*_COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=cwd,
        env=_ENVIRONMENT,
        timeout=_SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(autouse=True)
def _loaded_once(graph: kg.KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs in this process share one graph; runs in a process of their own load it."""
    monkeypatch.setattr(kg, "load", lambda _progress: graph)


def in_this_process(*arguments: str) -> Ended:
    """Run the command where many small questions are asked: starting a process takes longer."""
    result = CliRunner().invoke(main, arguments, prog_name="dermograph")
    return Ended(result.exit_code, result.stdout_bytes, result.stderr)


def on_a_terminal(*arguments: str, columns: int = 160) -> tuple[int, str, str]:
    """Run the command on a terminal of some width; give its exit code, what was shown, and stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**_ENVIRONMENT, "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        [*_COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=_ROOT,
    ) as process:
        os.close(theirs)
        shown = b"".join(_chunks(ours))
        os.close(ours)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    without_colours = re.sub(r"\x1b\[[\d;]*m", "", shown.decode())
    return process.returncode, without_colours.replace("\r\n", "\n"), said


def _chunks(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that the other end is closed
                raise
            return
        if not chunk:
            return
        yield chunk


class TestHelp:
    """--help says how to use the command and each subcommand."""

    @pytest.mark.parametrize("command", [(), *((name,) for name in sorted(main.commands))])
    def test_help_is_shown_on_standard_output(self, command: tuple[str, ...]) -> None:
        """-h shows usage and every subcommand or option, and succeeds."""
        ended = dermograph("-h") if not command else in_this_process(*command, "-h")

        assert (ended.code, ended.err) == (0, "")
        text = ended.out.decode()
        assert text.startswith(" ".join(("Usage: dermograph", *command)))
        expected = list(main.commands) if not command else ["--help"]
        assert all(word in text for word in expected)

    def test_every_option_says_what_it_is_for(self) -> None:
        """No option of any subcommand is without help."""
        silent = [
            f"{name} {parameter.opts[0]}"
            for name, command in main.commands.items()
            for parameter in command.params
            if parameter.param_type_name == "option" and not getattr(parameter, "help", None)
        ]

        assert silent == []

    def test_the_exit_codes_are_documented(self) -> None:
        """The help of the command lists the exit codes that scripts rely on."""
        text = " ".join((main.help or "").split())

        assert "0 success, 1 invalid" in text
        assert "2 wrong usage, 3 a query that cannot be answered" in text

    def test_without_a_subcommand_help_is_an_error(self) -> None:
        """Without a subcommand the help goes to standard error, since nothing was done."""
        ended = dermograph()

        assert (ended.code, ended.out) == (2, b"")
        assert "Commands:" in ended.err


class TestQuery:
    """`dermograph query` answers SPARQL, files and canned queries."""

    @pytest.mark.parametrize("form", FORMATS, ids=lambda form: str(form.name))
    def test_an_answer_is_written_in_each_format(
        self, form: Format, graph: kg.KnowledgeGraph
    ) -> None:
        """--format writes an answer in each format that suits it, and nothing else."""
        is_graph = ResultKind.GRAPH in form.kinds

        question = _CONSTRUCT if is_graph else _SELECT
        ended = in_this_process("query", question, "--format", form.name)

        assert (ended.code, ended.err) == (0, "")
        if is_graph:
            expected = graph.query(_CONSTRUCT)
            assert isinstance(expected, rdflib.Graph)
            assert isomorphic(_parsed(ended.out, form), expected)
        else:
            assert _labels(ended.out, form) == [
                "hyperpigmentation after full-field CO2 laser resurfacing"
            ]

    def test_a_truth_value_is_said_in_a_word(self) -> None:
        """ASK prints true or false, unless a format is asked for."""
        assert in_this_process("query", "ASK {}") == Ended(0, b"true\n", "")
        assert in_this_process("query", "ASK { FILTER(false) }") == Ended(0, b"false\n", "")

    def test_a_graph_is_written_as_turtle_when_nothing_is_said(self) -> None:
        """CONSTRUCT gives Turtle by default."""
        ended = in_this_process("query", _CONSTRUCT)

        assert ended.code == 0
        assert "dcterms:identifier" in ended.out.decode()
        assert len(rdflib.Graph().parse(data=ended.out, format="turtle")) > 0

    def test_a_query_is_read_from_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name of a file stands for the query that it holds."""
        file = tmp_path / "question.rq"
        file.write_text("ASK {}", encoding="utf-8")

        assert in_this_process("query", str(file)) == Ended(0, b"true\n", "")
        monkeypatch.chdir(tmp_path)
        assert in_this_process("query", "question.rq") == Ended(0, b"true\n", "")

    def test_a_query_is_read_from_standard_input(self) -> None:
        """A hyphen stands for standard input."""
        assert dermograph("query", "-", stdin=b"ASK {}") == Ended(0, b"true\n", "")

    @pytest.mark.parametrize(
        ("run", "arguments", "golden"),
        [
            (in_this_process, ["cannot-treat"], "cannot-treat.csv"),
            (dermograph, ["care", "phase=dgd:phase/before"], "care--phase-before.csv"),
            (
                in_this_process,
                ["layer-thickness", "layer=Epidermis"],
                "layer-thickness--layer-Epidermis.csv",
            ),
        ],
    )
    def test_a_canned_query_is_asked_by_name(
        self, run: Callable[..., Ended], arguments: list[str], golden: str
    ) -> None:
        """A canned query gives its golden answer as CSV in a pipe, byte for byte."""
        ended = run("query", *arguments)

        assert ended == Ended(0, (_GOLDEN / golden).read_bytes(), "")

    def test_rows_are_a_table_on_a_terminal(self) -> None:
        """On a terminal rows are laid out for people, with short names for IRIs."""
        code, shown, _ = on_a_terminal("query", _SELECT)

        assert code == 0
        assert "dgd:claim/B0375" in shown
        assert "┏━" in shown
        assert "hyperpigmentation after full-field CO2 laser resurfacing" in " ".join(shown.split())

    @pytest.mark.parametrize("columns", [60, 100])
    def test_rows_that_are_too_wide_for_the_terminal_are_lists(
        self, columns: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where a table does not fit, each row is shown whole; what is left out is named."""
        monkeypatch.setenv("COLUMNS", str(columns))
        golden = (_GOLDEN / "comparisons.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(golden)))

        ended = in_this_process("query", "comparisons", "--format", "table")

        shown = ended.out.decode()
        _, *records = re.split(r"^\d+ of \d+ ─*\n", shown, flags=re.MULTILINE)
        assert max(map(len, shown.splitlines())) <= columns
        assert len(records) == len(rows)
        for record, row in zip(records, rows, strict=True):
            for name in ("treatment_label", "finding", "compared_with", "says", "locator"):
                said = " ".join(f"{name} {row[name]}".split())
                assert not row[name] or said in " ".join(record.split())
        assert "not shown: treatment_iri, " in ended.err
        assert ended.err.endswith(", --format csv has all\n")

    @pytest.mark.parametrize("columns", [40, 80, 200])
    def test_a_terminal_shows_what_matters_in_its_width(self, columns: int) -> None:
        """A table where it fits, else blocks: labels, sentence, figure and study, in this order."""
        asked = ["procedure=FullFieldCO2LaserResurfacing", "event=Hyperpigmentation"]
        golden = _GOLDEN / "adverse-event-incidence--procedure-FullFieldCO2LaserResurfacing"
        content = golden.with_name(f"{golden.name}--event-Hyperpigmentation.csv").read_text("utf-8")
        rows = list(csv.DictReader(io.StringIO(content)))

        code, shown, said = on_a_terminal(
            "query", "adverse-event-incidence", *asked, columns=columns
        )

        assert code == 0
        assert max(map(len, shown.splitlines())) <= columns
        assert ("┏━" in shown) == (columns == 200)
        places = [shown.find(name) for name in ("event_label", "claim_says", "reported", "study")]
        assert places == sorted(places)
        assert places[0] >= 0
        letters = "".join(re.findall(r"\w", shown))
        if columns == 80:
            assert shown.count("reported_percentage") == sum(
                bool(row["reported_percentage"]) for row in rows
            )
        for row in rows if columns < 200 else []:
            for name in ("event_label", "claim_says", "reported"):
                assert "".join(re.findall(r"\w", row[name])) in letters
        assert said.count("\n") == 1
        assert "not shown: event_iri, procedure_iri, " in said
        empty = sum(not any(row[name] for row in rows) for name in rows[0])
        assert f"; {empty} empty columns; --all shows all, " in said
        assert not {"locator", "event_iri", "recommendation"} & set(shown.split())

    def test_a_terminal_shows_the_first_rows_and_all_when_asked(self) -> None:
        """Of many rows the first 50 are shown, and the rest is told of; --all leaves nothing out."""
        content = (_GOLDEN / "comparisons.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(content)))

        _, some, said = on_a_terminal("query", "comparisons", columns=80)
        _, every, nothing = on_a_terminal("query", "comparisons", "--all", columns=80)

        assert len(re.findall(r"^\d+ of \d+ ─", some, re.MULTILINE)) == 50
        gaps = sum(bool(row["gap"]) for row in rows)
        facts = len(rows) - gaps
        assert gaps
        assert said.startswith(f"the first 50 of {facts} rows and {gaps} gaps, version ")
        assert len(re.findall(r"^\d+ of \d+ ─", every, re.MULTILINE)) == len(rows)
        assert set(rows[0]) <= set(every.split())
        assert re.fullmatch(rf"{facts} rows and {gaps} gaps, version \w+\n", nothing)

    def test_columns_are_chosen(self) -> None:
        """--columns gives those named, in their order, in a table and in CSV, be they empty."""
        asked = ["query", "lay-terms", "word=blister", "--columns", "concept_iri, lay_term,gap"]

        _, shown, said = on_a_terminal(*asked, columns=80)
        piped = in_this_process(*asked)

        assert re.search(r"concept_iri +┃ lay_term +┃ gap", shown)
        assert "dg:Blistering" in shown
        assert "not shown: concept_label, " in said
        rows = list(csv.reader(io.StringIO(piped.out.decode(), newline="")))
        assert rows[0] == ["concept_iri", "lay_term", "gap"]
        assert rows[1][0].startswith("https://w3id.org/")
        assert len(rows) == 3

    @pytest.mark.parametrize("form", ["table", "csv"])
    def test_a_column_that_is_not_there_is_wrong_use(self, form: str) -> None:
        """An unknown column ends with 2, the one that is near, and the names of all."""
        ended = in_this_process(
            "query", "lay-terms", "word=blister", "--format", form, "--columns", "lay_trem"
        )

        assert (ended.code, ended.out) == (2, b"")
        assert "There is no column 'lay_trem'. Did you mean lay_term? The columns are: lay_te" in (
            ended.err
        )

    @pytest.mark.parametrize("columns", [40, 80])
    def test_lists_are_folded_between_words(self, columns: int) -> None:
        """Questions and parameters fit the terminal, and no word is broken."""
        for arguments in (["queries"], ["search", "brown", "spots"]):
            _, shown, _ = on_a_terminal(*arguments, columns=columns)
            piped = in_this_process(*arguments)

            assert max(map(len, shown.splitlines())) <= columns
            assert shown.split() == piped.out.decode().split()

    def test_no_iri_is_left_out_that_has_no_name(self) -> None:
        """A name stands for its IRI where every IRI of the column has one."""
        values = '(<a:1> "one" 1) (<a:2> %s 2)'
        query = "SELECT * { VALUES (?x_iri ?x_label ?n) { %s } }"

        named = in_this_process("query", query % values % '"two"', "--format", "table")
        unnamed = in_this_process("query", query % values % "UNDEF", "--format", "table")

        assert "a:1" not in named.out.decode()
        assert "not shown: x_iri; " in named.err
        assert "a:2" in unnamed.out.decode()
        assert "not shown" not in unnamed.err

    def test_an_answer_in_a_format_ends_its_line_on_a_terminal(self) -> None:
        """On a terminal the prompt does not follow the answer on the same line."""
        code, shown, _ = on_a_terminal("query", "ASK {}", "--format", "json")

        assert (code, json.loads(shown)["boolean"]) == (0, True)
        assert shown.endswith("}\n")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["cannot-treet"], "no canned query named 'cannot-treet'. Did you mean cannot-treat?"),
            (["care", "phse=x"], "phse: care has no such parameter. Its parameters: phase, "),
            (["care", "phase"], "'phase' is not of the form NAME=VALUE."),
            (["care", "phase=1", "phase=2"], "phase is given twice."),
            (["care", "phase=later"], "phase: 'later' is not accepted. Did you mean dgd:phase/aft"),
            (
                ["lasers", "kind=dg:CO2Lser"],
                "kind: dg:CO2Lser is no energy source that the graph speaks of. Did",
            ),
            (["spectrum", "lowest=deep"], "lowest: 'deep' is not a decimal number. Write it with"),
            (["why"], "subject: A value is required."),
            (["why", "subject=dg:Nowhere"], "subject: The graph does not know dg:Nowhere."),
            (
                ["ASK {}", "name=value"],
                "NAME=VALUE goes with a canned query, and 'ASK {}' is none.",
            ),
            (["no/such/file.rq"], "There is no file 'no/such/file.rq', and it is no SPARQL."),
            ([], "Missing argument 'QUERY'."),
            (["ASK {}", "--format", "yaml"], "'yaml' is not one of 'table', 'json'"),
            (["lasers", "--format", "json", "--all"], "go with a table or CSV, not with json."),
            (["lasers", "--columns", "claims", "--all"], "--columns and --all exclude each other."),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_wrong_use_says_what_to_do(self, arguments: list[str], message: str) -> None:
        """Wrong use ends with 2, and says on standard error what is wrong and what would do."""
        ended = in_this_process("query", *arguments)

        assert (ended.code, ended.out) == (2, b"")
        said = _MESSAGE.match(ended.err)
        assert said is not None
        assert message in said[1]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["quary", "lasers"], "There is no command 'quary'. Did you mean query?"),
            (["SERVE"], "There is no command 'SERVE'. Did you mean serve?"),
            (["zzzz"], "No such command 'zzzz'."),
            (
                ["search", "--kind", "procedur", "laser"],
                "no kind 'procedur'. Give one of procedure",
            ),
            (["search", "--kind", "foo", "laser"], "no kind 'foo'. Give one of CIOMS frequency"),
            (["queries", "CARE"], "There is no canned query named 'CARE'. Did you mean care?"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_unknown_commands_and_kinds_are_told_with_near_ones(
        self, arguments: list[str], message: str
    ) -> None:
        """As names of queries are; nothing is found in silence."""
        ended = in_this_process(*arguments)

        assert (ended.code, ended.out) == (2, b"")
        assert message in " ".join(ended.err.split())

    def test_a_file_that_is_not_utf_8_is_wrong_use(self, tmp_path: Path) -> None:
        """A query file in another encoding is named, with the place."""
        file = tmp_path / "latin.rq"
        file.write_bytes("ASK { ?s ?p 'é' }".encode("latin-1"))

        ended = in_this_process("query", str(file))

        assert (ended.code, ended.out) == (2, b"")
        assert f"{file} is not UTF-8" in ended.err

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("INSERT DATA { <a:a> <a:b> <a:c> }", "Error: This is a SPARQL Update"),
            ("SELECT * { SERVICE <http://a.example/> {} }", "Error: SERVICE at line 1, column 12"),
            ("ASK { FILTER(<http://a.example/f>(1)) }", "Error: "),
        ],
    )
    def test_a_query_that_is_not_answered_says_why(self, query: str, message: str) -> None:
        """A query that cannot be answered ends with 3 and the reason."""
        ended = in_this_process("query", query)

        assert (ended.code, ended.out) == (3, b"")
        assert ended.err.startswith(message)

    def test_a_syntax_error_shows_its_place(self) -> None:
        """A syntax error ends with 3 and shows line, column, the line itself and a hint."""
        ended = dermograph("query", "SELECT ?x {\n  ?x a ex:Claim }")

        assert (ended.code, ended.out) == (3, b"")
        assert ended.err.splitlines() == [
            "Error: line 2, column 8: The prefix ex: is not declared.",
            "  ?x a ex:Claim }",
            "       ^",
            "Put PREFIX ex: <...> before the query.",
        ]

    def test_a_format_that_does_not_suit_names_those_that_do(self) -> None:
        """CSV cannot hold a truth value: the message names the formats that can."""
        ended = in_this_process("query", "ASK {}", "--format", "csv")

        assert (ended.code, ended.out) == (3, b"")
        assert (
            ended.err == "Error: The result is true or false; give --format as one of json, xml.\n"
        )


class TestQueries:
    """`dermograph queries` shows the catalogue."""

    def test_all_canned_queries_are_listed(self) -> None:
        """There is a line for each canned query, with its name and its question."""
        ended = in_this_process("queries")

        assert (ended.code, ended.err) == (0, "")
        listed = [re.split(r"  +", line) for line in ended.out.decode().splitlines()]
        assert [name for name, _ in listed] == sorted(p.stem for p in QUERIES_FOLDER.glob("*.rq"))
        assert all(title.endswith("?") for _, title in listed)

    def test_a_canned_query_is_shown_with_all_that_is_needed_to_use_it(self) -> None:
        """A query is shown with its question, parameters, examples that can be pasted, and SPARQL."""
        ended = in_this_process("queries", "why")

        assert (ended.code, ended.err) == (0, "")
        text = ended.out.decode()
        assert text.startswith("Why does the graph state this?\n")
        assert "  subject  The subject of the statement. [iri; required]\n" in text
        assert "  dermograph query why subject=dg:CO2Laser property=dg:targetsChromophore\n" in text
        assert "\nSELECT ?states" in text
        assert "#+" not in text

    def test_the_catalogue_is_written_as_json(self) -> None:
        """--format json gives a list of all, and one object for one."""
        everything = json.loads(in_this_process("queries", "--format", "json").out)
        one = json.loads(in_this_process("queries", "care", "--format", "json").out)

        assert one in everything
        assert {"name": "course", "since": "2026-11-30", "until": "2028-01-31"} in [
            old for each in everything for old in each["formerly"]
        ]
        assert one["parameters"][0]["values"] == [
            "dgd:phase/before",
            "dgd:phase/during",
            "dgd:phase/after",
        ]

    def test_an_unknown_name_is_wrong_use(self) -> None:
        """A name that is not there ends with 2 and the names that resemble it."""
        ended = in_this_process("queries", "laser")

        assert (ended.code, ended.out) == (2, b"")
        assert "no canned query named 'laser'. Did you mean lasers" in ended.err


class TestBuild:
    """`dermograph build` builds, validates and writes the dataset; test_readme.py lets it succeed."""

    def test_a_malformed_file_stops_the_build(self, tmp_path: Path) -> None:
        """A malformed row ends with 1, names file, line and column, and writes nothing."""
        folder, output = _copy_of_the_ontology(tmp_path), tmp_path / "out.nq"
        table = folder / "claims" / "physics.tsv"
        lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[1] = lines[1].replace("dg:ErYAGLaser", "dg:ErYAGLazer")
        table.write_text("".join(lines), encoding="utf-8")

        ended = dermograph("build", "--folder", str(folder), "-o", str(output))

        assert (ended.code, ended.out) == (1, b"")
        assert "physics.tsv" in ended.err
        assert "line 2" in ended.err
        assert "dg:ErYAGLazer" in ended.err
        assert not output.exists()

    def test_a_folder_that_is_not_there_is_wrong_use(self) -> None:
        """--folder has to be a folder."""
        ended = in_this_process("build", "--folder", "no/such/folder")

        assert (ended.code, ended.out) == (2, b"")
        assert "'no/such/folder' does not exist" in ended.err


_INVALID: Final = """
@prefix dg: <https://w3id.org/dermograph/ontology/> .
<https://w3id.org/dermograph/id/claim/B9999> a dg:AdverseEventClaim .
"""


class TestValidate:
    """`dermograph validate` judges files."""

    def test_a_file_that_conforms_passes(self, tmp_path: Path) -> None:
        """What the library writes of a record conforms, and the command succeeds."""
        file = tmp_path / "claim.ttl"
        file.write_bytes(in_this_process("query", _CONSTRUCT).out)

        ended = in_this_process("validate", str(file))

        assert (ended.code, ended.err) == (0, "")
        assert ended.out.decode().startswith("The data conform to the shapes")

    def test_a_file_that_does_not_conform_fails_with_the_report(self, tmp_path: Path) -> None:
        """A violation ends with 1; the report names the record, its place, and what to do."""
        file = tmp_path / "claim.ttl"
        file.write_text(_INVALID, encoding="utf-8")

        ended = dermograph("validate", str(file))

        assert (ended.code, ended.err) == (1, "")
        report = ended.out.decode()
        assert report.startswith("The data do not conform")
        assert f"dgd:claim/B9999 ({file}, line 3)" in report
        assert "dg:locator" in report

    def test_a_plain_edge_without_a_claim_does_not_pass(self, tmp_path: Path) -> None:
        """Nobody can slip in a statement by leaving out who says so; the report tells what to do."""
        file = tmp_path / "edge.ttl"
        prefix = "@prefix dg: <https://w3id.org/dermograph/ontology/> .\n"
        forged = "dg:CO2LaserResurfacing dg:treats dg:Melasma .\n"
        file.write_text(prefix + forged, encoding="utf-8")

        ended = in_this_process("validate", str(file))

        assert (ended.code, ended.err) == (1, "")
        report = ended.out.decode()
        assert "dg:CO2LaserResurfacing dg:treats dg:Melasma is stated without a claim" in report
        assert "Leave the plain edge out and write a claim with its source" in report
        assert f"dg:CO2LaserResurfacing ({file}, line 2)" in report

    def test_the_report_is_written_for_programs(self, tmp_path: Path) -> None:
        """--format json and turtle give the same verdict as data."""
        file = tmp_path / "claim.ttl"
        file.write_text(_INVALID, encoding="utf-8")

        as_json = in_this_process("validate", str(file), "--format", "json")
        as_turtle = in_this_process("validate", str(file), "--format", "turtle")

        assert (as_json.code, as_turtle.code) == (1, 1)
        graph = rdflib.Graph().parse(data=as_turtle.out, format="turtle")
        assert list(graph.objects(None, rdflib.SH.conforms)) == [
            rdflib.Literal(lexical_or_value=False)
        ]
        findings = json.loads(as_json.out)["findings"]
        assert len(findings) == len(
            set(graph.subjects(rdflib.RDF.type, rdflib.SH.ValidationResult))
        )

    def test_a_file_that_does_not_parse_is_named_with_the_line(self, tmp_path: Path) -> None:
        """A file that is no RDF ends with 1, the file and the line."""
        file = tmp_path / "claim.ttl"
        file.write_text("\nnonsense", encoding="utf-8")

        ended = in_this_process("validate", str(file))

        assert (ended.code, ended.out) == (1, b"")
        assert ended.err.startswith(f"Error: {file}, line 2: ")

    def test_a_file_of_which_nothing_is_checked_fails(self, tmp_path: Path) -> None:
        """A file in which no shape finds its kind of record ends with 1, and says why."""
        file = tmp_path / "claim.ttl"
        file.write_text(
            '<https://w3id.org/dermograph/id/claims/B1> <http://purl.org/dc/terms/title> "A" .'
        )

        ended = in_this_process("validate", str(file))

        assert (ended.code, ended.err) == (1, "")
        assert ended.out.startswith(b"Nothing was checked: see that names begin with https://")

    def test_a_malformed_check_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A check that is no query ends with 1, its file and line, and no traceback."""
        (tmp_path / "wrong.rq").write_text(
            "#+ title: A thing\n#+ severity: Info\n#+ remedy: Mend it.\nSELECT {\n"
        )
        monkeypatch.setattr("kg.validate.read_checks", lambda: read_checks(tmp_path))
        file = tmp_path / "claim.ttl"
        file.write_text(_INVALID, encoding="utf-8")

        ended = in_this_process("validate", str(file))

        assert (ended.code, ended.out) == (1, b"")
        assert "checks/wrong.rq, line 4: " in ended.err

    def test_a_file_that_is_not_there_is_wrong_use(self) -> None:
        """A missing file ends with 2."""
        ended = in_this_process("validate", "no-such-file.ttl")

        assert (ended.code, ended.out) == (2, b"")
        assert "File 'no-such-file.ttl' does not exist" in ended.err


class TestServe:
    """`dermograph serve` serves until it is told to stop."""

    @pytest.mark.parametrize(
        "stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
    )
    def test_it_answers_until_it_is_stopped(self, stop: signal.Signals) -> None:
        """It says where it serves, answers, and on SIGTERM or Ctrl-C leaves no process behind."""
        port = free_port()
        with subprocess.Popen(
            [*_COMMAND, "serve", "--port", str(port)],
            stderr=subprocess.PIPE,
            text=True,
            env=_ENVIRONMENT,
            cwd=_ROOT,
            start_new_session=True,
        ) as process:
            assert process.stderr is not None
            assert process.stderr.readline().endswith(f" is served at http://127.0.0.1:{port}\n")
            answer = _get(f"http://127.0.0.1:{port}/sparql?query=ASK%20%7B%7D")
            os.killpg(process.pid, stop)
            rest = process.stderr.read()

        assert json.loads(answer)["boolean"] is True
        assert (process.returncode, rest) == (0, "")
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)

    def test_a_port_in_use_is_wrong_use(self) -> None:
        """A port that something listens on ends with 2, the reason and the way out."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = dermograph("serve", "--port", str(port))

        assert (ended.code, ended.out) == (2, b"")
        assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use" in ended.err
        assert "--port" in ended.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--port", "99999"], "99999 is not in the range 1<=x<=65535"),
            (["--public-url", "not a url"], "PUBLIC_URL"),
        ],
    )
    def test_an_unfit_option_is_wrong_use(self, arguments: list[str], message: str) -> None:
        """An option with an unfit value ends with 2 and is named."""
        ended = in_this_process("serve", *arguments)

        assert (ended.code, ended.out) == (2, b"")
        assert message in ended.err


class TestSources:
    """`dermograph sources` lists what is cited, and writes it for reference managers."""

    @pytest.mark.parametrize(("form", "write"), [("csl-json", as_csl_json), ("bibtex", as_bibtex)])
    def test_records_are_those_of_the_library(
        self,
        graph: kg.KnowledgeGraph,
        form: str,
        write: Callable[[list[Citation]], str],
    ) -> None:
        """Each format holds every source, byte for byte as the library writes it."""
        ended = in_this_process("sources", "--format", form)

        assert ended == Ended(0, write(citations(graph.engine)).encode(), "")

    def test_the_list_has_key_and_title(self, graph: kg.KnowledgeGraph) -> None:
        """Without a format each source is one line."""
        ended = in_this_process("sources")

        lines = ended.out.decode().splitlines()
        assert ended.code == 0
        assert len(lines) == len(citations(graph.engine))
        assert "NANNI1998  Complications of carbon dioxide laser resurfacing" in ended.out.decode()

    def test_single_sources_are_written_by_key(self) -> None:
        """Keys choose the sources."""
        ended = in_this_process("sources", "NANNI1998", "--format", "bibtex")

        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(b"@article{NANNI1998,\n")
        assert ended.out.count(b"@") == 1

    def test_an_unknown_key_is_wrong_use(self) -> None:
        """A key that is not there ends with 2 and names those that are near."""
        ended = in_this_process("sources", "NANNI1988")

        assert (ended.code, ended.out) == (2, b"")
        assert "NANNI1998" in ended.err


class TestReport:
    """`dermograph report` writes the quality report."""

    def test_it_is_printed(self, graph: kg.KnowledgeGraph) -> None:
        """Without an option the report goes to standard output."""
        ended = in_this_process("report")

        assert ended == Ended(0, report(graph).encode(), "")

    def test_it_is_saved(self, graph: kg.KnowledgeGraph, tmp_path: Path) -> None:
        """With --output it goes to the file."""
        file = tmp_path / "quality.md"

        assert in_this_process("report", "--output", str(file)) == Ended(0, b"", "")
        assert file.read_text(encoding="utf-8") == report(graph)

    def test_a_file_that_cannot_be_written_is_wrong_use(self, tmp_path: Path) -> None:
        """A folder that is not there ends with 2 and is named."""
        ended = in_this_process("report", "-o", str(tmp_path / "no" / "quality.md"))

        assert ended.code == 2
        assert "Cannot write" in ended.err


def _get(url: str) -> bytes:
    """Ask once the service listens: it says where it will just before it does."""
    for _ in range(_SECONDS * 1000):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((urllib.parse.urlsplit(url).hostname, _port(url))).close()
            break
    with urllib.request.urlopen(url, timeout=_SECONDS) as response:
        body: bytes = response.read()
    return body


def _port(url: str) -> int:
    return urllib.parse.urlsplit(url).port or 80


def _copy_of_the_ontology(folder: Path) -> Path:
    for file in ONTOLOGY_FOLDER.rglob("*"):
        if file.is_file():
            target = folder / "ontology" / file.relative_to(ONTOLOGY_FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return folder / "ontology"


def _parsed(body: bytes, form: Format) -> rdflib.Graph:
    if form.name in {"nquads", "trig"}:
        dataset = rdflib.Dataset(default_union=True)
        dataset.parse(data=body, format=form.name)
        return rdflib.Graph().parse(data=dataset.serialize(format="nt"), format="nt")
    return rdflib.Graph().parse(data=body, format=form.media_type)


def _labels(body: bytes, form: Format) -> list[str]:
    """Return what the answer says of the claim, up to the figure."""
    text = body.decode()
    if form.name in {"csv", "tsv"}:
        rows = csv.reader(io.StringIO(text), delimiter="," if form.name == "csv" else "\t")
        labels = [row[1].strip('"') for row in list(rows)[1:]]
    else:
        result = Result.parse(io.BytesIO(body), format=form.name)
        labels = [str(row[rdflib.Variable("label")]) for row in result.bindings]
    return [label.partition(":")[0] for label in labels]


def test_a_former_name_of_a_query_is_told() -> None:
    """Beside the answer, which is that of the query."""
    former = CliRunner().invoke(main, ["query", "course", "event=dg:Erythema"])
    today = CliRunner().invoke(main, ["query", "downtime", "event=dg:Erythema"])

    assert (former.exit_code, former.stderr) == (0, "course is called downtime now: use that.\n")
    assert former.stdout == today.stdout != ""
    assert today.stderr == ""
