"""Validation: what can be handed in, what is reported, and how it is told."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rdflib
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rdflib import RDF, RDFS, SH, XSD, Dataset, Graph, Literal, URIRef

import kg
from kg.rdf.namespaces import DG, DGD, GRAPH
from kg.releases.bundled import ONTOLOGY_FOLDER
from kg.validate import ShapesError, ValidationInputError, ValidationReport, shapes_graph
from kg.validate import validate as validate_with_all
from tests.background import background_of

_CLAIM = """
@prefix dcterms: <http://purl.org/dc/terms/> .
@prefix dg: <https://w3id.org/dermograph/ontology/> .
@prefix prov: <http://www.w3.org/ns/prov#> .

<https://w3id.org/dermograph/id/claim/B9001> a dg:AdverseEventClaim ;
    dcterms:identifier "B9001" ;
    dg:subject dg:AblativeLaserResurfacing ;
    dg:predicate dg:hasRisk ;
    dg:object dg:Erythema ;
    dg:finding <https://w3id.org/dermograph/id/finding/present> ;
    dg:hedge <https://w3id.org/dermograph/id/hedge/stated> ;
    dg:decidedBy "seen" ;
    prov:wasDerivedFrom <https://w3id.org/dermograph/id/source/NANNI1998> ;
    dg:extractionConfidence <https://w3id.org/dermograph/id/extraction-confidence/high> ;
    dg:locator "abstract" .
"""
_CLASSES = Graph().add((URIRef(DG + "AdverseEventClaim"), RDFS.subClassOf, URIRef(DG + "Claim")))
"""A background that is read fast, and knows next to nothing."""
_WITHOUT_LOCATOR = _CLAIM.replace(' ;\n    dg:locator "abstract"', "")
_IRI = DGD + "claim/B9001"


_BACKGROUND = background_of(
    [
        Graph().parse(
            data=f"""{_CLAIM}
            [] a dg:AnatomyClaim ; dg:subject dg:Epidermis ; dg:predicate dg:thickness ;
                dg:object dg:AcneScar ; dg:objectText "any" ; dg:layTerm "any" ;
                dg:value 1.0 ; dg:unitCode "J/cm2" ; dg:eventCount 1 .
            """,
            format="turtle",
        )
    ]
)
"""What the ontology says of the terms that these tests name."""


def validate(data: Any, **options: Any) -> ValidationReport:
    """Validate, as a rule with this background."""
    return validate_with_all(data, **{"background": _BACKGROUND, **options})


def _report(text: str, **options: Any) -> ValidationReport:
    return validate(Graph().parse(data=text, format="turtle"), accelerated=True, **options)


def _broken(report: ValidationReport) -> list[tuple[str, str]]:
    return [(each.record, each.shape.removeprefix(DG)) for each in report.findings]


def _written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# What is found


def test_damage_to_the_shipped_knowledge_is_found_with_its_origin(graph: kg.KnowledgeGraph) -> None:
    """A claim that loses its locator is reported with the row that describes it, and nobody can
    slip a risk into the whole dataset without a claim that says so.
    """
    claim = DGD + "claim/B0375"
    lines = graph.nquads.decode().splitlines(keepends=True)
    damaged = [line for line in lines if not line.startswith(f"<{claim}> <{DG}locator>")]
    assert len(damaged) == len(lines) - 1
    edge = f"<{DG}AblativeLaserResurfacing> <{DG}hasRisk> <{DG}NailFungus> <{GRAPH}claims> .\n"

    report = validate_with_all(
        "".join([*damaged, edge]).encode(),
        origins={claim: "claims/clinical.tsv, line 7"},
        accelerated=True,
    )

    assert not report.conforms
    assert [
        (each.shape, each.origin)
        for each in report.findings
        if each.record == claim and each.severity == "Violation"
    ] == [(DG + "ClaimShape-locator", "claims/clinical.tsv, line 7")]
    assert (DG + "AblativeLaserResurfacing", "PlainEdgeShape-claim") in _broken(report)


def test_a_good_part_conforms() -> None:
    """A claim alone is read together with the ontology, so that its terms and source are known."""
    assert _report(_CLAIM, background=None).findings == ()


@pytest.mark.parametrize("accelerated", [False, True])
def test_a_bad_part_is_reported_for_its_own_records_only(*, accelerated: bool) -> None:
    """What the background lacks is not the fault of the part."""
    background = Graph().parse(data=_WITHOUT_LOCATOR.replace("B9001", "B9002"), format="turtle")
    part = Graph().parse(data=_WITHOUT_LOCATOR, format="turtle")

    report = validate(part, background=background + _CLASSES, accelerated=accelerated)

    assert (_IRI, "ClaimShape-locator") in _broken(report)
    assert {record for record, _ in _broken(report)} == {_IRI}


def test_a_part_is_checked_through_nested_shapes() -> None:
    """A term that only a nested shape looks at is looked at in a part too."""
    report = _report(_CLAIM.replace("dg:Erythema", "<http://example.org/redness>"))

    assert (_IRI, "ClaimShape-object") in _broken(report)


def test_rules_across_records_hold_for_a_part() -> None:
    """A claim whose object does not suit its predicate is found by the rule for all claims."""
    report = _report(_CLAIM.replace("dg:Erythema", "dg:Epidermis"))

    assert _broken(report) == [(_IRI, "ClaimTermsShape-object")]


def test_what_only_the_background_knows_is_known() -> None:
    """A source that is described in the given background can be cited."""
    cited = _CLAIM.replace("NANNI1998", "MINE2026")
    source = (URIRef(DGD + "source/MINE2026"), RDF.type, URIRef(DG + "Source"))
    background = _BACKGROUND + Graph().add(source)

    assert "ClaimShape-source" in {shape for _, shape in _broken(_report(cited))}
    assert _report(cited, background=background).conforms


def test_what_a_part_describes_takes_the_place_of_what_ships(tmp_path: Path) -> None:
    """A changed copy of a file of concepts is judged by itself, not together with its original."""
    text = (ONTOLOGY_FOLDER / "concepts" / "tissue.ttl").read_text(encoding="utf-8")
    path = _written(tmp_path, "tissue.ttl", text.replace(" that is ", " that, as we see it, is "))
    wrong = _written(
        tmp_path, "wrong.ttl", text.replace('skos:definition "A', 'skos:definition "a', 1)
    )

    assert validate_with_all(path, accelerated=True).findings == ()
    assert [shape for _, shape in _broken(validate_with_all(wrong, accelerated=True))] == [
        "ClassShape-definition"
    ]


def test_a_new_name_of_a_known_term_is_read_together_with_the_term() -> None:
    """A part that adds to a term without describing it anew may use the term."""
    report = _report(_CLAIM + 'dg:Erythema dg:layTerm "erythema"@en .\n')

    assert _broken(report) == [
        (f"{DG}Erythema", f"{DGD}check/repeated-name"),
        (f"{DG}Erythema", "ClassShape-layTerm"),
    ]


def test_a_part_is_put_to_the_checks() -> None:
    """A unit that does not fit is found in the claims of a curator before they are shipped."""
    claim = _CLAIM.replace("dg:hasRisk", "dg:thickness").replace(
        "AdverseEventClaim", "AnatomyClaim"
    )
    claim = claim.replace("dg:AblativeLaserResurfacing", "dg:Epidermis")
    claim = re.sub(r"dg:finding <[^>]*> ;", "", claim)
    claim = claim.replace("dg:object dg:Erythema", 'dg:value 5.0 ; dg:unitCode "J/cm2"')

    assert _broken(_report(claim)) == [(_IRI, f"{DGD}check/unit-of-predicate")]


def test_data_of_another_namespace_do_not_pass_unchecked() -> None:
    """A namespace that is wrong throughout is told, instead of a verdict on nothing."""
    report = _report(f'<{DGD}claims/B9001> <http://purl.org/dc/terms/title> "A claim" .')

    assert (report.conforms, report.checked) == (True, False)
    assert report.as_text().startswith(
        "Nothing was checked: see that names begin with https://w3id.org/dermograph/."
    )
    assert not _report(_CLAIM.replace("https://w3id.org/", "http://w3id.org/")).conforms


def test_a_misspelt_class_does_not_pass_in_silence() -> None:
    """A record of a class that does not exist is no target of any shape, and yet is reported."""
    report = _report(_CLAIM.replace("AdverseEventClaim", "AdverseEventCliam"))

    assert (_IRI, "LiveTermsShape-unknown") in _broken(report)
    assert report.unchecked == (_IRI,)
    assert "Not checked, since no shape is for them: dgd:claim/B9001" in report.as_text()


def test_a_blank_node_is_checked_like_any_other() -> None:
    """A claim without a name is told to get one."""
    report = _report(_CLAIM.replace(f"<{_IRI}>", "[]"))

    assert [shape for _, shape in _broken(report)] == ["ClaimNameShape"]


def test_a_warning_is_told_and_does_not_stand_in_the_way() -> None:
    """Data with warnings only conform; the report in RDF follows the letter of SHACL."""
    report = _report(_CLAIM.replace("dg:object dg:Erythema", 'dg:objectText "a rare redness"'))

    assert [each.severity for each in report.findings] == ["Warning"]
    assert report.conforms
    assert "The data conform to the shapes: 1 warning." in report.as_text()
    assert list(report.as_rdf().objects(None, SH.conforms)) == [Literal(False)]


def test_other_shapes_can_be_given() -> None:
    """The shapes of somebody else are applied in place of ours."""
    shapes = Graph().parse(
        data="""
        @prefix dg: <https://w3id.org/dermograph/ontology/> .
        @prefix sh: <http://www.w3.org/ns/shacl#> .
        <http://example.org/S> a sh:NodeShape ; sh:targetClass dg:Claim ; sh:property <http://example.org/P> .
        <http://example.org/P> sh:path [ sh:inversePath dg:supportedBy ] ; sh:minCount 1 ; sh:message "Support."@en .
        """,
        format="turtle",
    )

    for accelerated in (False, True):
        report = validate(
            Graph().parse(data=_CLAIM, format="turtle"), shapes=shapes, accelerated=accelerated
        )
        assert [(each.shape, each.path) for each in report.findings] == [
            ("http://example.org/P", f"^<{DG}supportedBy>")
        ]


@pytest.mark.parametrize("accelerated", [False, True])
def test_malformed_shapes_are_an_error(*, accelerated: bool) -> None:
    """Shapes that cannot be applied say nothing about the data, least of all that they conform."""
    shapes = Graph().parse(
        data="""
        @prefix owl: <http://www.w3.org/2002/07/owl#> .
        @prefix sh: <http://www.w3.org/ns/shacl#> .
        <http://example.org/S> a sh:NodeShape ; sh:targetNode <http://example.org/x> ;
            sh:sparql <http://example.org/Q> .
        <http://example.org/Q> sh:select "SELECT $this WHERE { $this ?p }" .
        """,
        format="turtle",
    )
    data = Graph().parse(data="<http://example.org/x> a <http://example.org/X> .", format="turtle")

    with pytest.raises(ShapesError):
        validate(data, shapes=shapes, accelerated=accelerated)


# What can be handed in

_KINDS = {
    ".ttl": "turtle",
    ".nt": "nt",
    ".nq": "nquads",
    ".trig": "trig",
    ".rdf": "xml",
    ".owl": "xml",
}


@pytest.mark.parametrize(("suffix", "parser"), _KINDS.items())
def test_each_kind_of_file_is_read(suffix: str, parser: str, tmp_path: Path) -> None:
    """The same data give the same findings in each kind of file."""
    data = Dataset()
    data.parse(data=_WITHOUT_LOCATOR, format="turtle")
    graph = data if parser in ("nquads", "trig") else data.default_graph
    path = _written(tmp_path, f"claims{suffix}", graph.serialize(format=parser))

    assert _broken(validate(path, accelerated=True)) == [(_IRI, "ClaimShape-locator")]


def test_a_dataset_and_its_nquads_are_read_alike() -> None:
    """Named graphs are joined, in a dataset as in N-Quads."""
    data = Dataset()
    data.graph(URIRef(GRAPH + "claims")).parse(data=_WITHOUT_LOCATOR, format="turtle")
    nquads = data.serialize(format="nquads").encode()

    assert validate(data, accelerated=True) == validate(nquads, accelerated=True)
    assert _broken(validate(nquads, accelerated=True)) == [(_IRI, "ClaimShape-locator")]


def test_nquads_that_are_not_canonical_are_read_too() -> None:
    """Comments, blank lines and more white space than needed do no harm."""
    data = Graph().parse(data=_WITHOUT_LOCATOR, format="turtle").serialize(format="nt")
    loose = "# a comment\n\n" + data.replace("> <", ">  \t<")

    assert _broken(validate(loose.encode(), accelerated=True)) == [(_IRI, "ClaimShape-locator")]


def test_the_graph_of_the_shapes_is_no_data() -> None:
    """Shapes that are published with the data are not themselves validated as data."""
    data = Dataset()
    data.graph(URIRef(GRAPH + "shapes")).parse(data=_WITHOUT_LOCATOR, format="turtle")

    assert validate(data, accelerated=True).findings == ()
    assert validate(data.serialize(format="nquads").encode(), accelerated=True).findings == ()


def test_several_files_are_read_together(tmp_path: Path) -> None:
    """A claim in one file may cite a source in another; each finding names its own file and line."""
    source = """
        @prefix dg: <https://w3id.org/dermograph/ontology/> .
        <https://w3id.org/dermograph/id/source/MINE2026> a dg:Source .
    """.replace("        ", "")
    paths = [
        _written(tmp_path, "claims.ttl", _CLAIM.replace("NANNI1998", "MINE2026")),
        _written(tmp_path, "sources.ttl", source),
    ]

    findings = validate(paths, accelerated=True).findings

    assert {each.record for each in findings} == {DGD + "source/MINE2026"}
    assert {each.origin for each in findings} == {f"{paths[1]}, line 3"}


def test_a_record_in_two_files_is_found_in_both(tmp_path: Path) -> None:
    """Whoever described a record twice is led to both places."""
    paths = [_written(tmp_path, f"{name}.ttl", _WITHOUT_LOCATOR) for name in ("one", "two")]

    (finding,) = validate(paths, accelerated=True).findings

    assert finding.origin == f"{paths[0]}, line 6; {paths[1]}, line 6"


def test_data_that_are_handed_in_are_not_changed() -> None:
    """The graph of the caller stays as it was."""
    data, background = (Graph().parse(data=_CLAIM, format="turtle") for _ in range(2))
    before, shapes = set(data), len(shapes_graph())

    validate(data, background=background)

    assert set(data) == set(background) == before
    assert len(shapes_graph()) == shapes


_UNPARSABLE = (
    ("claims.ttl", "@prefix dg: <https://example.org/> .\n\ndg:a dg:b .\n", 3),
    ("claims.ttl", "dg:a dg:b dg:c .\n", 1),
    ("claims.trig", "@prefix dg: <https://example.org/> .\ndg:g { dg:a dg:b }\n dg:c", 2),
    ("claims.nt", "<http://e/a> <http://e/b> <http://e/c> .\n<http://e/a> <http://e/b>\n", 3),
    ("claims.nq", "<http://e/a> <http://e/b> <http://e/c> <http://e/g> .\nnonsense\n", 2),
    ("claims.rdf", "<?xml version='1.0'?>\n<rdf>\n<unclosed>\n</rdf>\n", 4),
)


@pytest.mark.parametrize(("name", "text", "line"), _UNPARSABLE, ids=lambda value: str(value)[:12])
def test_a_file_that_does_not_parse_is_named_with_the_line(
    name: str, text: str, line: int, tmp_path: Path
) -> None:
    """Whoever made the mistake is led to it."""
    path = _written(tmp_path, name, text)

    with pytest.raises(ValidationInputError) as caught:
        validate(path)

    assert (caught.value.problem.file, caught.value.problem.line) == (str(path), line)
    assert str(caught.value).startswith(f"{path}, line {line}: It cannot be parsed: ")
    assert str(caught.value).endswith("Mend the syntax there.")


def _missing(folder: Path) -> Path:
    return folder / "missing.ttl"


def _folder(folder: Path) -> Path:
    path = folder / "folder.ttl"
    path.mkdir()
    return path


def _latin(folder: Path) -> Path:
    path = folder / "latin.ttl"
    path.write_bytes(b'# summer\n<http://e/a> <http://e/b> "\xe9t\xe9" .\n')
    return path


@pytest.mark.parametrize(
    ("make", "detail"),
    [
        (_missing, "It cannot be read: No such file or directory. Check the path."),
        (_folder, "It cannot be read: Is a directory. Check the path."),
        (_latin, "line 2: It cannot be parsed: Invalid UTF-8"),
        (lambda folder: _written(folder, "claims.tsv", "id\n"), "Tables are checked with --add"),
        (
            lambda folder: _written(folder, "claims", ""),
            "The format cannot be told, as the name has no ending.",
        ),
        (lambda folder: _written(folder, "claims.ttl", "# none\n"), "It holds no statement."),
        (
            lambda folder: _written(folder, "claims.ttl", "<http://e/a b> a <http://e/C> ."),
            "line 1: It cannot be parsed: Invalid IRI code point ' '",
        ),
        (
            lambda folder: _written(folder, "claims.ttl", '<http://e/a> a "\\ud800" .'),
            "is encoding D800 that is not a valid unicode character",
        ),
    ],
    ids=["missing", "folder", "not UTF-8", "table", "no suffix", "empty", "IRI", "character"],
)
def test_a_file_that_cannot_be_read_is_named(
    make: Callable[[Path], Path], detail: str, tmp_path: Path
) -> None:
    """A missing or unknown file is an error that names it, not data that conform."""
    path = make(tmp_path)

    with pytest.raises(ValidationInputError) as caught:
        validate([path])

    assert caught.value.problem.file == str(path)
    assert detail in str(caught.value)


def test_a_mark_at_the_beginning_of_a_file_is_read_over(tmp_path: Path) -> None:
    """Some editors begin a file with a byte order mark."""
    path = tmp_path / "claims.ttl"
    path.write_bytes(_WITHOUT_LOCATOR.encode("utf-8-sig"))

    assert _broken(validate(path, accelerated=True)) == [(_IRI, "ClaimShape-locator")]


def test_json_ld_is_read_with_our_context(tmp_path: Path) -> None:
    """A JSON-LD file that names the published context is read without fetching it."""
    context = "https://w3id.org/dermograph/context.jsonld"
    text = json.dumps({"@context": context, "@id": _IRI, "@type": DG + "AdverseEventClaim"})

    report = validate(_written(tmp_path, "claim.jsonld", text), accelerated=True)

    assert (_IRI, "ClaimShape-locator") in _broken(report)


def test_json_ld_with_a_foreign_context_is_refused(tmp_path: Path) -> None:
    """Nothing is fetched, so a context that is not ours cannot be read."""
    text = json.dumps({"@context": "https://example.org/context.jsonld", "@id": _IRI})

    with pytest.raises(ValidationInputError, match=r"It cannot be parsed: .*example\.org"):
        validate(_written(tmp_path, "claim.jsonld", text))


@pytest.mark.parametrize("accelerated", [False, True])
def test_a_number_that_is_none_is_a_finding_and_not_a_log(
    *, accelerated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A literal that does not fit its datatype is reported once, by the shape."""
    text = _CLAIM.replace(
        "dg:locator",
        'dg:eventCount "many"^^<http://www.w3.org/2001/XMLSchema#integer> ;\n    dg:locator',
    )
    data = Dataset()
    data.default_graph.parse(data=text, format="turtle")
    nquads = data.serialize(format="nquads").encode()
    caplog.clear()

    report = validate(nquads, background=_CLASSES, accelerated=accelerated)

    assert (_IRI, "ClaimShape-eventCount") in _broken(report)
    assert caplog.records == []


def test_no_file_at_all_is_an_error() -> None:
    """An empty list of files does not conform."""
    with pytest.raises(ValidationInputError, match="No file was given"):
        validate([])


def test_bytes_that_are_no_nquads_are_an_error() -> None:
    """The line that does not parse is named."""
    with pytest.raises(ValidationInputError) as caught:
        validate(b"<http://e/a> <http://e/b> <http://e/c> .\nnonsense\n")

    assert caught.value.problem.file == "data"
    assert caught.value.problem.line == 2


# How it is told


def test_the_text_groups_by_shape_and_names_place_value_and_remedy(tmp_path: Path) -> None:
    """A curator reads what to do once, and where for each record."""
    second = _WITHOUT_LOCATOR.partition("\n\n")[2].replace("B9001", "B9002")
    text = _WITHOUT_LOCATOR + "\n" + second.replace("confidence/high", "confidence/certain")
    path = _written(tmp_path, "claims.ttl", text)

    assert validate(path, accelerated=True).as_text() == (
        "The data do not conform: 4 violations.\n"
        "\n"
        "dg:ClaimShape-extractionConfidence (1 violation)\n"
        "  Say once how surely the text states it, with a value of its scheme: "
        "dgd:extraction-confidence/high, "
        "dgd:extraction-confidence/medium or dgd:extraction-confidence/low.\n"
        f"  - dgd:claim/B9002 ({path}, line 17) dg:extractionConfidence: dgd:extraction-confidence/certain\n"
        "\n"
        "dg:ClaimShape-locator (2 violations)\n"
        "  Say once where in the source the claim stands (abstract, Table 2, page 4): "
        'the column "locator".\n'
        f"  - dgd:claim/B9001 ({path}, line 6) dg:locator\n"
        f"  - dgd:claim/B9002 ({path}, line 17) dg:locator\n"
        "\n"
        "dg:LiveTermsShape-unknown (1 violation)\n"
        "  dgd:claim/B9002 refers to dgd:extraction-confidence/certain, which nothing describes: "
        "correct the name, or describe it.\n"
        f"  - dgd:claim/B9002 ({path}, line 17) dg:extractionConfidence\n"
    )


def test_the_text_of_data_that_conform_says_so() -> None:
    """Nothing to mend is one sentence."""
    assert _report(_CLAIM).as_text() == "The data conform to the shapes.\n"


def test_findings_come_in_the_same_order_whatever_the_order_of_the_data() -> None:
    """The report of the same data is the same."""
    lines = (
        Graph()
        .parse(data=_WITHOUT_LOCATOR.replace("dg:Erythema", "dg:Epidermis"))
        .serialize(format="nt")
        .splitlines()
    )

    there = validate("\n".join(lines).encode(), accelerated=True)
    back = validate("\n".join(reversed(lines)).encode(), accelerated=True)

    assert len(there.findings) == 2
    assert there.as_text() == back.as_text()
    assert there.as_dict() == back.as_dict()


def test_the_report_as_data_holds_every_field() -> None:
    """The report can be written as JSON, with whole IRIs."""
    data = json.loads(json.dumps(_report(_WITHOUT_LOCATOR).as_dict()))

    assert data == {
        "conforms": False,
        "checked": True,
        "findings": [
            {
                "severity": "Violation",
                "shape": DG + "ClaimShape-locator",
                "record": _IRI,
                "focus": _IRI,
                "path": DG + "locator",
                "value": None,
                "constraint": str(SH.MinCountConstraintComponent),
                "message": "Say once where in the source the claim stands (abstract, Table 2, "
                'page 4): the column "locator".',
                "origin": None,
            }
        ],
        "unchecked": [],
    }


@pytest.mark.parametrize("accelerated", [False, True])
def test_the_report_as_rdf_is_a_shacl_report_of_the_same_findings(*, accelerated: bool) -> None:
    """Any SHACL tool can read the report; it holds what is reported and no more."""
    text = _WITHOUT_LOCATOR.replace("dg:AblativeLaserResurfacing", "<http://example.org/x>")
    part = Graph().parse(data=text, format="turtle")
    report = validate(part, background=_CLASSES, accelerated=accelerated)

    rdf = report.as_rdf()

    node = rdf.value(None, RDF.type, SH.ValidationReport)
    results = list(rdf.objects(node, SH.result))
    assert len(results) == len(report.findings) > 2
    assert {str(rdf.value(each, SH.focusNode)) for each in results} == {
        each.focus for each in report.findings
    }
    assert ValidationReport.of(rdf, {}) == report


def test_a_path_of_several_properties_is_written_as_in_sparql() -> None:
    """The path of a finding is the IRI of its property, or a property path."""
    shapes = Graph().parse(
        data="""
        @prefix dg: <https://w3id.org/dermograph/ontology/> .
        @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
        @prefix sh: <http://www.w3.org/ns/shacl#> .
        <urn:S> a sh:NodeShape ; sh:targetClass dg:Claim ; sh:property <urn:P> .
        <urn:P> sh:path ( dg:subject rdfs:label ) ; sh:minCount 1 ; sh:message "Name it."@en .
        """,
        format="turtle",
    )
    text = _CLAIM.replace("dg:AblativeLaserResurfacing", "<http://example.org/x>")

    (finding,) = _report(text, shapes=shapes).findings

    assert finding.path == f"<{DG}subject>/<{RDFS.label}>"


_ILL_TYPED = {
    "decimal with exponent": 'dg:reportedPercentage "3.7e1"^^xsd:decimal',
    "decimal with underscore": 'dg:reportedPercentage "3_7"^^xsd:decimal',
    "full-width decimal": 'dg:reportedPercentage "\uff13\uff17"^^xsd:decimal',
    "integer with underscore": 'dg:sampleSize "5_00"^^xsd:integer',
    "full-width integer": 'dg:sampleSize "\uff15"^^xsd:integer',
    "days with exponent": 'dg:followUpInDays "3e1"^^xsd:integer',
    "date with slashes": 'dg:decisionDate "2007/05/17"^^xsd:date',
    "month without zero": 'dg:decisionDate "2007-5-17"^^xsd:date',
}


@pytest.mark.parametrize(
    ("said", "accelerated"),
    [
        *((said, True) for said in _ILL_TYPED.values()),
        *((said, False) for said in list(_ILL_TYPED.values())[:1]),
        *(
            pytest.param(said, False, marks=pytest.mark.long)
            for said in list(_ILL_TYPED.values())[1:]
        ),
    ],
)
def test_a_value_is_judged_and_told_as_it_is_written(
    said: str, tmp_path: Path, *, accelerated: bool
) -> None:
    """A text that is no value of its type is a violation, whatever a parser would make of it."""
    text = "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n" + _CLAIM.replace(
        'dg:locator "', f'{said} ;\n    dg:locator "'
    )
    path = _written(tmp_path, "claim.ttl", text)

    report = validate(path, background=_CLASSES, accelerated=accelerated)

    property_, written = said.split(" ", 1)
    (found,) = [
        each for each in report.findings if each.constraint == str(SH.DatatypeConstraintComponent)
    ]
    assert found.path == f"{DG}{property_.removeprefix('dg:')}"
    assert found.value == written.split('"')[1]
    assert found.origin == f"{path}, line 7"


@pytest.mark.parametrize("accelerated", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        'dg:sampleSize "500"^^xsd:integer, "0500"^^xsd:integer',
        'dg:decisionDate "2007-05-17"^^xsd:date, "2007-05-17Z"^^xsd:date',
    ],
)
def test_two_texts_are_two_values(said: str, tmp_path: Path, *, accelerated: bool) -> None:
    """What is allowed once and given twice in other words is given twice."""
    text = "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n" + _CLAIM.replace(
        'dg:locator "', f'{said} ;\n    dg:locator "'
    )

    report = validate(
        _written(tmp_path, "claim.ttl", text), background=_CLASSES, accelerated=accelerated
    )

    assert str(SH.MaxCountConstraintComponent) in {each.constraint for each in report.findings}


def test_validation_leaves_the_switches_of_rdflib_alone() -> None:
    """Who uses rdflib in the same process finds it as it was, and its log too."""
    logger = logging.getLogger("rdflib.term")
    before = rdflib.NORMALIZE_LITERALS, logger.level

    validate(Graph().parse(data=_CLAIM, format="turtle"), background=_CLASSES)

    assert (rdflib.NORMALIZE_LITERALS, logger.level) == before
    assert str(Literal("007", datatype=XSD.integer)) == "7"


def test_a_type_that_no_shape_looks_at_is_judged_too() -> None:
    """A value that stands for nothing is a violation wherever it is, and told with its text."""
    report = _report(_CLAIM.replace("dg:locator", f'dg:note "98"^^<{XSD.gYear}> ; dg:locator'))

    assert (_IRI, f"{DGD}check/ill-typed") in _broken(report)


_NO_TURTLE = {
    "escape": ('<{s}> <p:p> "Abs\\u00zztract" .', "The escape sequence '\\u00zz'"),
    "language and datatype": ('<{s}> <p:p> "x"@en^^<{t}> .', "^^ is not a valid"),
    "literal as subject": ('"x" <p:p> <o:o> .', "is not a valid subject"),
    "blank node as predicate": ("<{s}> _:b <o:o> .", "is not a valid predicate"),
    "text without end": ('<{s}> <p:p> "abc', "Unexpected end of file"),
    "triple term": ("<{s}> <p:p> <<( <a:a> <b:b> <c:c> )>> .", "no triple of RDF 1.1"),
}


@pytest.mark.parametrize(("text", "detail"), _NO_TURTLE.values(), ids=_NO_TURTLE)
@pytest.mark.parametrize("ending", [".ttl", ".trig"])
def test_what_is_no_turtle_never_conforms(
    text: str, detail: str, ending: str, tmp_path: Path
) -> None:
    """Invalid syntax is an error with its line."""
    written = text.replace("{s}", _IRI).replace("{t}", str(XSD.string))
    path = _written(tmp_path, f"claim{ending}", f"# a claim\n{written}\n")

    with pytest.raises(ValidationInputError) as caught:
        validate(path, accelerated=True)

    assert detail in str(caught.value)
    assert caught.value.problem.line == (0 if "RDF 1.1" in detail else 2)


@pytest.mark.parametrize("text", ['{"@id": "b", "dg": 1}', '{"@id": "a b", "urn:p": 1}', "{"])
def test_json_ld_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    """What would be lost, and what is malformed, is an error with the file."""
    path = _written(tmp_path, "claim.jsonld", text)

    with pytest.raises(ValidationInputError) as caught:
        validate(path, accelerated=True)

    assert caught.value.problem.file == str(path)


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8-sig"])
def test_xml_is_read_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    """As XML declares it."""
    data = Graph().parse(data=_CLAIM.replace('"abstract"', '"r\u00e9sum\u00e9"'), format="turtle")
    xml = data.serialize(format="xml").replace('"utf-8"', f'"{encoding.removesuffix("-sig")}"')
    path = tmp_path / "claim.rdf"
    path.write_bytes(xml.encode(encoding))

    shapes = Graph().parse(
        data="""
        @prefix dg: <https://w3id.org/dermograph/ontology/> .
        @prefix sh: <http://www.w3.org/ns/shacl#> .
        <urn:S> a sh:NodeShape ; sh:targetSubjectsOf dg:locator ; sh:property <urn:P> .
        <urn:P> sh:path dg:locator ; sh:hasValue "r\u00e9sum\u00e9" .
        """,
        format="turtle",
    )
    report = validate(path, shapes=shapes, background=Graph(), accelerated=True)
    assert (report.findings, report.checked) == ((), True)


def test_a_long_report_says_how_much_it_leaves_out() -> None:
    """A text lists the first findings of a shape; data have all."""
    prologue, _, claim = _WITHOUT_LOCATOR.partition("\n\n")
    text = prologue + "\n".join(claim.replace("B9001", f"B{n}") for n in range(9001, 9151))

    report = _report(text, background=_CLASSES)

    of_shape = [each for each in report.findings if each.shape == f"{DG}ClaimShape-locator"]
    assert len(of_shape) == 150
    assert report.as_text().count("dg:locator\n") == 100
    assert "  ... and 50 more; --format json has all." in report.as_text()


def test_blank_nodes_of_two_files_are_two(tmp_path: Path) -> None:
    """The same label in another file is another node."""
    text = f"<{_IRI}> <p:p> _:b . _:b <p:p> "
    paths = [_written(tmp_path, f"{name}.ttl", f'{text}"{name}" .') for name in ("one", "two")]

    assert len(validate(paths, accelerated=True).unchecked) == 3


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(text=_TEXT)
@hypothesis_settings(max_examples=hypothesis_settings().max_examples // 10)
def test_any_text_in_the_data_is_read_and_told_alike(text: str) -> None:
    """Whatever a cell holds, a graph and its N-Quads give the same report in every form."""
    data = Graph()
    claim = URIRef(_IRI)
    data.add((claim, RDF.type, URIRef(DG + "OpticalClaim")))
    data.add((claim, URIRef(DG + "objectText"), Literal(text)))
    nquads = data.serialize(format="nt").encode()
    background = Graph().add((URIRef(DG + "OpticalClaim"), RDFS.subClassOf, URIRef(DG + "Claim")))

    report = validate(data, background=background, accelerated=True)

    assert report == validate(nquads, background=background, accelerated=True)
    assert report.as_text()
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
    assert (DG + "ClaimShape-objectText" in {each.shape for each in report.findings}) == (not text)
