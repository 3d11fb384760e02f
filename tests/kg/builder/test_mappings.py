"""The mapping table is read strictly; the graph has what it maps and what was looked for in vain."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdflib import Dataset, Literal, URIRef

import kg
from kg.builder.read.mappings import TABLE, read_table
from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES

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
        """The graph has the relations, what the header tells, their number, and where none was found."""
        ontology.write(TABLE, _HEADER + _ROW + _IN_VAIN)
        dataset = Dataset()
        dataset.parse(data=ontology.build().nquads, format="nquads")
        graph = dataset.graph(URIRef(GRAPH + "mappings"))
        described = dataset.graph(URIRef(GRAPH + "dataset"))

        exact = URIRef(PREFIXES["skos"] + "exactMatch")
        in_vain = URIRef(f"{DG}soughtInVainIn")
        target = URIRef("http://purl.obolibrary.org/obo/HP_0010783")
        mapping_set = URIRef(f"{DGD}mappings")
        licence = URIRef("https://creativecommons.org/licenses/by/4.0/")
        assert list(graph.subject_objects(exact)) == [(URIRef(f"{DG}Erythema"), target)]
        assert list(graph.subject_objects(in_vain)) == [(URIRef(f"{DG}Itch"), Literal("hp"))]
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

    @pytest.mark.parametrize("row", [_ROW, _IN_VAIN])
    def test_a_term_of_ours_must_be_described(self, ontology: Any, row: str) -> None:
        """A mapping of what no file describes, or a search for it, stops the build."""
        ontology.write(TABLE, _HEADER + re.sub(r"^DG:\w+", "DG:Erytema", row))

        (problem,) = ontology.problems()
        assert (problem.file, problem.line, problem.column) == (TABLE, 8, "subject_id")
