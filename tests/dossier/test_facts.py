"""Every fact of the dossier is a claim of the graph, with its numbers, units, counts and source."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from rdflib import RDF, SKOS, Graph, Literal, URIRef
from rdflib.term import Node

from kg.builder.derive.figures import counts_of
from kg.rdf.namespaces import DG, DGD, PREFIXES

Row = dict[str, str]
Table = Callable[[str], list[Row]]
Found = tuple[str, str, str]

_DERIVED_FROM = URIRef(PREFIXES["prov"] + "wasDerivedFrom")
_IDENTIFIER = URIRef(PREFIXES["dcterms"] + "identifier")
_NUMBERS = ("value", "minimum", "maximum")
_FACTS = {"clinical": 915, "physics": 1221}

_COUNTED = ("{patient}", "{case}", "")
"""The units of the dossier that a count of events may have."""

_UNITS = {"": ("1", "{year}", "{spike}", "{microbeam}", "{score}", "times"), "times": ("1",)}
"""What the graph calls a unit that the dossier leaves empty or names by a word."""

_NO_NUMBER = re.compile(
    r"[A-Z]+\d+[A-Z_]*\d*|95% CI|I2=|\d{4}-\d\d-\d\d|1/e2|1/mu_a|cm-1|mm-1|m2/s|510\(k\)"
    r"|UltraPulse 5000|(?:MMP|IGF)-1|MMP-1, -3, -9|8-methoxypsoralen|3D"
)
"""Names, units and symbols that hold digits."""

_COLUMN_REMARK = re.compile(r"^[^;]*value_(?:low|high)[^;]*(?:; |$)|; [^;]*value_(?:low|high)[^;]*")
"""What a note of the dossier says of its columns, which the graph does not have."""

_PRINTED = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Claim:
    """What the graph says of one claim, as far as numbers go.

    Attributes:
        own: the numbers of the claim itself, by slot.
        unit: the code of their unit.
        numbers: for each unit, the numbers of the claim and of its settings, counts, shares, ages.
        words: all its texts and the names of its terms.
    """

    own: dict[str, set[Decimal]]
    unit: str
    numbers: dict[str, set[Decimal]]
    words: str = field(repr=False)

    def has(self, number: Decimal, unit: str) -> bool:
        """Whether a number stands in a slot with that unit."""
        return any(number in self.numbers[each] for each in (unit, *_UNITS.get(unit, ())))

    @property
    def stated(self) -> set[Decimal]:
        """All numbers, whatever their unit."""
        return {abs(number) for numbers in self.numbers.values() for number in numbers}


def _decimals(graph: Graph, node: Node, name: str) -> set[Decimal]:
    return {Decimal(str(each)) for each in graph.objects(node, URIRef(DG + name))}


def _code(graph: Graph, node: Node) -> str:
    return str(graph.value(node, URIRef(DG + "unitCode")) or "")


def _follow_up(text: str) -> dict[str, set[Decimal]]:
    """Return the numbers of a follow-up in words by the unit that it names: 3, 6 and 12 months."""
    numbers = {Decimal(each) for each in re.findall(r"\d+(?:\.\d+)?", text)}
    units = {"day": "d", "week": "wk", "month": "mo", "year": "a"}
    found = {code: numbers for word, code in units.items() if word in text}
    months = {12 * number for number in found.get("a", ())}
    return {**found, "mo": found.get("mo", set()) | months, "": numbers | months}


def _read_claim(graph: Graph, claim: URIRef, added: list[URIRef]) -> Claim:
    """Read a claim, with the claims that hold what else its fact says."""
    numbers: dict[str, set[Decimal]] = defaultdict(set)
    nodes: list[Node] = [
        node
        for each in (claim, *added)
        for node in (each, *graph.objects(each, URIRef(DG + "setting")))
    ]
    # a frequency factor is too large for a decimal number: the model that it belongs to has it
    for model in graph.subjects(_DERIVED_FROM, claim):
        numbers["/s"] |= _decimals(graph, model, "frequencyFactorPerSecond")
    for node in nodes:
        for name in _NUMBERS:
            numbers[_code(graph, node)] |= _decimals(graph, node, name)
        for name in ("", "Minimum", "Maximum"):
            numbers["%"] |= _decimals(graph, node, f"reportedPercentage{name}")
        for date in graph.objects(node, URIRef(DG + "decisionDate")):
            numbers["{year}"].add(Decimal(str(date)[:4]))
        for given in graph.objects(node, URIRef(DG + "reportedFollowUp")):
            for unit, found in _follow_up(str(given)).items():
                numbers[unit] |= found
    ages = (_decimals(graph, claim, f"age{end}InYears") for end in ("Minimum", "Maximum"))
    # the dossier gives years of the calendar and ages the unit of a length of time
    numbers["a"] |= set().union(*ages) | numbers["{year}"]
    for node in nodes:
        for unit in _COUNTED:
            numbers[unit] |= _decimals(graph, node, "eventCount")
            numbers[unit] |= _decimals(graph, node, "sampleSize")
    said = [value for node in nodes for value in graph.objects(node)]
    own = {name: _decimals(graph, claim, name) for name in _NUMBERS}
    words = " | ".join(str(each).removeprefix(DG) for each in said)
    return Claim(own, _code(graph, claim), numbers, words)


@pytest.fixture(scope="module")
def claims(graph_named: Callable[[str], Graph]) -> Graph:
    """Return the named graph of claims."""
    return graph_named("claims")


@pytest.fixture(scope="module")
def facts(table: Table) -> dict[str, Row]:
    """Return all facts by the identifier of their claim: four digits where the dossier has three."""
    rows = [row for part in _FACTS for row in table(f"{part}/facts.tsv")]
    return {f"{row['id'][0]}{int(row['id'][1:]):04}": row for row in rows}


@pytest.fixture(scope="module")
def added(table: Table) -> dict[str, str]:
    """Return the claims that hold what else a fact says, with the identifier of its claim."""
    return {row["id"]: row["fact"] for row in table("added-claims.tsv")}


@pytest.fixture(scope="module")
def stated(claims: Graph, facts: dict[str, Row], added: dict[str, str]) -> dict[str, Claim]:
    """Return what the graph says for each fact."""
    others: dict[str, list[URIRef]] = defaultdict(list)
    for name, fact in added.items():
        others[fact].append(_iri(name))
    return {name: _read_claim(claims, _iri(name), others[name]) for name in facts}


def _iri(name: str) -> URIRef:
    return URIRef(f"{DGD}claim/{name}")


def _texts(graph: Graph, name: str, predicate: URIRef) -> list[str]:
    return [str(each) for each in graph.objects(_iri(name), predicate)]


def test_the_dossier_is_complete(table: Table) -> None:
    """915 clinical and 1221 physical facts are compared."""
    assert {part: len(table(f"{part}/facts.tsv")) for part in _FACTS} == _FACTS


def test_every_fact_is_a_claim_and_every_claim_of_a_fact(
    claims: Graph, facts: dict[str, Row], added: dict[str, str]
) -> None:
    """A claim keeps the identifier of its fact; a second claim of a fact names it.

    Besides, there is only the founding text.
    """
    identified = {
        str(identifier)
        for claim, identifier in claims.subject_objects(_IDENTIFIER)
        if str(claim).startswith(f"{DGD}claim/")
        and (claim, RDF.type, URIRef(DG + "FoundingTextStatement")) not in claims
    }

    assert identified == set(facts) | set(added)
    assert set(added.values()) <= set(facts)
    assert not set(added) & set(facts)
    assert all((_iri(name), _IDENTIFIER, Literal(name)) in claims for name in facts)
    assert all((_iri(name), URIRef(DG + "predicate"), None) in claims for name in facts)


def _number_deviations(name: str, fact: Row, claim: Claim) -> Iterator[Found]:
    for column in ("value_low", "value_high"):
        if fact[column] and not claim.has(Decimal(fact[column]), fact["unit"]):
            yield name, column, f"{fact[column]} {fact['unit']} is in no slot of that unit"


def test_every_number_stands_in_the_graph_with_its_unit(
    facts: dict[str, Row],
    stated: dict[str, Claim],
    unexplained: Callable[..., list[str]],
) -> None:
    """Both ends of each figure are numbers of the claim or of its settings, in the same unit."""
    found = (
        each
        for name, fact in facts.items()
        for each in _number_deviations(name, fact, stated[name])
    )

    assert unexplained(found, "number") == []


def _bound_deviations(name: str, fact: Row, claim: Claim) -> Iterator[Found]:
    low, high = (Decimal(fact[c]) if fact[c] else None for c in ("value_low", "value_high"))
    own = set().union(*claim.own.values())
    if low == high or not {low, high} & own:
        return
    for slot, end in (("minimum", low), ("maximum", high)):
        if claim.own[slot] != ({end} - {None}):
            yield name, slot, f"{end} is {claim.own[slot] or 'missing'}"


def test_lower_and_upper_bounds_stay_what_they_are(
    facts: dict[str, Row],
    stated: dict[str, Claim],
    unexplained: Callable[..., list[str]],
) -> None:
    """The lower end is the minimum, the upper end the maximum, and one end alone stays a limit."""
    found = (
        each for name, fact in facts.items() for each in _bound_deviations(name, fact, stated[name])
    )

    assert unexplained(found, "bound") == []


def _count_deviations(claims: Graph, name: str, fact: Row) -> Iterator[Found]:
    for column, slot in (("numerator", "eventCount"), ("denominator", "sampleSize")):
        found = _texts(claims, name, URIRef(DG + slot))
        is_derived = column == "numerator" and "numerator derived" in fact["note"]
        if found != ([fact[column]] if fact[column] and not is_derived else []):
            yield name, column, f"{fact[column]!r} is {found}"


def test_counts_are_those_of_the_dossier(
    claims: Graph, facts: dict[str, Row], unexplained: Callable[..., list[str]]
) -> None:
    """Numerators and denominators are event counts and sample sizes, and there are no others."""
    clinical = {name: fact for name, fact in facts.items() if "numerator" in fact}
    found = (
        each for name, fact in clinical.items() for each in _count_deviations(claims, name, fact)
    )

    assert len(clinical) == _FACTS["clinical"]
    assert unexplained(found, "count") == []


def test_what_the_dossier_derived_is_computed_again(claims: Graph, facts: dict[str, Row]) -> None:
    """A derived percentage is in no slot for what is printed, and one count fits the printed one."""
    derived = [fact | {"name": name} for name, fact in facts.items() if "derived" in fact["note"]]
    percentages = [fact["name"] for fact in derived if "percentage derived" in fact["note"]]
    counts = [fact for fact in derived if "numerator derived" in fact["note"]]

    assert (len(percentages), len(counts)) == (6, 8)
    for name in percentages:
        assert _texts(claims, name, URIRef(DG + "reportedPercentage")) == [], name
    for fact in counts:
        fitting = counts_of(fact["value_low"], int(fact["denominator"]))
        assert [*fitting] == [int(fact["numerator"])], fact


def _spread_deviations(claims: Graph, name: str, fact: Row, claim: Claim) -> Iterator[Found]:
    bounds = [each.rpartition("/")[2] for each in _texts(claims, name, URIRef(DG + "bounds"))]
    printed = f"{fact['object_or_value']} {fact['qualifier']}"
    if "95% CI" in printed and bounds != ["confidence-interval-95"]:
        yield name, "confidence interval", f"the bounds are {bounds}"
    for deviation in re.findall(r"\bSD ([\d.]+)", printed):
        if bounds not in ([], ["mean-sd"]) or Decimal(deviation) not in claim.stated:
            yield name, "standard deviation", f"the bounds are {bounds}"
    for size in re.findall(r"\bn=(\d+)", fact["qualifier"]):
        if _texts(claims, name, URIRef(DG + "sampleSize")) != [size]:
            yield name, "sample size", f"n={size}"


def test_intervals_deviations_and_sample_sizes_are_told_apart(
    claims: Graph,
    facts: dict[str, Row],
    stated: dict[str, Claim],
    unexplained: Callable[..., list[str]],
) -> None:
    """A 95% confidence interval, mean and SD, and n=... each have their own slot."""
    found = (
        each
        for name, fact in facts.items()
        for each in _spread_deviations(claims, name, fact, stated[name])
    )

    assert unexplained(found, "spread") == []


def _printed_deviations(name: str, fact: Row, claim: Claim) -> Iterator[Found]:
    text = _NO_NUMBER.sub(" ", f"{fact['object_or_value']} | {fact['qualifier']}")
    for printed in dict.fromkeys(_PRINTED.findall(text)):
        if Decimal(printed) in claim.stated or re.search(
            rf"(?<![\d.]){re.escape(printed)}(?!\d)", claim.words
        ):
            continue
        yield name, printed, f"is neither in a slot nor in words ({text})"


def test_no_number_in_the_wording_of_the_dossier_is_lost(
    facts: dict[str, Row],
    stated: dict[str, Claim],
    unexplained: Callable[..., list[str]],
) -> None:
    """Each number that a statement or its qualifier prints is in a slot, a name or a wording."""
    found = (
        each
        for name, fact in facts.items()
        for each in _printed_deviations(name, fact, stated[name])
    )

    assert unexplained(found, "printed") == []


def _origin_deviations(claims: Graph, name: str, fact: Row) -> Iterator[Found]:
    slots = (
        ("source", _DERIVED_FROM, f"{DGD}source/{fact['source_key']}"),
        ("locator", URIRef(DG + "locator"), fact["locator"]),
        (
            "confidence",
            URIRef(DG + "extractionConfidence"),
            f"{DGD}extraction-confidence/{fact['confidence']}",
        ),
        ("note", SKOS.note, _COLUMN_REMARK.sub("", " ".join(fact["note"].split()))),
    )
    for slot, predicate, expected in slots:
        found = _texts(claims, name, predicate)
        if found != ([expected] if expected else []):
            yield name, slot, f"{expected!r} is {found}"


def test_source_locator_confidence_and_note_are_carried_over(
    claims: Graph, facts: dict[str, Row], unexplained: Callable[..., list[str]]
) -> None:
    """Who says it, where, how sure the curators are, and what they remarked."""
    found = (
        each for name, fact in facts.items() for each in _origin_deviations(claims, name, fact)
    )

    assert unexplained(found, "origin") == []


def test_a_second_claim_of_a_fact_is_from_the_same_place(
    claims: Graph, added: dict[str, str]
) -> None:
    """Source, locator and confidence are those of the claim of the fact's name; so is a note."""
    for name, fact in added.items():
        for predicate in (
            _DERIVED_FROM,
            URIRef(DG + "locator"),
            URIRef(DG + "extractionConfidence"),
        ):
            assert _texts(claims, name, predicate) == _texts(claims, fact, predicate), name
        assert _texts(claims, name, SKOS.note) in ([], _texts(claims, fact, SKOS.note)), name


def test_what_decided_stands_in_the_row_of_the_fact(
    claims: Graph, facts: dict[str, Row], added: dict[str, str]
) -> None:
    """The deciding words are those of the dossier, and every claim that was read has them."""
    fields = ("subject", "predicate", "object_or_value", "qualifier", "note", "unit")
    for name in {*facts, *added}:
        fact = facts[added.get(name, name)]
        row = " | ".join(fact.get(field, "") for field in fields)
        said = _texts(claims, name, URIRef(DG + "decidedBy"))
        if fact["source_key"] == "DERIVED":
            assert said == [] or name in added, name
            continue
        assert len(said) == 1, name
        for piece in said[0].split(" ... "):
            assert _plain(piece) in _plain(row), (name, piece, row)


def _plain(text: str) -> str:
    """Return a text without marks, underscores or case."""
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def test_topics_are_subject_areas(
    claims: Graph, facts: dict[str, Row], added: dict[str, str], table: Table
) -> None:
    """Each claim of a clinical fact has the one topic that the dossier gives it."""
    topics = {
        f"B{int(row['id'][1:]):04}": row["topic"] for row in table("clinical/facts_topics.tsv")
    }
    slugs = {
        name: re.sub(r"[^a-z0-9]+", "-", topic.lower()).strip("-") for name, topic in topics.items()
    }

    assert set(slugs) == {name for name in facts if name.startswith("B")}
    slugs |= {name: slugs[fact] for name, fact in added.items() if fact in slugs}
    for name, slug in slugs.items():
        assert _texts(claims, name, URIRef(DG + "subjectArea")) == [f"{DGD}topic/{slug}"]


def test_few_claims_stay_unnormalised(claims: Graph, facts: dict[str, Row]) -> None:
    """Less than one in twenty says what it says only in words."""
    wordy = set(claims.subjects(URIRef(DG + "isUnnormalised"), Literal(lexical_or_value=True)))

    assert 20 * len(wordy) < len(facts)


def test_the_list_of_deviations_is_sorted_and_gives_reasons(table: Table) -> None:
    """One row per deviation, each with a reason."""
    rows = [(row["record"], row["slot"]) for row in table("deviations.tsv")]

    assert rows == sorted(set(rows))
    assert all(row["reason"] for row in table("deviations.tsv"))
