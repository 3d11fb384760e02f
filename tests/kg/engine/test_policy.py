"""Which query gives way to which, decided over any ages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kg.engine.isolated import policy
from kg.engine.isolated.fork_server import JobServer
from kg.engine.isolated.scoreboard import Scoreboard

AGES = st.one_of(
    st.just(0.0), st.floats(0, 0.002), st.floats(0, 0.3), st.floats(0.9, 1.1), st.floats(0, 100)
)
SLOTS = st.integers(1, 20)
NICENESS = st.integers(-20, 19)


@st.composite
def processes(draw: st.DrawFn) -> tuple[list[float], list[bool]]:
    """Return the ages of queries, and which of their processes have a token."""
    number = draw(SLOTS)
    ages = draw(st.lists(AGES, min_size=number, max_size=number))
    return ages, draw(st.lists(st.booleans(), min_size=number, max_size=number))


@given(AGES, NICENESS)
def test_no_priority_is_raised(age: float, usual: int) -> None:
    """Whatever niceness the service was started with, its queries have that or a higher one."""
    niceness = policy.niceness(age, usual)

    if age < policy.LONG:
        assert niceness is None
    else:
        assert niceness is not None
        assert usual <= niceness <= 19
        assert niceness > usual or usual == 19


@given(AGES, AGES, NICENESS)
def test_the_older_a_query_the_lower_its_priority(one: float, two: float, usual: int) -> None:
    """The niceness never falls as a query grows older."""
    younger, older = (policy.niceness(age, usual) or usual for age in sorted((one, two)))

    assert younger <= older


@given(processes())
def test_some_processes_are_left_to_short_queries(state: tuple[list[float], list[bool]]) -> None:
    """Only long-running queries end, the latest first, and no more than have to."""
    ages, _ = state
    crowding = policy.crowding(ages)
    staying = [age for slot, age in enumerate(ages) if slot not in crowding]
    long = [age for age in ages if age >= policy.LONG]
    room = max(1, len(ages) - max(1, len(ages) // 4))

    assert all(ages[slot] >= policy.LONG for slot in crowding)
    assert sum(age >= policy.LONG for age in staying) == min(len(long), room)
    assert max((ages[slot] for slot in crowding), default=0) <= min(
        (age for age in staying if age >= policy.LONG), default=100
    )


@given(processes(), st.randoms(use_true_random=False))
def test_the_query_that_took_the_most_ends(
    state: tuple[list[float], list[bool]], chance: object
) -> None:
    """When memory runs short, that is one which is not short; if all are, none is to blame."""
    ages, _ = state
    taken = {slot: chance.randrange(5) for slot in range(len(ages))}  # type: ignore[attr-defined]
    lasting = [slot for slot, age in enumerate(ages) if age >= policy.SHORT]
    costliest = policy.costliest(ages, taken.__getitem__)

    assert (costliest is None) == (not lasting)
    assert costliest is None or costliest in lasting
    assert costliest is None or taken[costliest] == max(taken[slot] for slot in lasting)


@given(
    state=processes(),
    cores=st.integers(1, 20),
    free=st.integers(0, 10),
    waited_for=st.booleans(),
    looks=st.integers(12, 30),
)
def test_there_come_to_be_as_many_tokens_as_there_should(
    state: tuple[list[float], list[bool]], cores: int, free: int, *, waited_for: bool, looks: int
) -> None:
    """However many were lost or are too many; those of running queries are the last to go."""
    ages, holding = state
    allotment = policy.Allotment(cores)
    for _ in range(looks):
        released = policy.outlasted(ages, holding) if waited_for else []
        assert all(holding[slot] for slot in released)
        holding = [holds and slot not in released for slot, holds in enumerate(holding)]
        free += len(released)
        missing = allotment.missing(ages, sum(holding) + free)
        free += max(0, missing)
        withdrawn = [slot for slot, holds in enumerate(holding) if holds][: max(0, -missing)]
        holding = [holds and slot not in withdrawn for slot, holds in enumerate(holding)]

    brief = max(ages) < policy.BRIEF
    assert allotment.tokens == (max(1, cores // 2) if brief else cores)
    # Tokens that are free are taken by processes before they can be withdrawn.
    there = sum(holding) + free
    assert there == allotment.tokens or (free > allotment.tokens and not any(holding))


@given(processes())
def test_queries_that_have_run_for_long_release_their_tokens(
    state: tuple[list[float], list[bool]],
) -> None:
    """A query that is short keeps its token in any case."""
    ages, holding = state
    released = policy.outlasted(ages, holding)

    assert all(holding[slot] and ages[slot] >= policy.SHORT for slot in released)
    if any(age >= policy.SHORT and holds for age, holds in zip(ages, holding, strict=True)):
        beside = sum(age > 0 and not holds for age, holds in zip(ages, holding, strict=True))
        oldest = max(age for age, holds in zip(ages, holding, strict=True) if holds)
        assert bool(released) >= (oldest >= policy.SHORT * (beside + len(ages) + 1))


def test_the_more_queries_others_run_beside_the_later_they_begin() -> None:
    """With each further query beside it, one has to run for another 50 ms."""

    def released(age: float, beside: int) -> bool:
        ages, holding = [age] + [1.0] * beside, [True] + [False] * beside
        return policy.outlasted(ages, holding) == [0]

    for beside in range(5):
        assert released(policy.SHORT * (beside + 1.1), beside)
        assert not released(policy.SHORT * (beside + 0.9), beside)


def test_brief_queries_are_the_rule_after_a_while() -> None:
    """Half of the tokens go when all queries have been brief for ten looks, and come back at once."""
    allotment = policy.Allotment(4)
    tokens = []
    for age in [1.0] + [0.0] * 11 + [0.01]:
        allotment.missing([age], allotment.tokens)
        tokens.append(allotment.tokens)

    assert tokens == [4] * 10 + [2] * 2 + [4]


def test_what_is_missing_once_may_only_not_be_noted_yet() -> None:
    """Tokens are added, or go, when two looks in a row find the same."""
    allotment = policy.Allotment(4)

    assert [allotment.missing([1.0], found) for found in (4, 3, 3, 4, 6, 6)] == [0, 0, 1, 0, 0, -2]


def test_the_first_slots_keep_their_tokens() -> None:
    """Where there are too many tokens, the last go, as the workers of the first are warmed up."""
    scoreboard = Scoreboard(4)
    tokens = JobServer(4, scoreboard)
    for _ in range(2):
        tokens.pass_on([1.0] * 4, waited_for=False)
    for slot in range(4):
        tokens.take(slot)

    assert [slot.has_token for slot in scoreboard.slots] == [True] * 4
    for _ in range(12):
        tokens.pass_on([0.0] * 4, waited_for=False)

    assert [slot.has_token for slot in scoreboard.slots] == [True, True, False, False]
