"""Write the table of docs/engines.md anew: `python tests/kg/engine/compare_engines.py`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.kg.engine.test_compliance import CHECKS, ENGINES, running, table

PAGE = Path(__file__).parents[3] / "docs" / "engines.md"


def main() -> None:
    """Ask each engine for everything, and write what it does not do."""
    lacking = {}
    for name in ENGINES:
        with tempfile.TemporaryDirectory() as folder, running(name, Path(folder)) as engine:
            lacking[name] = {check for check, does in CHECKS.items() if not does(engine)}
    text = PAGE.read_text(encoding="utf-8")
    written = re.sub(r"(?m)^\| what is asked for .*\n(?:\|.*\n)*", lambda _: table(lacking), text)
    PAGE.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
