"""How predicates and figures are worded in the labels of records."""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

WORDS: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
"""The tables of wordings; their comments say what each is."""


def found(
    predicate: str,
    named: Mapping[str, str],
    finding: str,
    figure: str,
    against: str,
    *,
    hedged: bool,
) -> str:
    """Return what was measured or seen, and how: `scarring after dermabrasion: not observed`.

    Args:
        predicate: its prefixed name; empty is returned for one that measures nothing.
        named: subject, object and outcome measure by the slots {s}, {o} and {m}.
        finding: the last part of the name of the finding; may be empty where there is a figure.
        figure: the figures of the claim; may be empty.
        against: the comparator; may be empty, or `before` for the state before treatment.
        hedged: whether the source says it with reserve.
    """
    pattern = WORDS["measured"].get(predicate)
    if pattern is None or not (finding or (figure and predicate not in WORDS["compared"])):
        return ""
    if re.search(r"\b(?:laser|source|light)$", named["s"]):
        pattern = pattern.replace(" after ", " with ")
    elif re.search(r"\b(?:skin|dermis|epidermis|stratum \w+)$", named["s"]):
        pattern = pattern.replace(" with ", " of ")
    if "{m}" in pattern and not named["m"]:
        pattern = "response with {s}" if predicate == "dg:responseRate" else "{s}"
    measured = pattern.format(**named)
    if not finding:
        return f"{measured}: {figure}"
    said, with_reserve, than = WORDS["found"][finding]
    word = with_reserve if hedged else said
    if finding == "present" and predicate in WORDS["compared"]:
        word = f"{than} {named['o']}"
    elif finding == "present":
        word = "" if figure and not hedged else word
    elif finding == "not-observed":
        counted = re.search(r"\d+ of .*|^0%$", figure)
        word, figure = (f"{word} ({counted[0]})", "") if counted else (word, figure)
    else:
        is_score = predicate == "dg:hasOutcome" and "improvement" in measured
        if than == "than" and (is_score or predicate == "dg:improvement"):
            word = f"measured value {word}"
        against = named["o"] if predicate in WORDS["compared"] else against
        rest = f"{than} {'with ' if than == 'than' else ''}{against}" if against else ""
        if against == "before" or not figure:
            word = f"{word} {rest.replace('with before', 'before')}".strip()
        elif rest:
            figure += f", {rest}"
    is_change = against == "before" and than == "than" and re.match(r"(?:about )?\d", figure)
    joint = " by " if is_change else ", "
    return f"{measured}: {joint.join(filter(None, (word, figure)))}"


def advised(predicate: str, advice: str, named: Mapping[str, str], strength: str) -> str:
    """Return what a claim advises, with {f} where the figure belongs; empty if it does not.

    Args:
        predicate: its prefixed name.
        advice: the last part of the name of the recommendation; may be empty.
        named: subject and object by the slots {s} and {o}.
        strength: the name of the strength of a contraindication; may be empty.
    """
    subject, thing = named["s"], named["o"]
    if predicate == "dg:hasContraindication" and advice in ("", "not-a-contraindication"):
        if strength.endswith("/caution") and not advice:
            return f"caution with {subject} in {thing}"
        return f"{thing} is {'not ' if advice else ''}a contraindication to {subject}"
    if advice == "wait-at-least":
        waits = f"in {thing}, wait {{f}} before {subject}"
        return waits if predicate == "dg:hasContraindication" else f"{subject}: wait {{f}}"
    pattern = WORDS["advised"].get(predicate)
    if not advice or pattern is None:
        return ""
    who = thing if "{o}" in pattern.partition("{v}")[0] else subject
    verb = WORDS["advice"][advice].replace("{is}", "are" if " and " in who else "is")
    if strength.endswith(("/absolute", "/relative")):
        verb = verb.replace("is ", f"is {strength.rpartition('/')[2]}ly ")
    return str(pattern).format(s=subject, o=thing, v=verb, f="{f}")


_SEVERAL: Final = re.compile(r"(?:few|repeated) \w+|milia|petechiae|striae \w+|(?:\w+ )*rhytides")
"""The subjects that stand in the plural."""


def stated(subject: str, predicate: str, *, denied: bool = False, hedged: bool = False) -> str:
    """Put together a sentence, with the verb in the number of the subject.

    Args:
        subject: for example `few passes`.
        predicate: what follows it, such as ` prevents scarring` or `: response rate 5%`.
        denied: whether it was not observed.
        hedged: whether the source says it with reserve.
    """
    if predicate.startswith((":", ",")):
        said = f"{subject}: no {predicate.strip(':, ')}" if denied else subject + predicate
        return f"{said} (possibly)" if hedged else said
    verb, _, said = predicate.strip().partition(" ")
    if verb == "lasts" and subject.endswith("duration"):
        verb = "is"
    several = _SEVERAL.fullmatch(subject) is not None
    base = {"is": "are", "has": "have"}.get(verb, verb.removesuffix("s"))
    if hedged and verb not in ("may", "can"):
        bare = {"is": "be", "has": "have"}.get(verb, base)
        return f"{subject} may {'not ' if denied else ''}{bare} {said}"
    if not denied:
        return f"{subject} {base if several else verb} {said}"
    if verb == "is":
        return f"{subject} {'are' if several else 'is'} not {said}"
    return f"{subject} {'do' if several else 'does'} not {base} {said}"


def with_unit(quantity: str, code: str, head: str) -> str:
    """Write a quantity with its unit, such as `3 weeks`, unless the head names the unit already.

    Args:
        quantity: number or numbers, such as `2 to 4`.
        code: the UCUM code of the unit; empty if there is none.
        head: the words that come before, such as `number of sessions`.
    """
    one, several = WORDS["units"].get(code) or _symbol(code)
    names = [one, several, code.strip("{}")] if code.startswith(("{", "/")) else []
    if not one or any(re.search(rf"\b{re.escape(name)}\b", head) for name in names):
        return quantity
    unit = one if quantity == "1" or quantity.endswith(" 1") else several
    return f"{quantity}{unit}" if unit == "%" else f"{quantity} {unit}"


def _symbol(code: str) -> tuple[str, str]:
    if code.startswith("{"):
        name = code.strip("{}")
        return name, f"{name}s"
    for written, printed in WORDS["symbols"]:
        code = re.sub(written, printed, code)
    return code, code


def number(text: str) -> str:
    """Write a number, and one with many zeros with its power of ten."""
    value = Decimal(text)
    if value and (abs(value) < Decimal("0.0001") or text.endswith("0000000")):
        return f"{value.normalize():e}".replace("e-0", "e-").replace("e+", "e")
    return text


def listed(parts: list[str], joint: str = "and") -> str:
    """Write a list as people do: `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} {joint} {last}" if first else last


def filled(pattern: str, slots: Mapping[str, str]) -> str:
    """Fill the slots of a pattern; parts in square brackets go where their slot is empty."""

    def part(match: re.Match[str]) -> str:
        text = match[1]
        return text if all(slots[slot] for slot in re.findall(r"\{(\w)\}", text)) else ""

    chosen = re.sub(r"\[([^]]*)\]", part, pattern)
    return re.sub(r"\{(\w)\}", lambda match: slots[match[1]], chosen)
