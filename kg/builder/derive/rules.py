"""Inference: rules as SPARQL files, run until nothing new follows, each result with its reasons.

A rule is a SELECT query whose rows say what follows, `?subject`, `?predicate`, `?object`, and why:
`?claim`, `?against` and the other columns of _REASONS. The statement itself, and a `dg:Derivation`
that names the rule and the reasons, are made from that.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from rdflib import PROV, RDF, RDFS, SKOS, Literal, URIRef
from rdflib.plugins.sparql.results.jsonresults import parseJsonTerm

from kg.builder.errors import BuildError, FileProblem
from kg.builder.read.query_files import read_query_files, rows_of
from kg.builder.read.terms import Triple
from kg.engine.oxigraph.engine import InProcessEngine
from kg.rdf.namespaces import DG, DGD, curie
from kg.sparql.bind import canonical

_DERIVATION: Final = f"{DGD}derivation/"
_Reasons = set[tuple[URIRef, URIRef]]


@dataclass(frozen=True, slots=True)
class Rule:
    """An inference rule.

    Attributes:
        iri: names it in derivations.
        file: its file, relative to the folder that is built.
        title: its name in words.
        description: what it concludes from what.
        text: the SPARQL.
        stage: when it is run, see ``_STAGES``.
    """

    iri: URIRef
    file: str
    title: str
    description: str
    text: str
    stage: str = "conclusions"

    def triples(self) -> Iterator[Triple]:
        """Describe the rule itself."""
        yield self.iri, RDF.type, URIRef(DG + "InferenceRule")
        yield self.iri, RDFS.label, Literal(self.title, lang="en")
        yield self.iri, SKOS.definition, Literal(self.description, lang="en")
        yield self.iri, URIRef(DG + "ruleQuery"), Literal(self.text)


def read_rules(folder: Path, problems: list[FileProblem]) -> list[Rule]:
    """Read the rules of a folder: all `rules/*.rq`, in the order of their names.

    Args:
        folder: the ontology folder.
        problems: takes what is wrong: names of files, headers, queries that do not parse.
    """
    rules = []
    for header in read_query_files(folder / "rules", "rule", problems):
        name, key = f"rules/{header.path.name}", header.path.stem
        if not _NAME.fullmatch(key):
            remedy = "Name the file in lower-case words joined by hyphens."
            problems.append(FileProblem(name, 0, "", "This name of a file makes no IRI.", remedy))
        said = {key: value.strip() for key, value in header.values.items()}
        rules.append(Rule(URIRef(f"{DGD}rule/{key}"), name, **said, text=header.text))
    return rules


_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MOST_ROUNDS: Final = 30
_MOST_PER_STATEMENT: Final = 10
"""How often rules are run, and how many statements may follow from each that is there; where each
thing that follows makes another follow, there is no end."""

_STAGES: Final = json.loads(Path(__file__).with_suffix(".json").read_bytes())
"""When rules are run, so that a rule that asks what is not so finds all that it asks for; the named
graphs that each stage sees, none: all; and whether its rules conclude nothing from what others of the
stage do, and are run once."""

_SUMMARIES: Final = "summaries"  # conclude nothing new
_COLUMNS: Final = ("subject", "predicate", "object")
_REASONS: Final = {
    "claim": PROV.wasDerivedFrom,
    "against": URIRef(DG + "claimAgainst"),
    "narrower": URIRef(DG + "derivedFromEdgeOf"),
    "wider": URIRef(DG + "derivedFromEdgeOf"),
}
"""The columns that say why, and what they are of a derivation."""


def infer(
    premises: Mapping[str, bytes], rules: Sequence[Rule], labels: Mapping[str, str]
) -> dict[str, set[Triple]]:
    """Derive all that follows from a dataset, stage by stage.

    Args:
        premises: the named graphs that rules see, as N-Triples, by name; rules see them as one.
        rules: the rules.
        labels: labels by IRI, for the labels of derivations.

    Returns:
        The derived statements and, for each rule and statement, its derivation, by the name of the
        graph that they belong in: what the stage `wider` derives has one of its own.

    Raises:
        BuildError: a rule is not a SELECT query of the form described above, or the rules come to
            no end.
    """
    derived: dict[str, set[Triple]] = {"inferred": set(), "wider": set()}
    apart: set[URIRef] = set()
    engine = InProcessEngine(b"", version="under construction")
    for stage, how in _STAGES.items():
        due = [rule for rule in rules if rule.stage == stage]
        seen = b"".join(premises[name] for name in how["sees"] or premises)
        engine.add(seen)
        known: dict[tuple[URIRef, Triple], _Reasons] = {}
        latest = set(due)
        for _ in range(_MOST_ROUNDS):
            if not latest or (known and how["once"]):
                break
            latest.clear()
            written: list[str] = []
            for rule in due:
                for statement, reasons in _conclusions(rule, engine).items():
                    if known.get((rule.iri, statement)) != reasons:
                        known[rule.iri, statement] = reasons
                        is_apart = stage == "wider" or statement[0] in apart
                        graph = derived["wider" if is_apart else "inferred"]
                        new = {*_derivation(rule, statement, reasons, labels)} - graph
                        graph |= new
                        if is_apart:  # what is remarked of these derivations belongs with them
                            apart |= {each for each, *_ in new if each.startswith(_DERIVATION)}
                        written += (f"{' '.join(map(canonical, each))} .\n" for each in new)
                        latest.add(rule)
            engine.add("".join(written).encode())
            if len(known) > _MOST_PER_STATEMENT * seen.count(b"\n"):
                break
        if latest and not how["once"]:
            detail = "The rule comes to no end: ever more statements follow."
            remedy = "Do not let it make new IRIs or numbers of what it concludes."
            raise BuildError(FileProblem(rule.file, 0, "", detail, remedy) for rule in latest)
    return derived


def _conclusions(rule: Rule, engine: InProcessEngine) -> dict[Triple, _Reasons]:
    """Return the statements that a rule concludes, each with its reasons."""
    columns, rows = rows_of(rule.file, rule.text, engine)
    if not set(_COLUMNS) <= set(columns) <= {*_COLUMNS, *_REASONS}:
        detail = f"The rule gives {' '.join(columns) or 'no rows'}."
        remedy = (
            f"Select ?subject ?predicate ?object and, of {', '.join(_REASONS)}, what are reasons."
        )
        raise BuildError([FileProblem(rule.file, 0, "", detail, remedy)])
    reasons: dict[Triple, _Reasons] = defaultdict(set)
    for row in rows:
        kinds = [row[name]["type"] if name in row else None for name in _COLUMNS]
        if kinds[:2] != ["uri", "uri"] or kinds[2] not in ("uri", "literal"):
            shown = " ".join(row[name]["value"] if name in row else "nothing" for name in _COLUMNS)
            detail = f"The rule concludes {shown}."
            remedy = "Subject and predicate must be IRIs, the object an IRI or a literal."
            raise BuildError([FileProblem(rule.file, 0, "", detail, remedy)])
        statement = cast("Triple", tuple(parseJsonTerm(row[name]) for name in _COLUMNS))
        given = {(_REASONS[name], URIRef(row[name]["value"])) for name in _REASONS if name in row}
        reasons[statement] |= given
    return reasons


def _derivation(
    rule: Rule, statement: Triple, reasons: _Reasons, labels: Mapping[str, str]
) -> Iterator[Triple]:
    yield statement
    subject, predicate, value = statement
    if subject.startswith(_DERIVATION) or rule.stage == _SUMMARIES:
        return  # what is remarked of a derivation, or sums up what is there, needs none of its own
    key = "\n".join([rule.iri, *(canonical(term) for term in statement)])
    node = URIRef(f"{_DERIVATION}{hashlib.sha256(key.encode()).hexdigest()[:16]}")
    said = " ".join(labels.get(str(term), curie(str(term))) for term in statement)
    yield node, RDF.type, URIRef(DG + "Derivation")
    yield node, RDFS.label, Literal(f"{said}, by the rule: {rule.title}", lang="en")
    yield node, RDF.subject, subject
    yield node, RDF.predicate, predicate
    yield node, RDF.object, value
    yield node, URIRef(DG + "rule"), rule.iri
    for property_, reason in reasons:
        yield node, property_, reason
