"""The page on the protocol says what the table of endpoints says."""

from __future__ import annotations

from tests.docs.renew import PAGE, renewed


def test_the_tables_are_those_of_the_endpoints() -> None:
    """`python tests/docs/renew.py` would change nothing."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == renewed(page)
