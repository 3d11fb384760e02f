"""What is reported for wider procedures: signed, refused, without figures, and outside the union."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from rdflib import RDF, RDFS, Dataset, Graph, Literal, URIRef

import kg
from kg.engine import Engine, Query
from kg.engine.dataset import DefaultGraph
from kg.engine.federated.engine import Policy
from kg.engine.isolated.engine import Limits
from kg.engine.union import whole
from kg.rdf.namespaces import DG, DGD, PREFIXES, WIDER, expand
from kg.releases import bundled
from kg.results import python_result

Row = dict[str, str]

_DERIVED_FROM: Final = URIRef(PREFIXES["prov"] + "wasDerivedFrom")


def _table() -> list[Row]:
    with (Path(__file__).parent / "wider.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


_SIGNED = [row for row in _table() if row["holds"] == "yes"]
_REFUSED = [row for row in _table() if row["holds"] == "no"]


def _name(row: Row) -> str:
    return "-".join(row[part].rpartition(":")[2] for part in ("subject", "predicate", "object"))


@pytest.fixture(scope="module")
def wider(dataset: Dataset) -> Graph:
    """Return the graph of what is reported for wider procedures."""
    return dataset.graph(URIRef(WIDER))


@pytest.fixture(scope="module")
def relations(dataset: Dataset) -> set[URIRef]:
    """Return the predicates of what is reported for wider procedures."""
    return {URIRef(str(each)) for each in dataset.objects(None, URIRef(DG + "reportedForWiderAs"))}


def test_the_lists_are_long(relations: set[URIRef]) -> None:
    """Fifteen at least either way; every predicate that the dossier has something for is signed."""
    assert min(len(_SIGNED), len(_REFUSED)) >= 15
    unsigned = relations - {URIRef(expand(row["predicate"])) for row in _SIGNED}
    assert {each.removeprefix(DG) for each in unsigned} == {
        "absoluteContraindicationOfWiderProcedure",
        "relativeContraindicationOfWiderProcedure",
    }


@pytest.mark.parametrize("row", _SIGNED, ids=_name)
def test_what_is_signed_is_reported(wider: Graph, row: Row) -> None:
    """It is there, and its derivation names the wider procedure and the claims."""
    subject, predicate, value = (
        URIRef(expand(row[part])) for part in ("subject", "predicate", "object")
    )
    (derivation,) = (
        each
        for each in wider.subjects(RDF.subject, subject)
        if (each, RDF.predicate, predicate) in wider and (each, RDF.object, value) in wider
    )

    assert (subject, predicate, value) in wider
    from_ = URIRef(DG + "derivedFromEdgeOf")
    assert URIRef(expand(row["wider"])) in set(wider.objects(derivation, from_))
    claims = {URIRef(f"{DGD}claim/{each}") for each in row["claims"].split("|")}
    assert claims <= set(wider.objects(derivation, _DERIVED_FROM))


@pytest.mark.parametrize("row", _REFUSED, ids=_name)
def test_what_is_refused_is_not_reported(dataset: Dataset, row: Row) -> None:
    """It is in no graph; a star stands for whatever subject."""
    subject = None if row["subject"] == "*" else URIRef(expand(row["subject"]))
    predicate, value = URIRef(expand(row["predicate"])), URIRef(expand(row["object"]))

    assert not list(dataset.quads((subject, predicate, value, None)))


def test_no_figure_is_passed_on(wider: Graph) -> None:
    """The only literals are names, and how near the wider procedure is."""
    told = {predicate for _, predicate, value in wider if isinstance(value, Literal)}

    assert told == {RDFS.label, URIRef(DG + "stepsToWider")}


def test_the_nearer_has_fewer_steps(wider: Graph) -> None:
    """Ablative resurfacing is nearer to CO2 resurfacing than skin resurfacing as a whole is."""
    steps = {
        str(wider.value(each, RDF.object)): int(str(wider.value(each, URIRef(DG + "stepsToWider"))))
        for each in wider.subjects(RDF.subject, URIRef(DG + "CO2LaserResurfacing"))
        if wider.value(each, RDF.predicate) == URIRef(DG + "riskReportedForWiderProcedure")
    }

    assert steps[DG + "Milia"] < steps[DG + "Ectropion"] < steps[DG + "Keloid"]


def test_a_disputed_report_says_so(wider: Graph) -> None:
    """Advice against very dark skin is disputed for non-ablative fractional resurfacing."""
    (derivation,) = (
        each
        for each in wider.subjects(RDF.object, URIRef(DG + "VeryDarkSkin"))
        if wider.value(each, RDF.subject) == URIRef(DG + "FractionalNonAblativeLaserResurfacing")
        and wider.value(each, RDF.predicate) == URIRef(DG + "adviceAgainstWiderProcedure")
    )

    assert (derivation, URIRef(DG + "disputed"), URIRef(f"{DGD}disagreement/C15")) in wider


def _in_process() -> Engine:
    return bundled.spec().engine()


def _isolated() -> Engine:
    return bundled.spec().isolated_engine(Limits(seconds=60))


def _federated() -> Engine:
    return kg.load().federated(Policy()).engine


def _strict() -> Engine:
    return whole(bundled.spec(default_graph=DefaultGraph.STRICT).engine())


@pytest.fixture(
    scope="module",
    params=[_in_process, _isolated, _federated, _strict],
    ids=lambda each: each.__name__,
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Yield each engine over the knowledge; of the strict one, what asks the union."""
    make: Callable[[], Engine] = request.param
    made = make()
    yield made
    made.close()


def _asked(engine: Engine, text: str, **dataset: tuple[str, ...]) -> Any:
    query = Query(f"PREFIX dg: <{DG}> {text}", **dataset)  # type: ignore[arg-type]
    return python_result(engine.run(query))


_REPORT: Final = "dg:CO2LaserResurfacing dg:riskReportedForWiderProcedure ?risk"


def test_the_default_union_does_not_hold_it(engine: Engine) -> None:
    """No pattern without GRAPH sees it, be GRAPH in the query or not; GRAPH and FROM reach it."""
    beside = f"GRAPH <{WIDER}> {{ ?any ?relation ?thing }}"

    assert not _asked(engine, f"ASK {{ {_REPORT} }}")
    assert not _asked(engine, f"ASK {{ {_REPORT} {beside} }}")
    assert not _asked(engine, "ASK { ?derivation dg:stepsToWider ?steps }")
    assert _asked(engine, f"ASK {{ GRAPH <{WIDER}> {{ {_REPORT} }} }}")
    assert _asked(engine, f"ASK {{ GRAPH ?graph {{ {_REPORT} }} }}")
    assert _asked(engine, f"ASK FROM <{WIDER}> {{ {_REPORT} }}")
    assert _asked(engine, f"ASK {{ {_REPORT} }}", default_graphs=(WIDER,))


def test_the_other_graphs_are_in_the_union(engine: Engine) -> None:
    """The union has every triple of every other graph, with GRAPH in the query or without."""
    others = (
        f"SELECT (COUNT(*) AS ?n) {{ GRAPH ?graph {{ ?s ?p ?o }} FILTER(?graph != <{WIDER}>) }}"
    )
    (counted,) = _asked(engine, others)

    (seen,) = _asked(engine, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    (beside,) = _asked(
        engine,
        "SELECT (COUNT(*) AS ?n) { ?s ?p ?o OPTIONAL { GRAPH <a:none> { ?s ?p ?o } } }",
    )

    assert seen["n"] == beside["n"] == counted["n"]
    assert WIDER in engine.contents.graphs
    assert engine.contents.apart == (WIDER,)
