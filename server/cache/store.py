"""Entries kept within a budget of bytes; those that have not been asked for longest give way."""

from __future__ import annotations

import sys
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from server.cache.entries import Entry, Reply, values_of
from server.cache.key import READS, VERSION, CacheKey

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_IN_LINE: Final = (
    *(VERSION, "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING"),
    *("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "SCRIPT_NAME"),
    *("HTTP_AUTHORIZATION", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"),
)
_TOLD_BY_LINE: Final = frozenset({"HTTP_ACCEPT", "QUERY_STRING", "REQUEST_METHOD"})
_MOST_LINES: Final = 16
_KEY_BYTES: Final = 500
_KEPT_SHARE: Final = 8

Line = tuple[str | None, ...]
"""A reading request as it came, without what makes no difference to its answer."""

_Key = tuple[CacheKey, tuple[str, ...], tuple[str | None, ...]]


def line_of(environ: WSGIEnvironment) -> Line:
    """Return the line of a GET or HEAD, by which an answer is found at once if it was asked before.

    Requests that have to be left to the app have lines that no entry has.
    """
    return tuple(map(environ.get, _IN_LINE))


@dataclass(slots=True)
class _Kept:
    """An entry with what it costs: itself, its key and the lines that lead to it."""

    key: _Key
    entry: Entry
    own: int
    lines: dict[Line, int] = field(default_factory=dict)
    charged: int = 0


class Store:
    """The entries of a cache.

    Args:
        budget: how many bytes they may take together; one alone may take an eighth of it.

    Attributes:
        size: how many bytes they take, by a careful estimate.
        hits: how many times one was found.
        evictions: how many gave way to others.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._varying: dict[CacheKey, Counter[tuple[str, ...]]] = {}
        self._lines: dict[Line, tuple[_Kept, Reply]] = {}
        self.size = 0
        self.hits = 0
        self.evictions = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._kept)

    def recall(self, line: Line) -> Reply | None:
        """Return the reply that was given to the same line before, or None."""
        found = self._lines.get(line)
        if found is None:
            return None
        kept, reply = found
        with self._lock:
            self.hits += 1
            if kept.key in self._kept:
                self._kept.move_to_end(kept.key)
        return reply

    def find(self, question: CacheKey, environ: WSGIEnvironment) -> Entry | None:
        """Return the entry that answers a question of a request with these headers, or None."""
        with self._lock:
            for names in self._varying.get(question, ()):
                key = (question, names, values_of(environ, names))
                kept = self._kept.get(key)
                if kept is not None:
                    self._kept.move_to_end(key)
                    self.hits += 1
                    return kept.entry
        return None

    def put(self, question: CacheKey, environ: WSGIEnvironment, entry: Entry) -> None:
        """Keep an entry, unless it is too large for the budget."""
        key = _key(question, environ, entry)
        kept = _Kept(key, entry, _cost_of(key))
        if (kept.own + entry.cost) * _KEPT_SHARE > self._budget:
            return
        with self._lock:
            self._drop(key)
            self._kept[key] = kept
            self._varying.setdefault(question, Counter())[entry.varying] += 1
            self._charge(kept)

    def note(
        self, question: CacheKey, environ: WSGIEnvironment, entry: Entry, reply: Reply
    ) -> None:
        """Note which reply a request got, and what the entry has grown to thereby."""
        key = _key(question, environ, entry)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.entry is not entry:
                return
            if environ["REQUEST_METHOD"] in READS:
                self._add_line(kept, line_of(environ), reply)
            self._charge(kept)

    def _add_line(self, kept: _Kept, line: Line, reply: Reply) -> None:
        # A line tells a request apart only by what stands in it.
        if not _TOLD_BY_LINE.issuperset(kept.entry.varying):
            return
        if line not in kept.lines and len(kept.lines) >= _MOST_LINES:
            oldest = next(iter(kept.lines))
            kept.own -= kept.lines.pop(oldest)
            del self._lines[oldest]
        kept.own += _cost_of_line(line) - kept.lines.get(line, 0)
        kept.lines[line] = _cost_of_line(line)
        self._lines[line] = (kept, reply)

    def _charge(self, kept: _Kept) -> None:
        cost = kept.own + kept.entry.cost
        self.size += cost - kept.charged
        kept.charged = cost
        while self.size > self._budget:
            self._drop(next(iter(self._kept)))
            self.evictions += 1

    def _drop(self, key: _Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self.size -= kept.charged
        for line in kept.lines:
            del self._lines[line]
        question, names, _ = key
        counts = self._varying[question]
        counts[names] -= 1
        if counts[names] == 0:
            del counts[names]
        if not counts:
            del self._varying[question]


def _key(question: CacheKey, environ: WSGIEnvironment, entry: Entry) -> _Key:
    return question, entry.varying, values_of(environ, entry.varying)


def _cost_of(key: _Key) -> int:
    question, names, values = key
    texts = chain(question.service, (question.path,), *question.parameters, names, values)
    return _cost_of_line(tuple(texts))


def _cost_of_line(line: Line) -> int:
    return sum(map(sys.getsizeof, line)) + _KEY_BYTES
