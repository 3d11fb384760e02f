"""Tables: what each malformed row, header, schema or file makes the build say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import XSD, Literal, URIRef

from kg.builder.read.tables import read_tables
from kg.builder.read.terms import canonical_decimal, term_of

if TYPE_CHECKING:
    from tests.kg.conftest import SmallOntology

_CLAIMS = "claims/clinical.tsv"
_POINTS = "spectra/points.tsv"

_DAMAGED_CELLS = (
    # file, line, column, value, what is wrong, what to do
    (_CLAIMS, 2, "id", "", "The cell is empty.", "A value is required here."),
    (_CLAIMS, 2, "id", "B1", "'B1' is not accepted.", "It must match"),
    (_CLAIMS, 2, "id", "xB0001", "'xB0001' is not accepted.", "It must match"),
    (_CLAIMS, 2, "id", "B00011", "'B00011' is not accepted.", "It must match"),
    (_CLAIMS, 2, "id", "B\u0660\u0660\u0660\u0661", None, "It must match"),
    (_CLAIMS, 2, "id", "B0002", "'B0002' stands in claims/clinical.tsv already.", "line 2"),
    (_CLAIMS, 2, "id", "A0001", "'A0001' stands in claims/clinical.tsv already.", "line 2"),
    (_CLAIMS, 2, "kind", "", "The cell is empty.", "A value is required here."),
    (_CLAIMS, 2, "kind", "dg:Riskclaim", "dg:Riskclaim is unknown.", "describe it"),
    (_CLAIMS, 2, "subject", "", "The cell is empty.", "A value is required here."),
    (_CLAIMS, 2, "subject", "LaserResurfacing", "is not an IRI.", "a prefixed name such as"),
    (_CLAIMS, 2, "subject", "dg:Laser Resurfacing", "it has ' '.", "This column takes one name."),
    (_CLAIMS, 2, "subject", "derm:Erythema", "The prefix derm: is unknown.", "prefixed name"),
    (_CLAIMS, 2, "subject", "dg:Absent", "dg:Absent is unknown.", "describe it"),
    (_CLAIMS, 2, "subject", "dg:a<b", "is not an IRI.", "prefixed name"),
    (_CLAIMS, 2, "predicate", "dg:hasrisk", "dg:hasrisk is unknown.", "describe it"),
    (_CLAIMS, 2, "object", "dg:Erythema|", "A value is empty.", "Take out one |."),
    (_CLAIMS, 2, "object", "dg:Erythema| dg:Itch", "it has ' '.", "by | alone."),
    (_CLAIMS, 2, "object", "dg:Erythema, dg:Itch", "it has ', '.", "by | alone."),
    (_CLAIMS, 2, "object", "dg:Itch;dg:Erythema", "it has ';'.", "by | alone."),
    (_CLAIMS, 2, "object", "dg:Itch|dg:Itch", "A value is repeated in the cell.", "once"),
    (_CLAIMS, 2, "object", "dg:Itch|dg:Absent", "dg:Absent is unknown.", "describe it"),
    (_CLAIMS, 2, "object", "http://example.org/%zz", "is not an absolute IRI.", "Correct"),
    (_CLAIMS, 2, "object_text", " red", "begins or ends with white space.", "Remove it."),
    (_CLAIMS, 2, "object_text", "red ", "begins or ends with white space.", "Remove it."),
    (_CLAIMS, 2, "finding", "present", "is not an IRI.", "prefixed name"),
    (_CLAIMS, 2, "finding", "dgd:finding/yes", "dgd:finding/yes is unknown.", "describe it"),
    (_CLAIMS, 2, "value", "ten", "'ten' is not of the type decimal.", "digits with a point"),
    (_CLAIMS, 2, "value", "1,5", "'1,5' is not of the type decimal.", "digits with a point"),
    (_CLAIMS, 2, "value", "1e5", "'1e5' is not of the type decimal.", "digits with a point"),
    (_CLAIMS, 2, "value", "10 um", "'10 um' is not of the type decimal.", "without unit"),
    (_CLAIMS, 2, "value", "NaN", "'NaN' is not of the type decimal.", "digits with a point"),
    (_CLAIMS, 2, "value", "\u0661\u0662", "is not of the type decimal.", "digits with a point"),
    (_CLAIMS, 2, "value", "5|", "A value is empty.", "Take out one |."),
    (_CLAIMS, 2, "value", f"0.{'3' * 19}", "The number has too many digits.", "at most 18"),
    (_CLAIMS, 2, "minimum", "<5", "'<5' is not of the type decimal.", "digits with a point"),
    (_CLAIMS, 2, "unit", "furlong", "'furlong' is not in units.tsv.", "add it there"),
    (_CLAIMS, 2, "event_count", "12.5", "'12.5' is not of the type integer.", "digits only"),
    (_CLAIMS, 2, "sample_size", "n=63", "'n=63' is not of the type integer.", "digits only"),
    (_CLAIMS, 2, "reported_percentage", "19%", "not of the type decimal", "digits with a point"),
    (_CLAIMS, 2, "follow_up", "6 months", "is not of the type integer.", "digits only"),
    (_CLAIMS, 2, "curated", "November", "is not of the type date.", "YYYY-MM-DD"),
    (_CLAIMS, 2, "source", "", "The cell is empty.", "A value is required here."),
    (_CLAIMS, 2, "source", "JONES2002", "dgd:source/JONES2002 is unknown.", "describe it"),
    (_CLAIMS, 2, "source", "SMITH2001|SMITH2001", "it has '|'.", "This column takes one name."),
    (_CLAIMS, 2, "source", "dgd:source/SMITH2001", "is more than the name.", "only what follows dgd:source/."),
    (_CLAIMS, 5, "source", "smith2001", "dgd:source/smith2001 is unknown.", "describe it"),
    ("sources/clinical.tsv", 2, "key", "Smith 2001", "is not accepted.", "It must match"),
    ("sources/clinical.tsv", 2, "title", "", "The cell is empty.", "required"),
    ("sources/clinical.tsv", 2, "year", "c. 2001", "is not of the type gYear.", "four digits"),
    ("sources/clinical.tsv", 2, "year", "01", "is not of the type gYear.", "four digits"),
    ("sources/clinical.tsv", 2, "url", "not a url", "it has ' '.", "takes one name"),
    ("sources/clinical.tsv", 2, "url", "www.example.org", "is not an IRI.", "a whole address (https://...)"),
    ("units.tsv", 2, "factor_to_si", "1/10", "is not of the type decimal.", "digits with a point"),
    (_POINTS, 2, "wavelength_nm", "400nm", "is not of the type decimal.", "without unit"),
    (_POINTS, 2, "spectrum", "milk", "'milk' is not in spectra/spectra.tsv.", "add it there"),
    (_POINTS, 2, "origin", "dgd:point-origin/guess", "is unknown.", "describe it"),
    ("spectra/spectra.tsv", 2, "medium", "dg:Milk", "dg:Milk is unknown.", "describe it"),
    ("claims/founding-text.tsv", 2, "supported_by", "B9999", "dgd:claim/B9999 is unknown.", None),
    ("claims/founding-text.tsv", 2, "assessment", "dgd:assessment/fine", "is unknown.", None),
    ("claims/founding-text.tsv", 2, "references", "NOBODY", "dgd:source/NOBODY is unknown.", None),
    ("claims/disagreements.tsv", 2, "claims_b", "B9999", "dgd:claim/B9999 is unknown.", None),
    ("claims/disagreements.tsv", 2, "claims_a", "", "The cell is empty.", "required"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("file", "line", "column", "value", "detail", "remedy"),
    _DAMAGED_CELLS,
    ids=[f"{file} {column} {value!a}" for file, _, column, value, *_ in _DAMAGED_CELLS],
)
def test_a_malformed_cell_stops_the_build_and_is_named(  # noqa: PLR0917 - one per column of the table
    ontology: SmallOntology,
    file: str,
    line: int,
    column: str,
    value: str,
    detail: str | None,
    remedy: str | None,
) -> None:
    """The problem names file, line and column, what is wrong and what to do."""
    ontology.set_cell(file, line, column, value)

    problems = ontology.problems()
    repeated = detail is not None and "already" in detail
    expected = {"B0002": (file, 3), "A0001": ("claims/physics.tsv", 2)}.get(value, (file, line))
    found = [
        each
        for each in problems
        if (each.file, each.line) == (expected if repeated else (file, line))
        and each.column == column
    ]
    assert len(found) == 1, problems
    assert detail is None or detail in found[0].detail
    assert remedy is None or remedy in found[0].remedy
    place = f"{found[0].file}, line {found[0].line}, column {column}: "
    assert str(found[0]) == f"{place}{found[0].detail} {found[0].remedy}"


def test_a_cell_that_is_made_right_again_builds(ontology: SmallOntology) -> None:
    """The small ontology that the tests damage is sound, and so are other values of each type."""
    for column, value in {
        "value": "-0.5|.25|+12",
        "unit": "um",
        "follow_up": "91|183",
        "object_text": "“red” = rötlich",
        "object": "dg:Erythema|dg:Itch",
        "evidence": "obo:ECO_0000034",
    }.items():
        ontology.set_cell(_CLAIMS, 2, column, value)

    assert b"r\xc3\xb6tlich" in ontology.build().nquads


@pytest.mark.parametrize(
    ("damage", "place", "detail", "remedy"),
    [
        (lambda text: text.replace("object_text", "object_txt"), 1, "object_text missing; 'object_txt' unknown.", "The columns must be: id kind"),
        (lambda text: text.replace("id\tkind", "kind\tid", 1), 1, "their order differs", "The columns must be: id kind"),
        (lambda text: text.replace("\tcurated\n", "\n", 1), 1, "curated missing.", "The columns must be: id kind"),
        (lambda text: text.replace("\tcurated\n", "\tcurated\textra\n", 1), 1, "'extra' unknown.", "The columns must be: id kind"),
        (lambda text: text.partition("\n")[2], 1, "The first line is no header.", "The columns must be: id kind"),
        (lambda text: text + "B0009\tdg:RiskClaim\n", 6, "has 2 cells instead of 60", "single tabs"),
        (lambda text: text + "\n", 6, "The line is empty.", "Take it out."),
        (lambda text: text.replace("B0002\t", "B0002\t\t", 1), 3, "has 61 cells instead of 60", "single tabs"),
        (lambda text: text.replace("\t", "    "), 1, "not divided by tabs", "The columns must be"),
        (lambda text: text.replace("\t", ","), 1, "not divided by tabs", "The columns must be"),
        (lambda text: text.removesuffix("\n"), 5, "The last line has no end.", "line feed"),
        (lambda _: "", 0, "The file is empty.", "Restore it"),
        (lambda _: " \n", 0, "The file is empty.", "Restore it"),
    ],
    ids=[
        "misspelt column", "order of columns", "missing column", "additional column", "no header",
        "short row", "empty row", "long row", "spaces for tabs", "commas for tabs",
        "no end of line", "empty file", "blank file",
    ],
)  # fmt: skip
def test_a_malformed_table_stops_the_build(
    ontology: SmallOntology, damage: Callable[[str], str], place: int, detail: str, remedy: str
) -> None:
    """Headers and rows must have exactly the declared cells; nothing else is said to be wrong."""
    ontology.write(_CLAIMS, damage(ontology.read(_CLAIMS)))

    (problem,) = ontology.problems()
    assert (problem.file, problem.line) == (_CLAIMS, place)
    assert detail in problem.detail
    assert remedy in problem.remedy


def test_a_missing_table_stops_the_build(ontology: SmallOntology) -> None:
    """A file that the mapping names must be there; what it described is not said to be unknown."""
    ontology.path(_CLAIMS).unlink()

    (problem,) = ontology.problems()
    assert (problem.file, problem.line, problem.detail) == (_CLAIMS, 0, "The file is missing.")
    assert problem.remedy == "Restore it."


@pytest.mark.parametrize(
    ("file", "content", "detail"),
    [
        ("tables.json", None, "The file is missing."),
        ("tables/claim.json", None, "The file is missing."),
        ("tables.json", b"{", "This is not JSON"),
        ("tables.json", b"[]", "not of type 'object'"),
        ("tables.json", b"{}", "'tables' is a required property"),
        ("tables.json", b'{"tables": [{"url": "units.tsv"}]}', "'tableSchema' is a required"),
        ("tables.json", b"\xff", "not UTF-8"),
        ("tables/claim.json", b"{\n\n]", "This is not JSON"),
        ("tables/claim.json", b'{"columns": []}', "'aboutUrl' is a required property"),
        ("tables/claim.json", b'{"aboutUrl": "x:y", "columns": [{}]}', "'name' is a required"),
        ("tables/claim.json", b'{"aboutUrl": "x:y", "columns": [], "colums": []}', "'colums'"),
    ],
)
def test_a_malformed_mapping_stops_the_build(
    ontology: SmallOntology, file: str, content: bytes | None, detail: str
) -> None:
    """The declaration of the tables is checked before it is used."""
    ontology.path(file).unlink()
    if content is not None:
        ontology.path(file).write_bytes(content)

    (problem,) = ontology.problems()
    assert problem.file == file
    assert detail in problem.detail
    assert problem.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"propertyUrl": "dg:medium"', '"propertyUrL": "dg:medium"'),
        ('"datatype": "anyURI"', '"datatype": "any URI"'),
        ('"name": "conditions",', '"name": "conditions", "separater": "|",'),
    ],
)
def test_a_misspelt_key_of_the_mapping_stops_the_build(
    ontology: SmallOntology, old: str, new: str
) -> None:
    """Nothing in the mapping is silently ignored."""
    ontology.replace("tables/spectrum.json", old, new)

    assert {each.file for each in ontology.problems()} == {"tables/spectrum.json"}


def test_a_line_of_json_that_is_wrong_is_named(ontology: SmallOntology) -> None:
    """A mistake in the mapping has its line."""
    ontology.write("tables.json", '{\n  "tables": [\n    {,\n')

    assert ontology.problems()[0].line == 3


def test_all_problems_are_told_at_once_in_order(ontology: SmallOntology) -> None:
    """A curator sees every malformed cell of every table, in the order of files and lines."""
    ontology.set_cell(_CLAIMS, 3, "value", "x")
    ontology.set_cell(_CLAIMS, 2, "sample_size", "y")
    ontology.set_cell(_CLAIMS, 5, "id", "")
    ontology.set_cell(_CLAIMS, 5, "object", "dg:Absent")
    ontology.set_cell("units.tsv", 2, "factor_to_si", "z")

    places = [(each.file, each.line, each.column) for each in ontology.problems()]
    assert places == [
        (_CLAIMS, 2, "sample_size"),
        (_CLAIMS, 3, "value"),
        (_CLAIMS, 5, "id"),
        (_CLAIMS, 5, "object"),
        ("units.tsv", 2, "factor_to_si"),
    ]


def test_an_identifier_is_used_once_across_tables(ontology: SmallOntology) -> None:
    """The same source in two files is a mistake, told where it is repeated."""
    ontology.append(
        "sources/physics.tsv", key="SMITH2001", title="x", study_design="dgd:study-design/cohort"
    )

    (problem,) = ontology.problems()
    assert (problem.file, problem.line, problem.column) == ("sources/physics.tsv", 2, "key")
    assert problem.detail == "'SMITH2001' stands in sources/clinical.tsv already."
    assert "line 2" in problem.remedy


def test_a_row_says_what_its_cells_say(ontology: SmallOntology) -> None:
    """Cells become triples by the declared mapping; empty cells say nothing."""
    (row,) = next(
        table.rows
        for table in read_tables(ontology.folder, [])
        if table.file == "claims/physics.tsv"
    )

    dg, dgd = "https://w3id.org/dermograph/ontology/", "https://w3id.org/dermograph/id/"
    assert str(row.subject) == f"{dgd}claim/A0001"
    assert (row.file, row.line) == ("claims/physics.tsv", 2)
    assert {(str(p), o) for _, p, o in row.triples} == {
        ("http://www.w3.org/1999/02/22-rdf-syntax-ns#type", URIRef(f"{dg}RiskClaim")),
        ("http://purl.org/dc/terms/identifier", Literal("A0001")),
        (f"{dg}subject", URIRef(f"{dg}LaserResurfacing")),
        (f"{dg}predicate", URIRef(f"{dg}usesFluence")),
        (f"{dg}finding", URIRef(f"{dgd}finding/present")),
        (f"{dg}hedge", URIRef(f"{dgd}hedge/stated")),
        (f"{dg}curated", Literal("2026-11-22", datatype=XSD.date)),
        (f"{dg}curator", Literal("The Dermograph maintainers")),
        (f"{dg}value", Literal("20", datatype=XSD.decimal)),
        (f"{dg}value", Literal("40", datatype=XSD.decimal)),
        (f"{dg}unitCode", Literal("Cel")),
        ("http://www.w3.org/ns/prov#wasDerivedFrom", URIRef(f"{dgd}source/SMITH2001")),
    }


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=6))
def test_canonical_decimals_keep_the_number(number: Decimal) -> None:
    """The canonical form is the same number, without exponent, plus sign or idle zeros."""
    written = canonical_decimal(format(number, "f"))

    assert Decimal(written) == number
    assert "e" not in written.lower()
    assert not written.startswith("+")
    assert not ("." in written and written.endswith(("0", ".")))
    assert written != "-0"


@pytest.mark.parametrize(
    ("text", "written"),
    [("007", "7"), ("19.0", "19"), ("-0.0", "0"), (".5", "0.5"), ("+3", "3"), ("100", "100")],
)
def test_numbers_have_one_spelling(text: str, written: str) -> None:
    """However a number is typed, the graph has it in one form."""
    assert canonical_decimal(text) == written


@pytest.mark.parametrize(
    ("text", "iri"),
    [
        ("dg:Erythema", "https://w3id.org/dermograph/ontology/Erythema"),
        ("dgd:finding/present", "https://w3id.org/dermograph/id/finding/present"),
        ("https://example.org/a:b", "https://example.org/a:b"),
    ],
)
def test_terms_are_named_short_or_whole(text: str, iri: str) -> None:
    """A prefixed name and an IRI are both a term."""
    assert term_of(text) == URIRef(iri)


@pytest.mark.parametrize("text", ["Erythema", "zz:a", "", "dg:a b", "http://a b/", "dg:{x}"])
def test_what_names_no_term_is_refused(text: str) -> None:
    """Words, unknown prefixes and illegal characters are no terms."""
    with pytest.raises(ValueError, match=r"is not an IRI|is unknown"):
        term_of(text)
