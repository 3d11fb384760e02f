"""How the index of names is made of what an engine holds."""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import inf
from typing import Final

from kg.engine import Engine
from kg.rdf.namespaces import BASE, DG
from kg.results import select, stored
from kg.search.folding import words
from kg.search.index import PLACES, SQL, WEIGHTS, NameIndex

_CLAIM: Final = BASE + "id/claim/"
_ROLE: Final = DG + "usedAs"

_Texts = Mapping[str, dict[str, list[str]]]
"""By IRI and by field."""


def index_of(engine: Engine) -> NameIndex:
    """Make the index of the names in what an engine holds.

    Raises:
        kg.engine.EngineError: the engine does not answer.
    """
    texts: _Texts = defaultdict(lambda: defaultdict(list))
    for row in select(engine, stored("all-names"), seconds=inf):
        texts[str(row["iri"])][str(row["field"])].append(str(row["name"]))
    above: Mapping[str, set[str]] = defaultdict(set)
    for row in select(engine, stored("memberships"), seconds=inf):
        above[str(row["iri"])].add(str(row["class"]))
    places = select(engine, stored("own-iris"), seconds=inf)
    labels = {iri: _label(iri, fields) for iri, fields in texts.items()}
    database = sqlite3.connect(":memory:")
    database.executescript(SQL["schema"])
    database.executemany(
        "INSERT INTO things VALUES (?, ?, ?, ?, ?)",
        [
            (key, iri, labels[iri], _kind(iri, above, labels), *told.get("definition", [None])[:1])
            for key, (iri, told) in enumerate(texts.items())
        ],
    )
    database.executemany(
        "INSERT OR REPLACE INTO places VALUES (?, ?)",
        # An IRI that stands in several places has the last of them.
        [(str(row["iri"]), place) for place in PLACES for row in places.by("place")[place]],
    )
    database.executemany(
        "INSERT INTO members VALUES (?, ?)",
        [(each, number) for number, iri in enumerate(texts) for each in above[iri]],
    )
    names = [
        (" ".join(words(name)), number, field, name)
        for number, (iri, fields) in enumerate(texts.items())
        for field, name in _names(iri, fields)
    ]
    # They are found in this order, and only the first of very many.
    names.sort(key=lambda row: (-WEIGHTS[row[2]], row[0].count(" "), len(row[0]), row))
    database.executemany("INSERT INTO names VALUES (?, ?, ?, ?)", names)
    database.execute("INSERT INTO names (names) VALUES ('optimize')")
    database.commit()
    content = database.serialize()
    database.close()
    return NameIndex(content)


def _label(iri: str, fields: Mapping[str, list[str]]) -> str:
    known = [name for field in ("label", "title", "identifier") for name in fields.get(field, ())]
    return [*known, iri.rpartition("/")[2]][0]


def _names(iri: str, fields: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield fields and names of a thing; the label of a claim is a sentence, and no name."""
    for field, names in fields.items():
        for name in names:
            yield "definition" if field == "label" and iri.startswith(_CLAIM) else field, name
    yield "identifier", iri.rpartition("/")[2]


def _kind(iri: str, above: Mapping[str, set[str]], labels: Mapping[str, str]) -> str:
    """Return what the widest of our classes over a thing is called, or else what it is a thing of."""
    classes = sorted(each for each in above[iri] if not each.startswith(_ROLE))
    ours = [each for each in classes if each in labels]
    widest = [
        each
        for each in ours
        if not any(up in labels and up != each and not up.startswith(_ROLE) for up in above[each])
    ]
    if widest:
        return labels[widest[0]]
    local = re.split(r"[/#]", classes[0])[-1] if classes else "record"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", local).lower()
