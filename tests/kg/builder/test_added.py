"""Files that are added to a folder: read as rows of its tables, in a graph of their own, told at their place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rdflib import RDFS, Graph, URIRef

from kg.builder.build import Build, build
from kg.builder.errors import BuildError
from kg.rdf.namespaces import DG

if TYPE_CHECKING:
    from tests.kg.conftest import SmallOntology

_SOURCES = (
    "title,key,year,study_design\n"
    '"Redness, and what becomes of it",MINE2026,2026,dgd:study-design/cohort\n'
)
_CLAIMS = (
    "id,kind,subject,predicate,object,finding,hedge,event_count,sample_size,unit_of_analysis,source,curator\n"
    "X0001,dg:RiskClaim,dg:LaserResurfacing,dg:hasRisk,dg:Erythema,dgd:finding/present,"
    "dgd:hedge/stated,3,12,dgd:unit-of-analysis/patient,MINE2026,J. Doe\n"
)
_ADDED = "<https://w3id.org/dermograph/graph/added>"


def _files(folder: Path, **texts: str) -> list[Path]:
    """Write files; the default are a sound source and a sound claim."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, text in {"sources": _SOURCES, "claims": _CLAIMS, **texts}.items():
        path = folder / f"{name.replace('__', '-')}.csv"
        path.write_bytes(text.encode())
        paths.append(path)
    return paths


def _lines(built: Build, graph: str) -> set[str]:
    return {line for line in built.nquads.decode().splitlines() if line.endswith(f"{graph} .")}


def _problems(ontology: SmallOntology, files: list[Path]) -> list[str]:
    with pytest.raises(BuildError) as failure:
        build(ontology.folder, added=files)
    return [str(each) for each in failure.value.problems]


def test_rows_are_in_a_graph_of_their_own_and_ours_stay(
    ontology: SmallOntology, tmp_path: Path
) -> None:
    """What the files say, with labels and creators, is in `added`; no statement of ours changes."""
    without = ontology.build()
    built = build(ontology.folder, added=_files(tmp_path / "mine"))

    for graph in ("claims", "sources", "ontology"):
        named = f"<https://w3id.org/dermograph/graph/{graph}>"
        assert _lines(built, named) == _lines(without, named)
    added = "\n".join(_lines(built, _ADDED))
    assert ': 3 of 12 patients [MINE2026]"@en' in added
    assert '"Redness, and what becomes of it"' in added
    assert '/curator> "J. Doe"' in added
    assert "The Dermograph maintainers" not in added
    assert "graph/added" not in without.nquads.decode()


def test_figures_and_edges_are_computed(ontology: SmallOntology, tmp_path: Path) -> None:
    """The proportion and its interval are those of a claim of ours."""
    built = build(ontology.folder, added=_files(tmp_path / "mine"))

    text = built.nquads.decode()
    assert 'claim/X0001> <https://w3id.org/dermograph/ontology/proportion> "0.25"' in text
    assert "claim/X0001> <https://w3id.org/dermograph/ontology/proportionLower>" in text


def test_the_version_is_another_and_the_same_for_the_same_files(
    ontology: SmallOntology, tmp_path: Path
) -> None:
    """Neither folder nor order of the files matter; each byte of them does."""
    version = build(ontology.folder, added=_files(tmp_path / "one")).version

    assert version != ontology.build().version
    assert build(ontology.folder, added=_files(tmp_path / "two")[::-1]).version == version
    other = _files(tmp_path / "three", sources=f"{_SOURCES}\n")
    assert build(ontology.folder, added=other).version != version


def test_the_dataset_names_the_files(ontology: SmallOntology, tmp_path: Path) -> None:
    """The graph is a subset of the dataset, derived from files with name and digest."""
    text = build(ontology.folder, added=_files(tmp_path / "mine")).nquads.decode()

    assert (
        f"<https://w3id.org/dermograph/id/dataset> <http://rdfs.org/ns/void#subset> {_ADDED}"
        in text
    )
    assert text.count(f"{_ADDED} <http://www.w3.org/ns/prov#wasDerivedFrom>") == 2
    assert '"added file claims.csv"@en' in text
    assert '"sha256:' in text


def test_csv_of_spreadsheets_is_read(ontology: SmallOntology, tmp_path: Path) -> None:
    """A byte order mark, ends of lines as on Windows, quotes, and words before the name of the table."""
    windows = "\ufeff" + _SOURCES.replace("\n", "\r\n")
    plain, spreadsheet = (
        build(ontology.folder, added=_files(tmp_path / name, **texts)).nquads.decode()
        for name, texts in (
            ("plain", {}),
            ("spreadsheet", {"sources": windows, "my__claims": _CLAIMS, "claims": "id\n"}),
        )
    )

    about = [line for line in plain.splitlines() if "source/MINE2026> " in line]
    assert about
    assert set(about) <= set(spreadsheet.splitlines())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("claims", _CLAIMS.replace("dg:Erythema", "dg:Eryhtema"), "claims.csv, line 2, column object: dg:Eryhtema is unknown. Is dg:Erythema meant?"),
        ("claims", _CLAIMS.replace(",3,12,", ",three,12,"), "claims.csv, line 2, column event_count: 'three' is not of the type integer."),
        ("claims", _CLAIMS.replace("MINE2026", "MINE2025"), "claims.csv, line 2, column source: dgd:source/MINE2025 is unknown."),
        ("claims", _CLAIMS.replace("X0001", "B0001"), "claims.csv, line 2, column id: 'B0001' stands in claims/clinical.tsv already. See line 2 there"),
        ("claims", _CLAIMS.replace("finding,hedge", "findnig,hedge"), "claims.csv, line 1: Columns are unknown or given twice: 'findnig'. They can be: id kind subject"),
        ("claims", _CLAIMS.replace(",", ";"), "claims.csv, line 1: Columns are unknown or given twice: 'id;kind;subject;predicate;object;finding;hedge;event_count;sample_size;unit_of_analysis;source;curator'. Separate cells by commas"),
        ("claims", _CLAIMS.replace("J. Doe", "J. Doe,and more"), "claims.csv, line 2: The row has not 12 cells. Separate cells by commas"),
        ("claims", _CLAIMS.replace("J. Doe", '"J. Doe'), "claims.csv, line 2: This is not CSV: "),
        ("claims", _CLAIMS.replace("J. Doe", '"J.\nDoe"'), "claims.csv, line 3, column curator: The cell holds a tab or the end of a line."),
        ("settings", "id,claim,parameter,value\nB0001/x,B0001,dg:Itch,3\n", "settings.csv, line 2, column claim: dgd:claim/B0001 is described in claims/clinical.tsv, line 2, which stays as it is."),
        ("clinical", _CLAIMS, "clinical.csv: This is no file that can be added. Name it like the table that it adds to: sources, "),
        ("claims", "", "claims.csv: The file is empty."),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_place(
    name: str, text: str, said: str, ontology: SmallOntology, tmp_path: Path
) -> None:
    """File, line and column of an added file, and what to do, as for ours."""
    files = _files(tmp_path / "mine", **{name: text})

    found = _problems(ontology, files)
    assert any(said in each and str(tmp_path / "mine") in each for each in found), found


@pytest.fixture
def said(ontology: SmallOntology, tmp_path: Path) -> Graph:
    """Return what the rows of the default files say, without what is computed."""
    built = build(ontology.folder, added=_files(tmp_path / "rows"))
    lines = [line.replace(f" {_ADDED} .", " .") for line in _lines(built, _ADDED)]
    graph = Graph().parse(data="\n".join(lines), format="nt")
    graph.remove((URIRef("https://w3id.org/dermograph/id/claim/X0001"), RDFS.label, None))
    return graph


@pytest.mark.parametrize(("ending", "form"), [("ttl", "turtle"), ("jsonld", "json-ld")])
def test_records_say_the_same_as_rows(
    ontology: SmallOntology, tmp_path: Path, said: Graph, ending: str, form: str
) -> None:
    """In Turtle and in JSON-LD, with all that is computed: label, proportion, edge."""
    rows = build(ontology.folder, added=_files(tmp_path / "mine"))
    file = tmp_path / f"mine.{ending}"
    file.write_text(said.serialize(format=form), encoding="utf-8")

    records = build(ontology.folder, added=[file])

    for graph in ("added", "inferred", "claims"):
        named = f"<https://w3id.org/dermograph/graph/{graph}>"
        assert _lines(records, named) == _lines(rows, named) != set()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("proportion 0.25", "dg:proportion 0.25 is what no row of a table says. Leave out what is computed"),
        ('eventCount "three"', "column event_count: 'three' is not of the type integer."),
        ("object dg:Eryhtema", "dg:Eryhtema is unknown. Is dg:Erythema meant?"),
    ],
)  # fmt: skip
def test_what_no_row_would_say_is_refused(
    ontology: SmallOntology, tmp_path: Path, said: Graph, statement: str, told: str
) -> None:
    """With the line of the record; nothing is passed over."""
    claim = URIRef("https://w3id.org/dermograph/id/claim/X0001")
    said.remove((claim, URIRef(DG + statement.partition(" ")[0]), None))
    said.bind("dg", DG)
    text = said.serialize(format="turtle")
    line = text[: text.index("claim/X0001> a ")].count("\n") + 1
    file = tmp_path / "mine.ttl"
    file.write_text(f"{text}\n<{claim}> dg:{statement} .\n", encoding="utf-8")

    found = _problems(ontology, [file])

    assert any(told in each and each.startswith(f"{file}, line {line}") for each in found), found


def test_a_file_that_is_no_json_ld_is_refused(ontology: SmallOntology, tmp_path: Path) -> None:
    """As one that names another context is."""
    file = tmp_path / "mine.jsonld"
    for text in ('{"@id": ', '{"@context": "https://example.org/other", "@id": "urn:x"}'):
        file.write_text(text, encoding="utf-8")

        assert any("This is not JSON-LD: " in each for each in _problems(ontology, [file]))
