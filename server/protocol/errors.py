"""What can be wrong with a request, as exceptions.

``server.protocol.problems`` says which status and which problem type each of them becomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.http1.errors import RequestError, TooLarge

if TYPE_CHECKING:
    from server.protocol.negotiation import Representation


class MalformedHeader(RequestError):
    """A request header does not follow its grammar."""

    def __init__(self, header: str, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint, members={"header": header})


class ParameterRefused(RequestError):
    """A parameter is missing, repeated, unknown or has an illegal value."""

    def __init__(
        self, parameter: str, detail: str, *, hint: str | None = None, **members: object
    ) -> None:
        super().__init__(detail, hint=hint, members={"parameter": parameter, **members})


class ReadOnly(RequestError):
    """A change is asked of a service that only reads."""

    def __init__(self) -> None:
        super().__init__("This service is read-only; updates are not carried out.")


class NotAcceptable(RequestError):
    """None of the offered representations is accepted."""

    def __init__(self, offers: Sequence[Representation]) -> None:
        names = ", ".join(offer.media_type for offer in offers)
        super().__init__(
            f"None of the media types in the Accept header is available; available: {names}.",
            hint="Ask for one of them with the Accept header.",
            members={"available": [offer.media_type for offer in offers]},
        )


class UnsupportedMediaType(RequestError):
    """The body has a media type that is not read here."""

    def __init__(self, detail: str, *, supported: Sequence[str]) -> None:
        listed = ", ".join(supported)
        super().__init__(
            detail,
            hint=f"Send the body as {' or '.join(supported)}, in UTF-8.",
            members={"supported": list(supported)},
            headers={"Accept-Post": listed, "Accept-Query": listed},
        )


class UrlTooLong(TooLarge):
    """The URL exceeds its limit."""


class BodyTooLarge(TooLarge):
    """The body exceeds its limit."""


class QueryTooLong(TooLarge):
    """The text of the query exceeds its limit."""


class NotRunning(RequestError):
    """No query of this id is running."""


class NotReady(RequestError):
    """Queries are not answered at the moment."""


class CursorExpired(RequestError):
    """A page is asked for of an answer over data that are no longer served."""


class UnknownResource(RequestError):
    """Nothing has this address."""
