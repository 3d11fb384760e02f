"""Whether the data of an isolated engine are loaded, told to all processes that ask it."""

from __future__ import annotations

import math
import mmap
import time

from kg.engine.errors import Overloaded


class Loading:
    """The state of loading, in memory that forked processes share."""

    def __init__(self) -> None:
        # When the data are expected to be loaded; 0: they are. Written at once, not byte by byte.
        self._expected = memoryview(mmap.mmap(-1, 8)).cast("d")
        self._began = 0.0
        self._took = 0.0

    def begin(self) -> None:
        """Note that loading begins; it is expected to take as long as the last time."""
        self._began = time.monotonic()
        self.expect(self._took)

    def end(self) -> None:
        """Note that the data are loaded."""
        self._took = time.monotonic() - self._began
        self._expected[0] = 0.0

    def expect(self, seconds: float) -> None:
        """Note that the data will not be loaded before some time has passed."""
        self._expected[0] = time.monotonic() + seconds

    def refuse_if_longer_than(self, patience: float) -> None:
        """Raise if it is not worth waiting for the data.

        Raises:
            Overloaded: loading is expected to take longer than somebody's patience.
        """
        expected = self._expected[0]
        left = expected - time.monotonic() if expected else 0.0
        if left > patience:
            raise Overloaded("The data are being loaded again.", math.ceil(left))
