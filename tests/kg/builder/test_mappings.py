"""The mapping table is read strictly; what it does not map is proposed to public ontologies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdflib import Dataset, Literal, URIRef

import kg
from kg.builder.read.mappings import TABLE, read_table
from kg.curation.term_requests import Search, as_tsv, proposals
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER

_HEADER = f"""#curie_map:
#  DG: "{DG}"
#  HP: "http://purl.obolibrary.org/obo/HP_"
#mapping_set_id: "{DGD}mappings"
#mapping_set_title: "Mappings"
#license: "https://creativecommons.org/licenses/by/4.0/"
subject_id\tpredicate_id\tobject_id\tobject_label\tobject_source
"""
_ROW = "DG:Erythema\tskos:exactMatch\tHP:0010783\tErythema\tbioregistry:hp\n"
_IN_VAIN = "DG:Itch\tskos:exactMatch\tsssom:NoTermFound\t\tbioregistry:hp\n"

Folder = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return what makes a folder with a mapping table."""

    def write(text: str) -> Path:
        path = tmp_path / TABLE
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


class TestTable:
    """`mappings/dermograph.sssom.tsv`."""

    def test_it_is_described_and_a_search_in_vain_maps_nothing(self, ontology: Any) -> None:
        """The graph has the relations, what the header tells, and the number of relations."""
        ontology.write(TABLE, _HEADER + _ROW + _IN_VAIN)
        dataset = Dataset()
        dataset.parse(data=ontology.build().nquads, format="nquads")
        graph = dataset.graph(URIRef(GRAPH + "mappings"))
        described = dataset.graph(URIRef(GRAPH + "dataset"))

        exact = URIRef(PREFIXES["skos"] + "exactMatch")
        target = URIRef("http://purl.obolibrary.org/obo/HP_0010783")
        mapping_set = URIRef(f"{DGD}mappings")
        licence = URIRef("https://creativecommons.org/licenses/by/4.0/")
        assert list(graph.subject_objects(exact)) == [(URIRef(f"{DG}Erythema"), target)]
        assert described.value(mapping_set, URIRef(PREFIXES["void"] + "triples")) == Literal(1)
        assert described.value(mapping_set, URIRef(PREFIXES["dcterms"] + "license")) == licence

    @pytest.mark.parametrize(
        ("good", "bad", "line", "column"),
        [
            ("DG:Erythema", "XY:Erythema", 8, "subject_id"),
            ("HP:0010783", "XY:1", 8, "object_id"),
            ("skos:exactMatch", "owl:sameAs", 8, "predicate_id"),
            ("bioregistry:hp", "", 8, "object_source"),
            ("\tobject_source", "", 7, ""),
            ("#curie_map", "#map", 1, ""),
            ("#license: ", "#license: [", 1, ""),
            ("#license: ", "#predicate_modifier: Not\n#license: ", 6, ""),
            ("\tobject_source", "\tobject_source\tpredicate_modifier", 7, ""),
            ("\tobject_source", "\tobject_source\tobject_label", 7, ""),
            ("\tErythema", "\t\tErythema", 8, ""),
            ("\tbioregistry:hp\n", "\tbioregistry:hp\n# a remark\n", 9, ""),
        ],
    )
    def test_a_malformed_one_is_refused_by_line_and_column(
        self, folder: Folder, good: str, bad: str, line: int, column: str
    ) -> None:
        """A foreign prefix or predicate, a missing column or slot stops the build, and is named."""
        text = _HEADER + _ROW
        assert text.count(good) == 1

        with pytest.raises(kg.BuildError) as refused:
            read_table(folder(text.replace(good, bad)))

        (problem,) = refused.value.problems
        assert (problem.file, problem.line, problem.column) == (TABLE, line, column)

    @pytest.mark.parametrize("character", ["\f", "\x85", "\u2028", "\u202e"])
    def test_an_unseen_character_is_refused_where_it_stands(
        self, ontology: Any, character: str
    ) -> None:
        """What much software takes for the end of a line splits no row, and is told."""
        ontology.write(TABLE, _HEADER + _ROW.replace("\tErythema", f"\tEry{character}thema"))

        (problem,) = ontology.problems()
        assert (problem.file, problem.line) == (TABLE, 8)
        assert f"U+{ord(character):04X}" in problem.detail

    def test_what_a_literal_is_mapped_to_is_refused(self, folder: Folder) -> None:
        """A subject that is a text is no term of ours."""
        header = _HEADER.replace("\tobject_source", "\tobject_source\tsubject_type")

        with pytest.raises(kg.BuildError, match="rdfs literal is no term"):
            read_table(folder(header + _ROW.replace("hp\n", "hp\trdfs literal\n")))

    def test_a_term_of_ours_must_be_described(self, ontology: Any) -> None:
        """A mapping of what no file describes stops the build."""
        ontology.write(TABLE, _HEADER + _ROW.replace("Erythema", "Erytema", 1))

        (problem,) = ontology.problems()
        assert (problem.file, problem.line, problem.column) == (TABLE, 8, "subject_id")


_TREE = {
    "Erythema": "ClinicalCondition",
    "MildErythema": "Erythema",
    "Itch": "ClinicalCondition",
    "NightlyItch": "Itch",
    "Rash": "ClinicalCondition",
    "Swelling": "ClinicalCondition",
    "OldRash": "ClinicalCondition",
}


def _engine() -> InProcessEngine:
    """Return an engine over a tree of adverse events, one withdrawn, and three claims."""
    ontology = {
        f"dg:{name} a owl:Class ; rdfs:label {name!r}@en ; skos:definition 'A {name}.'@en"
        for name in ("ClinicalCondition", *_TREE)
    } | {f"dg:{name} rdfs:subClassOf dg:{parent}" for name, parent in _TREE.items()}
    ontology.add("dg:OldRash owl:deprecated true")
    closure = {f"dg:{name} rdfs:subClassOf dg:ClinicalCondition" for name in _TREE}
    concepts = ("Swelling", "Swelling", "Itch")
    claims = {
        f"<urn:{number}> dg:predicate dg:hasRisk ; dg:object dg:{concept}"
        for number, concept in enumerate(concepts)
    }
    dataset = Dataset()
    prologue = "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in PREFIXES.items())
    for name, statements in (("ontology", ontology), ("inferred", closure), ("claims", claims)):
        text = prologue + "".join(f"{each} .\n" for each in statements)
        dataset.graph(URIRef(GRAPH + name)).parse(data=text, format="turtle")
    return InProcessEngine(dataset.serialize(format="nquads").encode(), version="0")


class TestProposals:
    """The terms worth proposing."""

    def test_what_was_looked_for_comes_first_then_what_claims_use(self, folder: Folder) -> None:
        """Neither what has an equal elsewhere is proposed nor what is withdrawn."""
        broad = "DG:Rash\tskos:broadMatch\tHP:0000988\tSkin rash\tbioregistry:hp\n"
        table = read_table(folder(_HEADER + _ROW + _IN_VAIN + broad))

        found = proposals(_engine(), table)

        assert [(each.label, each.search, each.claims) for each in found] == [
            ("Itch", Search.IN_VAIN, 1),
            ("Rash", Search.INEXACT, 0),
            ("NightlyItch", Search.BELOW, 0),
            ("Swelling", Search.NONE, 2),
            ("MildErythema", Search.NONE, 0),
        ]
        assert [each.searched for each in found] == [("hp",), (), (), (), ()]

    def test_the_nearest_wider_term_is_that_of_the_concept_or_of_the_next_above(
        self, folder: Folder
    ) -> None:
        """A broad match of its own, or an equal of what is above it; no equal further up."""
        broad = "DG:Rash\tskos:broadMatch\tHP:0000988\tSkin rash\tbioregistry:hp\n"
        top = "DG:ClinicalCondition\tskos:closeMatch\tHP:0000118\tAbnormality\tbioregistry:hp\n"
        table = read_table(folder(_HEADER + _ROW + broad + top))

        found = {each.label: each for each in proposals(_engine(), table)}

        wider = {
            name: [term.cells["object_id"] for term in each.wider] for name, each in found.items()
        }
        assert wider["Rash"] == ["HP:0000988"]
        assert wider["MildErythema"] == ["HP:0010783"]
        assert wider["Swelling"] == ["HP:0000118"]
        assert str(found["MildErythema"].wider[0].subject) == f"{DG}Erythema"

    def test_a_circle_of_classes_comes_to_an_end(self, folder: Folder) -> None:
        """Other data may say that something is above itself."""
        text = f"""
            <{DG}Itch> <{PREFIXES["rdfs"]}subClassOf> <{DG}Rash> <{GRAPH}ontology> .
            <{DG}Rash> <{PREFIXES["rdfs"]}subClassOf> <{DG}Itch> <{GRAPH}ontology> .
            <{DG}Itch> <{PREFIXES["rdfs"]}subClassOf> <{DG}Outcome> <{GRAPH}inferred> .
            <{DG}Outcome> <{PREFIXES["rdfs"]}label> "outcome" <{GRAPH}ontology> .
            <{DG}Itch> <{PREFIXES["rdfs"]}label> "itch" <{GRAPH}ontology> .
            <{DG}Itch> <{PREFIXES["skos"]}definition> "An itch." <{GRAPH}ontology> .
            <{DG}Itch> <{PREFIXES["rdf"]}type> <{PREFIXES["owl"]}Class> <{GRAPH}ontology> .
            <{DG}Rash> <{PREFIXES["rdf"]}type> <{PREFIXES["owl"]}Class> <{GRAPH}ontology> .
        """
        engine = InProcessEngine(text.encode(), version="0")

        found = proposals(engine, read_table(folder(_HEADER + _ROW)))

        assert [each.label for each in found] == ["itch"]

    def test_no_proposal_of_ours_has_an_equal(self, graph: kg.KnowledgeGraph) -> None:
        """Of the shipped concepts; and all have what a request for a new term needs."""
        found = proposals(graph.engine, read_table(ONTOLOGY_FOLDER))

        equal = graph.query(
            f"SELECT DISTINCT ?x {{ ?x <{PREFIXES['skos']}exactMatch>|"
            f"<{PREFIXES['skos']}closeMatch> ?y }}"
        )
        assert isinstance(equal, kg.Rows)
        proposed = {each.concept for each in found}
        assert f"{DG}LaserSkinResurfacing" in proposed
        assert f"{DG}Erythema" not in proposed
        assert {str(row["x"]) for row in equal} & proposed == set()
        assert all(each.definition and each.label for each in found)

    def test_the_table_has_as_many_cells_in_each_row(self, graph: kg.KnowledgeGraph) -> None:
        """One row a proposal; the columns about wider terms hold equally many values."""
        found = proposals(graph.engine, read_table(ONTOLOGY_FOLDER))

        head, *rows = [line.split("\t") for line in as_tsv(found).splitlines()]

        assert len(rows) == len(found)
        assert {len(row) for row in rows} == {len(head)}
        assert all(len({cell.count("|") for cell in row[-4:]}) == 1 for row in rows)
        assert [row[0] for row in rows] == [each.concept for each in found]
