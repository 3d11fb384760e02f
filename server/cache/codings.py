"""Content codings: which one a client prefers, and bodies compressed in it.

The choice follows https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3 with these decisions:

- A missing, empty or overlong Accept-Encoding header means no coding, as does one that admits none
  of ours: there is always an answer.
- A coding that the header names or a wildcard allows comes before no coding, unless the header
  gives `identity` a higher quality. Equal quality: the order of the table decides.
- Elements that do not follow the grammar are disregarded.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import Final, NamedTuple

import brotli

from server.protocol import quality
from server.protocol.negotiation import REPRESENTATIONS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "zstd": partial(zstd.compress, level=3),
    "br": partial(brotli.compress, quality=4),
    # Without the time in it, equal bodies have equal bytes.
    "gzip": partial(gzip.compress, compresslevel=6, mtime=0),
}
"""What compresses for each coding, the preferred one first.

At these levels each compresses more than 100 MB of results a second, zstd five times as much, and
their sizes differ by a tenth.
"""

IDENTITY: Final = "identity"
"""The name of no coding."""

_WORTHWHILE: Final = 1024
"""Bytes of a body below which compressing it saves nothing."""

_LONGEST: Final = 1000
"""Characters of a header that is read. A judgement: browsers send 30, and each is remembered."""

_ALIASES: Final = {"x-gzip": "gzip"}
_TEXT: Final = {each.media_type for each in REPRESENTATIONS}


class Preference(NamedTuple):
    """What an Accept-Encoding header comes to.

    Attributes:
        coding: the best coding, a key of CODINGS or IDENTITY.
        required: whether the client refuses bodies without a coding.
    """

    coding: str
    required: bool


_NO_PREFERENCE: Final = Preference(IDENTITY, required=False)


def preferred(header: str | None) -> Preference:
    """Choose the coding that an Accept-Encoding header prefers."""
    return _preferred(header) if header and len(header) <= _LONGEST else _NO_PREFERENCE


@lru_cache(maxsize=512)
def _preferred(header: str) -> Preference:
    qualities = _qualities(header)
    others = qualities.get("*", 0.0)
    ranked = {name: qualities.get(name, others) for name in CODINGS}
    best = max(ranked, key=lambda name: ranked[name])
    without = qualities.get(IDENTITY)
    if ranked[best] == 0 or (without is not None and without > ranked[best]):
        return _NO_PREFERENCE
    refused = without == 0 or (without is None and qualities.get("*") == 0)
    return Preference(best, required=refused)


def _qualities(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for element in quality.elements(header):
        with suppress(quality.MalformedElement):
            coding, parameters, weight = quality.weighted(element)
            if not parameters:
                found[_ALIASES.get(coding, coding)] = weight
    return found


def is_text(content_type: str) -> bool:
    """Tell whether bodies of a media type are worth compressing."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in _TEXT or media_type.startswith("text/") or media_type.endswith("+xml")


def compressed(body: bytes, preference: Preference) -> bytes | None:
    """Return a body in the preferred coding, or None if it is better off without."""
    if preference.coding == IDENTITY:
        return None
    if len(body) < _WORTHWHILE and not preference.required:
        return None
    result = CODINGS[preference.coding](body)
    return result if preference.required or len(result) < len(body) else None
