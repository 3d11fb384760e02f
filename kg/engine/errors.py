"""The exceptions that asking a question can raise.

EngineError
├── QueryError                  the question cannot be answered as it is asked
│   ├── QuerySyntaxError        not legal SPARQL; carries line, column, excerpt and hint
│   ├── UpdateNotAllowed        a SPARQL Update where a query is expected
│   ├── BindingError            a value cannot be bound to its variable
│   ├── UnsupportedFunction     an extension function that the engine does not have
│   ├── FunctionMisused         an extension function is called with what it cannot take
│   ├── FederationRefused       SERVICE to an endpoint that policy does not allow
│   ├── FormatNotAvailable      none of the wanted formats suits the result
│   └── ResultTooLarge          the answer exceeds the published limit
├── EngineUnavailable           the question may be right, the engine could not finish it
│   ├── QueryTimeout            stopped at its time limit
│   ├── MemoryLimitExceeded     stopped at its memory limit
│   └── Overloaded              too many questions at once
└── DataError                   the data handed to the engine does not parse
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kg.engine.formats import Format, ResultKind


class EngineError(Exception):
    """Anything that goes wrong between a question and its answer."""


class QueryError(EngineError):
    """The question cannot be answered as it is asked; asking again will not help."""


class QuerySyntaxError(QueryError):
    """The text is not legal SPARQL.

    Attributes:
        detail: what is wrong, one sentence.
        line, column: where, both counted from 1.
        excerpt: the line in question, with a caret below the column.
        hint: what to do, or None.
    """

    def __init__(
        self, detail: str, *, line: int, column: int, excerpt: str, hint: str | None = None
    ) -> None:
        super().__init__(f"line {line}, column {column}: {detail}")
        self.detail = detail
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.hint = hint


class UpdateNotAllowed(QueryError):
    """The text is a SPARQL Update, and only queries are answered here."""


class BindingError(QueryError):
    """A value cannot be bound: the variable is absent, assigned by the query, or the value is no RDF term."""


class UnsupportedFunction(QueryError):
    """The query calls an extension function that this engine does not have."""


class FunctionMisused(QueryError):
    """An extension function is called with too many or too few arguments, or with a wrong unit.

    Attributes:
        function: its IRI.
    """

    def __init__(self, function: str, detail: str) -> None:
        super().__init__(f"<{function}>: {detail}")
        self.function = function


class FederationRefused(QueryError):
    """The query has a SERVICE clause, and no endpoint is allowed; SILENT does not change that."""


class FormatNotAvailable(QueryError):
    """None of the formats that the caller accepts suits the kind of result.

    Attributes:
        kind: the kind of result that the query has.
        available: the formats that would do.
    """

    def __init__(self, kind: ResultKind, available: Sequence[Format]) -> None:
        names = ", ".join(each.media_type for each in available)
        super().__init__(f"The result is {kind.phrase}, which is available as {names}.")
        self.kind = kind
        self.available = tuple(available)


class ResultTooLarge(QueryError):
    """The answer is larger than the published limit.

    Attributes:
        limit: the limit in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer is larger than the limit of {limit} bytes.")
        self.limit = limit


class EngineUnavailable(EngineError):
    """The engine could not finish; the same question may succeed later or when narrowed."""


class QueryTimeout(EngineUnavailable):
    """The query was stopped at its time limit."""


class MemoryLimitExceeded(EngineUnavailable):
    """The query was stopped at its memory limit."""


class Overloaded(EngineUnavailable):
    """More questions are waiting than the engine takes on."""


class DataError(EngineError):
    """The data handed to the engine does not parse."""
