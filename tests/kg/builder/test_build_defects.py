"""What a curator can get wrong in the files: each mistake stops the build, with its place and remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from kg.rdf.namespaces import PREFIXES

if TYPE_CHECKING:
    from tests.kg.conftest import SmallOntology

_CLAIMS = "claims/clinical.tsv"
_TURTLE = "concepts/more.ttl"
_SHAPES = "shapes/claims.ttl"
_RULE = "rules/some-rule.rq"
_HEADER = "#+ title: a rule\n#+ description: It does.\n"
_PROLOGUE = "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in sorted(PREFIXES.items()))
_FIRST = _PROLOGUE.count("\n") + 1


def _bytes(name: str, old: bytes, new: bytes) -> Callable[[SmallOntology], None]:
    def damage(ontology: SmallOntology) -> None:
        content = ontology.path(name).read_bytes()
        assert old in content
        ontology.path(name).write_bytes(content.replace(old, new))

    return damage


def _file(name: str, text: str) -> Callable[[SmallOntology], None]:
    return lambda ontology: ontology.write(name, text)


def _turtle(text: str, name: str = _TURTLE) -> Callable[[SmallOntology], None]:
    return _file(name, _PROLOGUE + text)


def _row(name: str, **cells: str) -> Callable[[SmallOntology], None]:
    return lambda ontology: ontology.append(name, **cells)


def _twice(name: str, **cells: str) -> Callable[[SmallOntology], None]:
    def damage(ontology: SmallOntology) -> None:
        ontology.append(name, **cells)
        ontology.append(name, **cells)

    return damage


def _json(name: str, old: str, new: str) -> Callable[[SmallOntology], None]:
    def damage(ontology: SmallOntology) -> None:
        ontology.write(name, ontology.read(name).replace(old, new, 1))

    return damage


def _folder(name: str) -> Callable[[SmallOntology], None]:
    def damage(ontology: SmallOntology) -> None:
        ontology.path(name).unlink()
        ontology.path(name).mkdir()

    return damage


_SHAPE = """
dg:ClaimShape a sh:NodeShape ;
    sh:targetClass dg:RiskClaim ;
    sh:property dg:ClaimShape-locator ;
    sh:sparql dg:ClaimShape-query .

dg:ClaimShape-locator a sh:PropertyShape ;
    sh:path dg:locator ;
    sh:minCount 1 ;
    sh:pattern "^[a-z]" .

dg:ClaimShape-query a sh:SPARQLConstraint ;
    sh:select "SELECT $this WHERE { $this ?p ?o }" .

dg:OtherShape a sh:NodeShape ;
    sh:targetClass dg:Source, dg:Disagreement, dg:Spectrum, dg:SpectralPoint, dg:Setting,
        dg:FoundingTextStatement .
"""
_CONTEXT = '{\n"@context": {\n"id": "@id",\n"subject": {"@id": "dg:subject"}\n}}\n'.replace(
    "dg:", PREFIXES["dg"]
)


def _shape(old: str, new: str) -> Callable[[SmallOntology], None]:
    assert old in _SHAPE
    return _turtle(_SHAPE.replace(old, new, 1), _SHAPES)


def _context(old: str, new: str) -> Callable[[SmallOntology], None]:
    assert old in _CONTEXT
    return _file("context.jsonld", _CONTEXT.replace(old, new))


_DEFECTS: dict[str, tuple[Callable[[SmallOntology], object], str, int, str]] = {
    # what was done: how, then file, line and what is said
    "saved with a byte order mark": (_bytes(_CLAIMS, b"id\tkind", b"\xef\xbb\xbfid\tkind"), _CLAIMS, 1, "byte order mark"),
    "saved on Windows": (_bytes(_CLAIMS, b"\n", b"\r\n"), _CLAIMS, 1, "carriage returns"),
    "saved on an old Mac": (_bytes(_CLAIMS, b"\n", b"\r"), _CLAIMS, 1, "carriage returns"),
    "one row from Windows": (_bytes(_CLAIMS, b"SMITH2001\t\t\t\t\t\t\t\nB0002", b"SMITH2001\t\t\t\t\t\t\t\r\nB0002"), _CLAIMS, 2, "carriage returns"),
    "a byte of another encoding": (_bytes(_CLAIMS, b"B0003\tdg:Risk", b"B0003\tdg:R\xe9sk"), _CLAIMS, 4, "not UTF-8: see byte 0xe9 after 'B0003\\tdg:R'"),
    "saved as UTF-16": (lambda ontology: ontology.path(_CLAIMS).write_bytes(ontology.read(_CLAIMS).encode("utf-16")), _CLAIMS, 0, "not UTF-8 but UTF-16"),
    "a conflict in a table": (_bytes(_CLAIMS, b"B0003\t", b"<<<<<<< mine\nB0003\t"), _CLAIMS, 4, "marks of a conflict"),
    "a conflict in Turtle": (_turtle("<<<<<<< mine\ndg:X a owl:Class .\n=======\n>>>>>>> theirs\n"), _TURTLE, _FIRST, "marks of a conflict"),
    "a conflict in a rule": (_file(_RULE, _HEADER + "=======\nSELECT ?subject {}\n"), _RULE, 3, "marks of a conflict"),
    "a folder in place of a table": (_folder(_CLAIMS), _CLAIMS, 0, "cannot be read: Is a directory."),
    "a table that is not declared": (_file("claims/more.tsv", "id\n"), "claims/more.tsv", 0, "Nothing reads this file."),
    "Turtle in the wrong folder": (_file("concept/more.ttl", ""), "concept/more.ttl", 0, "Nothing reads this file."),
    "a rule with the wrong ending": (_file("rules/more.sparql", "x"), "rules/more.sparql", 0, "Nothing reads this file."),
    "an empty Turtle file": (_file(_TURTLE, "\n"), _TURTLE, 0, "The file is empty."),
    "a setting of an unknown claim": (_row("claims/settings-clinical.tsv", id="B0901/x", claim="B0901", parameter="dg:Itch"), "claims/settings-clinical.tsv", 2, "dgd:claim/B0901 is unknown."),
    "a computation of an unknown claim": (_row("claims/computations.tsv", claim="A0901", function="dgd:claim/B0001", inputs="dgd:claim/B0001"), "claims/computations.tsv", 2, "dgd:claim/A0901 is unknown."),
    "an unknown function": (_row("claims/computations.tsv", claim="A0001", function="dgf:absent", inputs="dgd:claim/B0001"), "claims/computations.tsv", 2, "dgf:absent is unknown."),
    "a computation given twice": (_twice("claims/computations.tsv", claim="A0001", function="dgd:claim/B0001", inputs="dgd:claim/B0001"), "claims/computations.tsv", 3, "'A0001' stands in claims/computations.tsv already."),
    "a misspelt concept": (_row(_CLAIMS, id="B0009", kind="dg:RiskClaim", subject="dg:LaserResurfacin", predicate="dg:hasRisk", source="SMITH2001"), _CLAIMS, 6, "dg:LaserResurfacin is unknown. Is dg:LaserResurfacing meant?"),
    "a statement cut off in a text": (_turtle('dg:X a owl:Class ;\n    rdfs:label "x'), _TURTLE, _FIRST, "the file ends within the statement that begins here"),
    "a statement cut off": (_turtle("dg:X a owl:Class ;\n    rdfs:label"), _TURTLE, _FIRST, "This is not Turtle"),
    "a prefix for another namespace": (_file(_TURTLE, "@prefix skos: <http://www.w3.org/2004/02/skos/core/> .\nskos:a skos:b skos:c .\n"), _TURTLE, 1, "The prefix skos: does not stand for"),
    "a misspelt property of SKOS": (_turtle('dg:X a owl:Class ;\n    skos:altlabel "x"@en .\n'), _TURTLE, _FIRST + 1, "skos:altlabel is no term of that vocabulary; is skos:altLabel meant?"),
    "a misspelt class of OWL": (_turtle("dg:X a owl:class .\n"), _TURTLE, _FIRST, "is owl:Class meant?"),
    "a term described in two files": (_turtle("dg:Itch a owl:Class .\n"), _TURTLE, _FIRST, "dg:Itch is described in dermograph.ttl, line"),
    "an alignment of an unknown property": (_turtle("dg:atcs skos:closeMatch dg:acts .\n", "alignments.ttl"), "alignments.ttl", _FIRST, "dg:atcs is unknown."),
    "a second line that names an unknown term": (_turtle("dg:X a owl:Class ;\n    rdfs:subClassOf dg:Absent .\n"), _TURTLE, _FIRST + 1, "dg:Absent is unknown."),
    "no ontology file": (lambda ontology: ontology.path("dermograph.ttl").unlink(), "dermograph.ttl", 0, "The file is missing."),
    "a rule that does not parse": (_file(_RULE, _HEADER + "SELEC ?subject {}\n"), _RULE, 3, "'SELEC' is not a word of SPARQL."),
    "a rule with a name of blanks": (_file("rules/some rule.rq", _HEADER + "SELECT * {}\n"), "rules/some rule.rq", 0, "This name of a file makes no IRI."),
    "a rule that comes to no end": (_file(_RULE, _HEADER + "SELECT (IRI(CONCAT(STR(?s), 'x')) AS ?subject) (<x:p> AS ?predicate) ?object { ?s <x:p>|a ?object }\n"), _RULE, 0, "The rule comes to no end:"),
    "a rule that concludes the unknown": (_file(_RULE, _HEADER + "SELECT (<https://w3id.org/dermograph/ontology/Absent> AS ?subject) (<x:p> AS ?predicate) (1 AS ?object) {}\n"), _RULE, 0, "The rule concludes something of dg:Absent, which is unknown."),
    "a misspelt word of SHACL": (_shape("sh:minCount", "sh:minCuont"), _SHAPES, _FIRST + 8, "is sh:minCount meant?"),
    "a count in words": (_shape("sh:minCount 1", 'sh:minCount "one"'), _SHAPES, _FIRST + 6, "The shape cannot be applied: sh:minCount is not"),
    "a pattern that is none": (_shape("^[a-z]", "^[a-z"), _SHAPES, _FIRST + 6, "The shape cannot be applied: invalid sh:pattern"),
    "a shape with two paths": (_shape("sh:path dg:locator", "sh:path dg:locator, rdfs:label"), _SHAPES, _FIRST + 6, "The shape is malformed"),
    "a count that is a text": (_shape("sh:minCount 1", 'sh:minCount "1"'), _SHAPES, _FIRST + 6, "sh:minCount"),
    "a count given twice": (_shape("sh:minCount 1", "sh:maxCount 1, 2"), _SHAPES, _FIRST + 6, "sh:maxCount"),
    "a path that needs a blank node": (_shape("sh:path dg:locator", "sh:path ( dg:locator rdfs:label )"), _SHAPES, _FIRST + 6, "The path is no single property"),
    "a form feed in a cell": (_row(_CLAIMS, id="B0009", kind="dg:RiskClaim", subject="dg:LaserResurfacing", predicate="dg:hasRisk", source="SMITH2001", note="a\fb"), _CLAIMS, 6, "U+000C"),
    "a null character in a cell": (_row(_CLAIMS, id="B0009", kind="dg:RiskClaim", subject="dg:LaserResurfacing", predicate="dg:hasRisk", source="SMITH2001", note="a\0b"), _CLAIMS, 6, "U+0000"),
    "a next line in a cell": (_row(_CLAIMS, id="B0009", kind="dg:RiskClaim", subject="dg:LaserResurfacing", predicate="dg:hasRisk", source="SMITH2001", note="a\x85b"), _CLAIMS, 6, "U+0085"),
    "an escaped control character": (_turtle('dg:X a owl:Class ;\n    rdfs:label "a\\fb"@en .\n'), _TURTLE, _FIRST, "U+000C"),
    "a property shape without property": (_shape("    sh:path dg:locator ;\n", ""), _SHAPES, _FIRST + 6, "The property shape says no property."),
    "a constraint that does not parse": (_shape("SELECT $this", "SELEC $this"), _SHAPES, _FIRST + 11, "Line 1 of the query: 'SELEC' is not a word"),
    "no shape for a class": (_shape("dg:Spectrum, ", ""), "shapes", 0, "No shape is for dg:Spectrum"),
    "a context that is no JSON": (_context('"@id",', '"@id"'), "context.jsonld", 4, "This is not JSON"),
    "a context without terms": (_context('"@context"', '"context"'), "context.jsonld", 0, "has no @context"),
    "a term given twice": (_context('"id": "@id",', '"subject": "@id",'), "context.jsonld", 4, "subject is given twice."),
    "a term of the unknown": (_context("ontology/subject", "ontology/subjekt"), "context.jsonld", 4, "dg:subjekt is unknown."),
    "a term that stands for a number": (_context(f'"{PREFIXES["dg"]}subject"', "7"), "context.jsonld", 0, "This is no JSON-LD context"),
    "a table declared twice": (_json("tables.json", '"claims/physics.tsv"', '"claims/clinical.tsv"'), "tables.json", 0, "claims/clinical.tsv stands in the list twice."),
    "a table outside the folder": (_json("tables.json", "claims/gaps.tsv", "../gaps.tsv"), "tables.json", 0, "'../gaps.tsv' is no file in the folder."),
    "a datatype that is none": (_json("tables/spectrum.json", '"anyURI"', '"anyUri"'), "tables/spectrum.json", 0, "'anyUri' is none of anyURI."),
    "a member given twice": (_json("tables/spectrum.json", '"primaryKey": "key"', '"primaryKey": "key", "primaryKey": "label"'), "tables/spectrum.json", 0, "The member primaryKey is given twice."),
    "a primary key that is no column": (_json("tables/spectrum.json", '"primaryKey": "key"', '"primaryKey": "kee"'), "tables/spectrum.json", 0, "The primary key kee is no column."),
    "a template of no column": (_json("tables/spectrum.json", "{+medium}", "{+medum}"), "tables/spectrum.json", 0, "{+medum} names medum, which is no column."),
    "a foreign key to no table": (_json("tables/setting.json", "units.tsv", "unit.tsv"), "tables/setting.json", 0, "refers to unit.tsv, which is no table."),
    "a foreign key of no column": (_json("tables/setting.json", '"columnReference": "unit"', '"columnReference": "units"'), "tables/setting.json", 0, "The foreign key units is no column."),
    "a property that nothing describes": (_json("tables/spectrum.json", '"dg:medium"', '"dg:medum"'), "tables/spectrum.json", 0, "dg:medum is unknown."),
    "a property of no prefix": (_json("tables/spectrum.json", '"dg:medium"', '"dgx:medium"'), "tables/spectrum.json", 0, "The prefix dgx: is unknown."),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "file", "line", "detail"), _DEFECTS.values(), ids=_DEFECTS)
def test_a_mistake_of_a_curator_stops_the_build(
    ontology: SmallOntology,
    damage: Callable[[SmallOntology], object],
    file: str,
    line: int,
    detail: str,
) -> None:
    """File and line are named, what is wrong and what to do; and it is told once, not with all that follows."""
    damage(ontology)

    (problem,) = ontology.problems()
    assert problem.file == file
    assert line in (0, problem.line)
    assert detail in problem.detail
    assert problem.remedy[0].isupper()
    assert problem.remedy.endswith((".", "?"))


_TOGETHER = (
    "a second line that names an unknown term", "a misspelt concept", "a setting of an unknown claim",
    "a computation given twice", "a rule that does not parse", "a count in words",
    "a constraint that does not parse", "a term of the unknown", "a table that is not declared",
    "an alignment of an unknown property",
)  # fmt: skip


def test_mistakes_in_many_files_are_told_at_once(ontology: SmallOntology) -> None:
    """A curator who mends all that one build tells has not to build once for each mistake."""
    for name in _TOGETHER:
        if name != "a constraint that does not parse":
            _DEFECTS[name][0](ontology)
    ontology.replace(_SHAPES, "SELECT $this", "SELEC $this")

    told = [(each.file, each.detail) for each in ontology.problems()]
    expected = [(file, detail) for _, file, _, detail in map(_DEFECTS.__getitem__, _TOGETHER)]
    for file, detail in expected:
        assert [1 for name, said in told if name == file and detail in said] == [1], told
    assert len(told) == len(expected)


def test_the_sound_forms_of_what_is_damaged_build(ontology: SmallOntology) -> None:
    """The shapes and the context that are damaged above are sound without the damage."""
    ontology.write(_SHAPES, _PROLOGUE + _SHAPE)
    ontology.write("context.jsonld", _CONTEXT)

    assert ontology.build().counts["shapes"] > 0


def test_what_editors_and_systems_leave_is_passed_over(ontology: SmallOntology) -> None:
    """Lock files, backups and notes beside the knowledge are not taken for it."""
    expected = ontology.build().version
    for name in (".DS_Store", "claims/.~lock.clinical.tsv#", "claims/clinical.tsv~", "README.md"):
        ontology.write(name, "x")

    assert ontology.build().version == expected
