"""Which query gives way to which: decisions over the ages of queries, without any effect on them.

`kg.engine.isolated.fork_server` looks at its workers every 20 ms and carries out what is decided.
Ages are in seconds, by slot; 0 is the age of a slot whose process is idle.
"""

from collections.abc import Callable, Sequence
from typing import Final

BRIEF: Final = 0.001
"""Age from which a query takes longer than handing it over and sending its answer (measured)."""

SHORT: Final = 0.05
"""Age from which a query keeps others waiting. A judgement: people do not notice such a wait."""

LONG: Final = 1.0
"""Age from which a query is long-running, and gives way to younger ones. A judgement."""

LOWEST_PRIORITY: Final = 19  # niceness, see setpriority(2)
_FIRST_STEP: Final = 5
"""By how much the niceness of a query grows when it becomes long-running; then by 1 a second."""

_BRIEF_LOOKS: Final = 10
"""For how many looks all queries have to be brief to be taken for the rule: 0.2 s (a judgement)."""

_SHARE_FOR_YOUNG: Final = 4
"""One worker out of so many runs no long query. A judgement."""


def niceness(age: float, usual: int) -> int | None:
    """Return the niceness for a query of an age; None: that of its process stays.

    Args:
        age: of the query.
        usual: niceness of a process whose query is not long-running; the result is never below.
    """
    if age < LONG:
        return None
    return min(LOWEST_PRIORITY, usual + _FIRST_STEP + int(age / LONG))


def crowding(ages: Sequence[float]) -> list[int]:
    """Return the slots whose queries have to end, so that some processes answer short queries.

    They are the latest of the long-running ones, where there are too many of these.
    """
    long = sorted((slot for slot, age in enumerate(ages) if age >= LONG), key=ages.__getitem__)
    room = max(1, len(ages) - max(1, len(ages) // _SHARE_FOR_YOUNG))
    return long[: max(0, len(long) - room)]


def costliest(ages: Sequence[float], taken: Callable[[int], int]) -> int | None:
    """Return the slot whose query has to end when memory runs short; None: no query is to blame.

    Args:
        ages: of the queries.
        taken: tells how much memory the process of a slot has taken.
    """
    lasting = [slot for slot, age in enumerate(ages) if age >= SHORT]
    return max(lasting, key=taken, default=None)


class Allotment:
    """How many concurrency tokens there should be, of which a process needs one to take up a query.

    Args:
        most: as many as there are processor cores.

    Attributes:
        tokens: how many there should be now: half of that while all queries are brief, when those
            who ask have as much to do.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._fewest = self.tokens = max(1, most // 2)
        self._brief_looks = 0
        self._missing = 0

    def missing(self, ages: Sequence[float], found: int) -> int:
        """Return how many tokens have to be added; below 0: how many there are too many.

        Args:
            ages: of the queries.
            found: how many tokens there are, be they free or not.
        """
        self._brief_looks = 0 if max(ages, default=0) >= BRIEF else self._brief_looks + 1
        self.tokens = self._fewest if self._brief_looks >= _BRIEF_LOOKS else self._most
        # Tokens are lost with workers that are killed while they take one, or put one back. But one
        # may have been taken and not noted yet, so what two looks in a row find missing is missing.
        before, self._missing = self._missing, self.tokens - found
        return self._missing if self._missing == before else 0


def outlasted(ages: Sequence[float], holding: Sequence[bool]) -> list[int]:
    """Return the slots that let others begin beside their queries: the more there are, the later.

    Many queries that are nearly short are through sooner if few of them run at a time.

    Args:
        ages: of the queries, where others wait for a process.
        holding: whether the process of a slot has a token.
    """
    beside = sum(age > 0 and not holds for age, holds in zip(ages, holding, strict=True))
    released: list[int] = []
    for slot, (age, holds) in enumerate(zip(ages, holding, strict=True)):
        if holds and age >= SHORT * (beside + len(released) + 1):
            released.append(slot)
    return released
