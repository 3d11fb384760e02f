"""A small ontology of the same form as ours, for tests that damage it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kg.builder.build import Build, build
from kg.builder.errors import BuildError, FileProblem
from kg.builder.read.terms import term_of
from kg.rdf.namespaces import DG, PREFIXES
from kg.releases.bundled import ONTOLOGY_FOLDER

_CONCEPTS = """
<https://w3id.org/dermograph/ontology> a owl:Ontology ; owl:versionInfo "9.9.9" .

dg:Claim a owl:Class ; rdfs:label "claim"@en .
dg:RiskClaim a owl:Class ; rdfs:subClassOf dg:Claim ; rdfs:label "risk claim"@en .
dg:Resurfacing a owl:Class ; rdfs:label "resurfacing"@en .
dg:LaserResurfacing a owl:Class ;
    rdfs:subClassOf dg:Resurfacing ;
    rdfs:label "laser resurfacing"@en .
dg:Erythema a owl:Class ; rdfs:label "erythema"@en .
dg:Itch a owl:Class ; rdfs:label "itch"@en .
dg:acts a rdf:Property ; rdfs:label "acts"@en ; dg:derivesEdge true .
dg:hasRisk a rdf:Property ;
    rdfs:subPropertyOf dg:acts ;
    rdfs:label "has risk"@en ;
    dg:derivesEdge true .
dg:derivesEdge a rdf:Property .
dg:lowerLimit a rdf:Property .
dg:usesFluence a rdf:Property ; rdfs:label "uses fluence"@en .
dg:mentions a rdf:Property ; rdfs:label "mentions"@en .
dgd:finding/present a skos:Concept .
dgd:finding/not-observed a skos:Concept .
dgd:hedge/stated a skos:Concept .
dgd:unit-of-analysis/patient a skos:Concept ; rdfs:label "patient"@en .
dgd:object-combination/each a skos:Concept .
dgd:frequency-origin/printed a skos:Concept .
dgd:assessment/supported a skos:Concept .
dgd:study-design/cohort a skos:Concept .
dgd:point-origin/table-point a skos:Concept .
dgd:frequency-band/common a skos:Concept ; dg:lowerLimit 0.01 .
dgd:frequency-band/rare a skos:Concept ; dg:lowerLimit 0.0 .
"""
_CLAIM = {
    "kind": "dg:RiskClaim",
    "subject": "dg:LaserResurfacing",
    "predicate": "dg:hasRisk",
    "object": "dg:Erythema",
    "finding": "dgd:finding/present",
    "hedge": "dgd:hedge/stated",
    "source": "SMITH2001",
}
_TABLES: Mapping[str, list[dict[str, str]]] = {
    "units.tsv": [
        {"slug": "um", "code": "um", "label": "micrometre", "factor_to_si": "0.000001"},
        {"slug": "cel", "code": "Cel", "label": "Celsius", "factor_to_si": "1", "offset_to_si": "273.15"},
        {"slug": "per-day", "code": "/d", "label": "per day"},
    ],
    "sources/clinical.tsv": [
        {"key": "SMITH2001", "title": "A study", "year": "2001", "study_design": "dgd:study-design/cohort"}
    ],
    "sources/physics.tsv": [],
    "policy.tsv": [],
    "claims/clinical.tsv": [
        {**_CLAIM, "id": "B0001", "event_count": "12", "sample_size": "63", "unit_of_analysis": "dgd:unit-of-analysis/patient"},
        {**_CLAIM, "id": "B0002", "object": "dg:Erythema|dg:Itch", "objects": "dgd:object-combination/each"},
        {**_CLAIM, "id": "B0003", "object": "dg:Itch", "finding": "dgd:finding/not-observed"},
        {**_CLAIM, "id": "B0004", "predicate": "dg:mentions", "object": "dg:Itch"},
    ],
    "claims/physics.tsv": [
        {**_CLAIM, "id": "A0001", "predicate": "dg:usesFluence", "object": "", "value": "20|40", "unit": "Cel"}
    ],
    "claims/founding-text.tsv": [
        {
            **_CLAIM,
            "id": "S01",
            "subject": "dg:Resurfacing",
            "wording": "It makes red.",
            "assessment": "dgd:assessment/supported",
            "supported_by": "B0001",
            "references": "SMITH2001",
        }
    ],
    "claims/disagreements.tsv": [
        {"id": "C01", "topic": "redness", "side_a": "yes", "side_b": "no", "claims_a": "B0001", "claims_b": "B0003"}
    ],
    "claims/settings-clinical.tsv": [],
    "claims/settings-physics.tsv": [],
    "claims/gaps.tsv": [],
    "claims/computations.tsv": [],
    "levels.tsv": [],
    "mappings/dermograph.sssom.tsv": [],
    "studies/studies.tsv": [],
    "studies/syntheses.tsv": [],
    "studies/arms.tsv": [],
    "studies/searches.tsv": [],
    "spectra/spectra.tsv": [
        {"key": "water", "label": "water", "medium": "dg:Resurfacing", "source": "SMITH2001"}
    ],
    "spectra/points.tsv": [
        {
            "id": "water/400",
            "spectrum": "water",
            "wavelength_nm": "400",
            "absorption_per_cm": "0.00058",
            "origin": "dgd:point-origin/table-point",
        }
    ],
}  # fmt: skip


class SmallOntology:
    """A folder like `ontology/`, with few rows, that a test may change and build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ONTOLOGY_FOLDER / "tables.json", folder)
        shutil.copytree(ONTOLOGY_FOLDER / "tables", folder / "tables")
        self.write("dermograph.ttl", _prologue() + _declarations(folder) + _slashed(_CONCEPTS))
        for name, rows in _TABLES.items():
            lines = ["\t".join(self.columns(name)), *(self._row(name, row) for row in rows)]
            if name.endswith(".sssom.tsv"):
                lines.insert(0, f'#curie_map: {{DG: "{DG}"}}')
            self.write(name, "".join(f"{line}\n" for line in lines))

    def columns(self, name: str) -> list[str]:
        """Return the columns of a table, in order."""
        schema = _schemas(self.folder)[name]
        return [column["name"] for column in schema["columns"] if not column.get("virtual")]

    def _row(self, name: str, cells: Mapping[str, str]) -> str:
        columns = self.columns(name)
        assert set(cells) <= set(columns), name
        return "\t".join(cells.get(column, "") for column in columns)

    def path(self, name: str) -> Path:
        """Return the path of a file, making its folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        self.path(name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        """Read a file."""
        return self.path(name).read_text(encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace the one place where a text stands in a file."""
        text = self.read(name)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))

    def append(self, name: str, **cells: str) -> None:
        """Add a row to a table."""
        self.write(name, f"{self.read(name)}{self._row(name, cells)}\n")

    def claim(self, identifier: str, **cells: str) -> None:
        """Add a claim, which says what the other claims say where nothing else is given."""
        self.append("claims/clinical.tsv", **{**_CLAIM, "id": identifier, **cells})

    def set_cell(self, name: str, line: int, column: str, value: str) -> None:
        """Change a cell; lines are counted from 1, the header is line 1."""
        lines = self.read(name).split("\n")
        cells = lines[line - 1].split("\t")
        cells[self.columns(name).index(column)] = value
        lines[line - 1] = "\t".join(cells)
        self.write(name, "\n".join(lines))

    def build(self) -> Build:
        """Build it."""
        return build(self.folder)

    def problems(self) -> tuple[FileProblem, ...]:
        """Build it, which must fail, and give what was found."""
        with pytest.raises(BuildError) as failure:
            self.build()
        return failure.value.problems


def _prologue() -> str:
    return "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in PREFIXES.items())


def _slashed(text: str) -> str:
    """Write `dgd:a/b` as the IRI that it stands for, since Turtle wants the slash escaped."""
    return re.sub(r"dgd:([a-z-]+/[a-z-]+)", r"<https://w3id.org/dermograph/id/\1>", text)


def _schemas(folder: Path) -> dict[str, Any]:
    group = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    return {
        table["url"]: json.loads((folder / table["tableSchema"]).read_text(encoding="utf-8"))
        for table in group["tables"]
    }


def _declarations(folder: Path) -> str:
    """Declare every term of ours that the mapping of tables uses."""
    used = {
        str(term_of(column[key]))
        for schema in _schemas(folder).values()
        for column in schema["columns"]
        for key in ("propertyUrl", "valueUrl")
        if key in column and "{" not in column[key]
    }
    ours = sorted(iri for iri in used if "dermograph" in iri)
    return "".join(f"<{iri}> a owl:NamedIndividual .\n" for iri in ours)


@pytest.fixture
def ontology(tmp_path: Path) -> SmallOntology:
    """Return a small ontology that builds."""
    folder = tmp_path / "ontology"
    folder.mkdir()
    return SmallOntology(folder)
