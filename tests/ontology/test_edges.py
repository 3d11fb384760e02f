"""Plain edges: what a dermatologist signs holds, what one refuses does not, and no policy row is idle."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyoxigraph as ox
import pytest
from rdflib import RDF, Dataset, Graph, URIRef

import kg
from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES, expand
from kg.releases.bundled import ONTOLOGY_FOLDER

Edge = tuple[str, str, str]
Row = dict[str, str]


def _table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


_JUDGED = _table(Path(__file__).parent / "edges.tsv")
_POLICY = _table(ONTOLOGY_FOLDER / "policy.tsv")
_SIGNED = [row for row in _JUDGED if row["holds"] == "yes"]
_REFUSED = [row for row in _JUDGED if row["holds"] == "no"]
_RULES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (ONTOLOGY_FOLDER / "rules").glob("edge-*.rq")
}


_NOT_JUDGED = {
    *("dg:absolutelyContraindicatedIn", "dg:relativelyContraindicatedIn"),
    "dg:hasManufacturer",
}
"""Of two predicates the dossier has no edge; who made a device is no matter of judgement."""


def _name(row: Row) -> str:
    return "-".join(row[part].rpartition(":")[2] for part in ("subject", "predicate", "object"))


def _edge(row: Row) -> Edge:
    subject, predicate, value = (row[part] for part in ("subject", "predicate", "object"))
    return expand(subject) if subject != "*" else "*", expand(predicate), expand(value)


@pytest.fixture(scope="module")
def inferred(dataset: Dataset) -> Graph:
    """Return what the rules derived."""
    return dataset.graph(URIRef(GRAPH + "inferred"))


def test_sixty_edges_are_judged_either_way() -> None:
    """The lists are long, nothing stands in both, and every predicate of edges is signed once."""
    assert min(len(_SIGNED), len(_REFUSED)) >= 60
    assert len({_edge(row) for row in _JUDGED}) == len(_JUDGED)
    assert {row["predicate"] for row in _SIGNED} == {row["edge"] for row in _POLICY} - _NOT_JUDGED


@pytest.mark.parametrize("row", _SIGNED, ids=_name)
def test_what_is_signed_holds(inferred: Graph, row: Row) -> None:
    """The edge is there, and its derivation leads to the claims that support it."""
    subject, predicate, value = map(URIRef, _edge(row))
    claims = {
        str(claim).removeprefix(f"{DGD}claim/")
        for derivation in inferred.subjects(RDF.subject, subject)
        if (derivation, RDF.predicate, predicate) in inferred
        and (derivation, RDF.object, value) in inferred
        for claim in inferred.objects(derivation, URIRef(PREFIXES["prov"] + "wasDerivedFrom"))
    }

    assert (subject, predicate, value) in inferred
    assert set(row["claims"].split("|")) <= claims


@pytest.mark.parametrize("row", _REFUSED, ids=_name)
def test_what_is_refused_does_not_hold(dataset: Dataset, row: Row) -> None:
    """The edge is in no graph; a star stands for whatever subject."""
    subject, predicate, value = _edge(row)
    pattern = (None if subject == "*" else URIRef(subject), URIRef(predicate), URIRef(value))

    assert not list(dataset.quads((*pattern, None)))


def test_every_predicate_of_edges_has_one_row(dataset: Dataset) -> None:
    """A predicate without a row gives no edge."""
    marked = {str(each) for each in dataset.subjects(URIRef(DG + "derivesEdge"))}

    assert sorted(expand(row["edge"]) for row in _POLICY) == sorted(marked)


def test_the_documentation_says_what_an_edge_means() -> None:
    """Meaning, condition and what never gives an edge stand there as in the policy."""
    page = (ONTOLOGY_FOLDER.parent / "docs" / "model.md").read_text(encoding="utf-8")

    for row in _POLICY:
        (line,) = re.findall(rf"(?m)^\| `{row['edge']}` \|.*$", page)
        assert row["meaning"] in line
        if line.count(" | ") > 1:
            assert row["condition"] in line
            assert row["never"] in line


_CLAIM = """
<{id}> a dg:ContraindicationClaim ; dg:subject dg:CO2LaserResurfacing ; dg:object {condition} ;
    dg:predicate dg:hasContraindication ; dg:strength dgd:strength\\/{strength} ;
    dg:recommendation dgd:recommendation\\/contraindicated ; dg:hedge dgd:hedge\\/{hedge} ;
    prov:wasDerivedFrom dgd:source\\/WALDMAN2017 .
"""
_MADE_UP = "".join(
    _CLAIM.format(id=f"{DGD}claim/X{n}", condition=condition, strength=strength, hedge=hedge)
    for n, (condition, strength, hedge) in enumerate(
        (
            ("dg:Diabetes", "absolute", "stated"),
            ("dg:Vitiligo", "relative", "stated"),
            ("dg:Melasma", "absolute", "hedged"),
            ("dg:Rosacea", "relative", "hedged"),
        )
    )
) + "".join(
    f"""
<{DGD}claim/Y-{source}> a dg:RiskFactorClaim ; dg:subject dg:TannedSkin ; dg:object dg:Milia ;
    dg:predicate dg:raisesRiskOf ; dg:finding dgd:finding\\/higher ; dg:hedge dgd:hedge\\/stated ;
    prov:wasDerivedFrom dgd:source\\/{source} .
"""
    for source in ("GRABER2008", "RHO2014")
)
"""Claims of a kind that the dossier has none of: contraindications by a consensus, a risk factor by two studies."""


def _made_up(predicate: str) -> set[Edge]:
    """Return the edges that the claims made up must not give of a predicate."""
    names = {
        "absolutelyContraindicatedIn": ("Vitiligo", "Melasma"),
        "relativelyContraindicatedIn": ("Diabetes", "Rosacea"),
    }
    return {
        (f"{DG}CO2LaserResurfacing", predicate, DG + name)
        for name in names.get(predicate.removeprefix(DG), ())
    }


class _World:
    """The dataset, with a policy that can be changed."""

    def __init__(self, nquads: bytes) -> None:
        self._unchanged: dict[str, set[Edge]] = {}
        self.store = ox.Store()
        self.store.bulk_load(nquads, format=ox.RdfFormat.N_QUADS)
        prefixes = "".join(
            f"PREFIX {name}: <{iri}>\n" for name, iri in {**PREFIXES, "dg": DG, "dgd": DGD}.items()
        )
        self.store.update(f"{prefixes}INSERT DATA {{ GRAPH <{GRAPH}claims> {{ {_MADE_UP} }} }}")

    def unchanged(self, predicate: str) -> set[Edge]:
        """Return the edges of a predicate with the policy as it is, concluded once."""
        if predicate not in self._unchanged:
            self._unchanged[predicate] = self.edges(predicate)
        return self._unchanged[predicate]

    def edges(self, predicate: str) -> set[Edge]:
        """Return the edges of a predicate that the rules conclude from claims."""
        name = f"dg:{predicate.removeprefix(DG)}"
        due = [text for text in _RULES.values() if re.search(rf"{name}\b", _body(text))]
        found = set()
        for text in due or [_RULES["edge-physics"]]:
            rows = self.store.query(text, use_default_graph_as_union=True)
            assert isinstance(rows, ox.QuerySolutions)
            for row in rows:
                if row["predicate"].value == predicate:
                    found.add((row["subject"].value, predicate, row["object"].value))
        return found

    @contextmanager
    def policy(
        self, row: Row, slot: str | None, values: tuple[ox.NamedNode | ox.Literal, ...]
    ) -> Iterator[None]:
        """Put other values in a slot of a policy for a while; no slot: take the policy out."""
        node = ox.NamedNode(f"{DGD}edge-policy/{row['id']}")
        graph = ox.NamedNode(f"{GRAPH}ontology")
        property_ = None if slot is None else ox.NamedNode(DG + slot)
        before = list(self.store.quads_for_pattern(node, property_, None, graph))
        after = [ox.Quad(node, property_, each, graph) for each in values if property_]
        try:
            for quad in before:
                self.store.remove(quad)
            self.store.extend(after)
            yield
        finally:
            for quad in after:
                self.store.remove(quad)
            self.store.extend(before)


def _body(text: str) -> str:
    """Return a rule without what it leaves to other rules."""
    return re.sub(r"(?m)^#.*$|NOT IN \([^)]*\)", "", text)


@pytest.fixture(scope="module")
def world(graph: kg.KnowledgeGraph) -> _World:
    """Return the dataset in a store of its own."""
    return _World(graph.nquads)


_REFUSED_EDGES = {_edge(row) for row in _REFUSED}


def _is_refused(edge: Edge) -> bool:
    return bool({edge, ("*", *edge[1:])} & _REFUSED_EDGES)


_SAYS = tuple(
    ox.Literal(f"{finding}/{advice}")
    for finding in (
        *("-", "present", "not-observed", "higher", "lower"),
        *("no-significant-difference", "equivalent", "mixed"),
    )
    for advice in (
        *("-", "recommended", "may-be-considered", "not-a-contraindication"),
        *("wait-at-least", "not-recommended", "contraindicated"),
    )
)
_DESIGNS = (
    *("randomised-controlled-trial", "cohort", "case-series", "systematic-review"),
    *("narrative-review", "textbook-chapter", "regulatory-document", "practice-guideline"),
    *("consensus-statement", "professional-reference", "hospital-or-society-page", "clinic-page"),
    *("news-report", "reference-web-page", "experimental-study", "modelling-study"),
)


def _values(scheme: str, *names: str) -> tuple[ox.NamedNode, ...]:
    return tuple(ox.NamedNode(f"{DGD}{scheme}/{name}") for name in names)


_OPENED: dict[str, tuple[str, tuple[ox.NamedNode | ox.Literal, ...]]] = {
    "texts": ("acceptsText", _values("study-design", *_DESIGNS)),
    "texts_say": ("textSays", _SAYS),
    "studies": ("acceptsStudy", _values("study-design", *_DESIGNS)),
    "studies_say": ("studySays", _SAYS),
    "hedges": (
        "acceptsHedge",
        _values("hedge", "stated", "hedged", "quoted", "quoted-label", "authors-suggestion"),
    ),
    "strengths": ("acceptsStrength", _values("strength", "absolute", "relative", "caution")),
}
"""For each cell of the policy, the property that it becomes and all that it could hold."""

_CELLS = [(row, cell) for row in _POLICY for cell in _OPENED if row[cell]]


@pytest.mark.parametrize("row", _POLICY, ids=lambda row: row["id"])
def test_without_its_row_a_predicate_has_no_edges(world: _World, row: Row) -> None:
    """Taking out the row takes away edges, and what is signed among them."""
    predicate = expand(row["edge"])
    before = world.unchanged(predicate)
    with world.policy(row, None, ()):
        assert world.edges(predicate) == set()

    assert before
    signed = {_edge(each) for each in _SIGNED} & before
    assert signed or row["edge"] in _NOT_JUDGED


@pytest.mark.long
@pytest.mark.parametrize(
    ("row", "cell"), _CELLS, ids=[f"{row['id']}-{cell}" for row, cell in _CELLS]
)
def test_a_cell_that_accepted_everything_would_let_in_what_is_refused(
    world: _World, row: Row, cell: str
) -> None:
    """Where opening a cell makes edges, one of them at least is on the list of those refused."""
    predicate = expand(row["edge"])
    before = world.unchanged(predicate)
    slot, values = _OPENED[cell]
    with world.policy(row, slot, values):
        new = world.edges(predicate) - before

    assert not new or any(map(_is_refused, new)) or new & _made_up(predicate), sorted(new)[:5]


@pytest.mark.parametrize(
    ("row", "cell"), _CELLS, ids=[f"{row['id']}-{cell}" for row, cell in _CELLS]
)
def test_a_cell_that_accepted_nothing_would_lose_edges(world: _World, row: Row, cell: str) -> None:
    """No cell is idle: without what it accepts, edges that are there go."""
    predicate = expand(row["edge"])
    before = world.unchanged(predicate)
    with world.policy(row, _OPENED[cell][0], (ox.Literal("nothing"),)):
        assert world.edges(predicate) < before
