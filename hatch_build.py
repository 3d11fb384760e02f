"""Puts the built and validated dataset into the wheel, so that what is installed starts at once.

A wheel cannot be made of knowledge that does not build or violates its shapes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[Any]):
    """Builds the dataset before the files of a wheel are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the dataset to the wheel; an editable install builds when it is first used."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from kg.releases.bundled import write_ready  # noqa: PLC0415 - importable only from here on

        self._folder = tempfile.TemporaryDirectory()  # removed together with the hook
        write_ready(Path(self._folder.name))
        for path in Path(self._folder.name).iterdir():
            build_data["force_include"][str(path)] = f"kg/ready/{path.name}"
