"""Terms and numbers as curators write them, and as the graph has them."""

import re
from collections.abc import Mapping
from decimal import Decimal

from rdflib import Literal, URIRef

from kg.engine import BindingError
from kg.rdf.datatypes import is_ill_typed
from kg.rdf.namespaces import DG, DGD, DGF, PREFIXES, curie
from kg.sparql.bind import canonical
from kg.text_files import UNSEEN

Triple = tuple[URIRef, URIRef, URIRef | Literal]


def term_of(text: str, prefixes: Mapping[str, str] = PREFIXES) -> URIRef:
    """Turn a cell that names a term, as an IRI or a prefixed name, into the IRI.

    Raises:
        ValueError: the prefix is unknown, or the IRI has characters that no IRI may have.
    """
    prefix, colon, local = text.partition(":")
    if colon and not local.startswith("//"):
        if prefix not in prefixes:
            raise ValueError(f"The prefix {prefix}: is unknown.")
        text = prefixes[prefix] + local
    if not colon or re.search(r"[\s<>\"{}|^`\\]", text):
        raise ValueError(f"{text!r} is not an IRI.")
    return URIRef(text)


def is_ours(term: URIRef | Literal) -> bool:
    """Tell whether a term has to be described in our files."""
    return isinstance(term, URIRef) and str(term).startswith((DG, DGD, DGF))


def fault_of_term(term: URIRef | Literal) -> str | None:
    """Say what is wrong with a term, or return None.

    rdflib lets illegal characters and values of the wrong type pass.
    """
    if isinstance(term, Literal) and is_ill_typed(str(term), term.datatype):
        return f"{str(term)!r} is not of the type {curie(str(term.datatype))}."
    try:
        canonical(term)
    except BindingError as error:
        return str(error)
    unseen = UNSEEN.search(str(term))
    if unseen is not None:
        return f"A text holds the character U+{ord(unseen[0]):04X}, which is not seen."
    return None


def canonical_decimal(text: str) -> str:
    """Write a decimal number in the canonical form of XML Schema without the trailing `.0`.

    The engine keeps numbers, not their spelling, and writes them so; the graph follows it.
    """
    shortest = format(Decimal(text).normalize(), "f")
    return "0" if shortest == "-0" else shortest
