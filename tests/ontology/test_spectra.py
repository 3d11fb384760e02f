"""The spectra: every measured and tabulated point, with its medium, source and conditions."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import pytest
from rdflib import RDF, Dataset, Graph, URIRef
from rdflib.term import Node

from kg.rdf.namespaces import DG, DGD, GRAPH, PREFIXES

_SPECTRA = {
    # spectrum: medium, source, points
    "beta-carotene-photochemcad": ("BetaCarotene", "PHOTOCHEMCAD_BCAR", 39),
    "bilirubin-photochemcad": ("Bilirubin", "PHOTOCHEMCAD_BIL", 43),
    "deoxygenated-whole-blood-bosschaart-2014": ("DeoxygenatedWholeBlood", "BOSSCHAART2014", 124),
    "deoxyhaemoglobin-prahl": ("Deoxyhaemoglobin", "PRAHL_HB", 116),
    "dermis-salomatina-2006": ("Dermis", "SALOMATINA2006", 70),
    "dermis-shimojo-2020": ("Dermis", "SHIMOJO2020", 9),
    "epidermis-salomatina-2006": ("Epidermis", "SALOMATINA2006", 70),
    "epidermis-shimojo-2020": ("Epidermis", "SHIMOJO2020", 9),
    "eumelanin-sarna-swartz-2006": ("Eumelanin", "SARNA_SWARTZ2006", 16),
    "hypodermis-salomatina-2006": ("Hypodermis", "SALOMATINA2006", 70),
    "hypodermis-shimojo-2020": ("Hypodermis", "SHIMOJO2020", 9),
    "infiltrative-basal-cell-carcinoma-salomatina-2006": (
        "InfiltrativeBasalCellCarcinomaTissue",
        "SALOMATINA2006",
        68,
    ),
    "mammalian-fat-van-veen-2005": ("MammalianFat", "VANVEEN2005", 97),
    "nodular-basal-cell-carcinoma-salomatina-2006": (
        "NodularBasalCellCarcinomaTissue",
        "SALOMATINA2006",
        68,
    ),
    "oxygenated-whole-blood-bosschaart-2014": ("OxygenatedWholeBlood", "BOSSCHAART2014", 124),
    "oxygenated-whole-blood-scattering-bosschaart-2014": (
        "OxygenatedWholeBlood",
        "BOSSCHAART2014",
        80,
    ),
    "oxyhaemoglobin-prahl": ("Oxyhaemoglobin", "PRAHL_HB", 116),
    "pheomelanin-sarna-swartz-2006": ("Pheomelanin", "SARNA_SWARTZ2006", 31),
    "skin-melanosome-jacques-melanosome-page": ("SkinMelanosome", "OMLC_MELANOSOME", 68),
    "skin-melanosome-jacques-skin-optics": ("SkinMelanosome", "OMLC_SKINOPTICS", 68),
    "squamous-cell-carcinoma-salomatina-2006": (
        "SquamousCellCarcinomaTissue",
        "SALOMATINA2006",
        68,
    ),
    "water-hale-querry-1973": ("Water", "HALE_QUERRY1973", 134),
    "water-segelstein-1981": ("Water", "SEGELSTEIN1981", 142),
}
_SCATTERS = re.compile("dermis|carcinoma|scattering")
"""Spectra by name that have scattering coefficients."""
_WAVELENGTH = URIRef(DG + "wavelengthInNanometre")
_ABSORPTION = URIRef(DG + "absorptionCoefficientPerCentimetre")
_SCATTERING = URIRef(DG + "reducedScatteringCoefficientPerCentimetre")
_ORIGIN = URIRef(DG + "pointOrigin")


@pytest.fixture(scope="module")
def spectra(dataset: Dataset) -> Graph:
    """Return the named graph of spectra."""
    return dataset.graph(URIRef(GRAPH + "spectra"))


def _points(spectra: Graph, name: str) -> list[Node]:
    """Return the points of a spectrum, whose IRIs lie below its own."""
    start = f"{DGD}spectrum/{name}/"
    points = spectra.subjects(RDF.type, URIRef(DG + "SpectralPoint"))
    return [point for point in points if str(point).startswith(start)]


def test_all_spectra_are_there(spectra: Graph) -> None:
    """1118 points of absorption and 521 of tissue optics, in 23 spectra."""
    names = {
        str(each).removeprefix(f"{DGD}spectrum/")
        for each in spectra.subjects(RDF.type, URIRef(DG + "Spectrum"))
    }
    counts = {name: len(_points(spectra, name)) for name in names}

    assert counts == {name: count for name, (_, _, count) in _SPECTRA.items()}
    tissue = sum(count for name, count in counts.items() if _SCATTERS.search(name))
    assert tissue == 521
    assert sum(counts.values()) - tissue == 1118


@pytest.mark.parametrize("name", sorted(_SPECTRA))
def test_a_spectrum_has_medium_source_and_conditions(spectra: Graph, name: str) -> None:
    """What was measured, under which conditions, and who says so."""
    medium, source, _ = _SPECTRA[name]
    spectrum = URIRef(f"{DGD}spectrum/{name}")

    assert spectra.value(spectrum, URIRef(DG + "medium")) == URIRef(DG + medium)
    assert spectra.value(spectrum, URIRef(PREFIXES["prov"] + "wasDerivedFrom")) == URIRef(
        f"{DGD}source/{source}"
    )
    assert str(spectra.value(spectrum, URIRef(DG + "circumstances")) or "")


@pytest.mark.parametrize("name", sorted(_SPECTRA))
def test_every_point_has_its_coefficients(spectra: Graph, name: str) -> None:
    """Wavelengths are distinct and optical, coefficients not negative; tissues scatter, too."""
    wavelengths = []
    for point in _points(spectra, name):
        (wavelength,) = spectra.objects(point, _WAVELENGTH)
        wavelengths.append(Decimal(str(wavelength)))
        assert str(point).rsplit("/", 1)[-1] == str(wavelength)
        absorption = list(spectra.objects(point, _ABSORPTION))
        scattering = list(spectra.objects(point, _SCATTERING))
        assert len(absorption) == 1
        assert all(Decimal(str(each)) >= 0 for each in (*absorption, *scattering))
        assert len(scattering) == (1 if _SCATTERS.search(name) else 0)
        assert len(list(spectra.objects(point, _ORIGIN))) == 1
    assert len(set(wavelengths)) == len(wavelengths)
    assert 200 <= min(wavelengths) < max(wavelengths) <= 12000


def test_the_origin_of_every_point_is_told(spectra: Graph) -> None:
    """Tabulated, interpolated and computed points are told apart."""
    origins = Counter(str(each).rsplit("/", 1)[-1] for each in spectra.objects(None, _ORIGIN))

    assert origins == {
        "table-point": 1337,
        "table-point-scattering-computed": 80,
        "formula": 136,
        "linear-interpolation": 86,
    }


def _absorption(spectra: Graph, name: str, wavelength: str) -> float:
    (value,) = spectra.objects(URIRef(f"{DGD}spectrum/{name}/{wavelength}"), _ABSORPTION)
    return float(str(value))


@pytest.mark.parametrize(
    ("name", "factor", "power"),
    [
        ("skin-melanosome-jacques-skin-optics", 6.6e11, -3.33),
        ("skin-melanosome-jacques-melanosome-page", 1.70e12, -3.48),
    ],
)
def test_points_of_a_formula_obey_it(
    spectra: Graph, name: str, factor: float, power: float
) -> None:
    """The power laws of melanosome absorption give the stated coefficients."""
    for point in _points(spectra, name):
        wavelength = str(point).rsplit("/", 1)[-1]
        law = factor * float(wavelength) ** power
        assert _absorption(spectra, name, wavelength) == pytest.approx(law, rel=0.01)


def test_water_absorbs_most_near_three_micrometres(spectra: Graph) -> None:
    """The order of the laser lines by absorption in water is that of the textbooks."""
    for name in ("water-hale-querry-1973", "water-segelstein-1981"):
        lines = [
            _absorption(spectra, name, each) for each in ("2940", "10600", "2100", "1550", "1064")
        ]
        peak = max(
            (float(str(spectra.value(point, _ABSORPTION))), str(point).rsplit("/", 1)[-1])
            for point in _points(spectra, name)
        )
        assert lines == sorted(lines, reverse=True)
        assert 10_000 < lines[0] < 14_000
        assert 2800 <= float(peak[1]) <= 3100


def test_oxygenated_and_deoxygenated_blood_differ_as_known(spectra: Graph) -> None:
    """Oxyhaemoglobin absorbs more at 577 nm and less at 660 nm than deoxyhaemoglobin."""
    oxygenated = (
        _near(spectra, "oxyhaemoglobin-prahl", 577),
        _near(spectra, "oxyhaemoglobin-prahl", 660),
    )
    without = (
        _near(spectra, "deoxyhaemoglobin-prahl", 577),
        _near(spectra, "deoxyhaemoglobin-prahl", 660),
    )

    assert oxygenated[0] > without[0]
    assert oxygenated[1] < without[1]


def _near(spectra: Graph, name: str, wavelength: float) -> float:
    """Return the absorption at the point that is nearest to a wavelength."""
    nearest = min(
        (str(point).rsplit("/", 1)[-1] for point in _points(spectra, name)),
        key=lambda each: abs(float(each) - wavelength),
    )
    return _absorption(spectra, name, nearest)
