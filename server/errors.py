"""What can be wrong with a request, as exceptions.

``server.problems`` says which status and which problem type each of them becomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.negotiation import Representation


class RequestError(Exception):
    """A request that cannot be answered as it is.

    Attributes:
        detail: what is wrong, in one or two sentences.
        hint: what to do about it, or None.
        members: further members of the problem document.
        headers: headers of the response that the status calls for.
    """

    def __init__(
        self,
        detail: str,
        *,
        hint: str | None = None,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.members = dict(members or {})
        self.headers = dict(headers or {})


class MalformedHeader(RequestError):
    """A request header does not follow its grammar."""

    def __init__(self, header: str, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint, members={"header": header})


class MalformedRequest(RequestError):
    """URL or body is not UTF-8, or not what its media type says."""


class UnknownMethod(RequestError):
    """The request has a method that this service does not know."""


class ParameterRefused(RequestError):
    """A parameter is missing, repeated, unknown or has an illegal value."""

    def __init__(
        self,
        parameter: str,
        detail: str,
        *,
        hint: str | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail, hint=hint, members={"parameter": parameter, **(members or {})})
        self.parameter = parameter


class ReadOnly(RequestError):
    """A change is asked of a service that only reads."""

    def __init__(self) -> None:
        super().__init__("This service is read-only; updates are not carried out.")


class NotAcceptable(RequestError):
    """None of the offered representations is accepted.

    Attributes:
        offers: what there is, in the order of the service.
    """

    def __init__(self, offers: Sequence[Representation]) -> None:
        names = ", ".join(offer.media_type for offer in offers)
        super().__init__(
            f"None of the media types in the Accept header is available; available: {names}.",
            hint="Ask for one of them with the Accept header.",
            members={"available": [offer.media_type for offer in offers]},
        )
        self.offers = tuple(offers)


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


class TooLarge(RequestError):
    """A part of the request exceeds its limit."""

    def __init__(self, detail: str, limit: int, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint, members={"limit": limit})


class UrlTooLong(TooLarge):
    """The URL exceeds its limit."""


class BodyTooLarge(TooLarge):
    """The body exceeds its limit."""


class QueryTooLong(TooLarge):
    """The text of the query exceeds its limit."""


class HeadTooLarge(TooLarge):
    """The head of the request, its target and its headers, exceeds its limit."""


class RequestStalled(RequestError):
    """A part of the request did not come in time.

    Args:
        part: which one.
        seconds: the time that there was.
    """

    def __init__(self, part: str, seconds: float) -> None:
        super().__init__(f"The {part} of the request was not complete after {seconds:g} seconds.")


class NotRunning(RequestError):
    """No query of this id is running."""


class NotReady(RequestError):
    """Queries are not answered at the moment."""


class UnknownResource(RequestError):
    """Nothing has this address."""
