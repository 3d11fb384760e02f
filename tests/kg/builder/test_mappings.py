"""The mapping table is read strictly; the graph has what it maps and what was looked for in vain."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from rdflib import Dataset, Literal, URIRef

from kg.builder.read.mappings import TABLE
from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER

_HEADER = f"""#curie_map:
#  DG: "{DG}"
#  HP: "http://purl.obolibrary.org/obo/HP_"
#mapping_set_id: "{DGD}mappings"
#mapping_set_title: "Mappings"
#license: "https://creativecommons.org/licenses/by/4.0/"
"""


def _row(**cells: str) -> str:
    """Write a row of the table; without cells, its header."""
    columns = [column["name"] for column in _SCHEMA["columns"]]
    assert cells.keys() <= set(columns)
    return "\t".join(cells.get(each, "") if cells else each for each in columns) + "\n"


_SCHEMA: Final = json.loads((ONTOLOGY_FOLDER / "tables" / "mapping.json").read_bytes())
_CELLS: Final = {
    "subject_id": "DG:Erythema",
    "subject_label": "erythema",
    "subject_type": "owl class",
    "predicate_id": "skos:exactMatch",
    "object_id": "HP:0010783",
    "object_label": "Erythema",
    "mapping_justification": "semapv:ManualMappingCuration",
    "object_source": "bioregistry:hp",
}
_IN_VAIN: Final = {
    **_CELLS,
    "subject_id": "DG:Itch",
    "object_id": "sssom:NoTermFound",
    "object_label": "",
}
_TEXT: Final = _HEADER + _row() + _row(**_CELLS)


class TestTable:
    """`mappings/dermograph.sssom.tsv`."""

    def test_it_is_described_and_a_search_in_vain_maps_nothing(self, ontology: Any) -> None:
        """The graph has the relations, what the header tells, their number, and where none was found."""
        ontology.write(TABLE, _TEXT + _row(**_IN_VAIN))
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
            ("DG:Erythema", "dg:Erythema", 8, "subject_id"),
            ("DG:Erythema", "HP:Erythema", 8, "subject_id"),
            ("DG:Erythema", f"{DG}Erythema", 8, "subject_id"),
            ("HP:0010783", "XY:1", 8, "object_id"),
            ("HP:0010783", "http://purl.obolibrary.org/obo/HP_0010783", 8, "object_id"),
            ("HP:0010783", "HP:a^b", 8, "object_id"),
            ("HP:0010783", "HP:%", 8, "object_id"),
            ("HP:0010783\tErythema", "\t", 8, "object_id"),
            ("HP:0010783", "sssom:NoTermFound", 8, "object_label"),
            ("skos:exactMatch", "owl:sameAs", 8, "predicate_id"),
            ("bioregistry:hp", "", 8, "object_source"),
            ("owl class", "rdfs literal", 8, "subject_type"),
            ("\tobject_source\t", "\t", 7, ""),
            ("#curie_map", "#map", 1, ""),
            (f'DG: "{DG}"', 'DG: "https://example.org/"', 1, ""),
            ('"http://purl.obolibrary.org/obo/HP_"', "5", 1, ""),
            ('"https://creativecommons.org/licenses/by/4.0/"', '"by"', 1, ""),
            ("#license: ", "#license: [", 1, ""),
            ("#license: ", "#predicate_modifier: Not\n#license: ", 6, ""),
            ("\tobject_source\t", "\tobject_source\tpredicate_modifier\t", 7, ""),
            ("\tobject_source\t", "\tobject_source\tobject_label\t", 7, ""),
            ("\tErythema", "\t\tErythema", 8, ""),
            (_row(**_CELLS), f"{_row(**_CELLS)}# a remark\n", 9, ""),
            (_row(**_CELLS), _row(**_CELLS) * 2, 9, "subject_id"),
            (_row(**_CELLS), _row(**_IN_VAIN) * 2, 9, "subject_id"),
        ],
    )
    def test_a_malformed_one_is_refused_by_line_and_column(
        self, ontology: Any, good: str, bad: str, line: int, column: str
    ) -> None:
        """A foreign prefix or predicate, a missing column or slot stops the build, and is named."""
        assert _TEXT.count(good) == 1
        ontology.write(TABLE, _TEXT.replace(good, bad))

        problems = ontology.problems()

        assert {(each.file, each.line, each.column) for each in problems} == {(TABLE, line, column)}
        assert all(each.detail and each.remedy for each in problems)

    @pytest.mark.parametrize("character", ["\f", "\x85", "\u2028", "\u202e"])
    def test_an_unseen_character_is_refused_where_it_stands(
        self, ontology: Any, character: str
    ) -> None:
        """What much software takes for the end of a line splits no row, and is told."""
        ontology.write(TABLE, _TEXT.replace("\tErythema", f"\tEry{character}thema"))

        (problem,) = ontology.problems()
        assert (problem.file, problem.line) == (TABLE, 8)
        assert f"U+{ord(character):04X}" in problem.detail

    @pytest.mark.parametrize("row", [_CELLS, _IN_VAIN])
    def test_a_term_of_ours_must_be_described(self, ontology: Any, row: dict[str, str]) -> None:
        """A mapping of what no file describes, or a search for it, stops the build."""
        ontology.write(TABLE, _HEADER + _row() + _row(**{**row, "subject_id": "DG:Erytema"}))

        (problem,) = ontology.problems()
        assert (problem.file, problem.line, problem.column) == (TABLE, 8, "subject_id")
