"""What HTTP/1.1 itself can find wrong with a request, and what all errors of requests have."""

from collections.abc import Mapping


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


class MalformedRequest(RequestError):
    """URL or body is not UTF-8, or not what its media type says."""


class UnknownMethod(RequestError):
    """The request has a method that this service does not know."""


class TooLarge(RequestError):
    """A part of the request exceeds its limit."""

    def __init__(self, detail: str, limit: int, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint, members={"limit": limit})


class HeadTooLarge(TooLarge):
    """The head of the request, its target and its headers, exceeds its limit."""


class RequestStalled(RequestError):
    """A part of the request did not come in time."""
