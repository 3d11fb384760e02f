"""Queries can call the physics, and a wrong unit never becomes a number or a missing value."""

from __future__ import annotations

from typing import Any

import pytest
from rdflib import XSD, Literal, URIRef

import kg
from kg.engine import (
    FunctionMisused,
    Query,
    QueryError,
    QuerySyntaxError,
    Term,
    UnsupportedFunction,
)
from kg.engine.oxigraph.engine import InProcessEngine
from kg.physics.formulas import Quantity, absorption_depth, effective_penetration_depth
from kg.physics.functions import functions_over, read_spectra
from kg.rdf.namespaces import DG, DGD, DGF

PREFIXES = f"PREFIX dg: <{DG}> PREFIX dgf: <{DGF}> PREFIX xsd: <{XSD}>\n"
WATER = f"<{DGD}spectrum/water-hale-querry-1973>"
DERMIS = f"<{DGD}spectrum/dermis-shimojo-2020>"


def value(graph: kg.KnowledgeGraph, expression: str) -> Any:
    """Return the value of an expression, or None where it has none."""
    rows: Any = graph.query(f"{PREFIXES}SELECT ({expression} AS ?value) {{}}")
    return rows[0]["value"]


class TestWhatThereIs:
    """The functions are described where clients look."""

    def test_all_are_described_and_all_that_is_described_is_there(
        self, graph: kg.KnowledgeGraph
    ) -> None:
        """The graph describes exactly the functions that can be called, each with an example."""
        rows: Any = graph.query(
            f"{PREFIXES}SELECT ?f {{ ?f a dg:ExtensionFunction ;"
            " <http://www.w3.org/2000/01/rdf-schema#label> ?label ;"
            " <http://www.w3.org/2004/02/skos/core#definition> ?text ;"
            " <http://www.w3.org/2004/02/skos/core#example> ?example }"
        )
        assert {row["f"] for row in rows} == {URIRef(iri) for iri in functions_over(graph.engine)}

    def test_every_example_has_a_value(self, graph: kg.KnowledgeGraph) -> None:
        """The example of each function can be asked as it stands."""
        rows: Any = graph.query(
            f"{PREFIXES}SELECT ?f ?example {{ ?f a dg:ExtensionFunction ;"
            " <http://www.w3.org/2004/02/skos/core#example> ?example }"
        )
        assert len(rows) == len(functions_over(graph.engine))
        for row in rows:
            assert row["f"].removeprefix(DGF) in row["example"]
            assert value(graph, row["example"]) is not None, row["example"]

    def test_an_unknown_function_is_named(self, graph: kg.KnowledgeGraph) -> None:
        """A function of our namespace that is not there is an error."""
        with pytest.raises(UnsupportedFunction, match="penetration"):
            value(graph, "dgf:penetration(1)")

    def test_a_query_with_functions_is_legal(self, graph: kg.KnowledgeGraph) -> None:
        """Checking a query without asking it knows the functions."""
        assert isinstance(graph.engine, InProcessEngine)
        graph.engine.check(f'{PREFIXES}SELECT (dgf:convert(1, "um", "nm") AS ?x) {{}}')

        with pytest.raises(QuerySyntaxError):
            graph.engine.check(f'{PREFIXES}SELECT (dgf:convert(1, "um", "nm") ?x) {{}}')


class TestValues:
    """Functions give what the library gives."""

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            (
                'dgf:absorptionDepth(854.8, "cm-1", "um")',
                absorption_depth(Quantity(854.8, "cm-1")).value,
            ),
            ('dgf:absorptionDepth(100, "cm-1", "mm")', 0.1),
            (
                'dgf:effectivePenetrationDepth(1.0, 39.6, "cm-1", "um")',
                effective_penetration_depth(Quantity(1, "cm-1"), Quantity(39.6, "cm-1")).value,
            ),
            ('dgf:absorptionRatio(50, "cm-1", 1, "mm-1")', 5.0),
            ('dgf:thermalRelaxationTime(100, "um", 4, 0.0000001, "m2/s", "ms")', 25.0),
            ('dgf:thermalRelaxationTime(100, "um", 16, 0.001, "cm2/s", "ms")', 6.25),
            ('dgf:convert(2.94, "um", "nm")', 2940.0),
            ('dgf:convert("2.94"^^xsd:float, "um", "nm")', 2940.0),
            ('dgf:convert(3, "um", "nm")', 3000.0),
            (f'dgf:absorptionAt({WATER}, 1320, "nm")', 1.38),
            (f'dgf:absorptionAt({WATER}, 1.32, "um")', 1.38),
            (f'dgf:reducedScatteringAt({DERMIS}, 532, "nm")', 39.6),
        ],
    )
    def test_numbers_are_those_of_the_library(
        self, graph: kg.KnowledgeGraph, expression: str, expected: float
    ) -> None:
        """A number comes out exactly as the Python function gives it."""
        found = value(graph, expression)

        assert isinstance(found, float)
        assert found == expected

    def test_numbers_are_doubles(self, graph: kg.KnowledgeGraph) -> None:
        """What is computed has the type of computed numbers, not of figures that were read."""
        assert value(graph, 'DATATYPE(dgf:convert(2.94, "um", "nm"))') == XSD.double

    @pytest.mark.parametrize(
        ("spectrum", "wavelength", "interpolated"),
        [(WATER, 1320, False), (WATER, 1064, True), (WATER, 1321, True), (DERMIS, 532, False)],
        ids=["a table point", "a point interpolated before", "between points", "another spectrum"],
    )
    def test_interpolation_is_marked(
        self, graph: kg.KnowledgeGraph, spectrum: str, wavelength: int, *, interpolated: bool
    ) -> None:
        """A reading says whether it was interpolated, here or before it came here."""
        asked = f'dgf:isInterpolated({spectrum}, {wavelength}, "nm")'

        assert value(graph, asked) is interpolated

    def test_functions_work_on_the_data(self, graph: kg.KnowledgeGraph) -> None:
        """A query computes the claimed depths from the points, to the printed digits."""
        rows: Any = graph.query(
            PREFIXES
            + """SELECT ?claimed ?depth {
              ?claim dg:computedBy dgf:absorptionDepth ; dg:computedFrom ?point ;
                     dg:value ?claimed ; dg:unitCode ?unit .
              ?point dg:absorptionCoefficientPerCentimetre ?mu .
              BIND(dgf:absorptionDepth(?mu, "cm-1", ?unit) AS ?depth)
            }"""
        )
        assert len(rows) == 14
        for row in rows:
            assert row["depth"] == pytest.approx(float(row["claimed"]), rel=0.005)


class TestWrongUnits:
    """A wrong unit is an error of the whole query."""

    @pytest.mark.parametrize(
        ("expression", "named"),
        [
            ('dgf:absorptionDepth(1, "mm", "um")', "mm is not a unit of reciprocal length"),
            ('dgf:absorptionDepth(1, "cm-1", "s")', "s is not a unit of length"),
            ('dgf:absorptionDepth(1, "furlong", "um")', "'furlong' is unknown"),
            ('dgf:absorptionDepth("much", "furlong", "um")', "'furlong' is unknown"),
            ('dgf:absorptionRatio(1, "cm-1", 1, "um")', "um is not"),
            ('dgf:effectivePenetrationDepth(1, 2, "J/cm2", "um")', "'J/cm2' is unknown"),
            ('dgf:thermalRelaxationTime(1, "um", 4, 1, "m2/s", "mm")', "mm is not a unit of time"),
            ('dgf:thermalRelaxationTime(1, "us", 4, 1, "m2/s", "us")', "us is not"),
            ('dgf:convert(1, "um", "s")', "s is not a unit of length"),
            ('dgf:convert(1, "um"@en, "nm")', "um is no unit"),
            ('dgf:convert(1, 5, "nm")', "5 is no unit"),
            ("dgf:convert(1, <http://qudt.org/vocab/unit/MicroM>, 'nm')", "MicroM is no unit"),
            (f'dgf:absorptionAt({WATER}, 1320, "Hz")', "'Hz' is unknown"),
            (f'dgf:isInterpolated({WATER}, 1320, "cm-1")', "nm is not a unit of reciprocal length"),
        ],
    )
    @pytest.mark.parametrize(
        "query",
        [
            "SELECT ({} AS ?x) {{}}",
            "SELECT (COALESCE({}, 1) AS ?x) {{}}",
            "SELECT * {{ FILTER({} > 0) }}",
            "ASK {{ FILTER({} > 0) }}",
            "CONSTRUCT {{ <urn:s> <urn:p> ?x }} {{ BIND({} AS ?x) }}",
        ],
        ids=["SELECT", "COALESCE", "FILTER", "ASK", "CONSTRUCT"],
    )
    def test_it_is_an_error_that_names_the_unit(
        self, graph: kg.KnowledgeGraph, query: str, expression: str, named: str
    ) -> None:
        """Whatever the form of the query, nothing is answered, and the unit is said."""
        with pytest.raises(FunctionMisused) as refused:
            graph.query(PREFIXES + query.format(expression))

        assert named in str(refused.value)
        assert refused.value.function.startswith(DGF)
        assert isinstance(refused.value, QueryError)

    def test_rows_with_other_units_can_be_left_out(self, graph: kg.KnowledgeGraph) -> None:
        """A filter on the unit keeps a function from what it cannot take."""
        pattern = "?c dg:value ?v ; dg:unitCode ?u "
        kept = 'FILTER(?u IN ("um", "mm")) '
        call = 'BIND(dgf:convert(?v, ?u, "nm") AS ?x) '
        rows: Any = graph.query(f"{PREFIXES}SELECT ?x {{ {pattern}{kept}{call} }}")

        assert len(rows) > 100
        assert all(isinstance(row["x"], float) for row in rows)
        with pytest.raises(FunctionMisused):
            graph.query(f"{PREFIXES}SELECT ?x {{ {pattern}{call} }}")

    @pytest.mark.parametrize("arguments", ["", "1", '1, "um"', '1, "um", "nm", "nm"'])
    def test_the_number_of_arguments_counts(self, graph: kg.KnowledgeGraph, arguments: str) -> None:
        """Too few or too many arguments are an error that says how many there must be."""
        with pytest.raises(FunctionMisused, match="takes 3 arguments"):
            value(graph, f"dgf:convert({arguments})")


class TestWhatHasNoValue:
    """What has no answer leaves its variable unbound, as with SPARQL's own functions."""

    @pytest.mark.parametrize(
        "expression",
        [
            'dgf:absorptionDepth(0, "cm-1", "um")',
            'dgf:absorptionDepth(-1, "cm-1", "um")',
            'dgf:absorptionDepth("28.6", "cm-1", "um")',
            'dgf:absorptionDepth(<urn:number>, "cm-1", "um")',
            'dgf:absorptionDepth("INF"^^xsd:double, "cm-1", "um")',
            'dgf:absorptionDepth("NaN"^^xsd:double, "cm-1", "um")',
            'dgf:convert("1e308"^^xsd:double, "m", "nm")',
            'dgf:convert("5e-324"^^xsd:double, "nm", "m")',
            'dgf:convert(1, ?nothing, "nm")',
            'dgf:absorptionDepth(true, "cm-1", "um")',
            'dgf:effectivePenetrationDepth(1, -1, "cm-1", "um")',
            'dgf:thermalRelaxationTime(-1, "um", 4, 1, "m2/s", "us")',
            'dgf:convert(?nothing, "m", "nm")',
            'dgf:convert(BNODE(), "m", "nm")',
            'dgf:thermalRelaxationTime(1, "um", 0, 1, "m2/s", "us")',
            f'dgf:absorptionAt({WATER}, 1, "nm")',
            f'dgf:absorptionAt({WATER}, 1, "m")',
            'dgf:absorptionAt(<urn:no-spectrum>, 1064, "nm")',
            'dgf:absorptionAt("water", 1064, "nm")',
            f'dgf:reducedScatteringAt({WATER}, 1064, "nm")',
        ],
    )
    def test_it_is_unbound(self, graph: kg.KnowledgeGraph, expression: str) -> None:
        """No number is made up, and the rest of the query is answered."""
        assert value(graph, expression) is None
        assert value(graph, f'COALESCE({expression}, "none")') == "none"


class TestEngine:
    """An engine calls any functions that it is given."""

    @staticmethod
    def engine(**functions: Any) -> InProcessEngine:
        """Return an engine without data, and with functions."""
        return InProcessEngine(
            b"", version="0", functions={f"urn:{name}": each for name, each in functions.items()}
        )

    @pytest.mark.parametrize(
        "term",
        [
            URIRef("urn:x"),
            Literal("text"),
            Literal("Text", lang="en"),
            Literal("5", datatype=XSD.integer),
            Literal("2.5", datatype=XSD.decimal),
            Literal("x", datatype=URIRef("urn:type")),
        ],
    )
    def test_terms_go_in_and_out_unchanged(self, term: Term) -> None:
        """A function sees the term of the query, and its term is the value."""
        seen: list[Term] = []

        def note(given: Term) -> Term:
            seen.append(given)
            return given

        answer = self.engine(f=note).run(
            Query(f"ASK {{ FILTER(<urn:f>({term.n3()}) = {term.n3()}) }}")
        )

        assert seen[0] == term
        assert b"true" in answer.body

    def test_a_fault_is_not_taken_for_a_missing_value(self) -> None:
        """An exception that a function does not mean to raise comes out as it is."""

        def broken() -> Term:
            raise ZeroDivisionError("a fault")

        with pytest.raises(ZeroDivisionError, match="a fault"):
            self.engine(f=broken).run(Query("SELECT (<urn:f>() AS ?x) {}"))

    def test_one_query_knows_nothing_of_the_failure_of_another(self) -> None:
        """After a query that failed, the next is answered."""

        def picky(given: Term) -> Term:
            if str(given) == "bad":
                raise FunctionMisused("urn:f", "bad")
            return given

        engine = self.engine(f=picky)
        with pytest.raises(FunctionMisused):
            engine.run(Query('SELECT (<urn:f>("bad") AS ?x) {}'))

        assert b"good" in engine.run(Query('SELECT (<urn:f>("good") AS ?x) {}')).body


def test_every_spectrum_of_the_graph_can_be_read(graph: kg.KnowledgeGraph) -> None:
    """The spectra that functions know are those of the graph, with all their points."""
    rows: Any = graph.query(
        f"{PREFIXES}SELECT ?s (COUNT(?a) AS ?n) {{ ?p dg:spectrum ?s ."
        " OPTIONAL { ?p dg:absorptionCoefficientPerCentimetre ?a } } GROUP BY ?s"
    )
    spectra = read_spectra(graph.engine)

    assert {str(row["s"]): row["n"] for row in rows} == {
        iri: len(spectrum.absorption) for iri, spectrum in spectra.items()
    }
    for spectrum in spectra.values():
        wavelengths = [wavelength for wavelength, _ in spectrum.absorption]
        assert wavelengths == sorted(set(wavelengths))
