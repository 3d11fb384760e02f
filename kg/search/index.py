"""The index of names: what people write, and the things that they mean by it."""

import json
import re
import sqlite3
import tomllib
import weakref
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from rapidfuzz import fuzz, process

from kg.rdf.namespaces import BASE, GRAPH, iri_of
from kg.search.folding import words

_RANKING: Final = json.loads(Path(__file__).with_name("ranking.json").read_text(encoding="utf-8"))
WEIGHTS: Final[dict[str, float]] = _RANKING["fields"]
"""How much a name counts by the field that it is from; judgements, held by tests/kg/search."""

_KINDS: Final[dict[str, float]] = _RANKING["kinds"]
"""The same by the kind of thing: who writes a word means a concept before a record."""

NAMING: Final = tuple(_RANKING["naming"])
"""The fields by which a thing is called, and not only told of."""

PLACES: Final = ("other", "claims", "predicate")
"""Where an IRI may stand: in triples, as the predicate of claims, as that of triples; the last counts."""

_COMMON: Final = frozenset(
    word
    for line in Path(__file__).with_name("common_words.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for word in words(line)
)

SQL: Final = tomllib.loads(Path(__file__).with_name("sql.toml").read_text(encoding="utf-8"))
_THINGS: Final = SQL["things"]

_SCORED: Final = 250
"""How many of them are scored, which takes most of the time of a search: the rest comes behind."""

_MOST_WORDS: Final = 12  # of a query; nobody means a thing with more
_LONGEST_NAME: Final = 200  # characters that are compared, which takes longer the more there are
_LIKENESS: Final = 75  # of 100, the least of a misspelling
_SHORT: Final = 4  # letters, with fewer of which a word is like too many
_UNSCORED: Final = 0.1
_GOOD: Final = 0.5  # the score from which on nothing else is looked for
_POOR: Final = 0.35  # that below which several names together are useless


class Thing(NamedTuple):
    """A concept, property or record of ours.

    Attributes:
        iri: its IRI.
        label: what it is called.
        kind: what kind of thing it is, in words.
        definition: what it is; None: it has none.
    """

    iri: str
    label: str
    kind: str
    definition: str | None


class NameMatch(NamedTuple):
    """A thing that was found.

    Attributes:
        thing: the thing.
        name: the name by which it was found.
        field: what that is to it: label, synonym, lay word, abbreviation, code, definition ...
        score: 1 for a label that is what was asked for, less for less.
        fits: the same by the words that were looked for.
    """

    thing: Thing
    name: str
    field: str
    score: float
    fits: Sequence[float]

    def highlights(self, text: str) -> list[tuple[int, int]]:
        """Return where in the name words of a text are: each the first character and the one after."""
        wanted = words(text)
        return [
            found.span()
            for found in re.finditer(r"[^\W_]+", self.name)
            for folded in words(found[0])
            if any(folded.startswith(w) or fuzz.ratio(folded, w) >= _LIKENESS for w in wanted)
        ]


class NameIndex:
    """All names of one version of the graph.

    Args:
        content: a database as ``kg.search.making`` makes it.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """

    def __init__(self, content: bytes) -> None:
        # It is only read, which SQLite lets threads do together.
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.deserialize(content)
        weakref.finalize(self, self._database.close)
        (state,) = self._database.execute("PRAGMA quick_check").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)

    @property
    def content(self) -> bytes:
        """The database, to be kept."""
        return self._database.serialize()

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of things that there are."""
        return frozenset(kind for (kind,) in self._database.execute("SELECT kind FROM things"))

    def thing(self, iri: str) -> Thing | None:
        """Return the thing with an IRI; None: there is none."""
        found = self._database.execute(f"{_THINGS} WHERE iri = ?", (iri,)).fetchone()
        return found and Thing(*found)

    @cached_property
    def called(self) -> Mapping[str, Mapping[str, str]]:
        """A name of each thing, by its IRI, by each of the fields that name it."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for iri, field, name in self._database.execute(SQL["called"]):
            found[iri] |= {field: name} if field in NAMING else {}
        return found

    def place_of(self, iri: str) -> str | None:
        """Return which of ``PLACES`` an IRI of ours has; None: it is in no triple."""
        query = "SELECT place FROM places WHERE iri = ?"
        found = self._database.execute(query, (iri,)).fetchone()
        return str(found[0]) if found else None

    def members(self, class_iri: str) -> list[Thing]:
        """Return what belongs to a class, a role or a scheme: the class itself, the rest by label."""
        found = self._database.execute(
            f"{_THINGS} JOIN members ON thing = id WHERE class = ?1"
            " ORDER BY iri != ?1, lower(label), iri",
            (class_iri,),
        )
        return [Thing(*row) for row in found]

    def is_member(self, iri: str, classes: Collection[str]) -> bool:
        """Tell whether a thing belongs to one of some classes, roles or schemes; to no class: yes."""
        found = self._database.execute(
            "SELECT class FROM members JOIN things ON thing = id WHERE iri = ?", (iri,)
        )
        return not classes or any(each in classes for (each,) in found)

    def meant(self, text: str, classes: Collection[str] = ()) -> list[NameMatch]:
        """Return the things that are called by a text as a whole, by the best field first.

        Args:
            text: what somebody wrote.
            classes: to one of which the things belong; empty: any.
        """
        wanted = words(text)
        terms = [{word: 1.0} for word in wanted[:_MOST_WORDS]]
        found = _best(self._matches(terms, whole=" ".join(wanted)))
        called = [each for each in found if each.field in NAMING]
        return [each for each in called if self.is_member(each.thing.iri, classes)]

    def resolved(
        self, text: str, classes: Collection[str] = (), among: Collection[str] = ()
    ) -> tuple[list[Thing], list[Thing]]:
        """Return the things that a text means: one that is understood, or several, or none.

        Args:
            text: what somebody wrote: an IRI, whole or short, in any case, or any name.
            classes: as in ``meant``.
            among: the only IRIs that are accepted; empty: any.

        Returns:
            What it means; and, if that is nothing, what may be meant, the likeliest first.
        """

        def fitting(things: Iterable[Thing | None]) -> list[Thing]:
            there = [each for each in things if each and (not among or each.iri in among)]
            return [each for each in there if self.is_member(each.iri, classes)]

        iri = iri_of(text)
        named = fitting([self.thing(iri) or self._in_any_case(iri)] if iri else ())
        # A word alone is rather a name than the last part of an IRI: "laser" is no property.
        if named and ":" in text:
            return named, []
        called = [each for each in self.meant(text, classes) if fitting([each.thing])]
        best = [each.thing for each in called if each.score == called[0].score]
        if best or named:
            return [each for each in best if each in named] or best or named, []
        like = (
            self.near(iri, 50)
            if iri
            else [each.thing for each in self.search(text, classes, _SCORED)]
        )
        return [], fitting(like)[:5]  # as many as a person reads

    def _in_any_case(self, iri: str) -> Thing | None:
        """Return the only thing whose IRI is another but for upper and lower case, or None."""
        found = self._database.execute(f"{_THINGS} WHERE iri = ? COLLATE NOCASE", (iri,)).fetchall()
        return Thing(*found[0]) if len(found) == 1 else None

    def search(self, text: str, classes: Collection[str] = (), most: int = -1) -> list[NameMatch]:
        """Return the things that a text may mean, the likeliest first.

        Its words are looked for in any order, as they are, as beginnings of words and, where no name
        has such a word, as misspellings. If no name has them all, those that say nothing, such as
        "how" and "my", are left out, and a thing may have the others in several names.

        Args:
            text: what somebody wrote.
            classes: as in ``meant``.
            most: how many names that have the words are looked at; -1: all, of which there may be
                very many.
        """
        whole = words(text)
        wanted = whole[:_MOST_WORDS]
        spelt = [self._spelt(each) for each in wanted]
        found = self._matches(spelt, most=most)
        telling = [each for each in whole if each not in _COMMON]
        if not found and 0 < len(telling) < len(whole):
            return self.search(" ".join(telling), classes, most)
        if len(wanted) > 1 and max((each.score for each in found), default=0) < _GOOD:
            found += self._matches([self._spelt("".join(wanted))])
            found += _over_names(self._matches(spelt, joint=" OR ", most=most))
        return [each for each in _best(found) if self.is_member(each.thing.iri, classes)]

    def near(self, iri: str, limit: int = 5) -> list[Thing]:
        """Return what may be meant by an IRI that is not known, the likeliest first.

        Its last part is compared with those of the IRIs in the same place, then with names of what is
        there and begins with a letter of the same case; what is elsewhere is taken where nothing is,
        and records that the build keeps of itself where nothing else is. A number is no word: another
        one elsewhere is not meant, nor is anything by an IRI of others.
        """
        place, _, local = iri[: len(BASE) + _LONGEST_NAME].rstrip("/").rpartition("/")
        if not iri.startswith(BASE):
            return []
        there = self._local_names.get(place, {})
        like = process.extract(
            _plain(local), there, scorer=fuzz.ratio, limit=limit, score_cutoff=_LIKENESS
        )
        found = [each for _, _, each in like]
        if f"{place}/" == GRAPH:  # which are few
            found = found or list(there)
        elif not re.fullmatch(r"[A-Za-z]?\d+", local):
            spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", local)
            called = [each.thing for each in self.search(spaced) if each.field in NAMING]
            known = [each for each in called if each.kind not in _RANKING["bookkeeping"]] or called
            first = slice(len(place) + 1, len(place) + 2)
            alike = [each.iri for each in known if each.iri in there]
            found += [each for each in alike if each[first].islower() == local[:1].islower()]
            found = found or [each.iri for each in known]
        return [each for each in map(self.thing, list(dict.fromkeys(found))[:limit]) if each]

    @cached_property
    def _local_names(self) -> Mapping[str, Mapping[str, str]]:
        """The last parts of IRIs, folded, by the IRI, by the place that they are in."""
        names: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for (iri,) in self._database.execute("SELECT iri FROM things"):
            place, _, local = iri.rpartition("/")
            names[place][iri] = _plain(local)
        return names

    @cached_property
    def _vocabulary(self) -> list[str]:
        rows = self._database.execute("SELECT term FROM vocabulary ORDER BY term")
        return [term for (term,) in rows]

    def _spelt(self, word: str) -> dict[str, float]:
        """Return the words, or their beginnings, that a word stands for, with how well, from 0 to 1."""
        place = bisect_left(self._vocabulary, word)
        if any(each.startswith(word) for each in self._vocabulary[place : place + 1]):
            return {word: 1.0}
        if len(word) < _SHORT or not word.isalpha():  # a number or a code is no misspelling
            return {}
        # Few misspell the first letter, and to compare with all words takes ten times as long.
        first = bisect_left(self._vocabulary, word[0])
        after = bisect_left(self._vocabulary, chr(ord(word[0]) + 1))
        for terms in (self._vocabulary[first:after], self._vocabulary):
            like = process.extract(word, terms, scorer=fuzz.ratio, limit=6, score_cutoff=_LIKENESS)
            if like:
                break
        return {term: 0.9 * ratio / 100 for term, ratio, _ in like if term.isalpha()}

    def _matches(
        self,
        spelt: Sequence[dict[str, float]],
        joint: str = " AND ",
        whole: str | None = None,
        most: int = -1,
    ) -> list[NameMatch]:
        """Return the names that have words, with how well they fit.

        Args:
            spelt: for each word what it stands for, see ``_spelt``.
            joint: whether a name has all of them, or some.
            whole: what the name is, folded; None: anything.
            most: how many names are looked at; -1: all.
        """
        terms = ["(" + " OR ".join(f'"{term}"*' for term in each) + ")" for each in spelt if each]
        if not terms or (joint == " AND " and len(terms) < len(spelt)):
            return []
        rows = self._database.execute(SQL["matching"], (joint.join(terms), whole, whole, most))
        found = []
        for place, (name, field, written, *thing) in enumerate(rows):
            weight = WEIGHTS[field] * _KINDS.get(thing[2], 1)
            parts = _fits(name.split(), spelt) if place < _SCORED else [_UNSCORED] * len(spelt)
            fits = [each * weight for each in parts]
            score = round(sum(fits) / len(fits), 4)
            found.append(NameMatch(Thing(*thing), written, field, score, fits))
        return found


def _plain(local: str) -> str:
    return re.sub(r"[\W_]", "", local.casefold())


def _fits(name: list[str], spelt: Sequence[dict[str, float]]) -> list[float]:
    """Tell for each word how well a name has it, from 0 to 1; a judgement."""
    beside = min(max(len(name) - len(spelt), 0), 10)
    return [
        max(
            (
                quality * (1 if word == term else 0.6 + 0.3 * len(term) / len(word))
                for term, quality in each.items()
                for word in name
                if word.startswith(term)
            ),
            default=0,
        )
        / (1 + 0.06 * beside)
        for each in spelt
    ]


def _over_names(found: Iterable[NameMatch]) -> list[NameMatch]:
    """Return matches scored by what all names of their thing have together, but a little less."""
    by_thing: defaultdict[str, list[NameMatch]] = defaultdict(list)
    for each in found:
        by_thing[each.thing.iri].append(each)
    scored = []
    for matches in by_thing.values():
        fits = [max(column) for column in zip(*(each.fits for each in matches), strict=True)]
        score = round(0.9 * sum(fits) / len(fits), 4)
        if score > _POOR:
            scored.append(max(matches, key=lambda each: each.score)._replace(score=score))
    return scored


def _best(found: Iterable[NameMatch]) -> list[NameMatch]:
    """Return each thing once, by the name that fits best, the best first."""
    ranked = sorted(found, key=lambda each: (-each.score, len(each.thing.label), each.thing.iri))
    best: dict[str, NameMatch] = {}
    for each in ranked:
        best.setdefault(each.thing.iri, each)
    return list(best.values())
