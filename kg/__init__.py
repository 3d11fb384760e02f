"""Dermograph, the knowledge graph of laser skin rejuvenation, as a library.

import kg

graph = kg.load()
graph.query("SELECT ?laser { ?laser rdfs:subClassOf dg:Laser }")
"""

from kg.build.errors import BuildError
from kg.engine import EngineError, Query
from kg.graph import KnowledgeGraph
from kg.results import Row, Rows
from kg.shipped import InvalidKnowledge, load

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "EngineError",
    "InvalidKnowledge",
    "KnowledgeGraph",
    "Query",
    "Row",
    "Rows",
    "load",
]
