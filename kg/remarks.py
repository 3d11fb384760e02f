"""Keeping rdflib quiet about what we report ourselves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_remarks_of_rdflib() -> Iterator[None]:
    """Keep rdflib from logging terms and literals that are malformed."""
    logger = logging.getLogger("rdflib.term")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
