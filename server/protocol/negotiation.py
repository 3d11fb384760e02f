"""Which representation a request gets: one table of representations, and one choice among offers.

The choice follows https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1 with these decisions:

- A missing or empty Accept header accepts everything, and the first offer is given.
- Among media ranges that match a representation, the most specific decides, so that `q=0` on a
  type excludes it whatever a wildcard says.
- An alias, such as `application/json` for SPARQL JSON, counts where it is named itself, not
  through a wildcard, and only if the type that it stands for is not named.
- Equal quality: what the client names comes before what a wildcard allows; HTML comes first if
  it is named, so that browsers get pages; then the order of the offers decides.
- `application/xhtml+xml` means a page only where nothing else is acceptable.
- Of parameters, `charset` and `header` are compared; others are disregarded.
- A header that does not follow the grammar is refused, except for what clients are known to send:
  `*` for `*/*`, and what `server.protocol.quality` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from kg.engine import Format
from kg.rdf import formats
from server.data import rows
from server.protocol.errors import MalformedHeader, NotAcceptable
from server.protocol.quality import WORD, MalformedElement, elements, shortened, weighted


@dataclass(frozen=True)
class Representation:
    """A way to represent something in a response.

    Attributes:
        name: short name, the value of the parameter `format`.
        label: the name that people know it by.
        media_type: media type without parameters.
        suffix: file name ending without the dot.
        parameters: parameters of the media type in the Content-Type header.
        aliases: media types that clients use for it in the Accept header.
        stand_ins: media types for which it is given when nothing suits them better.
        names: other short names that clients use for it.
        format: the engine's format that it is written in, or None for pages and problems.
        w3c_name: what https://www.w3.org/ns/formats/ calls that format.
    """

    name: str
    label: str
    media_type: str
    suffix: str
    parameters: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    format: Format | None = None
    w3c_name: str = ""

    @cached_property
    def content_type(self) -> str:
        """The value of the Content-Type header, which every answer has."""
        return "; ".join([self.media_type, *(f"{key}={value}" for key, value in self.parameters)])

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every value of the parameter `format` that means this representation."""
        return (self.name, self.suffix, *self.names, self.media_type, *self.aliases)


_XHTML = "application/xhtml+xml"


def _represented(row: Mapping[str, str]) -> Representation:
    members: dict[str, Any] = {**row, "format": None}
    members |= {name: tuple(row[name].split()) for name in ("aliases", "stand_ins", "names")}
    parameters = (each.partition("=") for each in row["parameters"].split())
    members["parameters"] = tuple((name, value) for name, _, value in parameters)
    if row["w3c_name"]:
        written = members["format"] = formats.named(row["name"])
        members |= {name: getattr(written, name) for name in ("label", "media_type", "suffix")}
    return Representation(**members)


REPRESENTATIONS: Final = tuple(map(_represented, rows("negotiation")))
"""Every representation that the service gives."""

JSON, XML, CSV, TSV = REPRESENTATIONS[:4]
TURTLE, NTRIPLES, JSONLD, RDFXML, TRIG, NQUADS = REPRESENTATIONS[4:10]
HTML, PLAIN_JSON, SPARQL, CSL_JSON, BIBTEX, PROBLEM, PLAIN_TEXT = REPRESENTATIONS[10:17]
SSSOM, PROMETHEUS, CSVW, LINKSET = REPRESENTATIONS[17:]

RDF: Final = REPRESENTATIONS[4:10]
"""What a graph is offered as, the default first."""


class MediaRange(NamedTuple):
    """One element of an Accept header.

    Attributes:
        name: type and subtype in lower case; `*` for any.
        parameters: name in lower case and value, without quotes.
        quality: from 0, not acceptable, to 1.
    """

    name: str
    parameters: tuple[tuple[str, str], ...]
    quality: float


_RANGE: Final = re.compile(rf"(?!\*/(?!\*$)){WORD}/{WORD}")


def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """Read an Accept header.

    Raises:
        MalformedHeader: an element does not follow the grammar.
    """
    return tuple(map(_media_range, elements(header)))


def _media_range(element: str) -> MediaRange:
    try:
        name, parameters, quality = weighted(element)
    except MalformedElement as error:
        raise _malformed(element, str(error)) from None
    name = "*/*" if name == "*" else name
    if not _RANGE.fullmatch(name):
        raise _malformed(element, "is not a media type")
    return MediaRange(name, parameters, quality)


def _malformed(element: str, what: str) -> MalformedHeader:
    return MalformedHeader(
        "Accept",
        f"In the Accept header, {shortened(element)!r} {what}.",
        hint="Write media types separated by commas, such as text/turtle, text/html;q=0.5",
    )


# How specific a match is; an exact match of n parameters adds n.
_BY_STAND_IN = 0
_BY_ANYTHING = 1
_BY_TYPE = 2
_BY_ALIAS = 3
_BY_NAME = 4

_Match = tuple[float, int]
"""Quality and specificity of a match."""


def _specificity(wanted: MediaRange, offer: Representation) -> int | None:
    """Tell how specifically a range matches a representation; None: it does not."""
    given = {"charset": "utf-8", **dict(offer.parameters)}
    named = [(key, value) for key, value in wanted.parameters if key in given]
    if any(value.lower().replace("utf8", "utf-8") != given[key].strip('"') for key, value in named):
        return None
    if wanted.name == offer.media_type:
        return _BY_NAME + sum(each in offer.parameters for each in wanted.parameters)
    if wanted.name in offer.aliases:
        return _BY_ALIAS
    if wanted.name in offer.stand_ins:
        return _BY_STAND_IN
    kind = offer.media_type.partition("/")[0]
    return {f"{kind}/*": _BY_TYPE, "*/*": _BY_ANYTHING}.get(wanted.name)


def _match(ranges: Iterable[MediaRange], offer: Representation) -> _Match | None:
    """Return quality and specificity with which a header accepts a representation."""
    found: list[tuple[int, float]] = []
    others: list[_Match] = []
    for wanted in ranges:
        specificity = _specificity(wanted, offer)
        if specificity in (_BY_ALIAS, _BY_STAND_IN):
            others.append((wanted.quality, specificity))
        elif specificity is not None:
            found.append((specificity, wanted.quality))
    if found:
        specificity, quality = max(found)
        if specificity >= _BY_NAME:
            return quality, specificity
        others.append((quality, specificity))
    return max(others, default=None)


def best(accept: str | None, offers: Sequence[Representation]) -> Representation | None:
    """Return the offer that an Accept header prefers, or None if it accepts none of them.

    Args:
        accept: the value of the header; None or empty: everything is accepted.
        offers: what there is, the default first.

    Raises:
        MalformedHeader: the header does not follow the grammar.
    """
    ranges = parse_accept(accept or "")
    if not ranges:
        return offers[0]
    ranked = []
    for place, offer in enumerate(offers):
        match = _match(ranges, offer)
        if match is not None and match[0] > 0:
            page = offer == HTML and match[1] >= _BY_ALIAS
            # Beyond naming it, being precise about parameters expresses no preference.
            ranked.append((match[0], min(match[1], _BY_NAME), page, -place))
    if ranked:
        return offers[-max(ranked)[3]]
    # All browsers name text/html as well. Who does not, as rdflib, does not mean pages.
    is_page = any(each.name == _XHTML and each.quality for each in ranges)
    return HTML if is_page and HTML in offers else None


def choose(accept: str | None, offers: Sequence[Representation]) -> Representation:
    """Return the offer that an Accept header prefers.

    Raises:
        NotAcceptable: it accepts none of them.
        MalformedHeader: the header does not follow the grammar.
    """
    chosen = best(accept, offers)
    if chosen is None:
        raise NotAcceptable(offers)
    return chosen


def named(name: str, offers: Iterable[Representation]) -> Representation | None:
    """Return the first offer that has a short name, suffix or media type, or None.

    Several names may be given, separated by commas; an unescaped + of a media type, which
    arrives as a space, is understood.
    """
    wanted = {each.strip().lower().replace(" ", "+") for each in name.split(",")}
    return next((offer for offer in offers if not wanted.isdisjoint(offer.all_names)), None)
