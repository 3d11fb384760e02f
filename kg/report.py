"""The quality report: what the graph holds, how well it is supported, and what remains to be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kg.disagreements import candidates
from kg.engine import Engine, Query
from kg.graph import KnowledgeGraph
from kg.namespaces import curie
from kg.results import Rows, Value, python_result

_PREFIXES: Final = """
PREFIX bibo: <http://purl.org/ontology/bibo/>
PREFIX dcterms: <http://purl.org/dc/terms/>
PREFIX dg: <https://w3id.org/dermograph/ontology/>
PREFIX dgd-confidence: <https://w3id.org/dermograph/id/confidence/>
PREFIX obo: <http://purl.obolibrary.org/obo/>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX prov: <http://www.w3.org/ns/prov#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
"""

_TOP: Final = """
  VALUES ?top {
    dg:Procedure dg:EnergySource dg:GainMedium dg:Device dg:Chromophore dg:AnatomicalEntity
    dg:TissueEffect dg:TissueProperty dg:Indication dg:AdverseEvent dg:Contraindication
    dg:CareMeasure dg:Outcome dg:PatientCharacteristic dg:TreatmentParameter dg:Activity
    dg:Biomolecule dg:DeviceComponent dg:InvestigationMethod dg:ObservationParameter
  }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report.

    Attributes:
        title: its heading.
        text: what the table shows and how to read it.
        query: SPARQL, without prefixes, that gives the table.
    """

    title: str
    text: str
    query: str


SECTIONS: Final = (
    Section(
        "At a glance",
        "Records of each kind. Claims have the identifiers of the dossier: A of physics, B of "
        "clinical evidence, S of the founding text.",
        """SELECT ?what ?number WHERE {
          { SELECT ("claims: physics" AS ?what) (COUNT(DISTINCT ?c) AS ?number) (1 AS ?place)
            { ?c dg:predicate ?p ; dcterms:identifier ?id FILTER(STRSTARTS(?id, "A")) } }
          UNION
          { SELECT ("claims: clinical" AS ?what) (COUNT(DISTINCT ?c) AS ?number) (2 AS ?place)
            { ?c dg:predicate ?p ; dcterms:identifier ?id FILTER(STRSTARTS(?id, "B")) } }
          UNION
          { SELECT ("claims: founding text" AS ?what) (COUNT(DISTINCT ?c) AS ?number) (3 AS ?place)
            { ?c a dg:FoundingTextStatement } }
          UNION
          { SELECT ("claims with counts of events" AS ?what) (COUNT(DISTINCT ?c) AS ?number)
                   (4 AS ?place)
            { ?c dg:eventCount ?events ; dg:proportion ?share } }
          UNION
          { SELECT ("settings of claims" AS ?what) (COUNT(DISTINCT ?s) AS ?number) (5 AS ?place)
            { ?s a dg:Setting } }
          UNION
          { SELECT ("sources" AS ?what) (COUNT(DISTINCT ?s) AS ?number) (6 AS ?place)
            { ?s a dg:Source } }
          UNION
          { SELECT ("sources with DOI or PubMed identifier" AS ?what)
                   (COUNT(DISTINCT ?s) AS ?number) (7 AS ?place)
            { ?s a dg:Source ; bibo:doi|bibo:pmid ?identifier } }
          UNION
          { SELECT ("sources with unverified details" AS ?what) (COUNT(DISTINCT ?s) AS ?number)
                   (8 AS ?place)
            { ?s dg:unverifiedDetail ?detail } }
          UNION
          { SELECT ("points of spectra" AS ?what) (COUNT(DISTINCT ?p) AS ?number) (9 AS ?place)
            { ?p a dg:SpectralPoint } }
          UNION
          { SELECT ("mappings to other ontologies" AS ?what) (COUNT(*) AS ?number) (10 AS ?place)
            { GRAPH <https://w3id.org/dermograph/graph/mappings> {
                ?c skos:exactMatch|skos:closeMatch|skos:broadMatch|skos:narrowMatch|skos:relatedMatch ?m
            } } }
          UNION
          { SELECT ("derived statements" AS ?what) (COUNT(DISTINCT ?d) AS ?number) (11 AS ?place)
            { ?d a dg:Derivation } }
          UNION
          { SELECT ("recorded disagreements" AS ?what) (COUNT(DISTINCT ?d) AS ?number) (12 AS ?place)
            { ?d a dg:Disagreement } }
          UNION
          { SELECT ("recorded gaps in the evidence" AS ?what) (COUNT(DISTINCT ?g) AS ?number)
                   (13 AS ?place)
            { ?g a dg:EvidenceGap } }
        } ORDER BY ?place""",
    ),
    Section(
        "Claims by kind",
        "Every claim has one kind. Unnormalised claims say what they say only in words; the aim "
        "is under 5%.",
        """SELECT ?kind ?claims ?unnormalised WHERE {
          {
            SELECT ?kind (COUNT(DISTINCT ?claim) AS ?claims) (COUNT(DISTINCT ?prose) AS ?unnormalised)
              (1 AS ?place)
            WHERE {
              ?claim a ?class . ?class rdfs:subClassOf dg:Claim ; rdfs:label ?kind .
              OPTIONAL { ?claim dg:isUnnormalised true BIND(?claim AS ?prose) }
            } GROUP BY ?kind
          } UNION {
            SELECT ("all" AS ?kind) (COUNT(DISTINCT ?claim) AS ?claims)
              (COUNT(DISTINCT ?prose) AS ?unnormalised) (2 AS ?place)
            WHERE {
              ?claim dg:predicate ?predicate .
              OPTIONAL { ?claim dg:isUnnormalised true BIND(?claim AS ?prose) }
            }
          }
        } ORDER BY ?place ?kind""",
    ),
    Section(
        "Coverage by subject area and confidence",
        "Confidence is as judged by the curators. The areas are those of the clinical dossier, "
        "with physics as one more; statements of the founding text have neither.",
        """SELECT ?area (COUNT(?claim) AS ?claims)
          (SUM(IF(?level = dgd-confidence:high, 1, 0)) AS ?high)
          (SUM(IF(?level = dgd-confidence:medium, 1, 0)) AS ?medium)
          (SUM(IF(?level = dgd-confidence:low, 1, 0)) AS ?low)
          (COUNT(DISTINCT ?source) AS ?sources)
        WHERE {
          ?claim dg:confidence ?level ; prov:wasDerivedFrom ?source .
          OPTIONAL { ?claim dg:subjectArea/rdfs:label ?known }
          BIND(COALESCE(STR(?known), "physics") AS ?area)
        } GROUP BY ?area ORDER BY ?area""",
    ),
    Section(
        "Claims by study design",
        "The design of the study, or kind of document, that claims come from.",
        """SELECT ?design (COUNT(DISTINCT ?source) AS ?sources) (COUNT(?claim) AS ?claims)
        WHERE {
          ?claim dg:predicate ?p ; prov:wasDerivedFrom ?source .
          ?source dg:studyDesign/rdfs:label ?design .
        } GROUP BY ?design ORDER BY ?design""",
    ),
    Section(
        "Computed claims",
        "Derived claims by the function that computes them; each names what it is computed from.",
        """SELECT ?function (COUNT(DISTINCT ?claim) AS ?claims) (COUNT(DISTINCT ?input) AS ?inputs)
        WHERE { ?claim dg:computedBy/rdfs:label ?function ; dg:computedFrom ?input }
        GROUP BY ?function ORDER BY ?function""",
    ),
    Section(
        "The founding text",
        "Its statements by assessment, and how many of them are borne out or corrected by claims.",
        """SELECT ?assessment (COUNT(DISTINCT ?s) AS ?statements)
          (COUNT(DISTINCT ?supported) AS ?with_supporting_claim)
          (COUNT(DISTINCT ?corrected) AS ?with_correcting_claim)
        WHERE {
          ?s a dg:FoundingTextStatement ; dg:assessment/rdfs:label ?assessment .
          OPTIONAL { ?s dg:supportedBy ?a BIND(?s AS ?supported) }
          OPTIONAL { ?s dg:correctedBy ?b BIND(?s AS ?corrected) }
        } GROUP BY ?assessment ORDER BY ?assessment""",
    ),
    Section(
        "Concepts",
        "Concepts below each top class, how many have a lay term, how many are mapped to another "
        "ontology or not, and how many claims name.",
        f"""SELECT ?class (COUNT(DISTINCT ?c) AS ?concepts) (COUNT(DISTINCT ?lay) AS ?with_lay_term)
          (COUNT(DISTINCT ?aligned) AS ?mapped)
          (COUNT(DISTINCT ?c) - COUNT(DISTINCT ?aligned) AS ?unmapped)
          (COUNT(DISTINCT ?used) AS ?named_by_claims)
        WHERE {{
          {_TOP}
          ?top rdfs:label ?class . ?c rdfs:subClassOf ?top .
          OPTIONAL {{ ?c dg:layTerm ?word BIND(?c AS ?lay) }}
          OPTIONAL {{
            ?c skos:exactMatch|skos:closeMatch|skos:broadMatch|skos:narrowMatch|skos:relatedMatch ?m
            BIND(?c AS ?aligned)
          }}
          OPTIONAL {{
            ?claim dg:subject|dg:object|dg:condition|dg:laser|dg:technique|dg:bodySite ?c
            BIND(?c AS ?used)
          }}
        }} GROUP BY ?class ORDER BY ?class""",
    ),
    Section(
        "Undefined terms",
        "Classes of ours without a definition; none is the aim.",
        """SELECT ?term WHERE {
          ?term a owl:Class .
          FILTER(STRSTARTS(STR(?term), "https://w3id.org/dermograph/ontology/"))
          FILTER NOT EXISTS { ?term skos:definition ?definition }
        } ORDER BY ?term""",
    ),
    Section(
        "Unnormalised claims",
        "Claims whose content stands only as wording.",
        """SELECT ?claim ?label ?note WHERE {
          ?claim dg:isUnnormalised true ; rdfs:label ?label .
          OPTIONAL { ?claim skos:note ?note }
        } ORDER BY ?claim""",
    ),
    Section(
        "Sources with unverified details",
        "Details of source records that were given from memory and await checking.",
        """SELECT ?source ?detail WHERE { ?source dg:unverifiedDetail ?detail }
        ORDER BY ?source ?detail""",
    ),
    Section(
        "Gaps in the evidence",
        "What is not known, or was not found in what was read.",
        """SELECT ?gap ?statement WHERE { ?gap a dg:EvidenceGap ; dg:gapStatement ?statement }
        ORDER BY ?gap""",
    ),
    Section(
        "Recorded disagreements",
        "Disagreements that a curator has judged.",
        """SELECT ?disagreement ?topic (COUNT(DISTINCT ?claim) AS ?claims) WHERE {
          ?disagreement a dg:Disagreement ; dg:topic ?topic ;
                        dg:disagreeingClaim|dg:opposedClaim ?claim .
        } GROUP BY ?disagreement ?topic ORDER BY ?disagreement""",
    ),
)
"""The sections that are a table from a query, in order."""


PROPOSALS: Final = "mappings/upstream-proposals.tsv"
"""The list of terms worth proposing to other ontologies, in the ontology folder."""

_HEAD: Final = """# Quality report

Release {release}, data version `{version}`.

Printed by `dermograph report` from the graph itself; nothing here is written by hand.
"""


def report(graph: KnowledgeGraph, folder: Path) -> str:
    """Write the quality report of a graph, in Markdown; the same bytes for the same version.

    Args:
        graph: what is reported on.
        folder: the ontology folder, which holds the list of terms to propose.
    """
    return "\n".join(_parts(graph, folder))


def _parts(graph: KnowledgeGraph, folder: Path) -> Iterator[str]:
    yield _HEAD.format(release=graph.release, version=graph.version)
    for section in SECTIONS:
        rows = _rows(graph.engine, section.query)
        yield f"## {section.title}\n\n{section.text}\n"
        yield _table(rows.columns, [[row[name] for name in rows.columns] for row in rows])
    yield (
        "## Terms to propose upstream\n\n"
        "Concepts that no public ontology was found to have, listed with definition and place in "
        f"`ontology/{PROPOSALS}`: {_proposals(folder)}.\n"
    )
    yield (
        "## Candidates for disagreement\n\n"
        "Claims that say incompatible things of the same subject under the same qualifiers, and "
        "that no curator has judged yet.\n"
    )
    found = candidates(graph.engine)
    yield _table(("one", "other"), [[each.says, each.opposes] for each in found])


def _proposals(folder: Path) -> int:
    path = folder / PROPOSALS
    return max(0, len(path.read_text(encoding="utf-8").splitlines()) - 1) if path.exists() else 0


def _rows(engine: Engine, text: str) -> Rows:
    rows = python_result(engine.run(Query(_PREFIXES + text)))
    assert isinstance(rows, Rows)
    return rows


def _table(columns: tuple[str, ...], rows: list[list[Value]]) -> str:
    if not rows:
        return "None.\n"
    head = [name.replace("_", " ") for name in columns]
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: Value) -> str:
    text = "" if value is None else curie(str(value))
    return text.replace("|", "\\|").replace("\n", " ")
