"""Dermograph, the knowledge graph of laser skin rejuvenation, as a library.

import kg

graph = kg.load()
rows = graph.query("SELECT ?laser { ?laser rdfs:subClassOf dg:Laser }")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kg.builder.errors import BuildError
    from kg.engine import EngineError, Query
    from kg.graph import KnowledgeGraph
    from kg.releases.bundled import InvalidKnowledge, load
    from kg.results import Row, Rows

__version__ = "0.1.0"

__all__ = ["BuildError", "EngineError", "InvalidKnowledge", "KnowledgeGraph", "Query", "Row"]
__all__ += ["Rows", "load"]

_HOMES: Final = {
    "BuildError": "kg.builder.errors",
    "EngineError": "kg.engine",
    "InvalidKnowledge": "kg.releases.bundled",
    "KnowledgeGraph": "kg.graph",
    "Query": "kg.engine",
    "Row": "kg.results",
    "Rows": "kg.results",
    "load": "kg.releases.bundled",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that a process that needs a part starts without the rest."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Name what the library offers."""
    return [*__all__, "__version__"]
