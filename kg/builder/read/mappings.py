"""Mappings to other ontologies: what an SSSOM table has that other tables have not.

See https://mapping-commons.github.io/sssom/. The table itself is the published artefact; the graph
gets the mapping predicates, the labels of what is mapped to, where a term was looked for in vain
(`sssom:NoTermFound`), and a description of the table by the YAML above its header.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator
from rdflib import DCAT, DCTERMS, RDF, RDFS, VOID, Literal, URIRef

from kg.builder.errors import FileProblem
from kg.builder.read.json_files import JsonFile
from kg.builder.read.terms import Triple, fault_of_term
from kg.rdf.namespaces import DG, DGD, GRAPH, expand

TABLE: Final = "mappings/dermograph.sssom.tsv"
"""The published table, in the ontology folder."""

_SLOTS, _READ = (
    json.loads(Path(__file__).with_name(name).read_bytes())
    for name in ("sssom.schema.json", "sssom.json")
)
"""What may stand above the header; the prefixes that need not; and the property for each slot that is
told, with the kind of literals that its values are; null: they are IRIs."""


def read_metadata(
    file: str, lines: Sequence[str], problems: list[FileProblem]
) -> Mapping[str, Any]:
    """Read what stands above the header of an SSSOM table; nothing if it is malformed.

    Args:
        file: the table.
        lines: its first lines, which begin with #.
        problems: takes what is wrong.

    Returns:
        The slots by their names; `curie_map` has the prefixes that SSSOM knows without, too.
    """
    try:
        metadata: Any = yaml.safe_load("\n".join(line[1:] for line in lines))
    except yaml.YAMLError as error:
        problems.append(FileProblem(file, 1, "", f"The metadata is not YAML: {error}", "Mend it."))
        return {}
    text = JsonFile(file, "\n".join(lines), metadata)
    found = [
        (text.line_of(f"#{next(iter(each.absolute_path), each.instance)}:"), f"{each.message}.")
        for each in Draft202012Validator(_SLOTS).iter_errors(metadata)
    ]
    for triple in [] if found else description(metadata, 0):
        found += [(1, fault) for term in triple if (fault := fault_of_term(term)) is not None]
    problems += (FileProblem(file, n or 1, "", fault, "Correct it.") for n, fault in found)
    return {} if found else {**metadata, "curie_map": _READ["prefixes"] | metadata["curie_map"]}


def description(metadata: Mapping[str, Any], number: int) -> Iterator[Triple]:
    """Describe a table by its metadata, if these give it an IRI, and the number of its mappings."""
    if "mapping_set_id" not in metadata:
        return
    mapping_set = URIRef(metadata["mapping_set_id"])
    yield mapping_set, RDF.type, DCAT.Dataset
    yield mapping_set, RDF.type, VOID.Dataset
    yield mapping_set, DCTERMS.conformsTo, URIRef("https://w3id.org/sssom/")
    for slot, (name, kind) in _READ["told"].items():
        values = metadata.get(slot, [])
        for value in values if isinstance(values, list) else [values]:
            told = URIRef(value) if kind is None else Literal(value, normalize=False, **kind)
            yield mapping_set, URIRef(expand(name)), told
    yield mapping_set, VOID.triples, Literal(number)
    yield mapping_set, RDFS.seeAlso, URIRef(GRAPH + "mappings")
    yield URIRef(DGD + "dataset"), RDFS.seeAlso, mapping_set


def search_in_vain(subject: URIRef, cells: Mapping[str, str]) -> Triple:
    """Say of a row without object in which ontology none was found.

    It is named by its prefix at https://bioregistry.io, such as `maxo`.
    """
    ontology = cells["object_source"].partition(":")[2]
    return subject, URIRef(f"{DG}soughtInVainIn"), Literal(ontology)
