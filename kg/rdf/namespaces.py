"""The namespaces that the graph uses, with the prefixes that it is written with."""

import json
import re
from pathlib import Path
from typing import Final

BASE: Final = "https://w3id.org/dermograph/"
ONTOLOGY: Final = BASE + "ontology"
DG: Final = BASE + "ontology/"
DGD: Final = BASE + "id/"
GRAPH: Final = BASE + "graph/"
DGF: Final = BASE + "function/"

WIDER: Final = GRAPH + "wider"
"""The named graph of what is reported for wider procedures. It is outside the default union, so that
a pattern without GRAPH never takes it for what is known of the procedure itself."""

ABSOLUTE_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\\ud800-\udfff]*")
NOWHERE: Final = "https://relative.invalid/"
"""What relative IRIs are read with where there is no base, so that they are found."""

PREFIXES: Final[dict[str, str]] = json.loads(Path(__file__).with_name("prefixes.json").read_bytes())
"""Prefix to namespace, in the order that people look them up."""

WRITTEN_PREFIXES: Final = {name: iri for name, iri in PREFIXES.items() if name != "dgd"}
"""Prefixes for writing RDF: without dgd, whose names have slashes, as in `dgd:claim\\/B0375`."""

COMMON_PREFIXES: Final = {name: iri for name, iri in PREFIXES.items() if not iri.startswith(BASE)}
"""Prefixes for data that are not our knowledge."""


def curie(iri: str) -> str:
    """Return the short form of an IRI, such as `dg:Erythema`, or the IRI where there is none."""
    fitting = [each for each in PREFIXES.items() if iri.startswith(each[1])]
    if not fitting:
        return iri
    prefix, namespace = max(fitting, key=lambda each: len(each[1]))
    return f"{prefix}:{iri[len(namespace) :]}"


def expand(short: str) -> str:
    """Return the IRI of a short form.

    Raises:
        KeyError: the prefix is none of PREFIXES, or there is none.
    """
    prefix, _, local = short.partition(":")
    return PREFIXES[prefix] + local


def iri_of(text: str) -> str | None:
    """Return the IRI that a text is: whole, short, or in our ontology; None: it cannot be one."""
    text = text.strip().replace("\\", "")
    if "://" in text:
        text = text.removeprefix("<").removesuffix(">")
        return text if ABSOLUTE_IRI.fullmatch(text) else None
    if not re.fullmatch(r"(?:[A-Za-z]+:)?[A-Za-z0-9_./-]+", text):
        return None
    prefix, colon, local = text.rpartition(":")
    namespace = PREFIXES.get(prefix.lower()) if colon else DG
    return namespace and namespace + local
