"""Every point of the dossier's spectra is in the graph, with the same numbers and origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from rdflib import Graph, URIRef
from rdflib.term import Node

from kg.rdf.namespaces import DG, PREFIXES, curie

Row = dict[str, str]
Table = Callable[[str], list[Row]]
Point = tuple[str, str, str, str, Decimal, Decimal, Decimal | None]
"""Medium, source, conditions, origin, wavelength, absorption and reduced scattering."""

_ORIGINS = {
    "table point": "table-point",
    "linear interpolation (laser line)": "linear-interpolation",
    "formula value": "formula",
}

_MEDIA = {
    "deoxygenated whole blood": "dg:DeoxygenatedWholeBlood",
    "deoxyhaemoglobin": "dg:Deoxyhaemoglobin",
    "eumelanin (1 g/L)": "dg:Eumelanin",
    "lipid (mammalian fat)": "dg:MammalianFat",
    "melanosome (epidermal)": "dg:SkinMelanosome",
    "melanosome (skin, alternative law)": "dg:SkinMelanosome",
    "oxygenated whole blood": "dg:OxygenatedWholeBlood",
    "oxyhaemoglobin": "dg:Oxyhaemoglobin",
    "water": "dg:Water",
    "Dermis": "dg:Dermis",
    "Epidermis": "dg:Epidermis",
    "Hypodermis": "dg:Hypodermis",
    "pheomelanin (1 g/L)": "dg:Pheomelanin",
    "bilirubin (1 umol/L)": "dg:Bilirubin",
    "beta-carotene (1 umol/L)": "dg:BetaCarotene",
    "Infiltrative basal cell carcinoma": "dg:InfiltrativeBasalCellCarcinomaTissue",
    "Nodular basal cell carcinoma": "dg:NodularBasalCellCarcinomaTissue",
    "Squamous cell carcinoma": "dg:SquamousCellCarcinomaTissue",
    "Whole blood (oxygenated)": "dg:OxygenatedWholeBlood",
}


def _of_dossier(table: Table) -> Iterator[Point]:
    for row in table("physics/absorption.tsv"):
        conditions, _, origin = row["conditions"].rpartition("; ")
        yield (
            _MEDIA[row["chromophore"]],
            row["source_key"],
            conditions,
            _ORIGINS[origin],
            Decimal(row["wavelength_nm"]),
            Decimal(row["mu_a_cm-1"]),
            None,
        )
    for row in table("physics/tissue_optics.tsv"):
        yield (
            _MEDIA[row["tissue"]],
            row["source_key"],
            row["conditions"],
            "table-point-scattering-computed" if "DERIVED" in row["conditions"] else "table-point",
            Decimal(row["wavelength_nm"]),
            Decimal(row["mu_a_cm-1"]),
            Decimal(row["mu_s_reduced_cm-1"]),
        )


def _of_graph(spectra: Graph) -> Iterator[Point]:
    for point, spectrum in spectra.subject_objects(URIRef(DG + "spectrum")):
        scattering = spectra.value(point, _named("reducedScatteringCoefficientPerCentimetre"))
        yield (
            curie(str(spectra.value(spectrum, _named("medium")))),
            str(spectra.value(spectrum, URIRef(PREFIXES["prov"] + "wasDerivedFrom"))).rpartition(
                "/"
            )[2],
            str(spectra.value(spectrum, _named("circumstances"))),
            str(spectra.value(point, _named("pointOrigin"))).rpartition("/")[2],
            _number(spectra, point, "wavelengthInNanometre"),
            _number(spectra, point, "absorptionCoefficientPerCentimetre"),
            None if scattering is None else Decimal(str(scattering)),
        )


def _named(name: str) -> URIRef:
    return URIRef(DG + name)


def _number(spectra: Graph, point: Node, name: str) -> Decimal:
    return Decimal(str(spectra.value(point, _named(name))))


@pytest.mark.parametrize(("name", "count"), [("absorption", 1118), ("tissue_optics", 521)])
def test_the_tables_are_complete(table: Table, name: str, count: int) -> None:
    """1118 points of absorption and 521 of tissues are compared."""
    assert len(table(f"physics/{name}.tsv")) == count


def test_points_are_those_of_the_dossier(graph_named: Callable[[str], Graph], table: Table) -> None:
    """No point is lost, added or changed: medium, source, conditions, origin and all numbers."""
    expected = sorted(_of_dossier(table), key=str)
    found = sorted(_of_graph(graph_named("spectra")), key=str)

    assert len(found) == 1639
    assert set(found) ^ set(expected) == set()
