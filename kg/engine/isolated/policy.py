"""Which query gives way to which: decisions over the ages of queries, without any effect.

`kg.engine.isolated.fork_server` looks at its workers every 20 ms and carries out what is decided.
Ages are in seconds, by slot; 0 is the age of a slot whose process is idle.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

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


class Allotment(NamedTuple):
    """How many concurrency tokens there are, of which a process needs one to take up a query.

    Attributes:
        most: as many as there are processor cores.
        tokens: how many there should be now: half of that while all queries are brief, when those
            who ask have as much to do.
        brief_looks: for how many looks all queries have been brief.
        missing: how many tokens too few there were at the last look; below 0: too many.
    """

    most: int
    tokens: int
    brief_looks: int = 0
    missing: int = 0


class Moves(NamedTuple):
    """What becomes of tokens.

    Attributes:
        released: slots whose tokens others may have.
        withdrawn: slots whose tokens nobody gets.
        added: number of new tokens.
    """

    released: tuple[int, ...]
    withdrawn: tuple[int, ...]
    added: int


def allotment(cores: int) -> Allotment:
    """Return the allotment to begin with."""
    return Allotment(cores, max(1, cores // 2))


def allot(
    before: Allotment,
    ages: Sequence[float],
    holding: Sequence[bool],
    free: int,
    *,
    waited_for: bool,
) -> tuple[Allotment, Moves]:
    """Decide what becomes of tokens.

    Args:
        before: the allotment at the last look.
        ages: of the queries.
        holding: whether the process of a slot has a token.
        free: number of tokens that no process has.
        waited_for: whether queries wait for a process.
    """
    released = _outlasted(ages, holding) if waited_for else ()
    brief_looks = 0 if max(ages, default=0) >= BRIEF else before.brief_looks + 1
    few = brief_looks >= _BRIEF_LOOKS
    tokens = allotment(before.most).tokens if few else before.most
    # Tokens are lost with workers that are killed while they take one, or put one back. But one may
    # have been taken and not noted yet, so what two looks in a row find missing is missing.
    missing = tokens - sum(holding) - free
    after = Allotment(before.most, tokens, brief_looks, missing)
    if missing != before.missing:
        return after, Moves(released, (), 0)
    kept = [slot for slot, holds in enumerate(holding) if holds and slot not in released]
    kept.reverse()  # so that the first slot goes on, whose worker has copied what it writes to
    return after, Moves(released, tuple(kept[: max(0, -missing)]), max(0, missing))


def _outlasted(ages: Sequence[float], holding: Sequence[bool]) -> tuple[int, ...]:
    """Return the slots that let others begin beside their queries: the more there are, the later.

    Many queries that are nearly short are through sooner if few of them run at a time.
    """
    beside = sum(age > 0 and not holds for age, holds in zip(ages, holding, strict=True))
    released: list[int] = []
    for slot, (age, holds) in enumerate(zip(ages, holding, strict=True)):
        if holds and age >= SHORT * (beside + len(released) + 1):
            released.append(slot)
    return tuple(released)
