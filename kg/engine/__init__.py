"""Asking SPARQL questions: the interface, and the engines behind it."""

from kg.engine.interface import *
from kg.rdf.formats import *
from kg.sparql.bind import Term
from kg.sparql.errors import *

__all__ = ["CSV", "DEFAULT_FORMATS", "FORMATS", "JSON", "JSONLD", "NQUADS", "NTRIPLES", "RDFXML"]
__all__ += ["TRIG", "TSV", "TURTLE", "XML", "Answer", "AsyncEngine", "BindingError"]
__all__ += ["DataError", "Engine", "EngineError", "EngineLimitation", "EngineUnavailable"]
__all__ += ["ErrorInText", "ExtensionFunction", "FederationRefused", "Format", "FormatNotAvailable"]
__all__ += ["FunctionMisused", "MemoryLimitExceeded", "Overloaded", "Query", "QueryError"]
__all__ += ["QueryStopped", "QuerySyntaxError", "QueryTimeout", "ResultKind", "ResultTooLarge"]
__all__ += ["ServiceFailed", "ServiceTimedOut", "Task", "TaskEngine", "TaskResult", "TaskRunner"]
__all__ += ["Term", "UnsupportedFunction", "UpdateNotAllowed", "UpstreamCutOff", "UpstreamFailed"]
__all__ += ["UpstreamMalformed", "UpstreamTimedOut", "UpstreamWrongType", "formats_for"]
