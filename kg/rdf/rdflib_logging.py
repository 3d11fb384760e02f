"""Keeping rdflib quiet about what we report ourselves."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_QUIET: Final = ContextVar("quiet", default=False)


def _is_wanted(_: logging.LogRecord) -> bool:
    return not _QUIET.get()


@contextmanager
def without_remarks_of_rdflib() -> Iterator[None]:
    """Keep rdflib from logging terms and literals that are malformed, in this thread only."""
    # The filter stays: to take it away again would let the remarks of another thread through.
    logging.getLogger("rdflib.term").addFilter(_is_wanted)
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
