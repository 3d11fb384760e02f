"""What a name is compared by: words without case, accents, hyphens, plurals and national spelling."""

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from rapidfuzz import fuzz, process

_SPELLINGS: Final = [
    (re.compile(pattern), common)
    for pattern, common in json.loads(
        Path(__file__).with_name("folding.json").read_text(encoding="utf-8")
    )["spellings"].items()
]
"""What is written in several ways, as a pattern within a word, and what stands for all of them."""

_PLAIN: Final = 3
"""Words of this length are not respelt: "is" and "gas" are no plurals."""

_LIKE: Final = 65  # of 100, the least for a short word; a judgement


def like(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the words that one may be a misspelling of, in any case, the likeliest first."""
    folded = {each: each.casefold() for each in known}
    asked = word[:80].casefold()
    found = process.extract(asked, folded, scorer=fuzz.ratio, limit=most, score_cutoff=_LIKE)
    return [each for _, _, each in found]


def words(text: str) -> list[str]:
    """Return the words of a text, folded, in their order.

    British and American spelling, singular and plural, `CO₂` and `CO2` give the same words.
    """
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=\w)['\u2019](?=\w)", "", text)).casefold()
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return [_respelt(word) for word in re.findall(r"[^\W_]+", letters)]


@lru_cache(maxsize=65536)
def _respelt(word: str) -> str:
    if len(word) > _PLAIN:
        for pattern, common in _SPELLINGS:
            word = pattern.sub(common, word)
    return word
