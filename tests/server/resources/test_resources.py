"""Linked data over HTTP: every IRI that we mint has a document, in every format and as a page."""

from __future__ import annotations

import hashlib
import html
import json
import re
from typing import Final

import pytest
import rdflib
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import RdfFormat, parse

import kg
from kg.catalogue.canned_queries import Catalogue
from kg.engine.oxigraph.engine import InProcessEngine
from kg.graph import KnowledgeGraph
from kg.rdf import formats, jsonld
from kg.rdf.namespaces import BASE, DG, GRAPH, PREFIXES
from server import create_app
from server.protocol.negotiation import RDF, Representation

CONCEPT: Final = "/ontology/CO2LaserResurfacing"
CLAIM: Final = "/id/claim/B0001"
POINT: Final = "/id/spectrum/epidermis-salomatina-2006/400.424"
PATHS: Final = (
    *(CONCEPT, CLAIM, POINT, "/ontology", "/ontology/", "/ontology/0.1.0", "/ontology/hasRisk"),
    *("/ontology/Claim", "/id/source/NANNI1998", "/id/spectrum/water-hale-querry-1973"),
    *(
        "/id/claim/S01",
        "/id/disagreement/C01",
        "/id/rule/edge-risk",
        "/id/extraction-confidence/low",
    ),
    *("/id/extraction-confidence", "/id/dataset", "/graph/sources", "/graph/dataset"),
    *("/id/setting/A0002/pulse-duration", "/id/gap/G02", "/function/absorptionDepth"),
    *("/id/claim/A0801", "/ontology/AcneScar"),
)
BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
RDFLIB: Final = (
    "application/rdf+xml, text/n3, text/turtle, application/n-triples, application/ld+json, "
    "application/n-quads, application/trix, application/trig"
)
OWL_API: Final = "application/rdf+xml, application/xml; q=0.5, text/xml; q=0.3, */*; q=0.2"


def triples(body: bytes, representation: Representation) -> set[str]:
    """Read a document in any RDF format as a set of N-Triples."""
    if representation.format == formats.JSONLD:
        body, media_type = jsonld.read(body, jsonld.Context.published()), "application/n-triples"
    else:
        media_type = representation.media_type
    read = RdfFormat.from_media_type(media_type)
    assert read is not None
    return {str(quad.triple) for quad in parse(body, format=read)}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "accept",
    [
        "text/turtle",
        "application/ld+json",
        BROWSER,
        *(pytest.param(each.media_type, marks=pytest.mark.long) for each in RDF[1:2] + RDF[3:]),
    ],
)
def test_every_kind_of_iri_dereferences_in_every_format(
    client: FlaskClient, path: str, accept: str
) -> None:
    """The bare URL answers 200 in the format that is asked for, and says which it became."""
    response = client.get(path, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.mimetype == accept.partition(",")[0]
    assert "accept" in response.vary.as_set()
    assert response.headers["Content-Location"].startswith("http://localhost/")
    again = client.get(response.headers["Content-Location"])
    assert again.data == response.data


@pytest.mark.parametrize("path", [CONCEPT, CLAIM, POINT, "/ontology/0.1.0", "/id/dataset"])
@pytest.mark.parametrize("offer", RDF, ids=lambda offer: str(offer.name))
def test_a_suffix_fixes_the_format(client: FlaskClient, path: str, offer: Representation) -> None:
    """With a suffix the Accept header has no say, and caches need not look at it."""
    response = client.get(f"{path}.{offer.suffix}", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert response.mimetype == offer.media_type
    assert "accept" not in response.vary.as_set()
    assert 'rel="canonical"' in response.headers["Link"]


@pytest.mark.parametrize("path", [CONCEPT, CLAIM, "/id/source/NANNI1998", POINT])
def test_all_formats_hold_the_same_triples(client: FlaskClient, path: str) -> None:
    """Whatever the format, a document holds the same graph."""
    documents = {offer: client.get(f"{path}.{offer.suffix}").data for offer in RDF}
    graphs = [triples(body, offer) for offer, body in documents.items()]
    assert graphs[0]
    assert all(graph == graphs[0] for graph in graphs)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/turtle"),
        ("*/*", "text/turtle"),
        (RDFLIB, "text/turtle"),
        (OWL_API, "application/rdf+xml"),
        (BROWSER, "text/html"),
        ("application/ld+json, application/json;q=0.9, */*;q=0.1", "application/ld+json"),
        ("application/json", "application/ld+json"),
        ("text/turtle;q=0, */*", "application/n-triples"),
    ],
)
def test_each_client_gets_what_it_reads(
    client: FlaskClient, accept: str | None, media_type: str
) -> None:
    """What rdflib, the OWL API, browsers and curl send leads to a format that they can read."""
    headers = {} if accept is None else {"Accept": accept}
    for path in ("/ontology", CONCEPT):
        assert client.get(path, headers=headers).mimetype == media_type


def test_rdflib_reads_a_resource_by_its_url(live_url: str) -> None:
    """Graph.parse(url) needs no format."""
    graph = rdflib.Graph().parse(live_url + CLAIM)
    claim = rdflib.URIRef(BASE + CLAIM[1:])
    assert (claim, rdflib.URIRef(DG + "predicate"), rdflib.URIRef(DG + "isA")) in graph


def test_nothing_acceptable_lists_what_there_is(client: FlaskClient) -> None:
    """An Accept header that admits nothing gets 406 with the media types."""
    response = client.get(CLAIM, headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert "text/turtle" in response.get_json(force=True)["available"]


def test_alternates_are_linked(client: FlaskClient) -> None:
    """The Link header leads to each other format, the licence and the IRI itself."""
    link = client.get(CLAIM).headers["Link"]
    assert f'<{BASE}id/claim/B0001>; rel="canonical"' in link
    assert '<http://localhost/id/claim/B0001.ttl>; rel="describedby"' in link
    assert '<http://localhost/id/claim/B0001.html>; rel="alternate"; type="text/html"' in link
    assert 'rel="license"' in link


def test_the_public_url_is_used_throughout(graph: kg.KnowledgeGraph) -> None:
    """Behind a proxy, links and the address of the context are those that clients see."""
    client = create_app({"PUBLIC_URL": "https://dermograph.example/kg"}, graph).test_client()
    response = client.get(f"{CLAIM}.jsonld")
    context = f"https://dermograph.example/kg/context/{jsonld.Context.published().digest}.jsonld"
    assert response.get_json()["@context"] == context
    assert "<https://dermograph.example/kg/id/claim/B0001.ttl>" in response.headers["Link"]
    assert "http://localhost" not in response.headers["Link"]


@pytest.mark.parametrize("path", [CLAIM, f"{CLAIM}.jsonld", f"{CLAIM}.html", "/context.jsonld"])
def test_a_client_that_has_it_gets_304(client: FlaskClient, path: str) -> None:
    """The entity tag leads to 304 without a body, with the same tag."""
    first = client.get(path)
    tag = first.headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == tag
    assert again.vary.as_set() == first.vary.as_set()


def test_formats_have_tags_of_their_own(client: FlaskClient) -> None:
    """The tag of one format does not stand for another."""
    tags = {client.get(f"{CLAIM}.{offer.suffix}").headers["ETag"] for offer in RDF}
    assert len(tags) == len(RDF)


@pytest.mark.parametrize("path", [CONCEPT, f"{CLAIM}.ttl", "/context.jsonld"])
def test_head_and_options_are_right(client: FlaskClient, path: str) -> None:
    """HEAD has the headers of GET and no body; OPTIONS says what is allowed."""
    got, head = client.get(path), client.head(path)
    assert head.data == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Link"):
        assert head.headers.get(name) == got.headers.get(name)
    options = client.options(path)
    assert options.status_code == 204
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_changing_a_resource_is_not_allowed(client: FlaskClient) -> None:
    """PUT and DELETE get 405 with the methods that are."""
    for method in ("PUT", "DELETE", "POST"):
        response = client.open(CLAIM, method=method)
        assert response.status_code == 405
        assert "GET" in response.headers["Allow"]


def test_an_unknown_resource_gets_near_names(client: FlaskClient) -> None:
    """404 says what was looked for, and what is spelt like it."""
    response = client.get("/ontology/Erythma", headers={"Accept": "application/json"})
    assert response.status_code == 404
    problem = response.get_json(force=True)
    assert f"{DG}Erythma" in problem["detail"]
    assert problem["similar"][0] == {"id": f"{DG}Erythema", "label": "erythema"}


@pytest.mark.parametrize(
    "path",
    ["/id/claim/B0001.json", "/id/claim/B9999.ttl", "/ontology/0.0.9", "/graph/x", "/ontology.xyz"],
)
def test_what_is_not_there_is_404_whatever_its_suffix(client: FlaskClient, path: str) -> None:
    """A suffix that is no format is part of the name, and the name is unknown."""
    assert client.get(path).status_code == 404


@settings(max_examples=settings().max_examples // 4)
@given(path=st.text(max_size=40))
def test_any_path_gets_an_orderly_answer(client_of_session: FlaskClient, path: str) -> None:
    """No path, whatever its characters, is an error of the service."""
    response = client_of_session.get(
        "/id/" + path.encode(errors="replace").decode(errors="replace")
    )
    assert response.status_code in (200, 308, 400, 404)


def test_unknown_parameters_are_refused(client: FlaskClient) -> None:
    """A misspelt parameter is named, not ignored."""
    response = client.get(f"{CLAIM}?fromat=ttl")
    assert response.status_code == 400
    assert response.get_json(force=True)["parameter"] == "fromat"


def test_a_format_can_be_asked_for_by_name(client: FlaskClient) -> None:
    """`?format=` works as it does for queries, but not beside a suffix."""
    assert client.get(f"{CLAIM}?format=ttl", headers={"Accept": "*/*"}).mimetype == "text/turtle"
    assert client.get(f"{CLAIM}?format=json-ld").mimetype == "application/ld+json"
    assert client.get(f"{CLAIM}.ttl?format=nt").status_code == 400


@pytest.mark.parametrize("form", jsonld.FORMS)
def test_a_profile_of_jsonld_is_honoured_and_echoed(client: FlaskClient, form: str) -> None:
    """The profile of the Accept header decides the form, and the Content-Type says so."""
    profile = f"http://www.w3.org/ns/json-ld#{form}"
    response = client.get(CLAIM, headers={"Accept": f'application/ld+json;profile="{profile}"'})
    assert response.mimetype_params["profile"] == profile
    document = json.loads(response.data)
    shape = {"framed": "id", "expanded": 0}.get(form, "@graph")
    assert shape in document if isinstance(shape, str) else document[shape]["@id"]


def test_an_unknown_profile_is_ignored(client: FlaskClient) -> None:
    """A profile that we do not know gets the usual form, not 406."""
    accept = 'application/ld+json;profile="https://example.org/profile"'
    response = client.get(CLAIM, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.get_json()["id"] == f"{BASE}id/claim/B0001"


def test_the_context_is_served_for_browsers_and_caches(client: FlaskClient) -> None:
    """The context is JSON-LD, open to scripts of other sites, and cacheable without Vary."""
    response = client.get("/context.jsonld", headers={"Accept": "text/html"})
    assert response.mimetype == "application/ld+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age" in response.headers["Cache-Control"]
    assert "accept" not in response.vary.as_set()
    assert "@context" in response.get_json()


def test_the_context_that_documents_name_never_changes(client: FlaskClient) -> None:
    """Its address has its digest, so it is kept for ever; the address without leads to the same."""
    address = client.get(f"{CLAIM}.jsonld").get_json()["@context"]
    response = client.get(address)
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.data == client.get("/context.jsonld").data
    assert hashlib.sha256(response.data).hexdigest().startswith(address[-23:-7])
    assert client.get("/context/0123456789abcdef.jsonld").status_code == 404


def test_a_former_context_leads_to_the_present_one(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that was saved is read with the terms of today, which only became more."""
    monkeypatch.setattr(jsonld, "RELEASED", ["0123456789abcdef"])
    response = client.get("/context/0123456789abcdef.jsonld")
    assert response.status_code == 307
    assert client.get(response.location).status_code == 200


def test_the_context_is_named_where_it_lasts(graph: kg.KnowledgeGraph) -> None:
    """Documents may name it by an address that outlives the one of the service."""
    client = create_app({"CONTEXT_URL": "https://w3id.org/dermograph"}, graph).test_client()
    named = client.get(f"{CLAIM}.jsonld").get_json()["@context"]
    assert named == jsonld.Context.published("https://w3id.org/dermograph").iri
    assert client.get(named.removeprefix("https://w3id.org/dermograph")).status_code == 200


def page(client: FlaskClient, path: str) -> str:
    """Return the page about a resource."""
    response = client.get(path, headers={"Accept": BROWSER})
    assert response.status_code == 200
    return response.text


@pytest.mark.parametrize("path", PATHS)
def test_every_link_to_ourselves_leads_somewhere(client: FlaskClient, path: str) -> None:
    """No page has a dead link to this service."""
    found = re.findall(r'href="(/[^"#]*)"', page(client, path))
    targets = sorted({html.unescape(target) for target in found})
    assert targets
    for target in targets[:: max(1, len(targets) // 25)]:
        with client.get(target) as response:
            assert response.status_code == 200, target


def test_a_concept_page_tells_what_is_known_with_sources(client: FlaskClient) -> None:
    """Definition, hierarchy, conclusions with their reasons, and claims with their sources."""
    text = page(client, CONCEPT)
    assert "<h1>CO2 laser resurfacing</h1>" in text
    assert "An ablative laser resurfacing that is done with a carbon dioxide laser." in text
    assert 'href="/ontology/AblativeLaserResurfacing"' in text
    assert 'href="/id/rule/edge-risk"' in text
    assert text.count('<table class="claims">') > 3
    assert 'href="https://doi.org/' in text


def test_a_page_says_in_words_where_else_a_thing_is_named(client: FlaskClient) -> None:
    """A study leads to its arms and claims, an event to what it was seen after."""
    study = page(client, "/id/study/CHEYASAK2015")

    assert "<summary>Its arms (2)</summary>" in study
    assert "<summary>Claims that tell of it (3)</summary>" in study
    assert "Procedures after which it was seen in some" in page(client, "/ontology/Erythema")


def test_an_edge_tells_what_it_rests_on_and_what_speaks_against_it(client: FlaskClient) -> None:
    """Kinds of source, the narrower kind it comes from, how long to wait, and claims of the other side."""
    text = page(client, CONCEPT)
    assert "professional reference page" in text
    assert "as it is so of <a" in text
    assert re.search("; strength: <a[^>]*>absolute", text)
    assert "Against it:" in text
    assert "why: 1 claim, 1 against" in text
    keloid = re.sub("<[^>]+>", "", page(client, "/ontology/SkinResurfacing"))
    assert re.search(r"; told of [^;]*CO2 laser resurfacing[^;]*\bVI only; kinds of source", keloid)
    treated = page(client, "/ontology/LaserSkinTreatment")
    assert "to wait 5-6 months after treatment, 6 months" in re.sub("<[^>]+>", "", treated)
    assert '<strong class="warning">Disputed</strong>: <a' in treated


def test_a_doubtful_claim_carries_a_warning_wherever_it_is_shown(
    client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """Low extraction confidence is visible on the claim's page and on the page of its subject."""
    found = graph.query(
        f"SELECT ?claim ?subject WHERE {{ ?claim <{DG}extractionConfidence>"
        f" <{BASE}id/extraction-confidence/low> ;"
        f" <{DG}subject> ?subject }} ORDER BY ?claim LIMIT 1"
    )
    assert isinstance(found, kg.Rows)
    (row,) = found
    for name in ("claim", "subject"):
        path = "/" + str(row[name]).removeprefix(BASE)
        assert re.search(r"low extraction confidence", page(client, path), re.IGNORECASE)


def test_a_claim_page_shows_every_slot(client: FlaskClient, graph: kg.KnowledgeGraph) -> None:
    """Each literal that is stated of a claim can be read on its page."""
    claim = f"{BASE}id/claim/B0407"
    found = graph.query(f"SELECT ?p ?o WHERE {{ <{claim}> ?p ?o FILTER isLiteral(?o) }}")
    assert isinstance(found, kg.Rows)
    text = page(client, "/id/claim/B0407")
    for row in found:
        if not str(row["p"]).startswith(f"{DG}proportion"):
            assert str(row["o"]) in text, row


def test_a_claim_page_shows_its_settings(client: FlaskClient) -> None:
    """Each setting stands with its parameter, its figure with unit, and how it was printed."""
    text = page(client, "/id/claim/A0808")

    settings_shown = text.partition('id="settings"')[2]
    assert '<a href="/ontology/ThermalDiffusivity">thermal diffusivity</a>' in settings_shown
    assert ">0.0000001 m²/s</a>" in settings_shown
    assert "printed as 1e-7" in settings_shown


def test_a_claim_page_shows_what_it_is_computed_from(client: FlaskClient) -> None:
    """A derived claim leads to function and inputs, and an input to what is computed from it."""
    text = page(client, "/id/claim/A0801")
    assert 'href="/function/effectivePenetrationDepth"' in text
    for computed_from in ("/id/claim/A0794", "/id/spectrum/dermis-salomatina-2006/1308.35"):
        assert f'href="{computed_from}"' in text
        assert 'href="/id/claim/A0801"' in page(client, computed_from)


def test_all_values_of_a_figure_are_shown(client: FlaskClient) -> None:
    """A setting with two values shows both."""
    assert ">532 and 1064 nm</a>" in page(client, "/id/claim/A0474")


def test_a_concept_page_leads_to_other_ontologies_and_says_what_is_not_known(
    client: FlaskClient,
) -> None:
    """Mappings are links out with the name there; gaps in the evidence stand on the page."""
    text = page(client, "/ontology/AcneScar")

    mappings = text.partition('id="mappings"')[2].partition("<h2")[0]
    assert '<a href="http://id.nlm.nih.gov/mesh/D002921">Cicatrix</a>' in mappings
    gaps = text.partition('id="gaps"')[2].partition("<h2")[0]
    assert "The results of the Cochrane review of treatments for acne scars" in gaps
    assert 'href="/id/gap/G02"' in gaps


def test_authors_are_shown_in_their_order(client: FlaskClient) -> None:
    """As on the paper, one after the other."""
    assert "Walsh JT; Flotte TJ; Deutsch TF." in page(client, "/id/source/WALSH1989_DAMAGE")


def test_a_source_page_leads_to_the_publication_and_lists_its_claims(client: FlaskClient) -> None:
    """Authors, identifiers with links, what was seen, and the claims taken from it."""
    text = page(client, "/id/source/NANNI1998")
    assert "Nanni" in text
    assert re.search(r'href="https://pubmed\.ncbi\.nlm\.nih\.gov/\d+/"', text)
    assert "What was read of it" in text
    assert "erythema after full-field CO2 laser resurfacing" in text


def test_a_spectrum_page_draws_its_points_and_marks_lasers(client: FlaskClient) -> None:
    """The plot has a curve and laser lines; the table has every point and names the lasers."""
    text = page(client, "/id/spectrum/water-hale-querry-1973")
    assert "<polyline" in text
    assert 'class="laser"' in text
    assert text.count("<tr") > 130
    assert re.search(r">2940</a>.*Er:YAG laser", text, re.DOTALL)


def test_a_page_carries_links_and_schema_org_data(client: FlaskClient) -> None:
    """Alternates for each format, and a data block that calls a procedure a MedicalTherapy."""
    text = page(client, CONCEPT)
    for offer in RDF:
        assert f'rel="alternate" type="{offer.media_type}" href="{CONCEPT}.{offer.suffix}"' in text
    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert block
    data = json.loads(block[1])
    assert data["@type"] == "MedicalTherapy"
    assert data["name"] == "CO2 laser resurfacing"
    risk = {"@type": "MedicalEntity", "@id": f"{DG}Hyperpigmentation", "name": "hyperpigmentation"}
    assert risk in data["adverseOutcome"]
    # These sources advise against, and schema.org knows absolute and relative contraindications only.
    assert not {"risks", "usesDevice", "indication", "contraindication"} & set(data)


def test_only_what_is_called_a_contraindication_is_one_for_schema_org() -> None:
    """Advice against and caution are none; how strong a contraindication is stands with it."""
    states = {
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>": (
            "<http://www.w3.org/2002/07/owl#Class>",
            "<https://schema.org/MedicalTherapy>",
        ),
        f"<{DG}relativelyContraindicatedIn>": (f"<{DG}Vitiligo>",),
        f"<{DG}advisedAgainstIn>": (f"<{DG}Vitiligo>", f"<{DG}Pregnancy>"),
        f"<{DG}cautionIn>": (f"<{DG}ActiveAcne>",),
    }
    nquads = "".join(
        f"<{DG}Peel> {name} {value} <{GRAPH}claims> .\n"
        for name, values in states.items()
        for value in values
    ).encode()
    engine = InProcessEngine(nquads, version="peel")
    small = KnowledgeGraph(
        engine=engine, catalogue=Catalogue({}, engine), release="0", nquads=nquads
    )
    text = page(create_app({}, small).test_client(), "/ontology/Peel")

    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert block
    assert [
        (each["@id"], each["description"]) for each in json.loads(block[1])["contraindication"]
    ] == [(f"{DG}Vitiligo", "relative contraindication")]


def test_a_claim_is_shown_by_its_sentence_alone(
    client: FlaskClient, graph: kg.KnowledgeGraph
) -> None:
    """Nowhere does a finding stand beside a predicate that says it already: "cannot treat, not observed"."""
    found = graph.query(
        f"SELECT ?claim ?subject ?object ?label ?source {{ ?claim <{DG}predicate> <{DG}cannotTreat> ;"
        f" <{DG}subject> ?subject ; <{DG}object> ?object ; <{PREFIXES['rdfs']}label> ?label ;"
        f" <{PREFIXES['prov']}wasDerivedFrom> ?source }} ORDER BY ?claim LIMIT 2"
    )
    assert isinstance(found, kg.Rows)
    for row in found:
        for name in ("claim", "subject", "object", "source"):
            text = page(client, "/" + str(row[name]).removeprefix(BASE))
            shown = html.unescape(text)
            assert str(row["label"]) in shown
            assert '<span class="tag">not observed' not in text


AWKWARD: Final = f"""
<{DG}Old> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/2002/07/owl#Class> <{GRAPH}ontology> .
<{DG}Old> <http://www.w3.org/2000/01/rdf-schema#label> "old <b>name</b> </script>"@en <{GRAPH}ontology> .
<{DG}Old> <http://www.w3.org/2002/07/owl#deprecated> "true"^^<http://www.w3.org/2001/XMLSchema#boolean> <{GRAPH}ontology> .
<{DG}Old> <http://purl.org/dc/terms/isReplacedBy> <{DG}New> <{GRAPH}ontology> .
<{DG}New> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/2002/07/owl#Class> <{GRAPH}ontology> .
<{DG}New> <http://www.w3.org/2000/01/rdf-schema#label> "new name"@en <{GRAPH}ontology> .
<{DG}New> <{DG}partOf> <javascript:alert(1)> <{GRAPH}ontology> .
"""


@pytest.fixture
def awkward(graph: kg.KnowledgeGraph) -> FlaskClient:
    """Return a client of a service over a graph with a withdrawn term and hostile text."""
    nquads = AWKWARD.strip().encode() + b"\n"
    engine = InProcessEngine(nquads, version="awkward")
    small = KnowledgeGraph(engine=engine, catalogue=graph.catalogue, release="0", nquads=nquads)
    return create_app({}, small).test_client()


def test_a_withdrawn_term_says_what_replaces_it(awkward: FlaskClient) -> None:
    """A deprecated IRI still answers 200, with a note and its replacement, in page and data."""
    text = page(awkward, "/ontology/Old")
    assert "withdrawn" in text
    assert '<a href="/ontology/New">new name</a>' in text
    document = awkward.get("/ontology/Old.jsonld").get_json()
    assert document["deprecated"] is True
    assert document["isReplacedBy"][0]["label"] == "new name"


def test_text_of_the_graph_stays_text_on_the_page(awkward: FlaskClient) -> None:
    """Markup in a label is shown, not obeyed, and an IRI that is no web address is not a link."""
    text = page(awkward, "/ontology/Old")
    assert "<b>name" not in text
    assert text.count("</script>") == 1
    assert 'href="javascript:' not in page(awkward, "/ontology/New")
