"""What XML can hold: the characters and names that keep an answer in an XML format well-formed.

Oxigraph writes every character as it is, and an element for every predicate and class.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from kg.engine.spool import Spool
from kg.sparql.lexer import NAME_FIRST, NAME_NEXT

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TYPE: Final = f"{_RDF}type"
_NO_CHARACTERS: Final = bytes(each for each in range(0x20) if each not in b"\t\n\r")
_NO_CHARACTERS_EITHER: Final = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
"""U+FFFE and U+FFFF, which XML 1.0 (section 2.2, Char) leaves out besides."""

_ENDS_IN_NAME: Final = re.compile(rf"[{NAME_FIRST}_][{NAME_NEXT}.-]*\Z")
_NO_NAMES: Final = re.compile(
    rf"{re.escape(_RDF)}(?:aboutEach|aboutEachPrefix|bagID)\Z|http://www\.w3\.org/2000/xmlns/"
)


class NotInXml(Exception):
    """Something cannot be written in XML."""


class XmlSpool(Spool):
    """What an answer in XML is written to; see ``Spool``."""

    _end = b""

    def write(self, piece: bytes) -> int:
        """Take a piece.

        Raises:
            NotInXml: it has a character that XML cannot hold, even escaped.
        """
        written = bytes(piece)
        with_seam = self._end + written
        if len(written.translate(None, _NO_CHARACTERS)) < len(written) or any(
            each in with_seam for each in _NO_CHARACTERS_EITHER
        ):
            raise NotInXml("The result has a character that XML cannot hold.")
        self._end = with_seam[-2:]
        # Unescaped, a carriage return is read as a line feed (XML 1.0, section 2.11).
        super().write(written.replace(b"\r", b"&#13;"))
        return len(piece)


def in_rdfxml(triples: Iterable[Any]) -> Iterator[Any]:
    """Arrange the triples of a result so that RDF/XML can be written of them.

    The first class of a subject becomes an element, so a class that cannot goes behind another triple.

    Raises:
        NotInXml: a predicate ends in no XML name, or a subject has nothing but such classes.
    """
    waiting: list[Any] = []
    subject = None
    for triple in triples:
        if triple.subject != subject:
            _refuse(waiting)
            subject = triple.subject
            has_element = False
        for predicate in _predicates(triple):
            if not _is_name(predicate):
                raise NotInXml(f"RDF/XML cannot hold the predicate <{predicate}>.")
        if triple.predicate.value == _TYPE and not has_element and _is_no_element(triple.object):
            waiting.append(triple)
            continue
        has_element = True
        yield triple
        yield from waiting
        waiting.clear()
    _refuse(waiting)


def _predicates(triple: Any) -> Iterator[str]:
    """Yield the predicate of a triple, and those of triple terms in it."""
    yield triple.predicate.value
    if hasattr(triple.object, "predicate"):
        yield from _predicates(triple.object)


@lru_cache(maxsize=1024)
def _is_name(iri: str) -> bool:
    return bool(_ENDS_IN_NAME.search(iri)) and not _NO_NAMES.match(iri)


def _is_no_element(class_: Any) -> bool:
    return str(class_).startswith("<") and not _is_name(class_.value)


def _refuse(waiting: list[Any]) -> None:
    for triple in waiting:
        raise NotInXml(f"RDF/XML cannot hold the class <{triple.object.value}> alone.")
