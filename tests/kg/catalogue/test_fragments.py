"""Lines of a canned query that stand for what many queries share, by what a folder of queries gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kg.catalogue.canned_queries import CannedQuery, read_queries
from kg.catalogue.front_matter import CatalogueError
from kg.catalogue.lint import refuse_unknown_terms
from kg.engine import CSV, Query, ResultKind
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import PREFIXES

_TABLE = """\
name\ttype\tunit\tdescription\tpattern
claim\trecord\t\tA claim.\t
finding\ttext\t\tA finding.\tOPTIONAL { ?claim dg:finding/rdfs:label ?finding }
hedge\ttext\t\tA hedge.\t?claim dg:hedge ?hedge .
note\ttext\t\tA note.\tOPTIONAL { ?claim skos:note ?note }
source\trecord\t\tA source.\t?claim dg:source ?source . OPTIONAL { ?source dg:title ?source_title }
value\tdecimal\t\tA value.\tOPTIONAL { ?claim dg:value ?value }
"""

_NEAR = """\
# How ?1 is related to $2, as ?3.
BIND(IF(?1 = $2, "as asked", "other") AS ?3)
"""

_QUERY = """\
#+ title: What is claimed?
#+ description: All of it.
#+ params:
#+   - {name: hedged, type: string, description: How it is hedged.}
#+ columns:
#+   - {name: near, type: text, description: Whether it is what was asked for.}

#= prefixes

SELECT ?claim ?hedge ?note ?source ?source_title ?near
WHERE {
  {
    ?claim a dg:Claim .
    #= claim
    #= near ?hedge $hedged ?near
    #= columns
  }
  UNION
  { ?record dg:gap ?note }
}
ORDER BY ?value ?note
"""

_EXPANDED = """\
#= prefixes
PREFIX dg: <https://w3id.org/dermograph/ontology/>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
#= end

SELECT ?claim ?hedge ?note ?source ?source_title ?near
WHERE {
  {
    ?claim a dg:Claim .
    #= claim
    ?claim dg:hedge ?hedge .
    ?claim dg:source ?source .
    #= end
    #= near ?hedge $hedged ?near
    BIND(IF(?hedge = $hedged, "as asked", "other") AS ?near)
    #= end
    #= columns
    OPTIONAL { ?claim skos:note ?note }
    OPTIONAL { ?source dg:title ?source_title }
    OPTIONAL { ?claim dg:value ?value }
    #= end
  }
  UNION
  { ?record dg:gap ?note }
}
ORDER BY ?value ?note
"""

_DATA = re.sub(
    r"\b(dg|rdf|skos):(\w+)",
    lambda found: f"<{PREFIXES[found[1]]}{found[2]}>",
    """\
dg:a rdf:type dg:Claim .
dg:a dg:hedge "stated" .
dg:a dg:source dg:s .
dg:a dg:value "2" .
dg:b rdf:type dg:Claim .
dg:b dg:hedge "hedged" .
dg:b dg:source dg:s .
dg:b dg:value "1" .
dg:b skos:note "See a." .
dg:s dg:title "On lasers." .
dg:g dg:gap "Nobody knows." .
""",
).encode()

_ENGINE = InProcessEngine(_DATA, version="v")


def _read(folder: Path, text: str = _QUERY, table: str = _TABLE) -> CannedQuery:
    (folder / "columns.tsv").write_text(table, encoding="utf-8")
    (folder / "fragments").mkdir()
    (folder / "fragments" / "near.rq").write_text(_NEAR, encoding="utf-8")
    (folder / "things.rq").write_text(text, encoding="utf-8")
    more = "SELECT ?claim ?finding ?value WHERE { ?claim a ?kind . BIND(1 AS ?value) #= columns\n}"
    header = "#+ title: All columns?\n#+ description: All.\n#= prefixes\n"
    (folder / "all-columns.rq").write_text(header + more, encoding="utf-8")
    return read_queries(folder, _ENGINE)["things"]


def test_lines_stand_for_what_is_selected_and_not_there_yet(tmp_path: Path) -> None:
    """Only what is selected or sorted by is bound, once, in the group of the line."""
    text = _read(tmp_path).text

    assert text[text.index("#= prefixes") :] == _EXPANDED
    other = read_queries(tmp_path)["all-columns"].text
    assert "OPTIONAL { ?claim dg:finding/rdfs:label ?finding }" in other
    assert "dg:value" not in other


def test_the_text_that_is_made_is_what_is_asked(tmp_path: Path) -> None:
    """It needs nothing else: pasted into an editor it gives the same rows."""
    query = _read(tmp_path)
    answer = _ENGINE.run(
        Query(query.text, query.bindings({"hedged": "stated"}), formats={ResultKind.SOLUTIONS: CSV})
    )

    assert [line.split(",")[1:] for line in answer.body.decode().splitlines()[1:]] == [
        ["", "Nobody knows.", "", "", ""],
        ["hedged", "See a.", "https://w3id.org/dermograph/ontology/s", "On lasers.", "other"],
        ["stated", "", "https://w3id.org/dermograph/ontology/s", "On lasers.", "as asked"],
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("#= near ?hedge", "#= neer ?hedge", 15, "There is no fragment 'neer'. Is it near?"),
        ("$hedged ?near\n", "$hedged\n", 15, "near takes 3 arguments, and 2 are given."),
        ("#= columns", "#=", 16, "There is no fragment ''."),
        ("dg:gap ?note }", "dg:gap ?note ", 11, "This { is not closed."),
        ("dg:gap ?note", "ex:gap ?note", 19, "The prefix ex: is not declared."),
        ("dg:gap ?note", "dg:gap $note", 19, "Declare $note among the params"),
        ("$hedged ?near\n", "$hedge ?near\n", 4, "The query does not use its parameter $hedged."),
        ("?source_title ?near", "?source_title ?extra ?near", 10, "The column ?extra is not declared."),
    ],
)  # fmt: skip
def test_a_mistake_is_on_its_line_of_the_file(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    """Not on that of the longer text which is made of the file."""
    assert _QUERY.count(old) == 1

    with pytest.raises(CatalogueError) as failure:
        _read(tmp_path, _QUERY.replace(old, new))
    assert f"things.rq, line {line}: " in str(failure.value)
    assert said in str(failure.value)


def test_a_mistake_in_a_pattern_is_on_the_line_that_stands_for_it(tmp_path: Path) -> None:
    """Where a pattern is no SPARQL, the first query that needs it says so."""
    with pytest.raises(CatalogueError, match=r"things.rq, line 16: .*"):
        _read(tmp_path, table=_TABLE.replace("skos:note ?note }", "skos:note ?note .. }"))


def test_an_unknown_term_is_on_its_line_of_the_file(tmp_path: Path) -> None:
    """A term that only the last line names, below what lines stand for."""
    query = _read(tmp_path, _QUERY.replace("{ ?record dg:gap", "{ ?record dg:Gapp"))

    with pytest.raises(CatalogueError, match="line 19: dg:Gapp is unknown"):
        refuse_unknown_terms({"things": query}, _DATA)
