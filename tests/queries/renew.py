"""Write the golden answers anew: `python tests/queries/renew.py`, then read what changed.

And what the description of the API shows of each answer, server/examples/answers.json.
"""

from __future__ import annotations

import sys

import kg
from tests.queries.test_golden_answers import CASES, GOLDEN, SHOWN, shown_answers


def main() -> None:
    """Write the answer of each case that differs, remove what no case asks, and name both."""
    engine = kg.load().engine
    for case in CASES:
        answer = case.answer(engine)
        if not case.file.exists() or case.file.read_bytes() != answer:
            case.file.write_bytes(answer)
            sys.stdout.write(f"written  {case.file.name}\n")
    for file in set(GOLDEN.iterdir()) - {case.file for case in CASES}:
        file.unlink()
        sys.stdout.write(f"removed  {file.name}\n")
    SHOWN.write_text(shown_answers(engine), encoding="utf-8")


if __name__ == "__main__":
    main()
