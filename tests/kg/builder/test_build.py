"""Building: the same bytes every time, nothing dangling, every subject traced to its line."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyoxigraph import RdfFormat, parse
from rdflib import RDF, Dataset, Literal, URIRef

import kg
from kg.builder.build import Build, build
from kg.builder.errors import BuildError, FileProblem
from kg.rdf.namespaces import DG, DGD, GRAPH, ONTOLOGY
from kg.releases.bundled import ONTOLOGY_FOLDER

if TYPE_CHECKING:
    from tests.kg.conftest import SmallOntology

_BUILD = """
import hashlib, sys
from pathlib import Path
from kg.builder.build import build

built = build(Path(sys.argv[1]))
print(hashlib.sha256(built.nquads).hexdigest(), built.version)
"""


def _digests(folder: Path, seed: str) -> list[str]:
    root = str(Path(kg.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", _BUILD, str(folder)],
        env={**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


@pytest.fixture(scope="module")
def shipped() -> Build:
    """Return a build of the shipped files, which takes long; all else looks at the one kept."""
    return build(ONTOLOGY_FOLDER)


@pytest.mark.long
def test_two_builds_are_equal_to_the_byte(graph: kg.KnowledgeGraph, shipped: Build) -> None:
    """What is built here is what another process built and kept, byte for byte."""
    assert shipped.version == graph.version
    assert shipped.nquads == graph.nquads


def test_the_order_of_hashes_does_not_matter(ontology: SmallOntology) -> None:
    """Processes that go through sets in other orders build the same, byte for byte."""
    built = ontology.build()
    expected = [hashlib.sha256(built.nquads).hexdigest(), built.version]

    assert [_digests(ontology.folder, seed) for seed in ("1", "4711")] == [expected, expected]


def test_a_copy_of_the_files_elsewhere_builds_the_same(
    ontology: SmallOntology, tmp_path: Path
) -> None:
    """No path, time or order of files on the disk finds its way into the data."""
    copy = tmp_path / "elsewhere" / "deeper"
    copy.mkdir(parents=True)
    for path in sorted(ontology.folder.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(ontology.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())

    assert build(copy).nquads == ontology.build().nquads
    assert str(tmp_path).encode() not in ontology.build().nquads


def test_the_dataset_is_sorted_and_has_each_statement_once(graph: kg.KnowledgeGraph) -> None:
    """The lines are in the order of code points, without repetition, each ended by a line feed."""
    lines = graph.nquads.decode().split("\n")

    assert lines.pop() == ""
    assert lines == sorted(set(lines))


def test_the_dataset_has_no_blank_nodes(graph: kg.KnowledgeGraph) -> None:
    """Every node can be looked up."""
    assert not re.search(rb"(^|\s)_:", graph.nquads, re.MULTILINE)


def test_the_dataset_is_canonical_n_quads(graph: kg.KnowledgeGraph) -> None:
    """An independent parser reads every line, and finds each statement in one named graph."""
    quads = list(parse(graph.nquads, format=RdfFormat.N_QUADS))

    counted = Counter(quad.graph_name.value for quad in quads)
    assert len(quads) == graph.nquads.count(b"\n")
    assert counted == graph.engine.contents.graphs


def test_a_build_counts_the_triples_of_its_graphs(ontology: SmallOntology) -> None:
    """The counts are those of the N-Quads."""
    built = ontology.build()

    quads = parse(built.nquads, format=RdfFormat.N_QUADS)
    assert Counter(quad.graph_name.value.removeprefix(GRAPH) for quad in quads) == built.counts


def test_the_named_graphs_are_those_of_the_model(graph: kg.KnowledgeGraph) -> None:
    """Each kind of knowledge has its graph, and none is empty."""
    names = {
        "ontology", "claims", "sources", "spectra", "shapes", "inferred", "dataset", "mappings",
        "wider",
    }  # fmt: skip

    assert set(graph.engine.contents.graphs) == {GRAPH + name for name in names}


def test_the_version_changes_exactly_when_the_data_change(ontology: SmallOntology) -> None:
    """A comment changes nothing, a label everything; undone, the version is back."""
    version = ontology.build().version
    text = ontology.read("dermograph.ttl")

    ontology.write("dermograph.ttl", f"# a comment\n{text}")
    assert ontology.build().version == version
    ontology.replace("dermograph.ttl", '"itch"@en', '"itching"@en')
    assert ontology.build().version != version
    ontology.write("dermograph.ttl", text)
    assert ontology.build().version == version
    assert re.fullmatch(r"[0-9a-f]{16}", version)


def test_the_release_is_that_of_the_ontology(
    ontology: SmallOntology, graph: kg.KnowledgeGraph
) -> None:
    """owl:versionInfo names the release."""
    release = "ASK { ?ontology a owl:Ontology ; owl:versionInfo ?release }"
    declared = "PREFIX owl: <http://www.w3.org/2002/07/owl#> "

    assert ontology.build().release == "9.9.9"
    assert graph.query(declared + release, {"release": Literal(kg.__version__)})


def test_an_ontology_without_release_is_refused(ontology: SmallOntology) -> None:
    """A dataset has a version for people."""
    ontology.replace("dermograph.ttl", 'owl:versionInfo "9.9.9"', 'rdfs:label "x"')

    (problem,) = ontology.problems()
    assert problem.file == "dermograph.ttl"
    assert "owl:versionInfo" in problem.detail


def test_the_progress_of_a_build_is_told(ontology: SmallOntology) -> None:
    """Each step is named as it begins."""
    steps: list[str] = []
    build(ontology.folder, steps.append)

    assert len(steps) == len(set(steps)) >= 4
    assert steps[0] == "reading Turtle"


_TURTLE_MISTAKES = (
    ("dg:X rdfs:label .\n", 1, "This is not Turtle", "Mend the syntax"),
    ('dg:X rdfs:label "open .\n', 1, "the file ends within the statement", "Finish it."),
    ("\n\ndg:X zz:y 1 .\n", 3, "The prefix zz: has not been declared", "Mend the syntax"),
    ('dg:X rdfs:label "a\\u00zz" .\n', 1, "The escape sequence '\\u00zz'", "Mend the syntax"),
    ('dg:X rdfs:label "x"@en^^xsd:string .\n', 1, "^^ is not a valid", "Mend the syntax"),
    ("dg:X _:b 1 .\n", 1, "is not a valid predicate", "Mend the syntax"),
    ('"x" rdfs:label "x" .\n', 1, "is not a valid subject", "Mend the syntax"),
    ("dg:X rdfs:label\n    <<( dg:X a dg:Claim )>> .\n", 2, "triple of RDF 1.1", "Take it out"),
    ("dg:X dg:absent 1 .\n", 1, "dg:absent is unknown.", "describe it"),
    ("\ndg:X rdfs:seeAlso dg:Absent .\n", 2, "dg:Absent is unknown.", "describe it"),
    ("dg:X a dg:Klaim .\n", 1, "dg:Klaim is unknown.", "describe it"),
    ("dg:X rdfs:seeAlso <https://w3id.org/dermograph/id/source/A> .\n", 1, "source/A is", "describe"),
    ("dg:X rdfs:seeAlso <http://example.org/a b> .\n", 1, "Invalid IRI code point", "Mend the syntax"),
    ("dg:X rdfs:seeAlso <http://example.org/%zz> .\n", 1, "Invalid IRI percent", "Mend the syntax"),
    ("dg:X rdfs:seeAlso <relative> .\n", 1, "An IRI is relative: relative.", "Correct it."),
    ('dg:X rdfs:label "x"@abcdefghi .\n', 1, "at maximum", "Mend the syntax"),
    ('dg:X rdfs:label "\\u0000" .\n', 1, "a character that RDF does not allow", "Correct it."),
    ('dg:X dg:lowerLimit "low"^^xsd:decimal .\n', 1, "'low' is not of the type", "Correct it."),
    ('dg:X dg:lowerLimit 1 ;\n  dg:acts "1_0"^^xsd:integer .\n', 2, "'1_0' is not of the", "Correct it."),
    ('dg:X dg:acts "yes"^^xsd:boolean .\n', 1, "'yes' is not of the type xsd:boolean", "Correct it."),
    ('dg:X dg:acts "2026-W47-7"^^xsd:date .\n', 1, "'2026-W47-7' is not of", "Correct it."),
    ('dg:X dg:acts "2026-11-22T10:00:00Z"^^xsd:date .\n', 1, "T10:00:00Z' is not", "Correct it."),
    ('dg:X dg:acts "98"^^xsd:gYear .\n', 1, "'98' is not of the type xsd:gYear", "Correct it."),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "detail", "remedy"),
    _TURTLE_MISTAKES,
    ids=[ascii(each[0]) for each in _TURTLE_MISTAKES],
)
@pytest.mark.filterwarnings("ignore")
def test_a_mistake_in_turtle_stops_the_build_and_is_named(
    ontology: SmallOntology, text: str, line: int, detail: str, remedy: str
) -> None:
    """File, line, what is wrong and what to do are told for syntax, unknown terms and values."""
    prologue = ontology.read("dermograph.ttl").split("\n<")[0]
    ontology.write("concepts/more.ttl", prologue + "\n" + text)

    (problem,) = ontology.problems()
    assert (problem.file, problem.line) == ("concepts/more.ttl", prologue.count("\n") + 1 + line)
    assert detail in problem.detail
    assert remedy in problem.remedy


def test_turtle_that_is_not_utf_8_stops_the_build(ontology: SmallOntology) -> None:
    """Other encodings are refused."""
    ontology.path("concepts/more.ttl").write_bytes(b'<x:a> <x:b> "\xe9" .')

    (problem,) = ontology.problems()
    assert problem.file == "concepts/more.ttl"


def test_blank_nodes_in_turtle_become_iris_that_stay(ontology: SmallOntology) -> None:
    """A node without a name is named for what is said of it, in every build alike."""
    text = ontology.read("dermograph.ttl")
    node = "dg:Itch rdfs:seeAlso [ rdfs:label 'nested' ; rdfs:seeAlso ( 1 2 ) ] .\n"
    ontology.write("dermograph.ttl", text + node)
    first = ontology.build()
    ontology.write("dermograph.ttl", text + "# moved\n\n" + node)

    assert b"nested" in first.nquads
    assert b"_:" not in first.nquads
    assert ontology.build().nquads == first.nquads


def _traced(built: Build, folder: Path) -> int:
    """Return how many subjects are described, each of which must be traced to its line."""
    ours = re.compile(
        rb"^<(https://w3id\.org/dermograph/[^>]+)> [^\n]* <[^>]*/graph/(\w+)> \.$", re.MULTILINE
    )
    described = {
        match[1].decode()
        for match in ours.finditer(built.nquads)
        if match[2] not in (b"inferred", b"wider", b"dataset")
        and b".well-known/genid" not in match[1]
    }

    assert described - set(built.origins) == set()
    for iri in described:
        file, _, line = built.origins[iri].partition(", line ")
        lines = (folder / file).read_text(encoding="utf-8").split("\n")
        written = lines[int(line) - 1] if line else (folder / file).stem
        name = iri.removeprefix(DGD).removeprefix(DG)
        assert name.rsplit("/", 1)[-1] in written or iri in written, (iri, written)
    return len(described)


def test_every_described_subject_is_traced_to_its_line(ontology: SmallOntology) -> None:
    """Origins name the file and line where a subject is written, so reports can."""
    assert _traced(ontology.build(), ontology.folder) > 50


@pytest.mark.long
def test_every_shipped_subject_is_traced_to_its_line(shipped: Build) -> None:
    """So it is in all of the files."""
    assert _traced(shipped, ONTOLOGY_FOLDER) > 5000


def test_origins_follow_rows_that_move(ontology: SmallOntology) -> None:
    """The line of a claim is the line of its row."""
    ontology.claim("B0008")
    ontology.claim("B0009")

    origins = ontology.build().origins
    assert origins[f"{DGD}claim/B0008"] == "claims/clinical.tsv, line 6"
    assert origins[f"{DGD}claim/B0009"] == "claims/clinical.tsv, line 7"
    assert origins[f"{DG}Itch"].startswith("dermograph.ttl, line ")


def test_claims_are_labelled_with_a_sentence(ontology: SmallOntology) -> None:
    """The label of a claim says what it says and where from."""
    ontology.claim("B0008", object="dg:Itch", value="", minimum="2", maximum="5", unit="um")
    ontology.claim("B0009", object="", object_text="some redness", reported_percentage="12")
    text = ontology.build().nquads.decode()

    for label in (
        "erythema after laser resurfacing: 12 of 63 patients [SMITH2001]",
        "erythema and itch after laser resurfacing: reported [SMITH2001]",
        "itch after laser resurfacing: not observed [SMITH2001]",
        "laser resurfacing uses fluence 20 and 40 °C [SMITH2001]",
        "itch after laser resurfacing: 2 to 5 µm [SMITH2001]",
        "some redness after laser resurfacing: 12% [SMITH2001]",
    ):
        assert f'"{label}"@en' in text


def test_the_dataset_describes_itself(graph: kg.KnowledgeGraph) -> None:
    """DCAT and VoID state release, licence and the true number of triples of each graph."""
    rows = graph.query(
        """PREFIX void: <http://rdfs.org/ns/void#>
        SELECT ?graph ?triples { ?dataset void:subset ?graph . ?graph void:triples ?triples }"""
    )

    assert isinstance(rows, kg.Rows)
    stated = {str(row["graph"]): row["triples"] for row in rows}
    counts = graph.engine.contents.graphs
    assert stated == {name: counts[name] for name in counts if name != f"{GRAPH}dataset"}
    assert graph.query(
        "ASK { ?dataset a <http://www.w3.org/ns/dcat#Dataset> ; <http://purl.org/dc/terms/license> "
        "<https://creativecommons.org/licenses/by/4.0/> ; <http://purl.org/dc/terms/conformsTo> ?o }",
        {"o": URIRef(ONTOLOGY)},
    )


def test_the_number_of_records_of_each_class_is_true(graph: kg.KnowledgeGraph) -> None:
    """VoID class partitions count what is there."""
    rows = graph.query(
        """PREFIX void: <http://rdfs.org/ns/void#>
        SELECT ?class ?stated (COUNT(DISTINCT ?record) AS ?counted) {
          ?partition void:class ?class ; void:entities ?stated .
          GRAPH ?g { ?record a ?class }
        } GROUP BY ?class ?stated"""
    )

    assert isinstance(rows, kg.Rows)
    assert len(rows) > 10
    assert [row for row in rows if row["stated"] != row["counted"]] == []


def test_problems_are_sorted_and_counted() -> None:
    """The message of a failed build lists what there is to mend, in order."""
    problems = [
        FileProblem("b.tsv", 3, "x", "Wrong.", "Mend."),
        FileProblem("a.ttl", 0, "", "Bad.", "Fix."),
    ]

    assert str(BuildError(problems)) == (
        "2 problems:\na.ttl: Bad. Fix.\nb.tsv, line 3, column x: Wrong. Mend."
    )
    assert str(BuildError(problems[:1])).startswith("1 problem:\n")


def test_what_is_wrong_with_a_whole_file_is_told_first_and_thousands_are_cut_short() -> None:
    """The cause is not buried under what comes of it, and the message stays readable."""
    many = [FileProblem("a.tsv", line, "x", "Unknown.", "Mend.") for line in range(1, 3001)]
    error = BuildError([*many, FileProblem("z.ttl", 0, "", "The file is missing.", "Restore it.")])

    lines = str(error).split("\n")
    assert lines[:2] == ["3001 problems:", "z.ttl: The file is missing. Restore it."]
    assert lines[-1].startswith("... and 2901 more")
    assert len(lines) == 102
    assert len(error.problems) == 3001


def test_every_record_is_of_a_class_of_ours(dataset: Dataset) -> None:
    """Claims, sources and spectra are typed, so that they are found."""
    for name in ("claims", "sources", "spectra"):
        records = dataset.graph(URIRef(GRAPH + name))
        untyped = {
            subject
            for subject in records.subjects()
            if not any(str(each).startswith(DG) for each in records.objects(subject, RDF.type))
        }
        assert untyped == set()
        assert len(set(records.subjects())) > 10
        assert not any(isinstance(subject, Literal) for subject in records.subjects())
