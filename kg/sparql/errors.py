"""The exceptions that asking a question can raise."""

from __future__ import annotations

import copyreg
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from kg.rdf.formats import Format, ResultKind


class EngineError(Exception):
    """Anything that goes wrong between a question and its answer."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes with its message and attributes, without being told them anew."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class QueryError(EngineError):
    """The question cannot be answered as it is asked; asking again will not help."""


class ErrorInText(QueryError):
    """Something is wrong at a place of the text.

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

    def moved(self, lines: int) -> Self:
        """Return the same error so many lines further down."""
        at = {"line": self.line + lines, "column": self.column}
        return type(self)(self.detail, **at, excerpt=self.excerpt, hint=self.hint)


class QuerySyntaxError(ErrorInText):
    """The text is not legal SPARQL."""


class EngineLimitation(ErrorInText):
    """The text is legal SPARQL, but the engine would answer it wrongly; the hint says how to ask instead."""


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
    """The query has SERVICE in a way that policy does not allow; SILENT does not change that."""


class FormatNotAvailable(QueryError):
    """None of the formats that the caller accepts suits the kind of result.

    Attributes:
        kind: the kind of result that the query has.
        available: the formats that would do.
    """

    def __init__(self, kind: ResultKind, available: Sequence[Format], reason: str = "") -> None:
        names = ", ".join(each.media_type for each in available)
        super().__init__(f"{reason}The result is {kind.phrase}, which is available as {names}.")
        self.kind = kind
        self.available = tuple(available)


class ResultTooLarge(QueryError):
    """The answer is larger than the published limit.

    Attributes:
        limit: the limit in bytes.
        hint: what to do.
    """

    hint = (
        "Get it in parts, with ORDER BY, LIMIT and OFFSET; in CSV or TSV more fits than in a page."
    )

    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer is larger than the limit of {limit} bytes.")
        self.limit = limit


class EngineUnavailable(EngineError):
    """The engine could not finish; the same question may succeed later or when narrowed."""


class QueryTimeout(EngineUnavailable):
    """The query was stopped at its time limit.

    Attributes:
        limit: the limit in seconds.
        hint: what to do.
    """

    hint = "Name classes and properties, join fewer patterns, or ask for less with LIMIT."

    def __init__(self, limit: float, hint: str | None = None) -> None:
        super().__init__(f"The query was stopped after {limit:g} s.")
        self.limit = limit
        self.hint = hint or self.hint


class MemoryLimitExceeded(EngineUnavailable):
    """The query was stopped at its memory limit.

    Attributes:
        limit: the limit in bytes.
        hint: what to do.
    """

    hint = "Sort, group or join fewer rows, build shorter strings, or nest less deeply."

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The query needed more than its {limit >> 20} MiB of memory, or is nested too deeply."
        )
        self.limit = limit


class QueryStopped(EngineUnavailable):
    """The query was stopped because someone asked for it, or has gone."""

    def __init__(self, message: str = "The query was stopped on request.") -> None:
        super().__init__(message)


class UpstreamFailed(EngineUnavailable):
    """The engine behind the service cannot be asked, or does not answer as it should.

    Attributes:
        fault: what is wrong, to go on from its name.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"The engine behind this service {fault}.")
        self.fault = fault


class UpstreamTimedOut(UpstreamFailed):
    """It does not answer in time."""


class UpstreamCutOff(UpstreamFailed):
    """Its answer ends before it is complete."""


class UpstreamMalformed(UpstreamFailed):
    """Its answer is not in the format that it is said to be in."""


class UpstreamWrongType(UpstreamFailed):
    """Its answer has a media type that was not asked for."""


class ServiceFailed(EngineUnavailable):
    """An endpoint that the query asks with SERVICE, without SILENT, does not answer as it should.

    Attributes:
        endpoint: its IRI.
    """

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(f"The endpoint <{endpoint}> {detail}.")
        self.endpoint = endpoint


class ServiceTimedOut(ServiceFailed):
    """An endpoint that the query asks with SERVICE, without SILENT, does not answer in time.

    Attributes:
        limit: the time that the endpoints of the query had together, in seconds.
    """

    def __init__(self, endpoint: str, limit: float) -> None:
        super().__init__(endpoint, f"has not answered within {limit:g} s")
        self.limit = limit


class Overloaded(EngineUnavailable):
    """More questions are waiting than the engine takes on, or its data are being loaded.

    Attributes:
        seconds_to_retry: when to ask again; None: soon.
    """

    def __init__(self, message: str, seconds_to_retry: int | None = None) -> None:
        super().__init__(message)
        self.seconds_to_retry = seconds_to_retry


class DataError(EngineError):
    """The data handed to the engine cannot be read, or do not parse.

    Attributes:
        source: the file in question, or None.
        line, column: where in it, both counted from 1; None where that is not known.
        detail: what is wrong, one sentence.
        hint: what to do, or None.
    """

    def __init__(
        self,
        detail: str,
        *,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> None:
        parts = (source, f"line {line}" if line else None, f"column {column}" if column else None)
        place = ", ".join(part for part in parts if part)
        super().__init__(f"{place}: {detail}" if place else detail)
        self.source = source
        self.line = line
        self.column = column
        self.detail = detail
        self.hint = hint
