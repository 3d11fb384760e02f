"""Entries kept within a budget of bytes; those that have not been asked for longest give way."""

from __future__ import annotations

import sys
import threading
from collections import Counter, OrderedDict, defaultdict
from itertools import chain
from typing import Final
from wsgiref.types import WSGIEnvironment

from server.cache.entries import Entry, Reply, values_of
from server.cache.key import READS, TOLD_BY_LINE, CacheKey, Line, line_of

_MOST_LINES: Final = 16
"""Lines that lead to one entry. A judgement: clients that ask the same spell it in a few ways."""

_KEY_BYTES: Final = 500
"""What a key or a line takes beside its texts; see ``entries`` for who holds that."""

_LARGEST_SHARE: Final = 8
"""One entry may take the budget divided by this. A judgement: some large ones have to fit in."""

_Key = tuple[CacheKey, tuple[str, ...], tuple[str | None, ...]]


class Store:
    """The entries of a cache.

    Args:
        budget: how many bytes they may take together; one alone may take an eighth of it.

    Attributes:
        size: how many bytes they take, by a careful estimate.
        evictions: how many gave way to others.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, Entry] = OrderedDict()
        # Of each question by which keys of the environment its entries vary, and how many do.
        self._varying = defaultdict[CacheKey, Counter[tuple[str, ...]]](Counter)
        self._lines: dict[Line, tuple[Entry, Reply]] = {}
        self.size = 0
        self.evictions = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._kept)

    def recall(self, line: Line) -> Reply | None:
        """Return the reply that was given to the same line before, or None."""
        found = self._lines.get(line)
        if found is None:
            return None
        entry, reply = found
        with self._lock:
            if entry.key in self._kept:  # another thread may have dropped it since it was found
                self._kept.move_to_end(entry.key)
        return reply

    def find(self, question: CacheKey, environ: WSGIEnvironment) -> Entry | None:
        """Return the entry that answers a question of a request with these headers, or None."""
        with self._lock:
            for names in self._varying.get(question, ()):
                key = (question, names, values_of(environ, names))
                entry = self._kept.get(key)
                if entry is not None:
                    self._kept.move_to_end(key)
                    return entry
        return None

    def put(self, entry: Entry) -> None:
        """Keep an entry, unless it is too large for the budget."""
        question, names, values = entry.key
        texts = chain(question.service, (question.path,), *question.parameters, names, values)
        entry.cost += _cost_of(tuple(texts))
        if entry.cost * _LARGEST_SHARE > self._budget:
            return
        with self._lock:
            self._drop(entry.key)
            self._kept[entry.key] = entry
            self._varying[question][names] += 1
            self._charge(entry)

    def note(self, environ: WSGIEnvironment, entry: Entry, reply: Reply) -> None:
        """Note which reply a request got, and what the entry has grown to thereby."""
        with self._lock:
            if self._kept.get(entry.key) is not entry:
                return
            # A line tells a request apart only by what stands in it.
            if environ["REQUEST_METHOD"] in READS and TOLD_BY_LINE.issuperset(entry.varying):
                self._add_line(entry, line_of(environ), reply)
            self._charge(entry)

    def _add_line(self, entry: Entry, line: Line, reply: Reply) -> None:
        if line not in entry.lines and len(entry.lines) >= _MOST_LINES:
            oldest = next(iter(entry.lines))
            del entry.lines[oldest], self._lines[oldest]
        entry.lines[line] = _cost_of(line)
        self._lines[line] = (entry, reply)

    def _charge(self, entry: Entry) -> None:
        cost = entry.cost + sum(entry.lines.values())
        self.size += cost - entry.charged
        entry.charged = cost
        while self.size > self._budget:
            self._drop(next(iter(self._kept)))
            self.evictions += 1

    def _drop(self, key: _Key) -> None:
        entry = self._kept.pop(key, None)
        if entry is None:
            return
        self.size -= entry.charged
        for line in entry.lines:
            del self._lines[line]
        question, names, _ = key
        self._varying[question] -= Counter([names])  # which keeps no name with a count of 0
        if not self._varying[question]:
            del self._varying[question]


def _cost_of(texts: Line) -> int:
    return sum(map(sys.getsizeof, texts)) + _KEY_BYTES
